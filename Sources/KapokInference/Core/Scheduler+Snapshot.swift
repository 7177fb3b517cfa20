public import KapokModel
import KapokWorld

/// What happened since the start.
public struct SchedulerTotals: Hashable, Sendable {
    /// Requests taken, not taken, and over.
    public var admitted: UInt64 = 0
    /// Requests that were not taken.
    public var refused: UInt64 = 0
    /// Requests that are over, for whatever reason.
    public var finished: UInt64 = 0
    /// Steps given to executors.
    public var steps: UInt64 = 0
    /// Steps that failed as a whole.
    public var failedSteps: UInt64 = 0
    /// How often a request was set back.
    public var preemptions: UInt64 = 0
    /// Prompt tokens found in the prefix cache.
    public var cachedTokens: UInt64 = 0
    /// Prompt tokens pulled from a prefill role.
    public var pulledTokens: UInt64 = 0
    /// Prompt tokens computed here, each counted once.
    public var computedPromptTokens: UInt64 = 0
    /// Tokens generated.
    public var generatedTokens: UInt64 = 0
    /// Speculative tokens run.
    public var draftedTokens: UInt64 = 0
    /// Speculative tokens that were right.
    public var acceptedTokens: UInt64 = 0
    /// Pulls that brought less than asked for, or were given up.
    public var failedPulls: UInt64 = 0
    /// Nothing happened.
    public init() {}
}

/// A scheduler's figures of a moment.
public struct SchedulerSnapshot: Sendable {
    /// Requests of one latency mode.
    public struct Mode: Hashable, Sendable {
        /// In line.
        public var waiting = 0
        /// Running, or waiting for a pull.
        public var running = 0
        /// None.
        public init() {}
    }

    /// Standard requests.
    public var standard = Mode()
    /// Latency-optimised requests.
    public var optimized = Mode()
    /// Prompts that are computed and held for others.
    public var held = 0
    /// Pulls that have not been answered, abandoned ones included.
    public var pulls = 0
    /// Pages that hold nothing.
    public var pagesFree = 0
    /// Pages kept for their contents alone; they can be had at any time.
    public var pagesCached = 0
    /// Pages that requests or pulls hold.
    public var pagesHeld = 0
    /// What happened since the start.
    public var totals = SchedulerTotals()

    /// Requests in line.
    public var waiting: Int { standard.waiting + optimized.waiting }
    /// Requests that run.
    public var running: Int { standard.running + optimized.running }
    /// Pages of the pool.
    public var pages: Int { pagesFree + pagesCached + pagesHeld }
}

extension Scheduler {
    /// The figures of this moment, in time proportional to the tenants.
    public var snapshot: SchedulerSnapshot {
        var snapshot = SchedulerSnapshot()
        for tenant in tenants.tenants {
            snapshot.standard.waiting += tenant.standard.count
            snapshot.optimized.waiting += tenant.optimized.count
        }
        snapshot.standard.running = activeStandard
        snapshot.optimized.running = activeOptimized
        snapshot.held = slotByID.count - waiting - active.count
        snapshot.pulls = pullsOnTheirWay.count
        snapshot.pagesFree = pool.freeCount
        snapshot.pagesCached = pool.idleCount
        snapshot.pagesHeld = pool.heldCount
        snapshot.totals = totals
        return snapshot
    }

    /// Where a request stands; nil when it is over.
    public func phase(of id: RequestID) -> RequestPhase? {
        slotByID[id].map { sequences[$0].phase }
    }

    /// The pages of a request, in order; nil when it is over.
    public func pages(of id: RequestID) -> [PageID]? {
        slotByID[id].map { sequences[$0].pages }
    }

    /// Positions of a request that have keys and values, and tokens that are known of it.
    public func progress(of id: RequestID) -> (computed: Int, tokens: Int)? {
        slotByID[id].map { (sequences[$0].computed, sequences[$0].tokens.count) }
    }

    /// Looks at all books and says what is wrong; nil when nothing is. Takes time proportional to
    /// pages and requests: for simulations and tests.
    public func checkInvariants() -> String? {
        var holders = [UInt32](repeating: 0, count: pool.count)
        for sequence in sequences where sequence.isTaken {
            for page in sequence.pages { holders[Int(page)] += 1 }
        }
        for pull in pullsOnTheirWay where pull.isAbandoned {
            for page in pull.pages { holders[Int(page)] += 1 }
        }
        if let fault = pool.fault(holders: holders) { return fault }
        for slot in active {
            let sequence = sequences[slot]
            if sequence.computed >= sequence.tokens.count, !sequence.prefillOnly {
                return "request \(sequence.id.number) has nothing left to compute"
            }
            if sequence.pages.count < pagesNeeded(sequence.computed) {
                return "request \(sequence.id.number) has too few pages"
            }
        }
        return faultInCounts()
    }

    private func faultInCounts() -> String? {
        let taken = sequences.indices.filter { sequences[$0].isTaken }
        guard taken.count == slotByID.count, taken.count + freeSlots.count == sequences.count,
            taken.allSatisfy({ slotByID[sequences[$0].id] == $0 })
        else { return "slots and ids disagree" }
        let inLine = tenants.tenants.reduce(0) { $0 + $1.standard.count + $1.optimized.count }
        let phases = taken.map { sequences[$0].phase }
        guard inLine == waiting, phases.count(where: { $0 == .waiting }) == waiting else {
            return "lines and phases disagree"
        }
        let held = phases.count { $0 == .held }
        guard active.count == taken.count - waiting - held,
            active.count == activeStandard + activeOptimized,
            active.allSatisfy({ sequences[$0].phase != .waiting && sequences[$0].phase != .held }),
            zip(active, active.dropFirst()).allSatisfy({
                sequences[$0].order < sequences[$1].order
            })
        else { return "active requests and phases disagree" }
        let optimized = taken.count { sequences[$0].mode == .optimized }
        guard optimized == liveOptimized,
            tenants.tenants.reduce(0, { $0 + $1.live }) == taken.count,
            tenants.tenants.reduce(0, { $0 + $1.liveOptimized }) == optimized
        else { return "tenants' counts are wrong" }
        if configuration.defect != .ignoreQuota, optimized > configuration.optimizedLimit {
            return "more latency-optimised requests than allowed"
        }
        let inSteps = executors.reduce(0) { $0 + ($1.isBusy ? $1.slots.count : 0) }
        guard taken.count(where: { sequences[$0].isInStep }) == inSteps else {
            return "steps and requests disagree"
        }
        return nil
    }
}

extension Scheduler: CustomStringConvertible {
    /// One line for a log.
    public var description: String {
        let now = snapshot
        return
            "waiting \(now.standard.waiting)+\(now.optimized.waiting) "
            + "running \(now.standard.running)+\(now.optimized.running) held \(now.held) "
            + "pulls \(now.pulls) pages \(now.pagesHeld) held \(now.pagesCached) cached "
            + "\(now.pagesFree) free, steps \(now.totals.steps) "
            + "preemptions \(now.totals.preemptions)"
    }
}
