import KapokInference
import KapokModel
import KapokWorld
import Testing

@Suite("KV transfer: pulls of a decode role")
struct TransferPullTests {
    private struct Bench {
        var machine: PullMachine
        var now = Instant(nanoseconds: 1)
        var timer: Instant?
        var ends: [RequestID: (tokens: Int, end: PullEnd)] = [:]
        /// Requests that were sent, and to which host.
        var sent: [(host: Int, request: TransferRequest)] = []
        var connects: [Int] = []
        var log: [String] = []

        init(hosts: Int = 1, _ change: (inout PullConfiguration) -> Void = { _ in }) {
            var configuration = PullConfiguration(hosts: hosts)
            change(&configuration)
            machine = PullMachine(configuration)
            handle(.start)
            for host in 0..<hosts {
                handle(.connected(host: host, incarnation: UniqueID(high: 0, low: 1)))
            }
        }

        mutating func handle(_ event: PullEvent) {
            var effects = EffectBuffer<PullEffect>()
            machine.handle(event, at: now, into: &effects)
            for effect in effects.takeAll() {
                switch effect {
                case .connect(let host): connects.append(host)
                case .disconnect(let host, _): log.append("disconnect \(host)")
                case .send(let host, let request): sent.append((host, request))
                case .discard(_, let transfer): log.append("discard \(transfer.number)")
                case .finished(let request, let tokens, let end):
                    log.append("finished")
                    ends[request] = (tokens, end)
                case .setTimer(let at): timer = at
                }
            }
        }

        mutating func pass(_ interval: Interval) {
            let end = now + interval
            while let next = timer, next <= end {
                timer = nil
                now = max(now, next)
                handle(.timer)
            }
            now = end
        }

        mutating func pull(_ number: UInt64, tokens: Int, from: Int = 0) {
            let count = TokenChain.pages(of: tokens - from)
            handle(
                .pull(
                    PullOrder(
                        request: RequestID(number), tokens: Bench.tokens(tokens), from: from,
                        pages: (0..<PageID(count)).map { PageID(number) * 100 + $0 })))
        }

        static func tokens(_ count: Int) -> [TokenID] { (0..<count).map { TokenID($0) } }

        /// Pages that were asked for since the last time, with their transfers.
        mutating func takePulls() -> [Int] {
            let pages = sent.compactMap { entry -> Int? in
                if case .pull(_, let page) = entry.request { page } else { nil }
            }
            sent.removeAll()
            return pages
        }

        mutating func page(
            _ page: Int, of count: Int, transfer: UInt64 = 1, host: Int = 0,
            isCorrupt: Bool = false, chainOf other: Int? = nil
        ) {
            let chains = TokenChain.digests(of: Bench.tokens(count))
            let code = TransferDigest(low: UInt64(page), high: 1)
            let header = PageHeader(
                transfer: TransferID(transfer), page: page, tokens: min(16 * (page + 1), count),
                chain: chains[other ?? page], digest: code)
            handle(
                .page(
                    host: host, header,
                    computed: isCorrupt ? TransferDigest(low: 0, high: 0) : code))
        }

        mutating func progress(_ tokens: Int, transfer: UInt64 = 1, host: Int = 0) {
            handle(.message(host: host, .progress(TransferID(transfer), tokens: tokens)))
        }
    }

    private let request = RequestID(1)

    @Test("pages are pulled while the rest of the prompt is computed, the last one in part")
    func overlap() {
        var bench = Bench()
        bench.pull(1, tokens: 40)
        #expect(bench.takePulls().isEmpty)
        bench.progress(20)
        #expect(bench.takePulls() == [0])
        bench.page(0, of: 40)
        bench.progress(40)
        #expect(bench.takePulls() == [1, 2])
        bench.page(1, of: 40)
        bench.page(2, of: 40)
        #expect(bench.ends[request]?.tokens == 40)
        #expect(bench.ends[request]?.end == .complete)
        #expect(bench.sent.contains { $0.request == .release(TransferID(1)) })
    }

    @Test("pages that are in place already are not pulled")
    func cachedPrefix() {
        var bench = Bench()
        bench.pull(1, tokens: 48, from: 32)
        bench.progress(48)
        #expect(bench.takePulls() == [2])
        bench.page(2, of: 48)
        #expect(bench.ends[request]?.end == .complete)
    }

    @Test("the windows of pull and host bound what is asked for at a time")
    func windows() {
        var bench = Bench {
            $0.window = 3
            $0.hostWindow = 5
        }
        bench.pull(1, tokens: 160)
        bench.pull(2, tokens: 160)
        bench.progress(160, transfer: 1)
        bench.progress(160, transfer: 2)
        #expect(bench.takePulls() == [0, 1, 2, 0, 1])
        bench.page(0, of: 160)
        #expect(bench.takePulls() == [3])
    }

    @Test("a corrupt page is pulled once more; corrupt again, its host is given up")
    func corruption() {
        var bench = Bench()
        bench.pull(1, tokens: 32)
        bench.progress(32)
        bench.page(0, of: 32)
        _ = bench.takePulls()
        bench.page(1, of: 32, isCorrupt: true)
        #expect(bench.takePulls() == [1])
        #expect(bench.ends.isEmpty)
        bench.page(1, of: 32, isCorrupt: true)
        #expect(bench.ends[request]?.tokens == 16, "the good page stays good")
        #expect(bench.log.contains("disconnect 0"))
        #expect(bench.machine.counts.corruptPages == 2)
    }

    @Test("a page of other tokens is not taken, though its code is right")
    func otherTokens() {
        var bench = Bench()
        bench.pull(1, tokens: 48)
        bench.progress(48)
        _ = bench.takePulls()
        bench.page(0, of: 48, chainOf: 1)
        #expect(bench.takePulls() == [0])
    }

