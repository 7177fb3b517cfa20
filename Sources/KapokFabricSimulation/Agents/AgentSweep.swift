import KapokFabric
import KapokSimulation
import KapokWorld

/// How one seed went.
public struct AgentSweepResult: Sendable {
    /// What was run.
    public var seed: UInt64
    /// Equal for equal seeds, in debug and release, on any machine.
    public var traceHash: UInt64
    /// Events that happened.
    public var steps: UInt64
    /// What there was to see.
    public var counts: AgentSweepCounts
    /// What the oracle found; nil when all was well.
    public var violation: String?
    /// The shape of the run, for a person.
    public var summary: String
}

/// What happened in a run, or in many.
public struct AgentSweepCounts: Hashable, Sendable {
    /// Turns of agents' loops.
    public var ticks = 0
    /// Packets between kernels that were sent.
    public var packets = 0
    /// Faults that began.
    public var faults = 0
    /// Links that an end found dead.
    public var detections = 0
    /// Links that an end used again.
    public var returns = 0
    /// Changes of tables.
    public var repairs = 0
    /// Datagrams and plans that an attacker sent.
    public var forgeries = 0
    /// Destinations to which all packets' ways were walked at some instant.
    public var walks = 0
    /// Pairs of switches judged in the end.
    public var pairs = 0
    /// Lines that agents logged.
    public var logLines = 0

    public init() {}

    /// Adds the counts of another run.
    public static func += (a: inout AgentSweepCounts, b: AgentSweepCounts) {
        a.ticks += b.ticks
        a.packets += b.packets
        a.faults += b.faults
        a.detections += b.detections
        a.returns += b.returns
        a.repairs += b.repairs
        a.forgeries += b.forgeries
        a.walks += b.walks
        a.pairs += b.pairs
        a.logLines += b.logLines
    }
}

/// Runs the real agents of a small fabric through a seed's faults and judges them: links are cut
/// silently, in one direction or with their light, flap, lose, delay, reorder and repeat; agents
/// and whole switches stall, die and start again; operators drain, the planner brings a plan and
/// perhaps dies over it; somebody sends forged and old datagrams. At no instant may the tables
/// hold a loop or a sound link be found dead; in the end packets arrive, on shortest paths where
/// any are left, and everybody knows the truth.
public enum AgentSweep {
    /// The events a run may take: a bound against storms, far above what any seed needs.
    static let stepLimit: UInt64 = 2_000_000

    /// Runs `seed`, with a deliberate mistake if one is given. Throws when the planner refuses the
    /// seed's plan, which is a mistake of the simulation.
    public static func run(seed: UInt64, defect: FabricDefect? = nil) throws -> AgentSweepResult {
        let parameters = try SweepParameters(seed: seed, defect: defect)
        var simulation = Simulation(
            try SweepWorld(parameters: parameters), stepLimit: stepLimit)
        simulation.world.start(&simulation.agenda)
        let end = simulation.run(until: .zero + SweepParameters.end)
        simulation.world.judgeEnd(simulation.agenda)
        var violation = simulation.world.violation
        if end == .stepLimit, violation == nil { violation = "a storm: the run does not end" }
        let forEver = parameters.incidents.count { $0.duration == nil }
        return AgentSweepResult(
            seed: seed, traceHash: simulation.traceHash, steps: simulation.steps,
            counts: simulation.world.counts, violation: violation,
            summary: "\(parameters.topology), \(parameters.incidents.map { "\($0.fault)" }), "
                + "\(forEver) for ever, \(parameters.forgeries) forgeries"
                + (parameters.rollout.map {
                    ", a plan" + ($0.diesAfter == nil ? "" : " and a dying planner")
                } ?? ""))
    }
}
