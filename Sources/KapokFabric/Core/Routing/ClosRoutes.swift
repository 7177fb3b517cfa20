/// The routes of a Clos network, by arithmetic.
///
/// **Rank 0** is valley-free: up to any aggregation switch and core, down the only way there is.
///
/// **Trees.** Tree t of a destination enters its edge switch through one aggregation switch, its
/// *plane*, and comes down to the destination's pod by one core of that plane. The planes of trees
/// in a row are far apart, so that no trunk carries two of them where that can be helped. Who
/// stands in another plane changes it through an edge switch: in the destination's pod through a
/// sibling, elsewhere in the own pod, a core through another pod. When t runs past the planes,
/// every second round is *far*: then planes are changed in one other pod only, which helps where
/// a switch has one sibling only. A core of the tree's plane that is not its core turns back
/// through that other pod without leaving the plane.
///
/// All choices are offsets from the destination's own coordinates, so that load spreads and all
/// destinations are alike (`ClosSymmetry` proves one for all).
public struct ClosRoutes: Hashable, Sendable {
    /// The network.
    public let topology: ClosTopology
    /// How many trees each destination has.
    public let treeCount: Int

    /// Trees of each destination: two rounds over the planes at least, to have near and far ones.
    public static let trees = 8

    public init(_ topology: ClosTopology) {
        self.topology = topology
        treeCount = Self.trees
    }

    /// Appends the ports of rank 0 whose whole way down to the destination is free of `avoided`.
    public func appendShortest(
        at id: SwitchID, to destination: DestinationID, avoiding avoided: LinkSet,
        into ports: inout [Int]
    ) {
        let at = topology.position(of: id)
        let to = topology.position(of: topology.owner(of: destination))
        guard at.plane == to.plane else { return }
        switch at.tier {
        case .edge:
            if avoided.isEmpty {
                ports.append(contentsOf: 0..<topology.shape.aggregationsPerPod)
            } else {
                appendOpenPlanes(at, to, avoided, &ports)
            }
        case .aggregation:
            guard isFree(lower(to.plane, to.pod, to.group, at.group), avoided) else { return }
            if at.pod == to.pod { return ports.append(to.group) }
            let first = topology.shape.edgesPerPod
            if avoided.isEmpty {
                ports.append(contentsOf: first..<first + topology.shape.coresPerAggregation)
            } else {
                appendOpenCores(at, to, avoided, &ports)
            }
        case .core:
            guard isFree(upper(to.plane, to.pod, at.group, at.member), avoided),
                isFree(lower(to.plane, to.pod, to.group, at.group), avoided)
            else { return }
            ports.append(to.pod)
        }
    }

    /// The planes that an edge switch can use. The links that matter have numbers in a row, so that
    /// only those of them that are avoided are looked at.
    private func appendOpenPlanes(
        _ at: ClosPosition, _ to: ClosPosition, _ avoided: LinkSet, _ ports: inout [Int]
    ) {
        let planes = topology.shape.aggregationsPerPod
        let cores = topology.shape.coresPerAggregation
        withUnsafeTemporaryAllocation(of: PlaneState.self, capacity: planes) { states in
            states.initialize(repeating: .open)
            for end in [at, to] {
                let first = lower(end.plane, end.pod, end.group, 0).index
                for link in avoided.links(in: first..<first + planes) {
                    states[link.index - first] = .closed
                }
            }
            for pod in at.pod == to.pod ? [] : [at.pod, to.pod] {
                let first = upper(to.plane, pod, 0, 0).index
                for link in avoided.links(in: first..<first + planes * cores)
                where states[(link.index - first) / cores] == .open {
                    states[(link.index - first) / cores] = .narrowed
                }
            }
            for plane in 0..<planes where states[plane] != .closed {
                let isOpen =
                    states[plane] == .open
                    || (0..<cores).contains { isCoreOpen(plane, $0, from: at.pod, to: to, avoided) }
                if isOpen { ports.append(plane) }
            }
        }
    }

    private enum PlaneState: UInt8 { case open, narrowed, closed }

    /// The cores that an aggregation switch of another pod can use.
    private func appendOpenCores(
        _ at: ClosPosition, _ to: ClosPosition, _ avoided: LinkSet, _ ports: inout [Int]
    ) {
        let cores = topology.shape.coresPerAggregation
        withUnsafeTemporaryAllocation(of: Bool.self, capacity: cores) { isClosed in
            isClosed.initialize(repeating: false)
            for pod in [at.pod, to.pod] {
                let first = upper(to.plane, pod, at.group, 0).index
                for link in avoided.links(in: first..<first + cores) {
                    isClosed[link.index - first] = true
                }
            }
            for core in 0..<cores where !isClosed[core] {
                ports.append(topology.shape.edgesPerPod + core)
            }
        }
    }

