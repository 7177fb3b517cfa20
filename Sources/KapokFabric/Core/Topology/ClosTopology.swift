/// The measures of a folded Clos network: one or more separate planes, each of pods of edge and
/// aggregation switches, joined by cores. Without cores and with one pod it is a leaf-spine network
/// (its aggregation switches are the spines).
public struct ClosShape: Hashable, Sendable {
    /// Separate networks that hosts have a port in each of.
    public var planes: Int
    /// Pods of each plane.
    public var pods: Int
    /// Edge switches (leaves) of each pod.
    public var edgesPerPod: Int
    /// Aggregation switches (spines) of each pod: the ways up from an edge switch.
    public var aggregationsPerPod: Int
    /// Cores above each aggregation switch; 0 in a network of two tiers.
    public var coresPerAggregation: Int
    /// Host ports of each edge switch.
    public var hostsPerEdge: Int

    public init(
        planes: Int = 1, pods: Int, edgesPerPod: Int, aggregationsPerPod: Int,
        coresPerAggregation: Int, hostsPerEdge: Int
    ) {
        self.planes = planes
        self.pods = pods
        self.edgesPerPod = edgesPerPod
        self.aggregationsPerPod = aggregationsPerPod
        self.coresPerAggregation = coresPerAggregation
        self.hostsPerEdge = hostsPerEdge
    }

    /// The three-tier fat tree of switches with `k` ports (Al-Fares et al., SIGCOMM 2008).
    public static func fatTree(_ k: Int) -> ClosShape {
        ClosShape(
            pods: k, edgesPerPod: k / 2, aggregationsPerPod: k / 2, coresPerAggregation: k / 2,
            hostsPerEdge: k / 2)
    }
}

/// The tier of a switch, counted from the hosts.
public enum Tier: Int, Hashable, Sendable, Comparable, CaseIterable {
    /// Edge switch, leaf, ToR: hosts are attached to it.
    case edge = 0
    /// Aggregation switch or spine.
    case aggregation = 1
    /// Core.
    case core = 2

    public static func < (a: Tier, b: Tier) -> Bool { a.rawValue < b.rawValue }
}

/// Where a switch stands in a Clos network.
public struct ClosPosition: Hashable, Sendable {
    /// The plane.
    public var plane: Int
    /// The tier.
    public var tier: Tier
    /// The pod; 0 for a core.
    public var pod: Int
    /// Edge: its number in the pod. Aggregation: its number in the pod. Core: the number of the
    /// aggregation switch that it is joined to in every pod.
    public var group: Int
    /// Core: its number among the cores above the same aggregation switches. Otherwise 0.
    public var member: Int

    @inlinable
    public init(plane: Int, tier: Tier, pod: Int, group: Int, member: Int = 0) {
        self.plane = plane
        self.tier = tier
        self.pod = pod
        self.group = group
        self.member = member
    }
}

/// What a link joins in a Clos network.
public enum ClosLink: Hashable, Sendable {
    /// Edge switch `edge` and aggregation switch `aggregation` of one pod.
    case lower(plane: Int, pod: Int, edge: Int, aggregation: Int)
    /// Aggregation switch `aggregation` of a pod and core (`aggregation`, `core`).
    case upper(plane: Int, pod: Int, aggregation: Int, core: Int)
}

/// A folded Clos network by arithmetic: no adjacency is stored, so three million links cost
/// nothing. All functions take O(1).
///
/// Numbers: in each plane the edge switches (`pod * E + edge`), then the aggregation switches
/// (`pod * A + aggregation`), then the cores (`aggregation * C + core`). Ports: an edge switch's
/// port `a` leads to aggregation switch `a`, its host ports follow; an aggregation switch's ports
/// `0 ..< E` lead down, the next C lead up; a core's port `p` leads to pod `p`.
public struct ClosTopology: Hashable, Sendable {
    /// The measures.
    public let shape: ClosShape
    /// Edge switches, aggregation switches and cores of a plane.
    public let edgesPerPlane: Int
    /// Aggregation switches of a plane.
    public let aggregationsPerPlane: Int
    /// Cores of a plane.
    public let coresPerPlane: Int
    /// All switches of a plane.
    public let switchesPerPlane: Int
    /// Links between edge and aggregation switches of a plane; they have the lower numbers.
    public let lowerLinksPerPlane: Int
    /// Links between switches of a plane.
    public let linksPerPlane: Int
    /// The trunks between edge and aggregation switches.
    public let lowerTrunk: TrunkShape
    /// The trunks between aggregation switches and cores.
    public let upperTrunk: TrunkShape

