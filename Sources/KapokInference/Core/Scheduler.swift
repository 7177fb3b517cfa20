import KapokModel
public import KapokWorld

/// Decides which requests run, on which pages, in which steps.
///
/// Continuous batching over a paged KV cache: each executor gets a step as soon as it is idle, made
/// of whatever can go on at that moment. How it decides, and what it guarantees, is written down in
/// `docs/scheduler.md`. It does no I/O: the engine runs steps and pulls, and answers with events.
///
/// Bounds: `queueLimit` requests wait, `maximumDecodeSequences + optimizedLimit` run; a step costs
/// time proportional to the running requests, and memory is proportional to requests and pages.
public struct Scheduler: StateMachine {
    /// What can happen to it.
    public typealias Event = SchedulerEvent
    /// What it wants done.
    public typealias Effect = SchedulerEffect

    /// One executor's step that is on its way.
    struct Executor {
        var role: ExecutorRole
        /// The number of the last step.
        var number: UInt64 = 0
        var isBusy = false
        var began = Instant.zero
        /// The requests of the step, in the order of its entries.
        var slots: [Int] = []
        var hasDecode = false
        var prefillTokens = 0
        /// Hashes of the pages that the step completes.
        var hashes: [UInt64] = []
        /// Steps with prefill, to take turns.
        var prefillTurns: UInt64 = 0
        /// Prompt tokens beside decoding ones: what makes steps last `mixedStepTarget`.
        var mixedBudget: Int
    }

    /// Scratch lists of a step's making, kept for their memory.
    struct Candidates {
        var optimizedDecode: [Int] = []
        var standardDecode: [Int] = []
        var prefill: [Int] = []
        /// Prompts for others whose last page came from the cache.
        var complete: [Int] = []

        mutating func removeAll() {
            optimizedDecode.removeAll(keepingCapacity: true)
            standardDecode.removeAll(keepingCapacity: true)
            prefill.removeAll(keepingCapacity: true)
            complete.removeAll(keepingCapacity: true)
        }
    }

    /// How it decides.
    public let configuration: SchedulerConfiguration
    var pool: PagePool
    var tenants: TenantTable
    var executors: [Executor]
    var sequences: [ScheduledSequence] = []
    var freeSlots: [Int] = []
    var slotByID: [RequestID: Int] = [:]
    /// Requests whose turn came and that are not over, by order: the oldest first.
    var active: [Int] = []
    var candidates = Candidates()
    /// Pages that a step or a pull on its way completes, by the hash of their chain.
    var coming: Set<UInt64> = []
    var nextOrder: UInt64 = 0
    var waiting = 0
    var activeStandard = 0
    var activeOptimized = 0
    var liveOptimized = 0
    var pullsOnTheirWay: [Pull] = []
    var optimizedInARow = 0
    var isDraining = false
    /// No deadline and no pull's limit lies before.
    var nextExpiry = Instant(nanoseconds: .max)
    var timer: Instant?
    var now = Instant.zero
    var totals = SchedulerTotals()

    /// A scheduler without requests. `random` makes the hashes of pages unpredictable to clients.
    /// The configuration must have no `fault`.
    public init(configuration: SchedulerConfiguration, random: RandomStream) {
        precondition(configuration.fault == nil, configuration.fault ?? "")
        self.configuration = configuration
        var random = random
        pool = PagePool(
            pages: configuration.pages, salt: random.next(), hashBits: configuration.hashBits,
            trustsHash: configuration.defect == .trustHashes)
        let requests =
            configuration.queueLimit + configuration.maximumDecodeSequences
            + configuration.optimizedLimit
        tenants = TenantTable(
            weights: configuration.tenantWeights, limit: max(1024, requests + 1))
        let mixed = configuration.prefillTokensPerStep
        executors = configuration.executors.map { Executor(role: $0, mixedBudget: mixed) }
    }