    @Test("a page that comes twice, or of another transfer, has no place to go")
    func places() {
        var bench = Bench()
        bench.pull(1, tokens: 32)
        bench.progress(32)
        let chain = TokenChain.digests(of: Bench.tokens(32))
        let code = TransferDigest(low: 0, high: 0)
        var header = PageHeader(
            transfer: TransferID(1), page: 0, tokens: 16, chain: chain[0], digest: code)
        #expect(bench.machine.destination(host: 0, header)?.page == 100)
        bench.page(0, of: 32)
        #expect(bench.machine.destination(host: 0, header) == nil)
        header.page = 1
        header.transfer = TransferID(9)
        #expect(bench.machine.destination(host: 0, header) == nil)
        header.transfer = TransferID(1)
        header.page = 1_000_000
        #expect(bench.machine.destination(host: 0, header) == nil)
    }

    @Test("good tokens end at the first gap")
    func gap() {
        var bench = Bench()
        bench.pull(1, tokens: 64)
        bench.progress(64)
        for page in [0, 2, 3] { bench.page(page, of: 64) }
        bench.handle(.abandon(request))
        #expect(bench.ends[request]?.tokens == 16)
        #expect(bench.ends[request]?.end == .abandoned)
        #expect(bench.log.suffix(2) == ["discard 1", "finished"], "nothing is written after it")
    }

    @Test("without a host that can be asked, the pull ends at once")
    func noHost() {
        var bench = Bench()
        bench.handle(.disconnected(host: 0, "gone"))
        bench.pull(1, tokens: 64)
        #expect(bench.ends[request]?.tokens == 0)
        #expect(bench.ends[request]?.end == .noHost)
    }

    @Test("another host goes on where the first one was lost, and good pages are kept")
    func secondHost() {
        var bench = Bench(hosts: 2)
        bench.pull(1, tokens: 48)
        bench.progress(48)
        bench.page(0, of: 48)
        bench.page(2, of: 48)
        bench.sent.removeAll()
        bench.handle(.disconnected(host: 0, "gone"))
        #expect(bench.ends.isEmpty)
        bench.progress(48, transfer: 2, host: 1)
        #expect(bench.takePulls() == [1])
        bench.page(1, of: 48, transfer: 2, host: 1)
        #expect(bench.ends[request]?.end == .complete)
    }

    @Test("the host with the fewest tokens to do is asked")
    func balance() {
        var bench = Bench(hosts: 2)
        bench.pull(1, tokens: 300)
        bench.pull(2, tokens: 40)
        bench.pull(3, tokens: 40)
        let asked = bench.sent.compactMap { entry -> Int? in
            if case .prefill = entry.request { entry.host } else { nil }
        }
        #expect(asked == [0, 1, 1])
    }

    @Test("a host that makes no progress is given up for the pull; renewals do not count")
    func noProgress() {
        var bench = Bench { $0.progressTimeout = .seconds(10) }
        bench.pull(1, tokens: 64)
        bench.progress(20)
        bench.page(0, of: 64)
        for _ in 0..<9 {
            bench.pass(.seconds(1))
            bench.handle(.message(host: 0, .renewed([TransferID(1)])))
        }
        #expect(bench.ends.isEmpty)
        bench.pass(.seconds(1))
        #expect(bench.ends[request]?.tokens == 16)
        #expect(bench.ends[request]?.end == .failed)
    }

    @Test("leases are renewed as long as a pull goes on, and a silent host is given up")
    func renewals() {
        var bench = Bench {
            $0.renewal = .seconds(2)
            $0.silence = .seconds(8)
        }
        bench.pull(1, tokens: 64)
        bench.pass(.seconds(7))
        let renewals = bench.sent.count { $0.request == .renew([TransferID(1)]) }
        #expect(renewals == 3)
        bench.pass(.seconds(1))
        #expect(bench.log.contains("disconnect 0"))
        #expect(bench.ends[request]?.end == .failed)
    }

    @Test("a lost host is tried again, at longer and longer intervals")
    func backoff() {
        var bench = Bench { $0.firstBackoff = .milliseconds(100) }
        bench.connects.removeAll()
        bench.handle(.disconnected(host: 0, "gone"))
        bench.pass(.milliseconds(100))
        #expect(bench.connects.count == 1)
        bench.handle(.disconnected(host: 0, "still gone"))
        bench.pass(.milliseconds(199))
        #expect(bench.connects.count == 1)
        bench.pass(.milliseconds(1))
        #expect(bench.connects.count == 2)
        bench.handle(.connected(host: 0, incarnation: UniqueID(high: 0, low: 2)))
        #expect(bench.machine.counts.hostRestarts == 1)
        bench.pull(1, tokens: 20)
        #expect(bench.sent.count == 1)
    }

    @Test("a request's deadline ends its pull")
    func deadline() {
        var bench = Bench()
        bench.handle(
            .pull(
                PullOrder(
                    request: request, tokens: Bench.tokens(40), from: 0, pages: [1, 2, 3],
                    deadline: bench.now + .milliseconds(300))))
        guard case .prefill(let ask) = bench.sent[0].request else {
            Issue.record("nothing was asked")
            return
        }
        #expect(ask.patienceMilliseconds == 300)
        bench.pass(.milliseconds(300))
        #expect(bench.ends[request]?.end == .late)
    }

    @Test("beyond the most pulls, prompts are computed here")
    func busy() {
        var bench = Bench { $0.maximumPulls = 1 }
        bench.pull(1, tokens: 40)
        bench.pull(2, tokens: 40)
        #expect(bench.ends[RequestID(2)]?.end == .busy)
        #expect(bench.ends[RequestID(2)]?.tokens == 0)
    }
}
