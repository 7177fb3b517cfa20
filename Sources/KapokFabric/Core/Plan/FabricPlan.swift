/// The plan of a whole fabric, as its planner has it: what exists, what is to be left alone, and
/// who owns which prefixes. Roles, addresses and routes follow from the topology.
public struct FabricPlan: Sendable {
    /// The plan's number; see `SwitchPlan.epoch`.
    public var epoch: UInt64
    /// The structure.
    public var fabric: Fabric
    /// How the topology was written, in small letters; empty for a wiring.
    public var topologyName: String
    /// Links of the structure that do not exist.
    public var missing: LinkSet
    /// Links that carry packets only where nothing else does. `drain(_:)` adds to them.
    public var drained: LinkSet
    /// Trees beyond those that every destination has; a Clos network has none.
    public var extraTrees: [DestinationID: [LinkSet]]
    /// Prefixes beyond `Fabric.prefix(of:)`. A border leaf owns what lies outside.
    public var extraPrefixes: [DestinationID: [IPv4Prefix]]
    /// How fast switches look, tell and trust.
    public var timers: AgentTimers
    /// The oldest epoch that may be in force beside this one; nil is one back.
    public var compatibleSince: UInt64?
    /// What each switch must prove to be; a switch that is not listed is taken at its word.
    public var identities: [SwitchID: [UInt8]]

    public init(
        epoch: UInt64, fabric: Fabric, topologyName: String, missing: LinkSet = [],
        drained: LinkSet = [], extraTrees: [DestinationID: [LinkSet]] = [:],
        extraPrefixes: [DestinationID: [IPv4Prefix]] = [:], timers: AgentTimers = AgentTimers(),
        compatibleSince: UInt64? = nil, identities: [SwitchID: [UInt8]] = [:]
    ) {
        self.epoch = epoch
        self.fabric = fabric
        self.topologyName = topologyName
        self.missing = missing
        self.drained = drained
        self.extraTrees = extraTrees
        self.extraPrefixes = extraPrefixes
        self.timers = timers
        self.compatibleSince = compatibleSince
        self.identities = identities
    }

    /// The fabric's plan of which a switch has its part. Of identities, only that switch's own is
    /// known to it.
    public init(_ plan: SwitchPlan) {
        self.init(
            epoch: plan.epoch, fabric: plan.fabric, topologyName: plan.topologyName,
            missing: plan.missing, drained: plan.drained, extraTrees: plan.extraTrees,
            extraPrefixes: plan.extraPrefixes, timers: plan.timers,
            compatibleSince: plan.compatibleSince,
            identities: plan.identity.isEmpty ? [:] : [plan.switchID: plan.identity])
    }

    /// The part of a switch.
    public func switchPlan(for id: SwitchID) -> SwitchPlan {
        SwitchPlan(
            epoch: epoch, switchID: id, fabric: fabric, topologyName: topologyName,
            missing: missing, drained: drained, extraTrees: extraTrees,
            extraPrefixes: extraPrefixes, timers: timers, compatibleSince: compatibleSince,
            identity: identities[id] ?? [])
    }

    /// How the switches of this plan forward.
    public func forwarding() -> Forwarding {
        Forwarding(fabric, missing: missing, drained: drained, extraTrees: extraTrees)
    }

    /// Drains what is named, on top of what is drained already.
    public mutating func drain(_ target: FabricTarget) {
        drained = drained.union(LinkSet(target.links(of: fabric)))
    }

    /// The plan that brings back the content of this one in the place of `newest`: a rollback is a
    /// new epoch. Until all have it, switches with this plan's own epoch stay good neighbours.
    public func rollback(replacing newest: UInt64) -> FabricPlan {
        var plan = self
        plan.epoch = newest + 1
        plan.compatibleSince = epoch
        return plan
    }

    /// Whether the content is that of another plan, whatever the epochs and identities.
    public func hasSameContent(as other: FabricPlan) -> Bool {
        fabric == other.fabric && topologyName == other.topologyName && missing == other.missing
            && drained == other.drained && extraTrees == other.extraTrees
            && extraPrefixes == other.extraPrefixes && timers == other.timers
    }

    /// Throws what makes the plan unfit to be sent.
    public func validate() throws(PlanProblem) {
        if topologyName.isEmpty {
            guard case .graph(let graph) = fabric else { throw .badTopology("it has no name") }
            if let fault = GraphCoding.fault(of: graph) { throw .badTopology(fault) }
        } else {
            guard topologyName.utf8.count <= PlanBody.maximumNameBytes,
                let known = try? TopologyName(topologyName), known.description == topologyName,
                known.fabric == fabric
            else { throw .badTopology("\(topologyName) is the name of something else") }
        }
        let sets = [missing, drained] + extraTrees.values.flatMap { $0 }
        for set in sets {
            if let last = set.links.last, last.index >= fabric.linkCount {
                throw .badTopology("there is no \(last)")
            }
            if set.count > PlanBody.maximumLinks { throw .tooManyLinks(set.count) }
        }
        for (destination, sets) in extraTrees {
            guard (0..<fabric.destinationCount).contains(destination.index),
                sets.count <= GraphRoutes.maximumExtraTrees
            else {
                throw .badTopology("\(sets.count) extra trees of \(destination)")
            }
        }
        for (id, identity) in identities {
            guard (0..<fabric.switchCount).contains(id.index),
                identity.count <= SignedPlan.maximumIdentityBytes
            else { throw .badTopology("an identity of \(identity.count) bytes for \(id)") }
        }
        if let fault = timers.fault { throw .badTimers(fault) }
        if let since = compatibleSince, since > epoch {
            throw .badTimers("a plan of epoch \(epoch) cannot bear with epochs since \(since)")
        }
        _ = try PrefixOwners(self)
    }
}

/// Why a plan is not made, or not allowed to replace another.
public enum PlanProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The topology is not what its name says, or a number does not belong to it.
    case badTopology(String)
    /// Timers or epochs that no agent accepts.
    case badTimers(String)
    /// More links listed than a plan may have.
    case tooManyLinks(Int)
    /// A prefix that is none, or that two destinations own.
    case badPrefix(String)
    /// More than the tables of the switches hold.
    case tablesFull([String])
    /// A plan of more bytes than switches accept.
    case tooLarge(bytes: Int)
    /// It cannot follow the plan that is in force.
    case cannotReplace(String)

    public var description: String {
        switch self {
        case .badTopology(let what): "the plan does not fit its topology: \(what)"
        case .badTimers(let what): "unusable timers: \(what)"
        case .tooManyLinks(let count):
            "\(count) links are listed one by one; the most are \(PlanBody.maximumLinks): "
                + "name a topology that has fewer links"
        case .badPrefix(let what): what
        case .tablesFull(let lines):
            "the switches' tables are too small:\n  " + lines.joined(separator: "\n  ")
        case .tooLarge(let bytes):
            "a plan of \(bytes) bytes; switches accept \(SignedPlan.maximumBytes)"
        case .cannotReplace(let why): "it cannot replace the plan in force: \(why)"
        }
    }
}
