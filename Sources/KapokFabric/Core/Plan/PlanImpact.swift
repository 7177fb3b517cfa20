/// What changes in forwarding when one plan takes the place of another: for which switches, and to
/// how many destinations, packets of rank 0 take other ports (or leave rank 0). Alternates beyond
/// rank 0 see the same changes as after a failure, and are not listed.
public struct PlanImpact: Sendable {
    /// A switch that forwards differently.
    public struct Change: Hashable, Sendable {
        /// The switch.
        public var id: SwitchID
        /// Destinations to which it takes other ports.
        public var destinations: [DestinationID]
        /// The first of these: the ports before and after; empty where rank 0 leads nowhere.
        public var before: [Int]
        /// The ports after.
        public var after: [Int]
    }

    /// The switches that forward differently, in order.
    public let changes: [Change]

    private let old: RankZero
    private let new: RankZero

    /// Compares two plans of one fabric. With `isBrief` only the first destination of each switch
    /// is looked for, which is enough to know the switches. In a Clos network this takes time in
    /// proportion to the links that differ; in a wiring everything is compared.
    ///
    /// The plans must be of one topology (`PlanRelation`); a wiring may have grown.
    public init(from old: FabricPlan, to new: FabricPlan, isBrief: Bool = false) {
        self.old = RankZero(old)
        self.new = RankZero(new)
        let differing = LinkSet(
            Self.difference(self.old.hard, self.new.hard)
                + Self.difference(self.old.soft, self.new.soft))
        let candidates: (SwitchID) -> [DestinationID]
        switch (old.fabric, new.fabric) {
        case (.clos(let clos), .clos):
            let found = ClosCandidates(clos, differing)
            candidates = { found.destinations(of: $0) }
        default:
            let all = (0..<old.fabric.destinationCount).map { DestinationID($0) }
            let isSame =
                differing.isEmpty && old.extraTrees == new.extraTrees && old.fabric == new.fabric
            candidates = { _ in isSame ? [] : all }
        }
        var changes: [Change] = []
        var before: [Int] = []
        var after: [Int] = []
        for index in 0..<old.fabric.switchCount {
            let id = SwitchID(index)
            var change: Change?
            for destination in candidates(id) {
                self.old.findPorts(at: id, to: destination, into: &before)
                self.new.findPorts(at: id, to: destination, into: &after)
                if before == after { continue }
                if change == nil {
                    change = Change(id: id, destinations: [], before: before, after: after)
                }
                change?.destinations.append(destination)
                if isBrief { break }
            }
            if let change { changes.append(change) }
        }
        self.changes = changes
    }

    private static func difference(_ a: LinkSet, _ b: LinkSet) -> [LinkID] {
        if a == b { return [] }
        return a.filter { !b.contains($0) } + b.filter { !a.contains($0) }
    }
}

/// The ports of rank 0 under a plan, as `Forwarding.decide` takes them when nothing has failed.
struct RankZero: Sendable {
    let hard: LinkSet
    let soft: LinkSet
    private let fabric: Fabric
    private let routes: Routes

    init(_ plan: FabricPlan) {
        fabric = plan.fabric
        hard = plan.missing
        soft = plan.missing.union(plan.drained)
        routes = Routes(plan.fabric, missing: plan.missing, extraTrees: plan.extraTrees)
    }

    func findPorts(at id: SwitchID, to destination: DestinationID, into ports: inout [Int]) {
        ports.removeAll(keepingCapacity: true)
        if fabric.owner(of: destination) == id { return }
        routes.appendShortest(at: id, to: destination, avoiding: soft, into: &ports)
        if ports.isEmpty && soft.count > hard.count {
            routes.appendShortest(at: id, to: destination, avoiding: hard, into: &ports)
        }
    }
}

/// For each switch of a Clos network the destinations whose ports may depend on some links.
private struct ClosCandidates {
    private let clos: ClosTopology
    /// Edge switches of which a link changed.
    private var edges: Set<EdgeKey> = []
    /// The same, by plane.
    private var edgesOfPlane: [Int: [EdgeKey]] = [:]
    /// For each aggregation switch the edge switches of its pod to which the link changed.
    private var below: [UpKey: [Int]] = [:]
    /// Aggregation switches with a changed upper link, and the cores at its other end.
    private var above: [UpKey: [Int]] = [:]
    /// Pods with a changed upper link, by plane.
    private var pods: [Int: Set<Int>] = [:]

    init(_ clos: ClosTopology, _ links: LinkSet) {
        self.clos = clos
        for link in links {
            switch clos.kind(of: link) {
            case .lower(let plane, let pod, let edge, let aggregation):
                let key = EdgeKey(plane: plane, pod: pod, edge: edge)
                if edges.insert(key).inserted { edgesOfPlane[plane, default: []].append(key) }
                below[UpKey(plane: plane, pod: pod, aggregation: aggregation), default: []]
                    .append(edge)
            case .upper(let plane, let pod, let aggregation, let core):
                above[UpKey(plane: plane, pod: pod, aggregation: aggregation), default: []]
                    .append(core)
                pods[plane, default: []].insert(pod)
            }
        }
    }

    func destinations(of id: SwitchID) -> [DestinationID] {
        let at = clos.position(of: id)
        // Whole pods, and single edge switches beside them.
        var whole: Set<Int> = []
        var single: [EdgeKey] = []
        let changedPods = pods[at.plane] ?? []
        switch at.tier {
        case .edge:
            if edges.contains(EdgeKey(plane: at.plane, pod: at.pod, edge: at.group)) {
                whole = Set(0..<clos.shape.pods)
            } else {
                single = edgesOfPlane[at.plane] ?? []
                whole = changedPods.contains(at.pod) ? Set(0..<clos.shape.pods) : changedPods
            }
        case .aggregation:
            if above[UpKey(plane: at.plane, pod: at.pod, aggregation: at.group)] != nil {
                whole = Set(0..<clos.shape.pods)
            } else {
                single = lower(at.plane, at.group)
                whole = changedPods.filter {
                    above[UpKey(plane: at.plane, pod: $0, aggregation: at.group)] != nil
                }
            }
        case .core:
            single = lower(at.plane, at.group)
            whole = changedPods.filter {
                above[UpKey(plane: at.plane, pod: $0, aggregation: at.group)]?
                    .contains(at.member) ?? false
            }
        }
        var indices: [Int] = []
        for pod in whole {
            let first = index(EdgeKey(plane: at.plane, pod: pod, edge: 0))
            indices.append(contentsOf: first..<first + clos.shape.edgesPerPod)
        }
        for edge in single where !whole.contains(edge.pod) { indices.append(index(edge)) }
        return indices.sorted().map { DestinationID($0) }
    }

    /// The edge switches whose link to aggregation switch `group` of their pod changed.
    private func lower(_ plane: Int, _ group: Int) -> [EdgeKey] {
        (edgesOfPlane[plane] ?? []).filter {
            below[UpKey(plane: plane, pod: $0.pod, aggregation: group)]?.contains($0.edge)
                ?? false
        }
    }

    private func index(_ edge: EdgeKey) -> Int {
        edge.plane * clos.edgesPerPlane + edge.pod * clos.shape.edgesPerPod + edge.edge
    }
}
