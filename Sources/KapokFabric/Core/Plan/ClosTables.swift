/// Counts the groups of a Clos network's switches, by arithmetic over the links that are not there:
/// switches for which nothing is missing have all the same tables.
struct ClosTables {
    private let clos: ClosTopology
    private let shape: ClosShape
    private let profile: SwitchProfile
    private let prefixes: [Int]
    private let soft: Exceptions
    private let hard: Exceptions
    /// Links that are drained, and do exist.
    private let drained: Exceptions
    private var edgeNeeds: [EdgeKind: TableNeeds] = [:]
    private var aggregationNeeds: [AggregationKind: TableNeeds] = [:]

    private struct EdgeKind: Hashable {
        var plane: Int
        var pod: Int
        var soft: PortSet
        var hard: PortSet
    }

    private struct AggregationKind: Hashable {
        var plane: Int
        var pod: Int
        var group: Int
        var soft: PortSet
        var hard: PortSet
    }

    init(_ clos: ClosTopology, _ plan: FabricPlan, _ profile: SwitchProfile) {
        self.clos = clos
        self.profile = profile
        shape = clos.shape
        hard = Exceptions(clos, plan.missing)
        soft = plan.drained.isEmpty ? hard : Exceptions(clos, plan.missing.union(plan.drained))
        drained = Exceptions(clos, LinkSet(plan.drained.filter { !plan.missing.contains($0) }))
        var prefixes = [Int](repeating: clos.edgesPerPlane, count: clos.shape.planes)
        for (destination, list) in plan.extraPrefixes {
            prefixes[destination.index / clos.edgesPerPlane] += list.count
        }
        self.prefixes = prefixes
    }

    /// The needs of every switch, in order.
    mutating func count() -> [TableNeeds] {
        var all: [TableNeeds] = []
        all.reserveCapacity(clos.switchCount)
        for index in 0..<clos.switchCount {
            let id = SwitchID(index)
            let at = clos.position(of: id)
            var needs: TableNeeds
            switch at.tier {
            case .edge: needs = edge(at)
            case .aggregation: needs = aggregation(at)
            case .core:
                needs = TableNeeds()
                // One way down to each pod.
                needs.groups = shape.pods
                needs.members = shape.pods
            }
            needs.nextHops = clos.fabricPortCount(of: id) * (1 + ClosRoutes.trees)
            needs.routes = TableReport.routes(
                prefixes: prefixes[at.plane], trees: ClosRoutes.trees)
            all.append(needs)
        }
        return all
    }

    // MARK: Edge switches

    private mutating func edge(_ at: ClosPosition) -> TableNeeds {
        let key = PodKey(plane: at.plane, pod: at.pod)
        let own = EdgeKey(plane: at.plane, pod: at.pod, edge: at.group)
        // Switches of pods without a missing upper link look out alike.
        let kind = EdgeKind(
            plane: at.plane, pod: soft.pods.contains(key) ? at.pod : -1,
            soft: soft.lower[own] ?? PortSet(), hard: hard.lower[own] ?? PortSet())
        if let known = edgeNeeds[kind] { return known }
        var found: Set<PortSet> = []
        for pod in soft.podsOfInterest(in: at.plane, of: shape) {
            let isOwn = pod == at.pod
            let softClosed = isOwn ? PortSet() : soft.closed(at.plane, at.pod, pod, shape)
            let hardClosed = isOwn ? PortSet() : hard.closed(at.plane, at.pod, pod, shape)
            for edge in soft.edgesOfInterest(in: PodKey(plane: at.plane, pod: pod), of: shape)
            where !(isOwn && edge == at.group) {
                let to = EdgeKey(plane: at.plane, pod: pod, edge: edge)
                var lost = kind.soft.union(softClosed)
                if let more = soft.lower[to] { lost.formUnion(more) }
                if lost.count == shape.aggregationsPerPod {
                    lost = kind.hard.union(hardClosed)
                    if let more = hard.lower[to] { lost.formUnion(more) }
                }
                found.insert(lost)
            }
        }
        let needs = Self.needs(
            ways: shape.aggregationsPerPod, lost: found, reserve: profile.reserve)
        edgeNeeds[kind] = needs
        return needs
    }

    // MARK: Aggregation switches

    private mutating func aggregation(_ at: ClosPosition) -> TableNeeds {
        let own = UpKey(plane: at.plane, pod: at.pod, aggregation: at.group)
        let kind = AggregationKind(
            plane: at.plane, pod: soft.upper[own] == nil ? -1 : at.pod, group: at.group,
            soft: soft.upper[own] ?? PortSet(),
            hard: hard.upper[own] ?? PortSet())
        if let known = aggregationNeeds[kind] { return known }
        var found: Set<PortSet> = []
        if shape.coresPerAggregation > 0 {
            for pod in soft.podsOfInterest(in: at.plane, of: shape) where pod != kind.pod {
                let far = UpKey(plane: at.plane, pod: pod, aggregation: at.group)
                var lost = kind.soft
                if let more = soft.upper[far] { lost.formUnion(more) }
                var hardLost = kind.hard
                if let more = hard.upper[far] { hardLost.formUnion(more) }
                let isShut = lost.count == shape.coresPerAggregation
                if soft.lowerCount(of: far) < shape.edgesPerPod {
                    found.insert(isShut ? hardLost : lost)
                }
                // To an edge switch behind a drained link, drained uplinks are as good as others.
                if drained.lowerCount(of: far) > 0 { found.insert(hardLost) }
            }
        }
        var needs = Self.needs(
            ways: shape.coresPerAggregation, lost: found, reserve: profile.reserve)
        // One way down to each edge switch.
        needs.groups += shape.edgesPerPod
        needs.members += shape.edgesPerPod
        aggregationNeeds[kind] = needs
        return needs
    }