    public init(_ shape: ClosShape) {
        self.shape = shape
        edgesPerPlane = shape.pods * shape.edgesPerPod
        aggregationsPerPlane = shape.pods * shape.aggregationsPerPod
        coresPerPlane = shape.aggregationsPerPod * shape.coresPerAggregation
        switchesPerPlane = edgesPerPlane + aggregationsPerPlane + coresPerPlane
        lowerLinksPerPlane = edgesPerPlane * shape.aggregationsPerPod
        linksPerPlane = lowerLinksPerPlane + aggregationsPerPlane * shape.coresPerAggregation
        lowerTrunk = TrunkShape(rows: shape.edgesPerPod, columns: shape.aggregationsPerPod)
        upperTrunk = TrunkShape(rows: shape.aggregationsPerPod, columns: shape.coresPerAggregation)
    }

    /// Switches of all planes.
    public var switchCount: Int { shape.planes * switchesPerPlane }
    /// Links between switches, of all planes.
    public var linkCount: Int { shape.planes * linksPerPlane }
    /// Links to hosts, of all planes.
    public var hostLinkCount: Int { shape.planes * edgesPerPlane * shape.hostsPerEdge }
    /// Destinations: one for each edge switch.
    public var destinationCount: Int { shape.planes * edgesPerPlane }

    // MARK: Switches

    /// The position of a switch.
    @inlinable
    public func position(of id: SwitchID) -> ClosPosition {
        let plane = id.index / switchesPerPlane
        var rest = id.index - plane * switchesPerPlane
        if rest < edgesPerPlane {
            let pod = rest / shape.edgesPerPod
            return ClosPosition(
                plane: plane, tier: .edge, pod: pod, group: rest - pod * shape.edgesPerPod)
        }
        rest -= edgesPerPlane
        if rest < aggregationsPerPlane {
            let pod = rest / shape.aggregationsPerPod
            return ClosPosition(
                plane: plane, tier: .aggregation, pod: pod,
                group: rest - pod * shape.aggregationsPerPod)
        }
        rest -= aggregationsPerPlane
        let group = rest / shape.coresPerAggregation
        return ClosPosition(
            plane: plane, tier: .core, pod: 0, group: group,
            member: rest - group * shape.coresPerAggregation)
    }

    /// The switch at a position.
    @inlinable
    public func id(of position: ClosPosition) -> SwitchID {
        let base = position.plane * switchesPerPlane
        switch position.tier {
        case .edge: return SwitchID(base + position.pod * shape.edgesPerPod + position.group)
        case .aggregation:
            return SwitchID(
                base + edgesPerPlane + position.pod * shape.aggregationsPerPod + position.group)
        case .core:
            return SwitchID(
                base + edgesPerPlane + aggregationsPerPlane
                    + position.group * shape.coresPerAggregation + position.member)
        }
    }

    /// An edge switch.
    @inlinable
    public func edge(plane: Int, pod: Int, _ edge: Int) -> SwitchID {
        SwitchID(plane * switchesPerPlane + pod * shape.edgesPerPod + edge)
    }

    /// An aggregation switch.
    @inlinable
    public func aggregation(plane: Int, pod: Int, _ aggregation: Int) -> SwitchID {
        SwitchID(
            plane * switchesPerPlane + edgesPerPlane + pod * shape.aggregationsPerPod
                + aggregation)
    }

    /// A core.
    @inlinable
    public func core(plane: Int, aggregation: Int, _ core: Int) -> SwitchID {
        SwitchID(
            plane * switchesPerPlane + edgesPerPlane + aggregationsPerPlane
                + aggregation * shape.coresPerAggregation + core)
    }

    /// Ports of a switch that lead to other switches; host ports have higher numbers.
    @inlinable
    public func fabricPortCount(of id: SwitchID) -> Int {
        switch position(of: id).tier {
        case .edge: shape.aggregationsPerPod
        case .aggregation: shape.edgesPerPod + shape.coresPerAggregation
        case .core: shape.pods
        }
    }

