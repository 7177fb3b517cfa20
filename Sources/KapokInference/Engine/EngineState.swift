import KapokModel
import KapokWorld

/// What an engine's lock guards.
struct EngineState: ~Copyable {
    var scheduler: Scheduler
    var effects = EffectBuffer<SchedulerEffect>()
    /// Requests for text, and requests for keys and values.
    var requests: [RequestID: ActiveRequest] = [:]
    var prefills: [RequestID: PrefillWait] = [:]
    /// The prompts of requests for keys and values. They stay until the scheduler has ended the
    /// request, also when nobody waits for it any more: a step may be under way with it.
    var prompts: [RequestID: [TokenID]] = [:]
    /// The request of each job.
    var jobs: [UInt64: RequestID] = [:]
    var metrics = EngineMetrics()
    var nextNumber: UInt64 = 0
    /// Seeds of requests that name none.
    var entropy: RandomStream
    /// The number of the timer that is in force.
    var timer: UInt64 = 0
    /// Why the last step failed.
    var failure: String?

    init(scheduler: Scheduler, entropy: RandomStream) {
        self.scheduler = scheduler
        self.entropy = entropy
    }
}

/// Ends of streams and calls to others, which must not happen under the lock.
struct EngineDeliveries {
    private var actions: [@Sendable () -> Void] = []

    mutating func append(_ action: @escaping @Sendable () -> Void) { actions.append(action) }

    func carryOut() { for action in actions { action() } }
}

/// Who waits for a prompt's keys and values, in a prefill role.
struct PrefillWait: Sendable {
    /// The number of the server's job.
    var job: UInt64
    /// Tokens of the prompt.
    var tokens: Int
    /// The pages that the latest progress told of.
    var pages: [PageID] = []
    var report: @Sendable (PrefillReport) -> Void
}
