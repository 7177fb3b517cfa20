import Foundation
import KapokFabric
import Testing

@Suite("The checker: classes against one by one")
struct CheckerClassesTests {
    private func both(
        _ plan: Forwarding, _ failures: Int, _ kind: FailureKind, _ knowledge: KnowledgeModel
    ) -> (exhaustive: CheckReport, classes: CheckReport) {
        var checker = FabricChecker(plan)
        checker.limits.method = .exhaustive
        let exhaustive = checker.check(failures: failures, kind: kind, knowledge: knowledge)
        checker.limits.method = .classes
        return (exhaustive, checker.check(failures: failures, kind: kind, knowledge: knowledge))
    }

    @Test(
        "both find the same longest way and nothing else",
        arguments: ["fattree:4", "fattree:6", "leafspine:4,3,1", "planes:2,leafspine:3,2,1"])
    func agreement(name: String) throws {
        let plan = Forwarding(try TopologyName(name).fabric)
        for kind in [FailureKind.link, .switch, .trunk] {
            for knowledge in [KnowledgeModel.local, .flooded, .partial] {
                let (exhaustive, classes) = both(plan, 1, kind, knowledge)
                #expect(classes.method == .classes && exhaustive.method == .exhaustive)
                #expect(exhaustive.isClean && classes.isClean)
                #expect(exhaustive.cases == classes.cases)
                #expect(exhaustive.maxHops == classes.maxHops, "\(kind) \(knowledge)")
            }
        }
    }

    @Test("and with two failures", arguments: [KnowledgeModel.local, .flooded, .partial])
    func two(knowledge: KnowledgeModel) throws {
        let plan = Forwarding(try TopologyName("fattree:4").fabric)
        let (exhaustive, classes) = both(plan, 2, .link, knowledge)
        #expect(exhaustive.isClean && classes.isClean)
        #expect(exhaustive.maxHops == classes.maxHops)
    }

    @Test("one destination tells for all that are alike", arguments: [FailureKind.link, .trunk])
    func destinations(kind: FailureKind) throws {
        for (name, failures) in [("fattree:4", 2), ("fattree:6", 1), ("leafspine:4,5,1", 1)] {
            var checker = FabricChecker(Forwarding(try TopologyName(name).fabric))
            checker.limits.method = .exhaustive
            let few = checker.check(failures: failures, kind: kind, knowledge: .local)
            checker.limits.usesSymmetry = false
            let all = checker.check(failures: failures, kind: kind, knowledge: .local)
            #expect(few.destinations < all.destinations || name == "leafspine:4,5,1")
            // Also what is not clean (two trunks at k = 4) is counted alike.
            #expect(few.loops + few.blackHoles == all.loops + all.blackHoles)
            #expect(few.disconnected == all.disconnected && few.maxHops == all.maxHops)
        }
    }

    @Test("one place tells for all that are alike", arguments: [FailureKind.switch, .trunk])
    func places(kind: FailureKind) throws {
        var checker = FabricChecker(Forwarding(try TopologyName("fattree:6").fabric))
        checker.limits.method = .classes
        let few = checker.check(failures: 1, kind: kind, knowledge: .partial)
        checker.limits.usesSymmetry = false
        let all = checker.check(failures: 1, kind: kind, knowledge: .partial)
        #expect(few.decisions < all.decisions)
        #expect(few.isClean && all.isClean && few.maxHops == all.maxHops)
    }

    @Test("k = 64: single links and switches")
    func large() throws {
        let checker = FabricChecker(Forwarding(try TopologyName("fattree:64").fabric))
        let report = checker.check(failures: 1, kind: .link, knowledge: .local)
        #expect(report.method == .classes && report.isClean)
        #expect(report.cases == 131_072 && report.maxHops == 8)
    }

    @Test(
        "k = 6 and 8 in full, and k = 64 with two failures",
        .enabled(if: ProcessInfo.processInfo.environment["KAPOK_FULL"] == "1"))
    func full() throws {
        for k in [6, 8] {
            let plan = Forwarding(try TopologyName("fattree:\(k)").fabric)
            for (failures, kind) in [
                (2, FailureKind.link), (1, .switch), (1, .trunk), (2, .mixed),
            ] {
                for knowledge in [KnowledgeModel.local, .flooded, .partial] {
                    let (exhaustive, classes) = both(plan, failures, kind, knowledge)
                    #expect(exhaustive.isClean && classes.isClean)
                    #expect(exhaustive.maxHops == classes.maxHops)
                }
            }
        }
        let large = FabricChecker(Forwarding(try TopologyName("fattree:64").fabric))
        for knowledge in [KnowledgeModel.local, .flooded, .partial] {
            #expect(large.check(failures: 2, kind: .link, knowledge: knowledge).isClean)
        }
    }
}
