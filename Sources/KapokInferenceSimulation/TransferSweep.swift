public import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

/// How one seed of the transfer's simulation went.
public struct TransferSweepResult: Sendable {
    /// What was run.
    public var seed: UInt64
    /// Equal for equal seeds, in debug and release, on any machine.
    public var traceHash: UInt64
    /// Events that happened.
    public var steps: UInt64
    /// What the oracle found; nil when all was well.
    public var violation: String?
    /// What happened, to see that a sweep meets what it is meant to meet.
    public var counts: TransferSweepCounts
    /// The shape of the run, for a person.
    public var summary: String
}

/// What happened in a run.
public struct TransferSweepCounts: Hashable, Sendable {
    /// Pulls by how they ended.
    public var ends: [PullEnd: Int] = [:]
    /// Tokens asked for.
    public var wantedTokens = 0
    /// Tokens pulled.
    public var pulledTokens = 0
    /// Pages whose bytes were changed on the way.
    public var corrupted = 0
    /// Pages that were found not to be right.
    public var foundCorrupt: UInt64 = 0
    /// Connections that were cut.
    public var cuts = 0
    /// Connections that fell silent.
    public var blackHoles = 0
    /// Processes that were lost.
    public var crashes = 0
    /// Messages that came twice.
    public var duplicates = 0
    /// Leases that ran out.
    public var expired: UInt64 = 0
    /// Pulls that went on with another host.
    public var secondAttempts: UInt64 = 0
    /// Nothing happened.
    public init() {}

    /// Adds another run's.
    public mutating func add(_ other: TransferSweepCounts) {
        ends.merge(other.ends) { $0 + $1 }
        wantedTokens += other.wantedTokens
        pulledTokens += other.pulledTokens
        corrupted += other.corrupted
        foundCorrupt += other.foundCorrupt
        cuts += other.cuts
        blackHoles += other.blackHoles
        crashes += other.crashes
        duplicates += other.duplicates
        expired += other.expired
        secondAttempts += other.secondAttempts
    }
}

/// Runs two prefill hosts and two decode hosts through a seed's faults and judges them; then
/// everything is brought back, and a last pull of each decode host must come through in full.
public enum TransferSweep {
    /// The events a run may take: a bound against livelocks, far above what any seed needs.
    static let stepLimit: UInt64 = 2_000_000
    /// How long faults happen.
    static let stormSeconds: UInt64 = 60
    /// How long a healed world gets to become quiet: longer than any lease or pull may take.
    static let calmSeconds: UInt64 = 700

    /// Runs `seed`, with a deliberate mistake if one is given.
    public static func run(seed: UInt64, defect: TransferDefect? = nil) -> TransferSweepResult {
        var simulation = Simulation(
            TransferWorld(seed: seed, defect: defect), stepLimit: stepLimit)
        simulation.world.begin(&simulation.agenda)
        var end = simulation.run(until: Instant(nanoseconds: stormSeconds * 1_000_000_000))
        if end != .stepLimit, simulation.world.violation == nil {
            simulation.world.heal(&simulation.agenda)
            end = simulation.run(until: simulation.agenda.now + .seconds(calmSeconds))
        }
        if end != .stepLimit, simulation.world.violation == nil {
            simulation.world.orderLast(&simulation.agenda)
            end = simulation.run(until: simulation.agenda.now + .seconds(calmSeconds))
        }
        if end == .stepLimit { simulation.world.report("the run does not end") }
        simulation.world.judgeEnd()
        return TransferSweepResult(
            seed: seed, traceHash: simulation.traceHash, steps: simulation.steps,
            violation: simulation.world.violation, counts: simulation.world.finalCounts,
            summary: simulation.world.shape)
    }
}