    /// The port of tree `tree`; nil at the destination itself and where the network is too small
    /// to have that way.
    public func treePort(at id: SwitchID, to destination: DestinationID, tree: Int) -> Int? {
        let shape = topology.shape
        let at = topology.position(of: id)
        let to = topology.position(of: topology.owner(of: destination))
        guard at.plane == to.plane else { return nil }
        let entry = entryPlane(of: tree, to: to)
        switch at.tier {
        case .edge:
            return at.pod == to.pod && at.group == to.group ? nil : entry
        case .aggregation where at.pod == to.pod:
            if at.group == entry { return to.group }
            let canLeave = shape.coresPerAggregation > 0 && shape.pods > 1
            if canLeave && (isFar(tree) || shape.edgesPerPod == 1) {
                return shape.edgesPerPod + core(of: tree, to: to)
            }
            return sibling(of: tree, to: to)
        case .aggregation:
            if at.group == entry || isFar(tree) && at.pod != turningPod(of: tree, to: to) {
                return shape.edgesPerPod + core(of: tree, to: to)
            }
            return turningEdge(of: tree, to: to)
        case .core:
            if at.group == entry && at.member == core(of: tree, to: to) { return to.pod }
            return turningPod(of: tree, to: to)
        }
    }

    // MARK: Where a tree runs

    /// How many trees before this one enter by the same plane.
    private func round(of tree: Int) -> Int { tree / topology.shape.aggregationsPerPod }

    /// Whether a tree changes planes in its turning pod only, rather than at the next edge switch.
    func isFar(_ tree: Int) -> Bool { round(of: tree) % 2 == 1 }

    /// The plane by which a tree enters the destination.
    func entryPlane(of tree: Int, to: ClosPosition) -> Int {
        let planes = topology.shape.aggregationsPerPod
        return (to.group + Self.spread(tree, over: planes)) % planes
    }

    /// Which core of a plane a tree uses to reach the destination's pod.
    func core(of tree: Int, to: ClosPosition) -> Int {
        let cores = topology.shape.coresPerAggregation
        return (to.group + Self.spread(tree, over: cores) + (round(of: tree) + 1) / 2) % cores
    }

    /// The numbers `0 ..< count` in an order in which neighbours are far apart, so that the links
    /// of two trees in a row are not in one trunk.
    private static func spread(_ tree: Int, over count: Int) -> Int {
        let place = tree % count
        return place / 2 + (place % 2 == 1 ? (count + 1) / 2 : 0)
    }

    /// The edge switch of the destination's pod by which a tree changes planes.
    func sibling(of tree: Int, to: ClosPosition) -> Int? {
        let edges = topology.shape.edgesPerPod
        return edges > 1 ? (to.group + 1 + tree % (edges - 1)) % edges : nil
    }

    /// The edge switch of another pod by which a tree changes planes.
    func turningEdge(of tree: Int, to: ClosPosition) -> Int {
        (to.group + tree + round(of: tree)) % topology.shape.edgesPerPod
    }

    /// The pod through which a tree leaves the cores of another plane.
    func turningPod(of tree: Int, to: ClosPosition) -> Int? {
        let pods = topology.shape.pods
        return pods > 1 ? (to.pod + 1 + (to.group + tree) % (pods - 1)) % pods : nil
    }

    // MARK: What is open

    private func lower(_ plane: Int, _ pod: Int, _ edge: Int, _ aggregation: Int) -> LinkID {
        topology.lowerLink(plane: plane, pod: pod, edge: edge, aggregation: aggregation)
    }

    private func upper(_ plane: Int, _ pod: Int, _ aggregation: Int, _ core: Int) -> LinkID {
        topology.upperLink(plane: plane, pod: pod, aggregation: aggregation, core: core)
    }

    private func isFree(_ link: LinkID, _ avoided: LinkSet) -> Bool {
        avoided.isEmpty || !avoided.contains(link)
    }

    private func isCoreOpen(
        _ a: Int, _ c: Int, from pod: Int, to: ClosPosition, _ avoided: LinkSet
    ) -> Bool {
        isFree(upper(to.plane, pod, a, c), avoided)
            && isFree(upper(to.plane, to.pod, a, c), avoided)
    }
}
