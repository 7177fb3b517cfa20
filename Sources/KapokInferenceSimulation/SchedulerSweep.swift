public import KapokInference
import KapokSimulation
import KapokWorld

/// How one seed of the scheduler went.
public struct SchedulerSweepResult: Sendable {
    /// What was run.
    public var seed: UInt64
    /// Equal for equal seeds, in debug and release, on any machine.
    public var traceHash: UInt64
    /// Events that happened.
    public var steps: UInt64
    /// What there was to see.
    public var counts: SchedulerSweepCounts
    /// What the oracle found; nil when all was well.
    public var violation: String?
    /// The shape of the run, for a person.
    public var summary: String
}

/// What happened in a run.
public struct SchedulerSweepCounts: Hashable, Sendable {
    /// Requests that came.
    public var requests = 0
    /// Requests that ended with all their tokens.
    public var completed = 0
    /// Requests that were not taken.
    public var refused = 0
    /// Requests that were cancelled, ran out of time or failed.
    public var others = 0
    /// Passes through the model.
    public var passes = 0
    /// Tokens generated.
    public var tokens = 0
    /// Prompt tokens that did not have to be computed.
    public var sharedTokens = 0
    /// Requests set back.
    public var preemptions = 0
    /// Pulls of prompts.
    public var pulls = 0
    /// Steps and pulls that went wrong.
    public var faults = 0

    /// Nothing happened.
    public init() {}
}

/// Runs the scheduler of a seed with virtual executors, prefill roles and clients, and judges it:
/// memory is simulated position by position, so that a step that reads what is stale, shared too
/// early or somebody else's is noticed; each stream must be the text that the model gives for its
/// prompt; nobody may wait longer than the stated bounds; in the end no page is missing.
public enum SchedulerSweep {
    /// The events a run may take: a bound against livelocks, far above what any seed needs.
    static let stepLimit: UInt64 = 400_000

    /// Runs `seed`, with a deliberate mistake if one is given.
    public static func run(
        seed: UInt64, defect: SchedulerDefect? = nil
    ) -> SchedulerSweepResult {
        let parameters = SchedulerSweepParameters(seed: seed, defect: defect)
        var simulation = Simulation(
            SchedulerSweepWorld(parameters: parameters), stepLimit: stepLimit)
        simulation.world.start(&simulation.agenda)
        let end = simulation.run()
        if end == .stepLimit { simulation.world.report("the run does not end") }
        simulation.world.judgeEnd()
        return SchedulerSweepResult(
            seed: seed, traceHash: simulation.traceHash, steps: simulation.steps,
            counts: simulation.world.counts, violation: simulation.world.violation,
            summary: parameters.summary)
    }
}