    /// Ports of a switch that lead to hosts.
    @inlinable
    public func hostPortCount(of id: SwitchID) -> Int {
        position(of: id).tier == .edge ? shape.hostsPerEdge : 0
    }

    // MARK: Links

    /// The link between an edge and an aggregation switch of a pod.
    @inlinable
    public func lowerLink(plane: Int, pod: Int, edge: Int, aggregation: Int) -> LinkID {
        LinkID(
            plane * linksPerPlane
                + (pod * shape.edgesPerPod + edge) * shape.aggregationsPerPod + aggregation)
    }

    /// The link between an aggregation switch and a core.
    @inlinable
    public func upperLink(plane: Int, pod: Int, aggregation: Int, core: Int) -> LinkID {
        LinkID(
            plane * linksPerPlane + lowerLinksPerPlane
                + (pod * shape.aggregationsPerPod + aggregation) * shape.coresPerAggregation + core)
    }

    /// What a link joins.
    @inlinable
    public func kind(of link: LinkID) -> ClosLink {
        let plane = link.index / linksPerPlane
        var rest = link.index - plane * linksPerPlane
        if rest < lowerLinksPerPlane {
            let edge = rest / shape.aggregationsPerPod
            let pod = edge / shape.edgesPerPod
            return .lower(
                plane: plane, pod: pod, edge: edge - pod * shape.edgesPerPod,
                aggregation: rest - edge * shape.aggregationsPerPod)
        }
        rest -= lowerLinksPerPlane
        let aggregation = rest / shape.coresPerAggregation
        let pod = aggregation / shape.aggregationsPerPod
        return .upper(
            plane: plane, pod: pod, aggregation: aggregation - pod * shape.aggregationsPerPod,
            core: rest - aggregation * shape.coresPerAggregation)
    }

    /// The two ends of a link, the lower tier first.
    @inlinable
    public func ends(of link: LinkID) -> (lower: PortID, upper: PortID) {
        switch kind(of: link) {
        case .lower(let plane, let pod, let edge, let aggregation):
            return (
                PortID(self.edge(plane: plane, pod: pod, edge), aggregation),
                PortID(self.aggregation(plane: plane, pod: pod, aggregation), edge)
            )
        case .upper(let plane, let pod, let aggregation, let core):
            return (
                PortID(
                    self.aggregation(plane: plane, pod: pod, aggregation),
                    shape.edgesPerPod + core),
                PortID(self.core(plane: plane, aggregation: aggregation, core), pod)
            )
        }
    }

    /// What stands at the far end of a fabric port; nil for host ports and ports that do not exist.
    @inlinable
    public func neighbor(of id: SwitchID, port: Int) -> Neighbor? {
        let at = position(of: id)
        guard port >= 0 else { return nil }
        switch at.tier {
        case .edge:
            guard port < shape.aggregationsPerPod else { return nil }
            return Neighbor(
                far: PortID(aggregation(plane: at.plane, pod: at.pod, port), at.group),
                link: lowerLink(
                    plane: at.plane, pod: at.pod, edge: at.group, aggregation: port))
        case .aggregation:
            if port < shape.edgesPerPod {
                return Neighbor(
                    far: PortID(edge(plane: at.plane, pod: at.pod, port), at.group),
                    link: lowerLink(
                        plane: at.plane, pod: at.pod, edge: port, aggregation: at.group))
            }
            let core = port - shape.edgesPerPod
            guard core < shape.coresPerAggregation else { return nil }
            return Neighbor(
                far: PortID(self.core(plane: at.plane, aggregation: at.group, core), at.pod),
                link: upperLink(plane: at.plane, pod: at.pod, aggregation: at.group, core: core))
        case .core:
            guard port < shape.pods else { return nil }
            return Neighbor(
                far: PortID(
                    aggregation(plane: at.plane, pod: port, at.group),
                    shape.edgesPerPod + at.member),
                link: upperLink(
                    plane: at.plane, pod: port, aggregation: at.group, core: at.member))
        }
    }

    // MARK: Destinations

    /// The edge switch that owns a destination.
    @inlinable
    public func owner(of destination: DestinationID) -> SwitchID {
        let plane = destination.index / edgesPerPlane
        return SwitchID(
            plane * switchesPerPlane + destination.index - plane * edgesPerPlane)
    }

