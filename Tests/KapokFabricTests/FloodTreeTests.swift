import KapokFabric
import Testing

@Suite("Ways of news")
struct FloodTreeTests {
    static let names = [
        "leafspine:4,3,2", "leafspine:2,2,1", "leafspine:5,1,1", "fattree:2", "fattree:4",
        "fattree:6", "fattree:8", "planes:2,fattree:4", "rail:1,8,4,16", "rail:4,8,4,16",
        "dualtor:4,4,16",
    ]

    /// How one copy of news about a link travels when all its ways are sound.
    struct Flood {
        var told: Set<SwitchID> = []
        var links: Set<LinkID> = []
        var messages = 0
        var depth = 0

        /// Runs a copy from the end that starts it; nil when it does not end.
        init?(_ tree: FloodTree, _ link: LinkID, copy: Int, dead: LinkID? = nil) {
            let ends = tree.fabric.ends(of: link)
            let starts = [ends.lower.owner, ends.upper.owner].filter {
                tree.originCopy(of: link, at: $0) == copy
            }
            told = Set(starts)
            var layer: [(SwitchID, Int?)] = starts.map { ($0, nil) }
            while !layer.isEmpty {
                var next: [(SwitchID, Int?)] = []
                for (id, arrival) in layer {
                    var ports: [Int] = []
                    tree.appendRelays(of: link, copy: copy, at: id, arrival: arrival, into: &ports)
                    for port in ports {
                        guard let far = tree.fabric.neighbor(of: id, port: port) else { return nil }
                        messages += 1
                        if messages > 4 * tree.fabric.linkCount { return nil }
                        if far.link == dead { continue }
                        links.insert(far.link)
                        // In a graph whoever knows the news stops it; in a Clos network none
                        // comes twice.
                        if !told.insert(far.far.owner).inserted {
                            if case .graph = tree.fabric { continue }
                        }
                        next.append((far.far.owner, far.far.port))
                    }
                }
                layer = next
                depth += layer.isEmpty ? 0 : 1
            }
        }
    }

    /// Whether the network has a way for the second copy: another plane, or another core.
    private func hasSecondWay(_ link: LinkID, _ fabric: Fabric) -> Bool {
        guard case .clos(let clos) = fabric else { return false }
        switch clos.kind(of: link) {
        case .lower: return clos.shape.aggregationsPerPod > 1
        case .upper: return clos.shape.coresPerAggregation > 1
        }
    }

    private func scope(of link: LinkID, _ tree: FloodTree) -> [SwitchID] {
        (0..<tree.fabric.switchCount).map { SwitchID($0) }
            .filter { tree.isInScope(link, of: $0) }
    }

    @Test("each copy alone tells every switch whose choices depend on the link", arguments: names)
    func coverage(name: String) throws {
        let tree = FloodTree(try TopologyName(name).fabric)
        for link in (0..<tree.fabric.linkCount).map({ LinkID($0) }) {
            let ends = tree.fabric.ends(of: link)
            for copy in 0..<tree.copyCount where copy == 0 || hasSecondWay(link, tree.fabric) {
                let flood = try #require(Flood(tree, link, copy: copy))
                // The ends see it themselves.
                let wanted = Set(scope(of: link, tree))
                    .subtracting([ends.lower.owner, ends.upper.owner])
                #expect(
                    wanted.isSubset(of: flood.told),
                    "\(tree.fabric.describe(link)), copy \(copy)")
            }
        }
    }

    @Test("no copy uses the link that it is about, nor comes to a switch twice", arguments: names)
    func economy(name: String) throws {
        let tree = FloodTree(try TopologyName(name).fabric)
        for link in (0..<tree.fabric.linkCount).map({ LinkID($0) }) {
            for copy in 0..<tree.copyCount {
                let flood = try #require(Flood(tree, link, copy: copy))
                #expect(!flood.links.contains(link))
                #expect(flood.messages == flood.told.count - 1)
            }
        }
    }

    @Test(
        "with one more dead link, a copy still tells all but the core that lost its only way",
        arguments: ["leafspine:4,3,2", "fattree:4", "fattree:6", "planes:2,fattree:4"])
    func oneMoreDeadLink(name: String) throws {
        let tree = FloodTree(try TopologyName(name).fabric)
        var exceptions = 0
        for link in stride(from: 0, to: tree.fabric.linkCount, by: 5).map({ LinkID($0) }) {
            let ends = tree.fabric.ends(of: link)
            for dead in (0..<tree.fabric.linkCount).map({ LinkID($0) }) where dead != link {
                let told = (0..<tree.copyCount)
                    .compactMap { Flood(tree, link, copy: $0, dead: dead)?.told }
                    .reduce(into: Set()) { $0.formUnion($1) }
                let other = tree.fabric.ends(of: dead)
                for missed in scope(of: link, tree) where !told.contains(missed) {
                    // It hangs by the dead link on the switch whose lower link failed: it knows
                    // already that no way through there is left.
                    #expect(missed == other.upper.owner && other.lower.owner == ends.upper.owner)
                    exceptions += 1
                }
            }
        }
        #expect((exceptions > 0) == name.contains("fattree"))
    }

    @Test("at 64 ports messages and depth are those of the design")
    func counts() throws {
        let clos = ClosTopology(.fatTree(64))
        let tree = FloodTree(.clos(clos))
        let lower = clos.lowerLink(plane: 0, pod: 3, edge: 5, aggregation: 7)
        let upper = clos.upperLink(plane: 0, pod: 3, aggregation: 7, core: 9)
        func cost(_ link: LinkID, _ copy: Int) throws -> [Int] {
            let flood = try #require(Flood(tree, link, copy: copy))
            return [flood.messages, flood.depth]
        }
        // Edge switches of the pod, cores, aggregation switches and edge switches elsewhere.
        #expect(try cost(lower, 0) == [31 + 32 + 63 + 63 * 32, 3])
        // The same through the next plane, and from there to the aggregation switches and cores
        // of the first: 63 + 1 of those and 32 of these more, and one to begin with.
        #expect(try cost(lower, 1) == [1 + 31 + 32 + 63 + 63 * 32 + 64 + 32, 5])
        #expect(try cost(upper, 0) == [63, 1])
        #expect(try cost(upper, 1) == [64, 2])
    }

    @Test("in a graph the one copy reaches everything that any way leads to")
    func graphs() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let graph = try GraphSamples.random(seed: seed, chords: 3)
            let tree = FloodTree(.graph(graph))
            for link in graph.edges.indices.map({ LinkID($0) }) {
                let flood = try #require(Flood(tree, link, copy: 0))
                #expect(flood.told.count == graph.nodes.count)
                #expect(!flood.links.contains(link))
                #expect(flood.messages <= 2 * graph.edges.count)
            }
        }
    }
}
