import KapokFabric
import KapokWorld
import Testing

@Suite("Routes of irregular wirings")
struct GraphRoutesTests {
    /// A wiring by name, so that a failing case says which it was.
    struct Sample: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var graph: GraphTopology

        init(_ name: String, _ graph: GraphTopology) {
            testDescription = name
            self.graph = graph
        }
    }

    static func samples() throws -> [Sample] {
        var samples = [
            Sample("a lone switch", try GraphSamples.graph(1, [])),
            Sample("two switches", try GraphSamples.pair(links: 1)),
            Sample("two switches, parallel links", try GraphSamples.pair(links: 3)),
            Sample("a ring of 9", try GraphSamples.ring(9)),
            Sample("Petersen's graph", try GraphSamples.petersen()),
            Sample("two meshes and a bridge", try GraphSamples.bridgedCliques()),
            Sample("two meshes and a shared switch", try GraphSamples.hingedCliques()),
            Sample("islands", try GraphSamples.islands()),
            Sample("ab:4", try GraphSamples.wiring(of: "ab:4")),
            Sample("a leaf-spine network", try GraphSamples.wiring(of: "leafspine:6,3,1")),
        ]
        for seed in 1...2 as ClosedRange<UInt64> {
            let tree = try GraphSamples.wiring(of: "fattree:4", missing: 10, seed: seed)
            samples.append(Sample("fat tree with holes \(seed)", tree))
            samples.append(
                Sample("random \(seed)", try GraphSamples.random(seed: seed, chords: 4)))
        }
        for seed in 1...10 as ClosedRange<UInt64> {
            samples.append(Sample("sparse \(seed)", try GraphSamples.sparse(seed: seed)))
        }
        return samples
    }

    @Test("every tree leads every switch to every destination that it is joined to")
    func treesReachEverything() throws {
        for sample in try Self.samples() {
            let walk = GraphWalk(sample.graph)
            let forwarding = walk.forwarding
            var wrong: [String] = []
            for number in 0..<walk.fabric.destinationCount {
                let destination = DestinationID(number)
                let owner = walk.fabric.owner(of: destination)
                let joined = walk.reach(of: owner, without: [])
                for id in (0..<walk.fabric.switchCount).map({ SwitchID($0) }) {
                    for tree in 0..<forwarding.routes.treeCount {
                        let port = forwarding.routes.treePort(at: id, to: destination, tree: tree)
                        let isExpected = joined.contains(id) && id != owner
                        // `isClear` stops the program if the tree has a loop.
                        let arrives =
                            port != nil
                            && forwarding.isClear(tree, from: id, to: destination, avoiding: [])
                        if arrives != isExpected || (port != nil) != isExpected {
                            wrong.append("tree \(tree) from \(id) to \(destination)")
                        }
                    }
                }
            }
            #expect(wrong.isEmpty, "\(sample.testDescription)")
        }
    }

    @Test("the last two trees share no link but bridges, and no switch that there is a way around")
    func lastTreesAreRedundant() throws {
        for sample in try Self.samples() {
            let walk = GraphWalk(sample.graph)
            let last = walk.forwarding.routes.treeCount - 1
            var lost: [String] = []
            for number in 0..<walk.fabric.destinationCount {
                let destination = DestinationID(number)
                let owner = walk.fabric.owner(of: destination)
                let others = (0..<walk.fabric.switchCount).filter { $0 != owner.index }
                for dead in walk.singles + others.map({ walk.switches[$0] }) {
                    for id in walk.reach(of: owner, without: dead) {
                        let survives = (last - 1...last).contains {
                            walk.forwarding.isClear(
                                $0, from: id, to: destination, avoiding: dead)
                        }
                        if !survives { lost.append("\(id) to \(destination) without \(dead)") }
                    }
                }
            }
            #expect(lost.isEmpty, "\(sample.testDescription)")
        }
    }

    @Test("no failed link loses a packet that has a way, whoever knows of it")
    func singleLinks() throws {
        for sample in try Self.samples() {
            let walk = GraphWalk(sample.graph)
            #expect(walk.holes(walk.singles, .any) == 0, "\(sample.testDescription)")
        }
    }

    @Test("no failed switch loses a packet that has a way, whether others know of it or not")
    func singleSwitches() throws {
        for sample in try Self.samples() {
            let walk = GraphWalk(sample.graph)
            #expect(walk.holes(walk.switches, .own) == 0, "\(sample.testDescription)")
            #expect(walk.holes(walk.switches, .all) == 0, "\(sample.testDescription)")
        }
    }

    @Test("with the trees that the search adds, no two failed links lose a packet that has a way")
    func doubleLinks() throws {
        let samples = [
            Sample("Petersen's graph", try GraphSamples.petersen()),
            Sample("ab:4", try GraphSamples.wiring(of: "ab:4", destinations: 2)),
            Sample("two meshes and a bridge", try GraphSamples.bridgedCliques()),
            Sample("two switches, parallel links", try GraphSamples.pair(links: 3)),
            Sample("two meshes and a shared switch", try GraphSamples.hingedCliques()),
            Sample("a ring", try GraphSamples.ring(7)),
        ]
        var usual = 0
        for sample in samples {
            let extra = GraphRoutes.extraTrees(for: sample.graph, missing: [], failures: 2)
            let walk = GraphWalk(sample.graph, extraTrees: extra)
            #expect(
                walk.holes(walk.pairs, .own, destinations: 2) == 0, "\(sample.testDescription)")
            #expect(
                walk.holes(walk.pairs, .any, destinations: 1) == 0, "\(sample.testDescription)")
            usual += GraphWalk(sample.graph).holes(walk.pairs, .own, destinations: 2)
        }
        // Without them some are lost, so the walk above can see it.
        #expect(usual > 0)
    }

    @Test("the search is empty where nothing can be gained, and the same each time")
    func searchIsStable() throws {
        let petersen = try GraphSamples.petersen()
        #expect(GraphRoutes.extraTrees(for: petersen, missing: [], failures: 1).isEmpty)
        let meshes = try GraphSamples.bridgedCliques()
        let found = GraphRoutes.extraTrees(for: meshes, missing: [], failures: 2)
        #expect(!found.isEmpty)
        #expect(found == GraphRoutes.extraTrees(for: meshes, missing: [], failures: 2))
        #expect(found.values.allSatisfy { $0.count <= GraphRoutes.maximumExtraTrees })
    }

    @Test("no route uses a link that is missing, and what only it would join stays apart")
    func missingLinks() throws {
        let graph = try GraphSamples.bridgedCliques()
        let bridge = try #require(
            graph.edges.firstIndex { $0.from == 1 && $0.to == 6 }.map { LinkID($0) })
        let missing: LinkSet = [bridge, LinkID(0)]
        let routes = GraphRoutes(graph, missing: missing)
        let walk = GraphWalk(graph)
        var reached = 0
        for number in graph.destinations.indices {
            let destination = DestinationID(number)
            let owner = graph.destinations[number]
            let joined = walk.reach(of: owner, without: missing)
            for id in (0..<graph.nodes.count).map({ SwitchID($0) }) where id != owner {
                var ports: [Int] = []
                routes.appendShortest(at: id, to: destination, avoiding: [], into: &ports)
                let trees = (0..<routes.treeCount).compactMap {
                    routes.treePort(at: id, to: destination, tree: $0)
                }
                #expect(trees.count == (joined.contains(id) ? routes.treeCount : 0))
                #expect(ports.isEmpty != joined.contains(id))
                let used = (ports + trees).map { graph.neighbors[id.index][$0].link }
                #expect(used.allSatisfy { !missing.contains($0) })
                reached += ports.count
            }
        }
        #expect(reached > 0)
    }

    @Test("rank 0 keeps exactly the ports behind which a shortest path is free of dead links")
    func shortestPathsAroundFailures() throws {
        var random = RandomStream(seed: 7)
        for seed in 1...40 as ClosedRange<UInt64> {
            let graph = try GraphSamples.sparse(seed: seed)
            let routes = GraphRoutes(graph)
            let walk = GraphWalk(graph)
            let dead = LinkSet(
                graph.edges.indices.filter { _ in random.chance(1, in: 5) }.map { LinkID($0) })
            func hops(_ a: SwitchID, _ b: SwitchID, without dead: LinkSet) -> Int? {
                var layer: Set = [a]
                var seen = layer
                for distance in 0...graph.nodes.count {
                    if layer.contains(b) { return distance }
                    layer = Set(
                        layer.flatMap { walk.neighbors(of: $0) }
                            .filter { !dead.contains($0.link) }.map(\.far.owner)
                    ).subtracting(seen)
                    seen.formUnion(layer)
                }
                return nil
            }
            for number in graph.destinations.indices {
                let owner = graph.destinations[number]
                for id in (0..<graph.nodes.count).map({ SwitchID($0) }) where id != owner {
                    guard let length = hops(id, owner, without: []) else { continue }
                    let expected = graph.neighbors[id.index].indices.filter { port in
                        let next = graph.neighbors[id.index][port]
                        return !dead.contains(next.link)
                            && hops(next.far.owner, owner, without: dead) == length - 1
                    }
                    var ports: [Int] = []
                    routes.appendShortest(
                        at: id, to: DestinationID(number), avoiding: dead, into: &ports)
                    #expect(ports == expected)
                }
            }
        }
    }

    @Test("a ring as long as a wiring may be is handled without recursion")
    func longestRing() throws {
        let count = GraphTopology.maximumSwitches
        let routes = GraphRoutes(try GraphSamples.ring(count))
        let far = SwitchID(count / 2)
        let trees = (0..<routes.treeCount).compactMap {
            routes.treePort(at: far, to: DestinationID(0), tree: $0)
        }
        #expect(Set(trees) == [0, 1])
        var ports: [Int] = []
        routes.appendShortest(at: far, to: DestinationID(0), avoiding: [LinkID(3)], into: &ports)
        #expect(ports.count == 1)
    }
}