    /// The destination that a switch owns; nil unless it is an edge switch.
    @inlinable
    public func destination(of id: SwitchID) -> DestinationID? {
        let plane = id.index / switchesPerPlane
        let rest = id.index - plane * switchesPerPlane
        return rest < edgesPerPlane ? DestinationID(plane * edgesPerPlane + rest) : nil
    }

    // MARK: Trunks

    /// Fibres of one trunk connector.
    public static let fibresPerTrunk = 16

    /// How many links a trunk bundles.
    public struct TrunkShape: Hashable, Sendable {
        /// Uplinks of one lower switch: at most half of them, so that no trunk takes all of a
        /// switch's uplinks away (with one uplink it cannot be helped).
        public var width: Int
        /// Lower switches, of one rack, that share the trunk.
        public var depth: Int

        /// The fullest trunks for a block of `rows` lower switches with `columns` uplinks each; of
        /// equally full ones those of the fewest lower switches.
        init(rows: Int, columns: Int) {
            let fibres = ClosTopology.fibresPerTrunk
            func trunks(_ width: Int) -> Int {
                let depth = fibres / width
                return (rows + depth - 1) / depth * ((columns + width - 1) / width)
            }
            var best = min(fibres, max(1, columns / 2))
            for width in stride(from: best - 1, to: 0, by: -1) where trunks(width) < trunks(best) {
                best = width
            }
            width = best
            depth = fibres / best
        }
    }

    @inlinable
    func ceilingDivide(_ a: Int, _ b: Int) -> Int { (a + b - 1) / b }

    /// Trunks of a pod's lower links, of its upper links, and of a plane.
    @inlinable
    var trunkCounts: (lowerPerPod: Int, upperPerPod: Int, perPlane: Int) {
        let lower =
            ceilingDivide(shape.edgesPerPod, lowerTrunk.depth)
            * ceilingDivide(shape.aggregationsPerPod, lowerTrunk.width)
        // The cores above the `depth` aggregation switches of an upper trunk share a rack.
        let upper =
            ceilingDivide(shape.aggregationsPerPod, upperTrunk.depth)
            * ceilingDivide(shape.coresPerAggregation, upperTrunk.width)
        return (lower, upper, shape.pods * (lower + upper))
    }

    /// Trunks of all planes.
    @inlinable
    public var trunkCount: Int { shape.planes * trunkCounts.perPlane }

    /// The trunk that carries a link.
    @inlinable
    public func trunk(of link: LinkID) -> TrunkID {
        let counts = trunkCounts
        switch kind(of: link) {
        case .lower(let plane, let pod, let edge, let aggregation):
            let across = ceilingDivide(shape.aggregationsPerPod, lowerTrunk.width)
            return TrunkID(
                plane * counts.perPlane + pod * counts.lowerPerPod
                    + edge / lowerTrunk.depth * across + aggregation / lowerTrunk.width)
        case .upper(let plane, let pod, let aggregation, let core):
            let across = ceilingDivide(shape.coresPerAggregation, upperTrunk.width)
            return TrunkID(
                plane * counts.perPlane + shape.pods * counts.lowerPerPod
                    + pod * counts.upperPerPod + aggregation / upperTrunk.depth * across
                    + core / upperTrunk.width)
        }
    }

    /// All links in the trunk of `link`, in rising order.
    public func links(sharingTrunkOf link: LinkID) -> [LinkID] {
        func block(_ index: Int, _ size: Int, _ count: Int) -> Range<Int> {
            let first = index / size * size
            return first..<min(first + size, count)
        }
        switch kind(of: link) {
        case .lower(let plane, let pod, let edge, let aggregation):
            let across = block(aggregation, lowerTrunk.width, shape.aggregationsPerPod)
            return block(edge, lowerTrunk.depth, shape.edgesPerPod).flatMap { edge in
                across.map { lowerLink(plane: plane, pod: pod, edge: edge, aggregation: $0) }
            }
        case .upper(let plane, let pod, let aggregation, let core):
            let across = block(core, upperTrunk.width, shape.coresPerAggregation)
            return block(aggregation, upperTrunk.depth, shape.aggregationsPerPod).flatMap { at in
                across.map { upperLink(plane: plane, pod: pod, aggregation: at, core: $0) }
            }
        }
    }
}
