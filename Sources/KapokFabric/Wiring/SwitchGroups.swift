/// Switches that must share a rack because they share trunks, in the order of the floor.
struct SwitchGroups: Sendable {
    /// Groups that follow each other on the floor, with the servers among them.
    struct Zone: Sendable {
        var kind: WiringPlacement.Kind
        var groups: [Int] = []
        var servers: Range<Int> = 0..<0
    }

    /// The zones in the order of the floor.
    private(set) var zones: [Zone] = []
    /// For each switch its group.
    private(set) var groupOf: [UInt32]
    private var memberIDs: [UInt32] = []
    private var firstMember: [Int] = [0]

    /// How many groups there are.
    var count: Int { firstMember.count - 1 }

    /// The switches of a group.
    func members(of group: Int) -> ArraySlice<UInt32> {
        memberIDs[firstMember[group]..<firstMember[group + 1]]
    }

    init(_ fabric: Fabric, _ servers: ServerLayout, options: HallOptions) {
        groupOf = Array(repeating: 0, count: fabric.switchCount)
        switch fabric {
        case .clos(let clos): arrange(clos, servers)
        case .graph(let graph): arrange(graph, options)
        }
    }

    private mutating func addGroup(_ switches: some Sequence<SwitchID>) -> Int {
        for id in switches {
            groupOf[id.index] = UInt32(count)
            memberIDs.append(UInt32(id.index))
        }
        firstMember.append(memberIDs.count)
        return count - 1
    }

    // MARK: Clos

    /// Pods side by side with the cores in the middle; each plane in racks of its own, except that
    /// edge switches of all planes stand among the servers that they share.
    private mutating func arrange(_ clos: ClosTopology, _ servers: ServerLayout) {
        let shape = clos.shape
        let half = (shape.pods + 1) / 2
        for pod in 0..<half { arrangePod(pod, clos, servers) }
        if shape.coresPerAggregation > 0 {
            for plane in 0..<shape.planes { arrangeCores(plane, clos) }
        }
        for pod in half..<max(half, shape.pods) { arrangePod(pod, clos, servers) }
    }

    private mutating func arrangePod(_ pod: Int, _ clos: ClosTopology, _ servers: ServerLayout) {
        let shape = clos.shape
        let depth = clos.lowerTrunk.depth
        let perServer = servers.edgesPerServer
        let block = min(
            shape.edgesPerPod, Self.leastCommonMultiple(depth, perServer))
        for first in stride(from: 0, to: shape.edgesPerPod, by: block) {
            let edges = first..<min(first + block, shape.edgesPerPod)
            var zone = Zone(kind: .edge)
            for plane in 0..<shape.planes {
                for start in stride(from: edges.lowerBound, to: edges.upperBound, by: depth) {
                    let part = start..<min(start + depth, edges.upperBound)
                    zone.groups.append(
                        addGroup(part.map { clos.edge(plane: plane, pod: pod, $0) }))
                }
            }
            let edge = pod * shape.edgesPerPod
            zone.servers =
                (edge + edges.lowerBound) / perServer
                * servers.serversPerGroup..<(edge + edges.upperBound) / perServer
                * servers.serversPerGroup
            zones.append(zone)
        }
        let size = min(
            shape.aggregationsPerPod,
            Self.leastCommonMultiple(
                clos.lowerTrunk.width,
                shape.coresPerAggregation == 0 ? 1 : clos.upperTrunk.depth))
        for plane in 0..<shape.planes {
            var zone = Zone(kind: .aggregation)
            for start in stride(from: 0, to: shape.aggregationsPerPod, by: size) {
                let part = start..<min(start + size, shape.aggregationsPerPod)
                zone.groups.append(
                    addGroup(part.map { clos.aggregation(plane: plane, pod: pod, $0) }))
            }
            zones.append(zone)
        }
    }

    private mutating func arrangeCores(_ plane: Int, _ clos: ClosTopology) {
        let shape = clos.shape
        let trunk = clos.upperTrunk
        var zone = Zone(kind: .core)
        for row in stride(from: 0, to: shape.aggregationsPerPod, by: trunk.depth) {
            let rows = row..<min(row + trunk.depth, shape.aggregationsPerPod)
            for start in stride(from: 0, to: shape.coresPerAggregation, by: trunk.width) {
                let part = start..<min(start + trunk.width, shape.coresPerAggregation)
                zone.groups.append(
                    addGroup(
                        rows.flatMap { row in
                            part.map { clos.core(plane: plane, aggregation: row, $0) }
                        }))
            }
        }
        zones.append(zone)
    }

