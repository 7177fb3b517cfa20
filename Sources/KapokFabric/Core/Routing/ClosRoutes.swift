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
        let entry = (to.group + tree) % shape.aggregationsPerPod
        // Trees that change planes here do so in different places, as do neighbouring planes.
        let spread = tree + (at.group - to.group + shape.edgesPerPod + shape.aggregationsPerPod)
        switch at.tier {
        case .edge:
            return at.pod == to.pod && at.group == to.group ? nil : entry
        case .aggregation where at.pod == to.pod:
            if at.group == entry { return to.group }
            let isFar = tree / shape.aggregationsPerPod % 2 == 1
            let canLeave = shape.coresPerAggregation > 0 && shape.pods > 1
            if canLeave && (isFar || shape.edgesPerPod == 1) {
                return shape.edgesPerPod + spread % shape.coresPerAggregation
            }
            guard shape.edgesPerPod > 1 else { return nil }
            return (to.group + 1 + spread % (shape.edgesPerPod - 1))
                % shape.edgesPerPod
        case .aggregation:
            if at.group == entry {
                let away = at.pod - to.pod + shape.pods
                return shape.edgesPerPod + (tree + away) % shape.coresPerAggregation
            }
            return (to.group + spread) % shape.edgesPerPod
        case .core:
            if at.group == entry { return to.pod }
            guard shape.pods > 1 else { return nil }
            return (to.pod + 1 + (spread + at.member) % (shape.pods - 1)) % shape.pods
        }
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