    /// Takes in one event; effects come in the order in which they must be carried out.
    public mutating func handle(
        _ event: SchedulerEvent, at now: Instant,
        into effects: inout EffectBuffer<SchedulerEffect>
    ) {
        self.now = now
        switch event {
        case .submit(let request): submit(request, &effects)
        case .cancel(let id): cancel(id, &effects)
        case .stepDone(let executor, let outcome): finishStep(executor, outcome, &effects)
        case .pulled(let id, let tokens): finishPull(id, tokens: tokens, &effects)
        case .timer: timer = nil
        case .drain: isDraining = true
        }
        if now >= nextExpiry { expire(&effects) }
        activate(&effects)
        for index in executors.indices where !executors[index].isBusy {
            runStep(index, &effects)
        }
        noteFirsts()
        if nextExpiry.nanoseconds != .max, timer != nextExpiry {
            timer = nextExpiry
            effects.append(.setTimer(at: nextExpiry))
        }
    }

    /// The request in a slot.
    subscript(slot: Int) -> ScheduledSequence {
        _read { yield sequences[slot] }
        _modify { yield &sequences[slot] }
    }

    // MARK: Cancellation, deadlines, ends

    private mutating func cancel(
        _ id: RequestID, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        // It may have ended while the cancellation was on its way.
        guard let slot = slotByID[id] else { return }
        end(slot, .cancelled, &effects)
    }

    /// Ends a request: now, or after its step, which still writes to its pages.
    mutating func end(
        _ slot: Int, _ reason: FinishReason, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        guard self[slot].ending == nil else { return }
        if self[slot].phase == .pulling { abandonPull(of: slot, &effects) }
        guard !self[slot].isInStep || configuration.defect == .freeWhileRunning else {
            self[slot].ending = reason
            if configuration.defect == .finishTwice, reason == .deadline {
                effects.append(.finished(self[slot].id, reason, self[slot].account))
            }
            return
        }
        finish(slot, reason, &effects)
    }

    /// Gives back what a request holds and says that it is over.
    mutating func finish(
        _ slot: Int, _ reason: FinishReason, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        let id = self[slot].id
        let leaks =
            configuration.defect == .leakOnCancel && reason == .cancelled
            && self[slot].ending != nil
        if !leaks { pool.release(self[slot].pages) }
        switch self[slot].phase {
        case .waiting: leaveLine(slot)
        case .held: break
        case .awaitingPull, .pulling, .running: deactivate(slot)
        }
        let tenant = self[slot].tenant
        let mode = self[slot].mode
        tenants.end(tenant, mode: mode)
        if mode == .optimized {
            liveOptimized -= 1
            let used = self[slot].accounted + 1
            if tenants[tenant].window == self[slot].reservedWindow {
                tenants[tenant].windowTokens -= max(0, self[slot].reservedTokens - used)
            }
        }
        totals.finished += 1
        effects.append(.finished(id, reason, self[slot].account))
        slotByID[id] = nil
        sequences[slot] = .vacant
        freeSlots.append(slot)
    }

    /// Takes a request out of those that run.
    mutating func deactivate(_ slot: Int) {
        guard let place = active.firstIndex(of: slot) else {
            preconditionFailure("a request that runs is active")
        }
        active.remove(at: place)
        if self[slot].mode == .standard { activeStandard -= 1 } else { activeOptimized -= 1 }
    }

    /// Ends requests whose deadline passed, and pulls that take too long.
    private mutating func expire(_ effects: inout EffectBuffer<SchedulerEffect>) {
        for pull in pullsOnTheirWay where !pull.isAbandoned && pull.limit <= now {
            if let slot = slotByID[pull.id] { abandonPull(of: slot, &effects) }
        }
        for slot in sequences.indices where sequences[slot].isTaken {
            guard let deadline = sequences[slot].deadline, deadline <= now,
                configuration.defect != .ignoreDeadlines
            else { continue }
            end(slot, .deadline, &effects)
        }
        var next = Instant(nanoseconds: .max)
        for pull in pullsOnTheirWay where !pull.isAbandoned { next = min(next, pull.limit) }
        for sequence in sequences {
            if let deadline = sequence.deadline, deadline > now { next = min(next, deadline) }
        }
        nextExpiry = next
    }

    /// Remembers that something is due at `instant`.
    mutating func expect(_ instant: Instant) { nextExpiry = min(nextExpiry, instant) }
}
