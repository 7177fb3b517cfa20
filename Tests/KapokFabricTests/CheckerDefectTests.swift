import KapokFabric
import Testing

@Suite("The checker: faults put in on purpose")
struct CheckerDefectTests {
    private static func report(
        _ defect: ForwardingDefect, _ method: CheckReport.Method, failures: Int = 1,
        kind: FailureKind = .link, knowledge: KnowledgeModel
    ) throws -> CheckReport {
        var plan = Forwarding(try TopologyName("fattree:4").fabric)
        plan.defect = defect
        var checker = FabricChecker(plan)
        checker.limits.method = method
        return checker.check(failures: failures, kind: kind, knowledge: knowledge)
    }

    static let methods = [CheckReport.Method.exhaustive, .classes]

    @Test("a tag that does not rise makes a loop", arguments: methods)
    func noTagRise(method: CheckReport.Method) throws {
        let report = try Self.report(.noTagRise, method, knowledge: .local)
        #expect(report.loops > 0)
        let example = try #require(report.counterExamples.first { $0.fault == .loop })
        // It is seen by coming back, not by the tag.
        #expect(Set(example.steps.map(\.tag)) == [.zero])
        let last = try #require(example.steps.last)
        #expect(example.steps.dropLast().contains { $0.at == last.at && $0.tag == last.tag })
    }

    @Test("hashing instead of a tree makes a loop", arguments: methods)
    func hash(method: CheckReport.Method) throws {
        #expect(try Self.report(.hashInsteadOfTree, method, knowledge: .local).loops > 0)
    }

    @Test("not looking at the own links loses packets", arguments: methods)
    func ownLinks(method: CheckReport.Method) throws {
        let report = try Self.report(.ignoresLocalLinks, method, knowledge: .local)
        #expect(report.blackHoles > 0)
        let example = try #require(report.counterExamples.first)
        guard case .deadLink(let link) = example.fault else {
            Issue.record("\(example.fault)")
            return
        }
        #expect(example.dead.contains(link))
    }

    @Test("no alternates, or the next tree unseen, loses packets", arguments: methods)
    func alternates(method: CheckReport.Method) throws {
        for defect in [ForwardingDefect.noAlternates, .nextTreeUnseen] {
            #expect(try Self.report(defect, method, knowledge: .local).blackHoles > 0)
        }
    }

    @Test("trees tried without the news lose or lengthen ways that full knowledge would find")
    func remoteNews() throws {
        let right = FabricChecker(Forwarding(try TopologyName("fattree:4").fabric))
            .check(failures: 2, kind: .mixed, knowledge: .flooded)
        let wrong = try Self.report(
            .ignoresRemoteNews, .exhaustive, failures: 2, kind: .mixed, knowledge: .flooded)
        #expect(right.isClean && right.maxHops == 8)
        #expect(wrong.loops + wrong.blackHoles > 0 || wrong.maxHops > right.maxHops)
    }

    @Test("a tag that begins again makes a loop where the destination is cut off")
    func wrap() throws {
        let report = try Self.report(
            .tagWrapsAround, .exhaustive, failures: 2, knowledge: .local)
        #expect(report.loops > 0)
        #expect(report.blackHoles == 0)
    }

    @Test("a bad walk is printed as a path, with what failed and who knew")
    func text() throws {
        let fabric = try TopologyName("fattree:4").fabric
        let report = try Self.report(.noAlternates, .exhaustive, knowledge: .local)
        let text = try #require(report.counterExamples.first).text(in: fabric)
        #expect(text.contains("-(rank 0)-> "))
        #expect(text.contains("drop, no rank leads on"))
        #expect(text.contains("failed: link "))
        #expect(text.contains(" took for dead: "))
    }

    @Test("what no tree survives is told apart from what knowledge would repair")
    func unprotected() throws {
        // Without alternates nothing but rank 0 leads on: with two dead links full knowledge finds
        // another way there for most, not for all.
        let report = try Self.report(.noAlternates, .exhaustive, failures: 2, knowledge: .local)
        #expect(report.unprotected > 0)
        #expect(report.unprotected < report.blackHoles)
    }
}
