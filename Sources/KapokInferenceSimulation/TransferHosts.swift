import KapokInference
import KapokModel
import KapokWorld

/// What a page holds, as a number: a function of the tokens up to its end, like keys and values.
enum PageContent {
    static let undefined: UInt64 = 0xDEAD
    static func of(_ chain: TransferDigest) -> UInt64 { chain.low ^ 0x5EED }
    /// The code of a page as sent on a connection.
    static func code(_ content: UInt64, connection: Int) -> TransferDigest {
        TransferDigest(low: content &* 0x9E37_79B9_7F4A_7C15, high: UInt64(connection))
    }
}

/// A prefill host: its leases, and an engine of which only the pages matter.
struct SimulatedPrefill {
    static let pageCount = 96

    struct Job {
        var job: PrefillJob
        var chains: [TransferDigest]
        var pages: [PageID]
        var computed = 0
    }

    let generation: Int
    var isUp = true
    let incarnation: UniqueID
    var leases: PrefillLeases
    var timer: Instant?
    var jobs: [UInt64: Job] = [:]
    var freePages: [PageID] = (0..<PageID(SimulatedPrefill.pageCount)).map { $0 }
    var contents = [UInt64](repeating: PageContent.undefined, count: pageCount)
    /// Pages of a job that the kernel is sending.
    var sends: [UInt64: Int] = [:]
    /// The connection that a job's pages are sent on.
    var owner: [UInt64: Int] = [:]
    private var released: Set<UInt64> = []

    init(generation: Int, defect: TransferDefect?) {
        self.generation = generation
        incarnation = UniqueID(high: 1, low: UInt64(generation))
        var configuration = LeaseConfiguration(vocabularySize: 1000, maximumTokens: 600)
        configuration.maximumTransfers = 8
        configuration.longestLife = .seconds(200)
        configuration.sabotage(defect)
        leases = PrefillLeases(configuration)
    }

    /// Takes a job on; false when there are not enough pages.
    mutating func submit(_ job: PrefillJob) -> Bool {
        let chains = TokenChain.digests(of: job.tokens)
        let fits = chains.count <= freePages.count
        let pages = fits ? Array(freePages.suffix(chains.count)) : []
        if fits { freePages.removeLast(chains.count) }
        jobs[job.number] = Job(job: job, chains: fits ? chains : [], pages: pages)
        return fits
    }

    mutating func compute(_ number: UInt64, tokens: Int) -> PrefillReport? {
        guard var job = jobs[number], !job.pages.isEmpty, job.computed < job.job.tokens.count
        else { return nil }
        job.computed = min(job.computed + tokens, job.job.tokens.count)
        for (index, page) in job.pages.enumerated() {
            let end = min((index + 1) * KVPage.tokens, job.job.tokens.count)
            contents[Int(page)] =
                end <= job.computed ? PageContent.of(job.chains[index]) : PageContent.undefined
        }
        jobs[number] = job
        return .progress(tokens: job.computed, pages: job.pages)
    }

    func holds(_ number: UInt64, _ page: PageID) -> Bool {
        jobs[number]?.pages.contains(page) ?? false
    }

    /// The engine gives a job up; false when it is over.
    mutating func end(_ number: UInt64) -> Bool {
        guard let job = jobs.removeValue(forKey: number) else { return false }
        giveBack(job)
        return true
    }

    /// The leases give it up: false when they did already.
    mutating func release(_ number: UInt64) -> Bool {
        guard released.insert(number).inserted else { return false }
        if let job = jobs.removeValue(forKey: number) { giveBack(job) }
        return true
    }

    private mutating func giveBack(_ job: Job) {
        for page in job.pages { contents[Int(page)] = PageContent.undefined }
        freePages += job.pages
    }
}

/// A decode host: its pulls, and the memory that they fill.
struct SimulatedDecode {
    static let pageCount = 160

    struct Pulled {
        var order: PullOrder
        var began: Instant
        var tokens = 0
    }

