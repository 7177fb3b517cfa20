/// The routes of a Clos network, by arithmetic.
///
/// **Rank 0** is valley-free: up to any aggregation switch and core, down the only way there is.
///
/// **Trees.** Tree t of a destination enters its edge switch through aggregation switch
/// `a(t) = (edge + t) mod A`: everyone goes to "plane" a(t) and down. Who stands in another plane
/// changes it through an edge switch: an aggregation switch by one step down and one up, a core
/// through another pod. When t runs past A, every second round is *far*: there the aggregation
/// switches of the destination's own pod change plane through another pod instead of a sibling,
/// which helps where a switch has one sibling only. All choices are offsets from the destination's
/// own coordinates, so that load spreads and all destinations are alike.
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
            for a in 0..<topology.shape.aggregationsPerPod
            where isFree(lower(at.plane, at.pod, at.group, a), avoided)
                && isPlaneOpen(a, from: at.pod, to: to, avoided)
            {
                ports.append(a)
            }
        case .aggregation:
            guard isFree(lower(to.plane, to.pod, to.group, at.group), avoided) else { return }
            if at.pod == to.pod { return ports.append(to.group) }
            for c in 0..<topology.shape.coresPerAggregation
            where isCoreOpen(at.group, c, from: at.pod, to: to, avoided) {
                ports.append(topology.shape.edgesPerPod + c)
            }
        case .core:
            guard isFree(upper(to.plane, to.pod, at.group, at.member), avoided),
                isFree(lower(to.plane, to.pod, to.group, at.group), avoided)
            else { return }
            ports.append(to.pod)
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
        (to.group + tree) % topology.shape.aggregationsPerPod
    }

    /// Which core of a plane a tree uses to reach the destination's pod.
    func core(of tree: Int, to: ClosPosition) -> Int {
        (to.group + tree + (round(of: tree) + 1) / 2) % topology.shape.coresPerAggregation
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

    /// Whether aggregation switch `a` of pod `pod` has a valley-free way to `to`.
    private func isPlaneOpen(
        _ a: Int, from pod: Int, to: ClosPosition, _ avoided: LinkSet
    ) -> Bool {
        if avoided.isEmpty { return true }
        guard isFree(lower(to.plane, to.pod, to.group, a), avoided) else { return false }
        if pod == to.pod { return true }
        return (0..<topology.shape.coresPerAggregation).contains {
            isCoreOpen(a, $0, from: pod, to: to, avoided)
        }
    }

    private func isCoreOpen(
        _ a: Int, _ c: Int, from pod: Int, to: ClosPosition, _ avoided: LinkSet
    ) -> Bool {
        isFree(upper(to.plane, pod, a, c), avoided)
            && isFree(upper(to.plane, to.pod, a, c), avoided)
    }
}
