import KapokInference
import KapokModel
import KapokWorld

/// A scheduler and a driver that does as it is told: its model names each next token by a rule.
struct SchedulerHarness {
    var scheduler: Scheduler
    var now = Instant.zero
    var effects = EffectBuffer<SchedulerEffect>()
    /// All effects up to now, and the steps that are on their way.
    var log: [SchedulerEffect] = []
    var steps: [Step] = []
    var texts: [RequestID: [TokenID]] = [:]
    var finished: [RequestID: FinishReason] = [:]
    var accounts: [RequestID: RequestAccount] = [:]
    var refused: [RequestID: RefusalReason] = [:]
    var modes: [RequestID: LatencyMode] = [:]
    var pulls: [(id: RequestID, from: Int, tokens: Int, pages: [PageID])] = []
    var abandoned: [RequestID] = []
    var prefilled: [RequestID: [PageID]] = [:]
    var progress: [(id: RequestID, tokens: Int, pages: [PageID])] = []
    var timer: Instant?
    /// How many drafts of each step are proposed and right.
    var rightDrafts = 0
    private var nextNumber: UInt64 = 0

    init(
        pages: Int = 64, contextLimit: Int = 1024,
        _ change: (inout SchedulerConfiguration) -> Void = { _ in }
    ) {
        var configuration = SchedulerConfiguration(pages: pages, contextLimit: contextLimit)
        configuration.mixedStepTarget = nil
        change(&configuration)
        scheduler = Scheduler(configuration: configuration, random: RandomStream(seed: 1))
    }

    /// The model: the token of a position.
    static func token(at position: Int) -> TokenID { TokenID(1_000 + position) }

    mutating func handle(_ event: SchedulerEvent) {
        scheduler.handle(event, at: now, into: &effects)
        for effect in effects.takeAll() {
            log.append(effect)
            switch effect {
            case .admitted(let id, let mode): modes[id] = mode
            case .refused(let id, let reason): refused[id] = reason
            case .run(let step): steps.append(step)
            case .pull(let id, let from, let tokens, let pages):
                pulls.append((id, from, tokens, pages))
            case .abandonPull(let id): abandoned.append(id)
            case .prefilled(let id, let pages): prefilled[id] = pages
            case .prefillProgress(let id, let tokens, let pages):
                progress.append((id, tokens, pages))
            case .finished(let id, let reason, let account):
                precondition(finished[id] == nil, "a request ends once")
                finished[id] = reason
                accounts[id] = account
            case .setTimer(let instant): timer = instant
            }
        }
        if let fault = scheduler.checkInvariants() { preconditionFailure(fault) }
    }

    /// Submits a prompt of these tokens.
    @discardableResult
    mutating func submit(
        _ prompt: [TokenID], new: Int = 4, mode: LatencyMode = .standard, tenant: UInt32 = 0,
        deadline: Instant? = nil, prefillOnly: Bool = false, usesPrefixCache: Bool = true,
        speculates: Bool = false
    ) -> RequestID {
        nextNumber += 1
        let id = RequestID(nextNumber)
        var request = ScheduledRequest(
            id: id, prompt: prompt, maximumNewTokens: new, mode: mode, tenant: tenant,
            deadline: deadline, prefillOnly: prefillOnly, usesPrefixCache: usesPrefixCache)
        request.speculates = speculates
        handle(.submit(request))
        return id
    }

    /// Ends the first step that is on its way, `interval` later.
    mutating func step(after interval: Interval = .milliseconds(1), fails: Bool = false) {
        let step = steps.removeFirst()
        now = now + interval
        var outcome = StepOutcome(number: step.number, entries: [])
        for entry in step.entries where !fails {
            let end = entry.start + entry.count
            let right = entry.samples ? min(rightDrafts, entry.drafts) : 0
            let tokens = entry.samples ? (end...end + right).map { Self.token(at: $0) } : []
            texts[entry.request, default: []] += tokens
            outcome.entries.append(
                EntryOutcome(request: entry.request, tokens: tokens, drafted: right))
        }
        handle(.stepDone(executor: step.executor, outcome))
    }

    /// Runs steps until none is left; gives how many there were.
    @discardableResult
    mutating func run(limit: Int = 10_000) -> Int {
        var count = 0
        while !steps.isEmpty, count < limit {
            step()
            count += 1
        }
        return count
    }
}

/// A prompt that differs from those of other numbers from its first token on.
func prompt(_ number: Int, count: Int) -> [TokenID] {
    (0..<count).map { TokenID(number * 10_000 + $0) }
}
