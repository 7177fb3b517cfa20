import Testing

@testable import KapokFabric

@Suite("Proving a plan before it is activated")
struct PlanProofTests {
    @Test("a drain in a Clos network passes, mixed with the plan in force")
    func clos() {
        let old = FabricPlan(
            epoch: 1, fabric: PlanSamples.fabric("fattree:4"), topologyName: "fattree:4")
        var new = old
        new.epoch = 2
        new.drain(.pod(3))
        let verdict = FailureProof(kinds: [.link]).check(new, replacing: old)
        guard case .passed(let cases, let scope) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(cases >= 32)
        #expect(scope.contains("mixed"))
    }

    /// Four routers in a ring with one chord.
    private func ring() throws -> FabricPlan {
        let nodes = (1...4).map { GraphTopology.Node(name: "r\($0)", isDestination: true) }
        let ends = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]
        let edges = ends.enumerated().map { index, ends in
            GraphTopology.Edge(
                from: ends.0, fromPort: "a\(index)", to: ends.1, toPort: "b\(index)")
        }
        let graph = try GraphTopology(nodes: nodes, edges: edges)
        return FabricPlan(epoch: 1, fabric: .graph(graph), topologyName: "")
    }

    @Test("in a wiring a link that goes missing makes mixtures loop, and a path shows it")
    func graph() throws {
        let old = try ring()
        var new = old
        new.epoch = 2
        new.missing = [LinkID(4)]
        guard case .needsProof = try PlanRelation(of: new, to: old) else {
            Issue.record("trees depend on what is missing")
            return
        }
        let verdict = FailureProof(kinds: [.link]).check(new, replacing: old)
        guard case .failed(let example) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(example.fault == .loop)
        #expect(example.description.contains("old plan"))
        // Draining the link is as good, and safe at once.
        var drained = old
        drained.epoch = 2
        drained.drained = [LinkID(4)]
        #expect(try PlanRelation(of: drained, to: old) == .safe)
        guard case .passed = FailureProof(kinds: [.link]).check(drained, replacing: old) else {
            Issue.record("a drain only takes ways out")
            return
        }
    }

    @Test("a wiring that has grown is not called proven")
    func grown() throws {
        let old = try ring()
        guard case .graph(let graph) = old.fabric else { return }
        let edges = graph.edges + [.init(from: 1, fromPort: "x", to: 3, toPort: "x")]
        let new = FabricPlan(
            epoch: 2, fabric: .graph(try GraphTopology(nodes: graph.nodes, edges: edges)),
            topologyName: "")
        guard case .undecided = FailureProof().check(new, replacing: old) else {
            Issue.record("the mixture cannot be checked")
            return
        }
    }
}
