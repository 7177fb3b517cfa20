/// Whether a plan may follow another switch by switch, so that for a while some switches have one
/// and some the other.
///
/// In a Clos network the ways of rank 0 and all trees follow from the structure alone; missing and
/// drained links only take ways out. A switch with the one plan among switches with the other is
/// like one that has not yet heard of a failure, and no such state has a loop. In a wiring as it
/// is, distances and trees are computed around missing links: there two plans with different
/// missing links or extra trees can point at one another, and only a check of the mixture shows
/// whether they do.
public enum PlanRelation: Hashable, Sendable {
    /// Any mixture is safe, by the argument above.
    case safe
    /// Safe only if the checker finds no fault in mixtures.
    case needsProof(String)
    /// Never: news of the one would name other links of the other, or packets could be sent to
    /// two owners.
    case refused(String)

    /// How `new` relates to `old`, which is in force.
    public init(of new: FabricPlan, to old: FabricPlan) throws(PlanProblem) {
        guard new.epoch > old.epoch else {
            self = .refused("its epoch \(new.epoch) is not above \(old.epoch)")
            return
        }
        if let moved = try PrefixOwners(old).firstMoved(in: try PrefixOwners(new)) {
            let names = [(old, moved.from), (new, moved.to)].map { plan, destination in
                plan.fabric.name(of: plan.fabric.owner(of: destination))
            }
            self = .refused(
                "\(IPv4Prefix.dotted(moved.address)) goes from \(names[0]) to \(names[1]) at once; "
                    + "withdraw it in one plan and give it away in the next")
            return
        }
        switch (old.fabric, new.fabric) {
        case (.clos(let before), .clos(let after)):
            self =
                before == after
                ? .safe
                : .refused(
                    "\(new.topologyName) numbers its links otherwise than \(old.topologyName)")
        case (.graph(let before), .graph(let after)):
            self = Self.ofGraphs(before, after, old, new)
        default: self = .refused("a wiring and a named topology number their links differently")
        }
    }

    private static func ofGraphs(
        _ before: GraphTopology, _ after: GraphTopology, _ old: FabricPlan, _ new: FabricPlan
    ) -> PlanRelation {
        guard after.nodes.starts(with: before.nodes, by: { $0.name == $1.name }),
            after.edges.starts(with: before.edges)
        else {
            return .refused(
                "links or switches of the wiring have other numbers: new ones go to its end, and "
                    + "old ones stay in it (list them as missing)")
        }
        // Destinations are numbered by their place among the switches.
        guard after.destinations.starts(with: before.destinations) else {
            return .refused("destinations of the wiring have other numbers")
        }
        var reasons: [String] = []
        if before != after { reasons.append("the wiring has grown") }
        if old.missing != new.missing { reasons.append("other links are missing") }
        if old.extraTrees != new.extraTrees { reasons.append("the extra trees differ") }
        return reasons.isEmpty ? .safe : .needsProof(reasons.joined(separator: ", "))
    }
}
