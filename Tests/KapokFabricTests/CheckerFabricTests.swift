import KapokFabric
import Testing

@Suite("The checker: plans that are right")
struct CheckerFabricTests {
    /// Failures that the small fabrics below survive, with any knowledge.
    static let cases: [(name: String, failures: Int, kind: FailureKind)] = [
        ("fattree:4", 1, .mixed), ("fattree:4", 2, .link), ("leafspine:4,2,2", 2, .link),
        ("leafspine:3,4,1", 1, .mixed), ("dualtor:2,3,2", 2, .link), ("rail:1,4,2,2", 1, .mixed),
        ("rail:3,2,2,2", 1, .link), ("planes:2,leafspine:3,2,1", 1, .switch),
        ("fattree:6", 1, .trunk),
    ]

    @Test("no loop and no black hole, whatever switches know", arguments: cases.indices)
    func clean(index: Int) throws {
        let (name, failures, kind) = Self.cases[index]
        let checker = FabricChecker(Forwarding(try TopologyName(name).fabric))
        for knowledge in [KnowledgeModel.local, .flooded, .partial] {
            let report = checker.check(failures: failures, kind: kind, knowledge: knowledge)
            #expect(report.isClean, "\(report.counterExamples)")
            #expect(report.cases > 0 && report.decisions > 0 && report.maxHops >= 2)
        }
    }

    @Test("a switch and a link together are survived at k = 4 with local knowledge and with all")
    func switchAndLink() throws {
        let checker = FabricChecker(Forwarding(try TopologyName("fattree:4").fabric))
        let report = checker.check(failures: 2, kind: .mixed, knowledge: [.local, .flooded])
        #expect(report.cases == 20 * 32 + 16 * 32)
        #expect(report.isClean, "\(report.counterExamples)")
    }

    @Test("news brings the shortest ways back, and one dead link costs two hops before that")
    func hops() throws {
        let checker = FabricChecker(Forwarding(try TopologyName("fattree:6").fabric))
        let flooded = checker.check(failures: 1, kind: .link, knowledge: .flooded)
        #expect(flooded.maxHops == 4 && flooded.maxRank == 0)
        #expect(checker.check(failures: 1, kind: .link, knowledge: .local).maxHops == 6)
    }

    @Test("who is cut off is counted apart: two dead links at an edge switch of k = 4")
    func disconnected() throws {
        let checker = FabricChecker(Forwarding(try TopologyName("fattree:4").fabric))
        let report = checker.check(failures: 2, kind: .link, knowledge: .local)
        // Each of 8 edge switches by one pair of links: 7 pairs towards it and 7 from it.
        #expect(report.disconnected == 8 * 14)
        #expect(report.isClean)
    }

    @Test("a failed switch's own hosts are no black hole")
    func ownHosts() throws {
        let checker = FabricChecker(Forwarding(try TopologyName("leafspine:3,2,1").fabric))
        let report = checker.check(failures: 1, kind: .switch, knowledge: .local)
        #expect(report.isClean && report.disconnected == 0 && report.cases == 5)
    }

    @Test("a drained switch and a dead one beside it: no packet turns back for ever")
    func drainedBesideDead() throws {
        // It did, while trees without drained links were preferred above rank 0 too.
        let fabric = try TopologyName("fattree:4").fabric
        let agg = try #require(fabric.switchNamed("agg-0-1"))
        let drained = LinkSet((0..<4).compactMap { fabric.neighbor(of: agg, port: $0)?.link })
        let report = FabricChecker(Forwarding(fabric, drained: drained))
            .check(failures: 1, kind: .switch, knowledge: .local)
        #expect(report.isClean && report.maxHops <= 16, "\(report.counterExamples)")
    }

    @Test("any mixture of a plan and the one it replaces is safe: drains and missing links")
    func mixtures() throws {
        let fabric = try TopologyName("fattree:4").fabric
        let links = LinkSet(
            (0..<4).compactMap { fabric.neighbor(of: SwitchID(9), port: $0)?.link })
        let plain = Forwarding(fabric)
        for plan in [
            Forwarding(fabric, drained: links), Forwarding(fabric, missing: [links.links[0]]),
        ] {
            var checker = FabricChecker(plan, replacing: plain)
            checker.limits.method = .exhaustive
            for knowledge in [KnowledgeModel.local, .flooded] {
                let report = checker.check(failures: 1, kind: .link, knowledge: knowledge)
                #expect(report.isClean, "\(report.counterExamples)")
                #expect(report.destinations == 8)
            }
        }
    }

    @Test("a check that is stopped says so")
    func stopped() throws {
        let checker = FabricChecker(Forwarding(try TopologyName("fattree:4").fabric))
        let report = checker.check(failures: 2, kind: .link, knowledge: .local) { _ in false }
        #expect(!report.isComplete && !report.isClean)
    }
}
