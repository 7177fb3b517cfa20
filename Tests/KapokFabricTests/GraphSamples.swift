import KapokFabric
import KapokWorld

/// Wirings that are no named topology, for tests.
enum GraphSamples {
    /// A graph of `count` switches, all of them destinations, with these links.
    static func graph(_ count: Int, _ links: [(Int, Int)]) throws -> GraphTopology {
        var degree = [Int](repeating: 0, count: count)
        let edges = links.map { a, b in
            degree[a] += 1
            degree[b] += 1
            return GraphTopology.Edge(
                from: a, fromPort: "swp\(degree[a])", to: b, toPort: "swp\(degree[b])")
        }
        let nodes = (0..<count).map { GraphTopology.Node(name: "s\($0)", isDestination: true) }
        return try GraphTopology(nodes: nodes, edges: edges)
    }

    static func ring(_ count: Int) throws -> GraphTopology {
        try graph(count, (0..<count).map { ($0, ($0 + 1) % count) })
    }

    /// Ten switches of three ports each; any two failures leave it connected.
    static func petersen() throws -> GraphTopology {
        var links: [(Int, Int)] = []
        for node in 0..<5 {
            links.append((node, (node + 1) % 5))
            links.append((node, node + 5))
            links.append((node + 5, (node + 2) % 5 + 5))
        }
        return try graph(10, links)
    }

    static func clique(_ range: Range<Int>) -> [(Int, Int)] {
        var links: [(Int, Int)] = []
        for a in range { for b in a + 1..<range.upperBound { links.append((a, b)) } }
        return links
    }

    /// Two full meshes with one link between them.
    static func bridgedCliques() throws -> GraphTopology {
        try graph(9, clique(0..<4) + clique(4..<9) + [(1, 6)])
    }

    /// Two full meshes that share one switch.
    static func hingedCliques() throws -> GraphTopology {
        try graph(8, clique(0..<4) + clique(3..<8))
    }

    /// Two switches with `links` links between them.
    static func pair(links: Int) throws -> GraphTopology {
        try graph(2, Array(repeating: (0, 1), count: links))
    }

    /// A ring, a pair of switches and a lone switch, not joined to each other.
    static func islands() throws -> GraphTopology {
        try graph(8, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (5, 6), (6, 5)])
    }

    /// A ring in random order with random chords: no failed link or switch cuts it.
    static func random(seed: UInt64, chords: Int) throws -> GraphTopology {
        var random = RandomStream(seed: seed)
        let count = 6 + random.below(9)
        let order = Array(0..<count).shuffled(using: &random)
        var links = (0..<count).map { (order[$0], order[($0 + 1) % count]) }
        for _ in 0..<chords {
            let a = random.below(count)
            let b = (a + 1 + random.below(count - 1)) % count
            links.append((a, b))
        }
        return try graph(count, links.shuffled(using: &random))
    }

    /// A network with cut switches, bridges, parallel links and trees hanging on: anything.
    static func sparse(seed: UInt64) throws -> GraphTopology {
        var random = RandomStream(seed: seed).split("sparse")
        let count = 2 + random.below(14)
        var links: [(Int, Int)] = []
        for node in 1..<count where !random.chance(1, in: 12) {
            links.append((random.below(node), node))
        }
        for _ in 0..<random.below(count) {
            let a = random.below(count)
            links.append((a, (a + 1 + random.below(count - 1)) % count))
        }
        return try graph(count, links.shuffled(using: &random))
    }

    /// A named topology as a graph, each link left out with probability `missing` / 100; only the
    /// first `destinations` destinations are some.
    static func wiring(
        of name: String, missing: UInt64 = 0, seed: UInt64 = 1, destinations: Int = .max
    ) throws -> GraphTopology {
        let fabric = try TopologyName(name).fabric
        var random = RandomStream(seed: seed)
        let nodes = (0..<fabric.switchCount).map { index in
            let id = SwitchID(index)
            return GraphTopology.Node(
                name: fabric.name(of: id), tier: fabric.tier(of: id),
                isDestination: fabric.destination(of: id).map { $0.index < destinations } ?? false)
        }
        let edges = (0..<fabric.linkCount).compactMap { index -> GraphTopology.Edge? in
            if random.chance(missing, in: 100) { return nil }
            let (lower, upper) = fabric.ends(of: LinkID(index))
            return GraphTopology.Edge(
                from: lower.owner.index, fromPort: fabric.portName(lower),
                to: upper.owner.index, toPort: fabric.portName(upper))
        }
        return try GraphTopology(nodes: nodes, edges: edges)
    }
}