    /// The groups of `ways` uplinks without up to `reserve` of them, and those in use that lost
    /// more.
    private static func needs(ways: Int, lost: Set<PortSet>, reserve: Int) -> TableNeeds {
        var needs = TableNeeds()
        needs.addFamily(of: ways, reserve: reserve)
        for set in lost where set.count > reserve && set.count < ways {
            needs.groups += 1
            needs.members += ways - set.count
        }
        return needs
    }
}

/// A set of port numbers.
struct PortSet: Hashable {
    private var words: [UInt64] = []

    /// How many there are.
    var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    mutating func insert(_ port: Int) {
        while words.count <= port / 64 { words.append(0) }
        words[port / 64] |= 1 << UInt64(port % 64)
    }

    mutating func formUnion(_ other: PortSet) {
        while words.count < other.words.count { words.append(0) }
        for (index, word) in other.words.enumerated() { words[index] |= word }
    }

    func union(_ other: PortSet) -> PortSet {
        var both = self
        both.formUnion(other)
        return both
    }

    func isSubset(of other: PortSet) -> Bool {
        words.enumerated().allSatisfy { index, word in
            word & ~(index < other.words.count ? other.words[index] : 0) == 0
        }
    }
}

struct PodKey: Hashable {
    var plane: Int
    var pod: Int
}

struct EdgeKey: Hashable {
    var plane: Int
    var pod: Int
    var edge: Int
}

struct UpKey: Hashable {
    var plane: Int
    var pod: Int
    var aggregation: Int
}

/// Links of a Clos network that are not to be used, by the switches that they belong to.
struct Exceptions {
    /// For each edge switch the ways up that it lacks.
    private(set) var lower: [EdgeKey: PortSet] = [:]
    /// For each aggregation switch the cores that it lacks.
    private(set) var upper: [UpKey: PortSet] = [:]
    /// The pods that lack upper links.
    private(set) var pods: Set<PodKey> = []
    private var edges: [PodKey: [Int]] = [:]
    private var edgesBelow: [UpKey: Int] = [:]

    init(_ clos: ClosTopology, _ links: LinkSet) {
        for link in links {
            switch clos.kind(of: link) {
            case .lower(let plane, let pod, let edge, let aggregation):
                let key = EdgeKey(plane: plane, pod: pod, edge: edge)
                if lower[key] == nil {
                    edges[PodKey(plane: plane, pod: pod), default: []].append(edge)
                }
                lower[key, default: PortSet()].insert(aggregation)
                edgesBelow[
                    UpKey(plane: plane, pod: pod, aggregation: aggregation), default: 0] += 1
            case .upper(let plane, let pod, let aggregation, let core):
                let key = UpKey(plane: plane, pod: pod, aggregation: aggregation)
                upper[key, default: PortSet()].insert(core)
                pods.insert(PodKey(plane: plane, pod: pod))
            }
        }
    }

    /// How many of the links from an aggregation switch down are among them.
    func lowerCount(of aggregation: UpKey) -> Int { edgesBelow[aggregation] ?? 0 }

    /// The pods that lack something, and one that stands for all that lack nothing.
    func podsOfInterest(in plane: Int, of shape: ClosShape) -> [Int] {
        var hasPlain = false
        return (0..<shape.pods).filter { pod in
            let key = PodKey(plane: plane, pod: pod)
            if pods.contains(key) || edges[key] != nil { return true }
            defer { hasPlain = true }
            return !hasPlain
        }
    }

    /// The edge switches of a pod that lack something, and one that stands for the others.
    func edgesOfInterest(in pod: PodKey, of shape: ClosShape) -> [Int] {
        guard let lacking = edges[pod] else { return [0] }
        let plain = (0..<shape.edgesPerPod).first { !lacking.contains($0) }
        return lacking + (plain.map { [$0] } ?? [])
    }

    /// The aggregation switches of one pod from which no core leads to the other.
    func closed(_ plane: Int, _ pod: Int, _ other: Int, _ shape: ClosShape) -> PortSet {
        var closed = PortSet()
        let isPlain = [pod, other].allSatisfy { !pods.contains(PodKey(plane: plane, pod: $0)) }
        if isPlain { return closed }
        for a in 0..<shape.aggregationsPerPod {
            let here = upper[UpKey(plane: plane, pod: pod, aggregation: a)] ?? PortSet()
            guard let there = upper[UpKey(plane: plane, pod: other, aggregation: a)] else {
                if here.count == shape.coresPerAggregation { closed.insert(a) }
                continue
            }
            if here.union(there).count == shape.coresPerAggregation { closed.insert(a) }
        }
        return closed
    }
}