    private static func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
        var (x, y) = (a, b)
        while y != 0 { (x, y) = (y, x % y) }
        return a / x * b
    }

    // MARK: Graphs

    /// Switches whose links share a trunk stand together, as long as they fit into half a rack;
    /// those with servers among these, the others by tier, all in the order of the file.
    private mutating func arrange(_ graph: GraphTopology, _ options: HallOptions) {
        var sets = DisjointSets(graph.nodes.count)
        let most = max(1, options.rackUnits / 2 / options.switchUnits)
        var firstEnds: [TrunkID: (lower: Int, upper: Int)] = [:]
        for index in graph.edges.indices {
            let (lower, upper) = graph.ports[index]
            let trunk = graph.trunk(of: LinkID(index))
            guard let first = firstEnds[trunk] else {
                firstEnds[trunk] = (lower.owner.index, upper.owner.index)
                continue
            }
            sets.join(first.lower, lower.owner.index, atMost: most)
            sets.join(first.upper, upper.owner.index, atMost: most)
        }
        var members: [Int: [SwitchID]] = [:]
        var roots: [Int] = []
        for index in graph.nodes.indices {
            let root = sets.root(of: index)
            if members[root] == nil { roots.append(root) }
            members[root, default: []].append(SwitchID(index))
        }
        var serverCounts: [Int] = []
        var firstServers: [Int] = []
        var total = 0
        for node in graph.nodes {
            firstServers.append(total)
            serverCounts.append(node.hostPorts)
            total += node.hostPorts
        }
        for (tier, kind) in [
            (Tier.edge, WiringPlacement.Kind.edge), (nil, .mixed), (.aggregation, .aggregation),
            (.core, .core),
        ] as [(Tier?, WiringPlacement.Kind)] {
            var shared = Zone(kind: kind)
            for root in roots where graph.nodes[root].tier == tier {
                let switches = members[root] ?? []
                let group = addGroup(switches)
                let count = switches.reduce(0) { $0 + serverCounts[$1.index] }
                if count == 0 {
                    shared.groups.append(group)
                } else {
                    zones.append(
                        contentsOf: Self.zones(
                            group, kind,
                            switches.map { id in
                                firstServers[id.index]..<firstServers[id.index]
                                    + serverCounts[id.index]
                            }))
                }
            }
            if !shared.groups.isEmpty { zones.append(shared) }
        }
    }

    /// A group with its servers: one zone for servers whose numbers follow each other, further
    /// ones without switches for the rest.
    private static func zones(
        _ group: Int, _ kind: WiringPlacement.Kind, _ servers: [Range<Int>]
    ) -> [Zone] {
        var zones = [Zone(kind: kind, groups: [group])]
        for range in servers where !range.isEmpty {
            if zones[zones.count - 1].servers.isEmpty {
                zones[zones.count - 1].servers = range
            } else if zones[zones.count - 1].servers.upperBound == range.lowerBound {
                zones[zones.count - 1].servers =
                    zones[zones.count - 1].servers.lowerBound..<range.upperBound
            } else {
                zones.append(Zone(kind: .server, servers: range))
            }
        }
        return zones
    }
}

/// Sets that grow together (union by size, paths halved).
struct DisjointSets {
    private var parents: [Int32]
    private var sizes: [Int32]
    /// How many sets there are.
    private(set) var count: Int

    init(_ count: Int) {
        parents = (0..<Int32(count)).map { $0 }
        sizes = Array(repeating: 1, count: count)
        self.count = count
    }

    mutating func root(of item: Int) -> Int {
        var at = Int32(item)
        while parents[Int(at)] != at {
            parents[Int(at)] = parents[Int(parents[Int(at)])]
            at = parents[Int(at)]
        }
        return Int(at)
    }

    /// Joins the sets of two items unless the new one would be too large; whether they are in one
    /// set now and were not before.
    @discardableResult
    mutating func join(_ a: Int, _ b: Int, atMost most: Int = .max) -> Bool {
        var (a, b) = (root(of: a), root(of: b))
        guard a != b, Int(sizes[a]) + Int(sizes[b]) <= most else { return false }
        if sizes[a] < sizes[b] { swap(&a, &b) }
        parents[b] = Int32(a)
        sizes[a] += sizes[b]
        count -= 1
        return true
    }
}
