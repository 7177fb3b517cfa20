public import KapokWorld

/// What one switch is told: who it is, the structure of its fabric, and the exceptions from it.
/// Everything else (routes, neighbours, addresses, flood ways) follows by computation.
public struct SwitchPlan: Sendable {
    /// The plan's number; a higher one replaces a lower one, and a rollback is a new one too.
    public var epoch: UInt64
    /// The switch that this is for.
    public var switchID: SwitchID
    /// The structure: a named topology, or a wiring in full.
    public var fabric: Fabric
    /// How the topology was written (`fattree:64`); empty for a wiring.
    public var topologyName: String
    /// Links of the structure that do not exist.
    public var missing: LinkSet
    /// Links that carry packets only where nothing else does.
    public var drained: LinkSet
    /// Trees that the checker asked for, beyond those that every destination has.
    public var extraTrees: [DestinationID: [LinkSet]]
    /// Prefixes beyond `Fabric.prefix(of:)`, by destination.
    public var extraPrefixes: [DestinationID: [IPv4Prefix]]
    /// How fast the switch looks, tells and trusts.
    public var timers: AgentTimers
    /// The oldest epoch that a neighbour may have in force beside this plan; the links to one that
    /// is older are drained. One epoch back, except that a rollback also bears with the plan whose
    /// content it brings back.
    public var compatibleSince: UInt64
    /// What the switch must prove to be (`SwitchAttestation`); empty when its word is enough.
    public var identity: [UInt8]

    public init(
        epoch: UInt64, switchID: SwitchID, fabric: Fabric, topologyName: String,
        missing: LinkSet = [], drained: LinkSet = [],
        extraTrees: [DestinationID: [LinkSet]] = [:],
        extraPrefixes: [DestinationID: [IPv4Prefix]] = [:], timers: AgentTimers = AgentTimers(),
        compatibleSince: UInt64? = nil, identity: [UInt8] = []
    ) {
        self.epoch = epoch
        self.switchID = switchID
        self.fabric = fabric
        self.topologyName = topologyName
        self.missing = missing
        self.drained = drained
        self.extraTrees = extraTrees
        self.extraPrefixes = extraPrefixes
        self.timers = timers
        self.compatibleSince = min(compatibleSince ?? (epoch == 0 ? 0 : epoch - 1), epoch)
        self.identity = identity
    }

    /// How the switches of this plan forward.
    public func forwarding() -> Forwarding {
        Forwarding(fabric, missing: missing, drained: drained, extraTrees: extraTrees)
    }
}

/// How fast a switch looks, tells and trusts.
public struct AgentTimers: Hashable, Sendable {
    /// Between two hellos on a link.
    public var hello: Interval = .milliseconds(1)
    /// Hellos that may be missing before a link counts as dead.
    public var multiplier = 3
    /// How long two neighbours' digests may differ before one sends all that both should know;
    /// twice that (a neighbour's neighbour) and the flood itself fit into 100 ms.
    public var digest: Interval = .milliseconds(40)
    /// How long a link must be sound before it is used again; doubles with each failure.
    public var holdDown: Interval = .seconds(3)
    /// The longest hold-down.
    public var longestHoldDown: Interval = .seconds(600)
    /// Loss that makes a link grey, in lost hellos of a million.
    public var greyLossPerMillion = 1_000
    /// How long loss is counted before a link is judged.
    public var greyWindow: Interval = .milliseconds(1_000)

    public init() {}
}