    let index: Int
    let generation: Int
    var machine: PullMachine
    var timer: Instant?
    /// The connection to each host, by its number.
    var connection: [Int: Int] = [:]
    var open: [RequestID: Pulled] = [:]
    var finished: [RequestID: Pulled] = [:]
    var abandoned: Set<RequestID> = []
    var lastWasComplete = false
    private var freePages: [PageID] = (0..<PageID(SimulatedDecode.pageCount)).map { $0 }
    private var contents = [UInt64](repeating: PageContent.undefined, count: pageCount)
    private var nextRequest: UInt64
    private let longestPull = Interval.seconds(40)

    init(index: Int, generation: Int, defect: TransferDefect?) {
        self.index = index
        self.generation = generation
        nextRequest = UInt64(generation) * 1_000_000 + 1
        var configuration = PullConfiguration(hosts: 2)
        configuration.maximumPulls = 12
        configuration.totalTimeout = longestPull
        configuration.sabotage(defect)
        machine = PullMachine(configuration)
    }

    /// An order of some prompt, where there are pages for it. Prompts often begin alike.
    mutating func makeOrder(
        _ random: inout RandomStream, at now: Instant, isPlain: Bool
    ) -> PullOrder? {
        let count = 1 + random.below(400)
        let kind = random.below(3)
        var tokens: [TokenID] = []
        for index in 0..<count {
            tokens.append(TokenID(index < 64 ? (index * 7 + kind) % 1000 : random.below(1000)))
        }
        let from = random.chance(1, in: 3) ? random.below(count) / KVPage.tokens * KVPage.tokens : 0
        let needed = TokenChain.pages(of: count - from)
        let mode: LatencyMode = random.chance(1, in: 4) ? .optimized : .standard
        let deadline =
            random.chance(1, in: 5) && !isPlain
            ? now + .milliseconds(20 + random.below(5000 as UInt64)) : nil
        guard needed <= freePages.count else { return nil }
        let pages = Array(freePages.suffix(needed))
        freePages.removeLast(needed)
        for page in pages { contents[Int(page)] = PageContent.undefined }
        let order = PullOrder(
            request: RequestID(nextRequest), tokens: tokens, from: from, pages: pages,
            mode: mode, deadline: deadline)
        nextRequest += 1
        open[order.request] = Pulled(order: order, began: now)
        return order
    }

    /// Something is written to a page of a pull; says what is wrong with that.
    mutating func write(_ content: UInt64, to page: PageID, of request: RequestID) -> String? {
        guard let pull = open[request], pull.order.pages.contains(page) else {
            return "a page was written to after its pull had ended"
        }
        contents[Int(page)] = content
        return nil
    }

    /// A pull is reported as over; says what is wrong with that.
    mutating func finish(
        _ request: RequestID, _ tokens: Int, _ end: PullEnd, at now: Instant
    ) -> String? {
        guard var pull = open.removeValue(forKey: request) else { return "a pull ended twice" }
        pull.tokens = tokens
        finished[request] = pull
        lastWasComplete = end == .complete
        let order = pull.order
        guard tokens >= order.from, tokens <= order.tokens.count,
            tokens % KVPage.tokens == 0 || tokens == order.tokens.count
        else { return "\(tokens) tokens of \(order.tokens.count) cannot be in place" }
        if end == .complete, tokens != order.tokens.count { return "complete, but not all" }
        if end == .abandoned, !abandoned.contains(request) { return "abandoned by nobody" }
        if now > pull.began + longestPull { return "a pull took longer than it may" }
        return judge(pull)
    }

    /// The pages of a pull go back; they must have stayed as they were.
    mutating func free(_ request: RequestID) -> String? {
        guard let pull = finished.removeValue(forKey: request) else { return nil }
        let what = judge(pull)
        freePages += pull.order.pages
        return what
    }

    private func judge(_ pull: Pulled) -> String? {
        let chains = TokenChain.digests(of: pull.order.tokens)
        let first = pull.order.from / KVPage.tokens
        for (index, page) in pull.order.pages.enumerated() {
            let start = (first + index) * KVPage.tokens
            guard start < pull.tokens else { break }
            guard contents[Int(page)] == PageContent.of(chains[first + index]) else {
                return "page \(first + index) of a pull of \(pull.tokens) good tokens is not good"
            }
        }
        return nil
    }
}
