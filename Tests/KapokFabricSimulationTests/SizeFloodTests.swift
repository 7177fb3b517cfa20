import KapokFabric
import KapokWorld
import Testing

@testable import KapokFabricSimulation

@Suite("How news travel in the simulator at size")
struct SizeFloodTests {
    /// Shapes with every kind of corner: one core, one aggregation switch, one edge switch a pod,
    /// more cores than pods, two tiers.
    static let shapes = [
        ClosShape.fatTree(4), .fatTree(6), .fatTree(2),
        ClosShape(
            planes: 2, pods: 3, edgesPerPod: 2, aggregationsPerPod: 3, coresPerAggregation: 2,
            hostsPerEdge: 2),
        ClosShape(
            pods: 2, edgesPerPod: 1, aggregationsPerPod: 2, coresPerAggregation: 4,
            hostsPerEdge: 1),
        ClosShape(
            pods: 4, edgesPerPod: 3, aggregationsPerPod: 1, coresPerAggregation: 1,
            hostsPerEdge: 1),
        ClosShape(
            pods: 5, edgesPerPod: 3, aggregationsPerPod: 4, coresPerAggregation: 2,
            hostsPerEdge: 0),
        ClosShape(
            pods: 1, edgesPerPod: 6, aggregationsPerPod: 4, coresPerAggregation: 0,
            hostsPerEdge: 4),
    ]

    /// The messages of both copies of news about a link, by following `FloodTree` itself.
    private func messages(_ fabric: Fabric, _ link: LinkID) -> Int {
        let tree = FloodTree(fabric)
        let (lower, upper) = fabric.ends(of: link)
        var count = 0
        for origin in [lower.owner, upper.owner] {
            let copy = tree.originCopy(of: link, at: origin)
            var queue: [(id: SwitchID, arrival: Int?)] = [(origin, nil)]
            while let (id, arrival) = queue.popLast() {
                var ports: [Int] = []
                tree.appendRelays(of: link, copy: copy, at: id, arrival: arrival, into: &ports)
                for port in ports {
                    count += 1
                    if let next = fabric.neighbor(of: id, port: port) {
                        queue.append((next.far.owner, next.far.port))
                    }
                }
            }
        }
        return count
    }

    @Test("a failure and its end cost exactly the messages of FloodTree", arguments: shapes)
    func countsOfFloodTree(shape: ClosShape) throws {
        let fabric = Fabric.clos(ClosTopology(shape))
        for link in 0..<fabric.linkCount {
            let report = try SizeFixtures.run(
                fabric, [SizeFixtures.cut(link, at: SizeFixtures.second(1))])
            let flooded = report.messages - report.detail("escalationMessages")
            #expect(flooded == 2 * messages(fabric, LinkID(link)))
            #expect(report.lostMessages == 0)
            #expect(report.detail("untold") == 0)
        }
    }

    /// Runs all links' failures, one after the other, and gives what became of each.
    private func outcomes(
        _ fabric: Fabric, _ events: [FailureEvent], general: Bool
    ) -> (outcomes: [FailureOutcome], messages: Int, lost: Int) {
        var options = SizeOptions()
        options.usesGeneralPath = general
        options.oracleWalks = 0
        // Batches let messages of different floods queue in a slightly different order where a
        // processor is busy with receiving; without that cost all times are equal.
        options.receive = .zero
        var engine = SizeEngine(
            fabric: fabric, schedule: FailureSchedule(events: events), options: options)
        engine.run()
        return (engine.outcomes, engine.tally.messages, engine.tally.lostMessages)
    }

    @Test(
        "batches reach every switch at the nanosecond that message by message does",
        arguments: shapes)
    func batchesEqualMessages(shape: ClosShape) {
        let fabric = Fabric.clos(ClosTopology(shape))
        // A standing failure, so that batches have to look where they send.
        var events = [SizeFixtures.cut(0, at: SizeFixtures.second(1), for: 100_000)]
        for link in 0..<fabric.linkCount {
            events.append(
                SizeFixtures.cut(
                    link, at: SizeFixtures.second(UInt64(link + 1) * 60),
                    isSilent: link % 2 == 0))
        }
        let batches = outcomes(fabric, events, general: false)
        let single = outcomes(fabric, events, general: true)
        #expect(batches.messages == single.messages)
        #expect(batches.lost == single.lost)
        for (a, b) in zip(batches.outcomes, single.outcomes) {
            #expect(a.repair == b.repair)
            #expect(a.optimal == b.optimal)
            #expect(a.checksum == b.checksum)
        }
        #expect(batches.outcomes.contains { $0.checksum != 0 })
    }

    @Test(
        "one dead link elsewhere never delays news: the other copy brings them", arguments: [4, 6])
    func twoCopies(k: Int) throws {
        let fabric = Fabric.clos(ClosTopology(.fatTree(k)))
        guard case .clos(let clos) = fabric else { return }
        let examples = [
            clos.lowerLink(plane: 0, pod: 1, edge: 1, aggregation: 1),
            clos.upperLink(plane: 0, pod: 1, aggregation: 1, core: 1),
        ]
        var lost = 0
        for link in examples {
            for other in 0..<fabric.linkCount where other != link.index {
                let report = try SizeFixtures.run(
                    fabric,
                    [
                        SizeFixtures.cut(other, at: SizeFixtures.second(1), for: 100),
                        SizeFixtures.cut(link.index, at: SizeFixtures.second(20)),
                    ])
                lost += report.lostMessages
                #expect(report.detail("untold") == 0)
                #expect(report.optimalMilliseconds.max < 5)
            }
        }
        // Something was lost, or this would show nothing.
        #expect(lost > 0)
    }

    @Test("what both copies miss, a comparison of digests brings within two periods")
    func digests() throws {
        // A third of all links at once: some switches miss both copies.
        let report = try SizeFixtures.run("k8", count: 30, seed: 3, mode: .simultaneous)
        #expect(report.detail("digestRepairs") > 0)
        #expect(report.detail("untold") == 0)
        #expect(report.allOptimalMilliseconds > 5)
        #expect(report.allOptimalMilliseconds < 210)
    }

    @Test("in a wiring as it is, each switch passes news on once, out of all ports but one")
    func graphFlood() throws {
        let fabric = try SizeFixtures.fabric("ab:4")
        let report = try SizeFixtures.run(
            fabric, [SizeFixtures.cut(5, at: SizeFixtures.second(1))])
        // Both ends: all ports but the link's own. Everyone else: all but where it came from.
        let ends = 2 * (4 - 1)
        let edges = 8
        let others = (fabric.switchCount - 2)
        let (lower, _) = fabric.ends(of: LinkID(5))
        let edgeEnds = fabric.tier(of: lower.owner) == .edge ? 1 : 0
        // Edge switches have two fabric ports, all others four.
        let expected = ends - 2 * edgeEnds + (others - edges + edgeEnds) * 3 + (edges - edgeEnds)
        #expect(report.messages == 2 * expected)
        #expect(report.detail("untold") == 0)
        #expect(report.detail("oracleFailures") == 0)
    }
}
