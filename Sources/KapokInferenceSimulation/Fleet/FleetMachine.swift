import KapokInference
import KapokWorld

/// A machine of the fleet: the real scheduler, and executors whose steps take modelled time.
struct FleetMachine {
    /// A step on its way.
    struct Running {
        var step: Step
        var begin: Instant
        /// Seconds of work left, as if alone.
        var rest: Double
        /// Since when it has been going at `rate`.
        var since: Instant
        /// Work per second: below 1 while another executor is busy.
        var rate: Double
        /// Makes events of ends that were planned before the rate changed void.
        var plan: UInt64
        /// Whether an event of its end is in the queue.
        var isPlanned = false
    }

    /// An executor.
    struct Executor {
        var role: ExecutorRole
        var running: Running?
        var disturbance = StepDisturbance()
        /// When its last step ended, and how long that would have taken undisturbed, in seconds.
        var lastEnd = Instant.zero
        var lastSeconds = 0.0
    }

    let role: EngineRole
    let costs: StepCostModel
    var scheduler: Scheduler
    var executors: [Executor]
    var random: RandomStream
    /// The timer in force.
    var timer: UInt64 = 0
    /// Numbers of plans.
    var plans: UInt64 = 0
    /// Tokens of requests here that are not computed or generated yet, for routing.
    var outstanding = 0
    /// When its link is free again.
    var linkFree = Instant.zero
    init(_ pool: FleetConfiguration.Pool, random: RandomStream) {
        role = pool.role
        costs = pool.costs
        scheduler = Scheduler(
            configuration: pool.scheduler, random: random.split("scheduler"))
        executors = pool.scheduler.executors.map { Executor(role: $0) }
        self.random = random.split("durations")
    }

    /// Takes on a step at `now`.
    mutating func start(_ step: Step, at now: Instant) {
        guard let index = executors.firstIndex(where: { $0.role == step.executor }) else {
            preconditionFailure("a step for an executor that the machine does not have")
        }
        let sample = Self.sample(of: step)
        let persistence = costs.executors[sample.executor]?.persistence ?? StepPersistence()
        let idle = Double((now - executors[index].lastEnd).nanoseconds) / 1e9
        let point = executors[index].disturbance.next(
            persistence, after: executors[index].lastSeconds + idle, &random)
        executors[index].lastSeconds = costs.seconds(sample)
        let work = costs.seconds(sample, at: point) + costs.drawGap(sample.executor, &random)
        executors[index].running = Running(
            step: step, begin: now, rest: work, since: now, rate: 1, plan: 0)
        adjustRates(at: now)
    }

    /// Ends the step of executor `index`.
    /// - Returns: the step, and a line of a step log for it. Its time holds the gap before it.
    mutating func finish(_ index: Int, at now: Instant) -> (step: Step, sample: StepSample) {
        guard let running = executors[index].running else {
            preconditionFailure("an end of a step that does not run")
        }
        executors[index].running = nil
        executors[index].lastEnd = now
        adjustRates(at: now)
        var sample = Self.sample(of: running.step)
        sample.nanoseconds = (now - running.begin).nanoseconds
        return (running.step, sample)
    }

    /// When the step of executor `index` ends as things stand, and the plan's number; nil without
    /// a step, or when this was asked for already.
    mutating func planEnd(of index: Int) -> (end: Instant, plan: UInt64)? {
        guard let running = executors[index].running, !running.isPlanned else { return nil }
        executors[index].running?.isPlanned = true
        let seconds = running.rest / running.rate
        let end = running.since + Interval(nanoseconds: UInt64((seconds * 1e9).rounded(.up)))
        return (end, running.plan)
    }

    private mutating func adjustRates(at now: Instant) {
        let busy = executors.count { $0.running != nil }
        for index in executors.indices {
            guard var running = executors[index].running else { continue }
            let elapsed = Double((now - running.since).nanoseconds) / 1e9
            running.rest = max(0, running.rest - elapsed * running.rate)
            running.since = now
            let name = "\(executors[index].role)"
            running.rate = busy > 1 ? 1 / (costs.executors[name]?.slowdown ?? 1) : 1
            plans += 1
            running.plan = plans
            running.isPlanned = false
            executors[index].running = running
        }
    }

    /// What a step holds, as the engine logs it.
    static func sample(of step: Step) -> StepSample {
        var sample = StepSample(executor: "\(step.executor)")
        for entry in step.entries {
            sample.add(
                count: entry.count + entry.drafts, start: entry.start,
                logits: entry.samples ? entry.drafts + 1 : 0,
                isDecode: entry.samples && entry.count == 1)
        }
        return sample
    }
}
