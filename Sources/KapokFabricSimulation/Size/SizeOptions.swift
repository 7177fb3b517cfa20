public import KapokFabric
public import KapokWorld

/// What the simulation at size assumes of switches, traffic and planner.
public struct SizeOptions: Hashable, Sendable {
    /// Hellos, hold-down, comparison of digests, grey links: the agent's own figures.
    public var timers = AgentTimers()
    /// Fibres and optics.
    public var wire = WireTiming()
    /// From the arrival of a message until it is passed on: wake-up, verification, decision.
    public var hop: Interval = .microseconds(100)
    /// How long a message keeps the receiver's processor busy: those that come together queue.
    public var receive: Interval = .microseconds(10)
    /// How long sending one message keeps the sender's processor busy.
    public var send: Interval = .microseconds(2)
    /// From the decision until the tables follow: one replacement of a next-hop group, 93 us
    /// measured with 20,000 routes on Linux 6.18.
    public var tableUpdate: Interval = .microseconds(93)
    /// Whether there is a planner that sends a plan some time after each failure.
    public var hasPlanner = true
    /// From a failure until the planner's new plans go out.
    public var replan: Interval = .seconds(2)
    /// Who sends to whom.
    public var traffic = TrafficMatrix.uniform
    /// About how many packets the oracle follows through the network.
    public var oracleWalks = 600
    /// A fault put in on purpose, to see the oracle notice.
    public var defect: SizeDefect?
    /// Sends every message of a flood as an event of its own, by `FloodTree`, also where batches
    /// would do: slow, and what the batches are tested against.
    public var usesGeneralPath = false

    public init() {}
}

/// Who sends to whom, all hosts at line rate.
public enum TrafficMatrix: String, Hashable, Sendable, CaseIterable {
    /// Everyone to everyone else of the plane in equal parts (all-to-all).
    case uniform
    /// Everyone to the next host (a ring all-reduce in the order of the hosts).
    case ring
}

/// Faults of the protocol that the oracle must notice.
public enum SizeDefect: String, Hashable, Sendable, CaseIterable {
    /// Aggregation switches of other pods do not tell their edge switches, and digests are not
    /// compared.
    case floodOneHopShort
    /// Only the upper end of a link tells of it, and digests are not compared.
    case singleCopy
    /// A switch that sees its own link fail changes nothing.
    case noLocalRepair
}

/// Why a simulation is refused.
public struct SizeRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, and what would be right.
    public var description: String

    init(_ description: String) { self.description = description }
}