/// Walks packets with `Forwarding.decide`, as the switches do.
struct GraphWalk {
    /// What switches know of the failures besides their own dead links.
    enum Knowledge: CaseIterable {
        /// Nothing.
        case own
        /// Everything.
        case all
        /// Any part, different at each switch and each visit.
        case any
    }

    let fabric: Fabric
    let forwarding: Forwarding

    init(_ graph: GraphTopology, extraTrees: [DestinationID: [LinkSet]] = [:]) {
        fabric = .graph(graph)
        forwarding = Forwarding(fabric, extraTrees: extraTrees)
    }

    func neighbors(of id: SwitchID) -> [Neighbor] {
        (0..<fabric.fabricPortCount(of: id)).compactMap { fabric.neighbor(of: id, port: $0) }
    }

    /// The switches that have a way to `id` without `dead`.
    func reach(of id: SwitchID, without dead: LinkSet) -> Set<SwitchID> {
        var seen: Set = [id]
        var stack = [id]
        while let at = stack.popLast() {
            for next in neighbors(of: at)
            where !dead.contains(next.link) && seen.insert(next.far.owner).inserted {
                stack.append(next.far.owner)
            }
        }
        return seen
    }

    /// Whether a packet between destinations can be lost although there is a way.
    func losesPackets(
        to destination: DestinationID, dead: LinkSet, _ knowledge: Knowledge
    ) -> Bool {
        let owner = fabric.owner(of: destination)
        var seen: Set<Int> = []
        var stack = reach(of: owner, without: dead)
            .filter { fabric.destination(of: $0) != nil }.map { ($0, Tag.zero) }
        while let (at, tag) = stack.popLast() {
            guard seen.insert(at.index << 8 | Int(tag.rank)).inserted else { continue }
            let own = LinkSet(
                dead.filter {
                    let ends = fabric.ends(of: $0)
                    return ends.lower.owner == at || ends.upper.owner == at
                })
            for known in known(own: own, dead: dead, knowledge) {
                switch forwarding.decide(at: at, to: destination, tag: tag, dead: known) {
                case .deliver: continue
                case .drop: return true
                case .forward(let ports, let raised):
                    for port in ports {
                        guard let next = fabric.neighbor(of: at, port: port),
                            !dead.contains(next.link), raised >= tag
                        else { return true }
                        stack.append((next.far.owner, raised))
                    }
                }
            }
        }
        return false
    }

    private func known(own: LinkSet, dead: LinkSet, _ knowledge: Knowledge) -> [LinkSet] {
        switch knowledge {
        case .own: [own]
        case .all: [dead]
        case .any:
            (0..<1 << dead.count).map { bits in
                own.union(
                    LinkSet(dead.enumerated().filter { bits >> $0.offset & 1 == 1 }.map(\.element)))
            }
        }
    }

    /// How many (destination, failure) pairs lose a packet.
    func holes(_ failures: [LinkSet], _ knowledge: Knowledge, destinations: Int = .max) -> Int {
        var holes = 0
        for destination in 0..<min(destinations, fabric.destinationCount) {
            for dead in failures
            where losesPackets(to: DestinationID(destination), dead: dead, knowledge) {
                holes += 1
            }
        }
        return holes
    }

    /// Each link by itself.
    var singles: [LinkSet] { (0..<fabric.linkCount).map { [LinkID($0)] } }

    /// Each two links.
    var pairs: [LinkSet] {
        (0..<fabric.linkCount).flatMap { a in
            (0..<a).map { [LinkID(a), LinkID($0)] }
        }
    }

    /// All links of each switch.
    var switches: [LinkSet] {
        (0..<fabric.switchCount).map { LinkSet(neighbors(of: SwitchID($0)).map(\.link)) }
    }
}
