public import KapokWorld

/// Why a port is out of service.
public enum PortReason: String, Hashable, Sendable, CaseIterable {
    /// The agent has just started, or the port has just been planned.
    case new
    /// The kernel reports no carrier.
    case noCarrier = "no carrier"
    /// Neither a hello nor an echo came.
    case silent
    /// No hello came, and the own kernel gives no evidence either way.
    case noEvidence = "no evidence"
    /// The other end left service, or does not hear this one.
    case otherEnd = "other end"
    /// Another port than the planned one is at the far end.
    case miswired
    /// The ends did not agree in time after a start.
    case notAgreed = "not agreed"
    /// The link is planned as missing.
    case missing
}

/// What one agent knows, for telemetry and tests. Two equal snapshots are equal states, as far as
/// anybody outside can tell.
public struct AgentSnapshot: Hashable, Sendable {
    /// The switch.
    public var switchID: SwitchID
    /// When the agent started, in nanoseconds of wall-clock time.
    public var incarnation: UInt64
    /// The epoch in force; nil without a plan.
    public var epoch: UInt64?
    /// The epoch of the plan that is kept for later.
    public var storedEpoch: UInt64?
    /// The fabric ports, in order.
    public var ports: [PortSnapshot]
    /// Links known to be dead: own ones, and by news.
    public var dead: LinkSet
    /// Links that had better not be used.
    public var avoided: LinkSet
    /// All news that is known, by link and origin.
    public var news: [LinkNews]
    /// Upper links that this aggregation switch has told its edge switches about.
    public var escalated: LinkSet
    /// What the lateness of the own loop adds to every deadline.
    public var allowance: Interval
}

/// What an agent knows of one port.
public struct PortSnapshot: Hashable, Sendable {
    /// The port's number.
    public var port: Int
    /// The link of the plan.
    public var link: LinkID
    /// The port that the plan has at the far end.
    public var expected: PortID
    /// The port that was last heard there, also where it is the wrong one; nil when none was.
    public var seen: PortID?
    /// Whether the kernel reports a carrier.
    public var hasCarrier: Bool
    /// How far this end has come.
    public var state: HelloState
    /// Why it is down; nil while it is not.
    public var reason: PortReason?
    /// How far the other end says it has come.
    public var neighborState: HelloState
    /// Whether packets are sent here.
    public var isInUse: Bool
    /// Whether packets are sent here only where nothing else leads on.
    public var isAvoided: Bool
    /// Whether it loses too much.
    public var isGrey: Bool
    /// Whether the neighbour's kernel answers but its agent says nothing.
    public var isNeighborAgentSilent: Bool
    /// Time since the last hello.
    public var silence: Interval
    /// Hellos that came.
    public var received: UInt64
    /// Hellos that are missing.
    public var lost: UInt64
    /// Lost hellos of a million in the sliding window.
    public var lossPerMillion: Int
    /// What the neighbour says it lost of this end's hellos.
    public var neighborLost: UInt32
    /// The epoch that the neighbour has in force; nil before its first hello.
    public var neighborEpoch: UInt64?
    /// Failures that count for the hold-down.
    public var failures: Int
    /// How long the link must be sound before it is used again.
    public var holdDown: Interval
}
