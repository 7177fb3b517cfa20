import KapokWorld
import Testing

@testable import KapokFabric

@Suite("Why a packet goes where it goes")
struct PlanExplanationTests {
    private func named(_ text: String, _ fabric: Fabric) throws -> SwitchID {
        try FabricTarget.named(text, in: fabric)
    }

    private func explain(
        _ topology: String, _ from: String, _ to: String, dead: [String] = [],
        knowledge: PathExplanation.Knowledge = .full, flow: UInt64 = 0,
        _ change: (inout FabricPlan) throws -> Void = { _ in }
    ) throws -> PathExplanation {
        let fabric = PlanSamples.fabric(topology)
        var plan = FabricPlan(epoch: 1, fabric: fabric, topologyName: topology)
        try change(&plan)
        let links = try dead.flatMap { try FabricTarget($0, in: fabric).links(of: fabric) }
        let destination = try #require(fabric.destination(of: try named(to, fabric)))
        return PathExplanation(
            plan.forwarding(), from: try named(from, fabric), to: destination,
            dead: LinkSet(links), knowledge: knowledge, flow: flow)
    }

    @Test("the way of the news: who knows avoids the plane, and says which link is to blame")
    func blocked() throws {
        let explanation = try explain(
            "fattree:4", "edge-0-0", "edge-3-1", dead: ["agg-3-0:swp2"])
        #expect(explanation.outcome == .delivered)
        #expect(explanation.steps.count == 5)
        #expect(
            explanation.lines().prefix(2) == [
                "edge-0-0: one shortest way: swp2 to agg-0-1",
                "    swp1: further on it needs edge-3-1:swp1 -- agg-3-0:swp2, which is dead",
            ])
    }

    @Test("without the news the packet runs into the failure and rises there")
    func local() throws {
        let explanation = try explain(
            "fattree:4", "agg-0-1", "edge-3-1", dead: ["agg-3-1:swp2"], knowledge: .local)
        #expect(explanation.outcome == .delivered)
        let rise = try #require(explanation.steps.first { $0.tree != nil })
        #expect(rise.id == SwitchID(15))
        #expect(rise.rank == 0)
        #expect(rise.others.contains { $0.reason == .dead && $0.ports == [1] })
        #expect(explanation.steps[0].known.isEmpty)
        let words = explanation.lines().joined(separator: "\n")
        #expect(words.contains("agg-3-1: rises to rank"))
        #expect(words.contains("swp2: the link is dead"))
        #expect(words.contains("not in the packet's tree"))
    }

    @Test("flows spread over equal ways, and one flow keeps its own")
    func flows() throws {
        var taken: Set<Int> = []
        for flow in 0..<40 as Range<UInt64> {
            let one = try explain("fattree:8", "edge-0-0", "edge-3-1", flow: flow)
            let again = try explain("fattree:8", "edge-0-0", "edge-3-1", flow: flow)
            #expect(one.steps == again.steps)
            taken.insert(one.steps[0].port ?? -1)
            #expect(one.steps[0].others.contains { $0.reason == .equal && $0.ports.count == 3 })
        }
        #expect(taken == [0, 1, 2, 3])
    }

    @Test("drained and missing links are told apart")
    func drained() throws {
        let explanation = try explain("fattree:8", "edge-0-0", "edge-3-1") { plan in
            plan.drained = LinkSet(
                try FabricTarget("edge-0-0:swp2", in: plan.fabric).links(of: plan.fabric))
            plan.missing = LinkSet(
                try FabricTarget("edge-0-0:swp3", in: plan.fabric).links(of: plan.fabric))
        }
        let others = explanation.steps[0].others
        #expect(others.contains { $0.reason == .drained && $0.ports == [1] })
        #expect(others.contains { $0.reason == .missing && $0.ports == [2] })
    }

    @Test("a destination without a living link is a drop that says so")
    func dropped() throws {
        let explanation = try explain(
            "fattree:4", "edge-0-0", "edge-3-1", dead: ["edge-0-0"])
        #expect(explanation.outcome == .dropped)
        #expect(explanation.lines()[0] == "edge-0-0: dropped, no rank is left that leads on")
    }

    @Test("a loop is found and named")
    func loop() throws {
        let fabric = PlanSamples.fabric("fattree:4")
        let dead = try FabricTarget("agg-3-1:swp2", in: fabric).links(of: fabric)
        var forwarding = Forwarding(fabric)
        forwarding.defect = .noTagRise
        // The packet is sent to a sibling, which may send it back.
        let explanations = (0..<20 as Range<UInt64>).map { flow in
            PathExplanation(
                forwarding, from: SwitchID(15), to: DestinationID(7), dead: LinkSet(dead),
                knowledge: .local, flow: flow)
        }
        let loop = try #require(explanations.first { $0.outcome == .loop })
        #expect(loop.lines().last?.hasPrefix("a loop") == true)
        #expect(explanations.contains { $0.outcome == .delivered })
    }

    @Test("every step is what the forwarding function decides, on wirings too")
    func faithful() throws {
        var random = RandomStream(seed: 3).split("explain")
        for round in 0..<200 {
            let name = ["fattree:4", "ab:4", "leafspine:4,3,1", "fattree:6"][round % 4]
            let fabric = PlanSamples.fabric(name)
            let forwarding = Forwarding(fabric)
            let dead = LinkSet(
                (0..<random.below(4)).map { _ in LinkID(random.below(fabric.linkCount)) })
            let to = DestinationID(random.below(fabric.destinationCount))
            let explanation = PathExplanation(
                forwarding, from: SwitchID(random.below(fabric.switchCount)), to: to, dead: dead,
                knowledge: round % 2 == 0 ? .local : .full, flow: random.next())
            for (step, next) in zip(explanation.steps, explanation.steps.dropFirst()) {
                let choice = forwarding.decide(
                    at: step.id, to: to, tag: Tag(rank: UInt8(step.rank)), dead: step.known)
                #expect(choice == step.decision)
                let way = try #require(step.next)
                #expect(next.id == way.far.owner)
                #expect(!dead.contains(way.link))
                // Every port of the switch is either taken or explained.
                let explained = step.others.flatMap(\.ports) + [step.port ?? -1]
                #expect(explained.sorted() == Array(0..<fabric.fabricPortCount(of: step.id)))
            }
        }
    }
}

@Suite("What operators name")
struct PlanTargetTests {
    @Test("a link is the same by either port, by both, and by its number")
    func links() throws {
        let fabric = PlanSamples.fabric("fattree:4")
        let texts = [
            "edge-0-1:swp2", "agg-0-1:swp2", "edge-0-1:swp2 -- agg-0-1:swp2", "link:3",
            fabric.describe(LinkID(3)),
        ]
        for text in texts {
            #expect(try FabricTarget(text, in: fabric) == .link(LinkID(3)), "\(text)")
        }
        #expect(try FabricTarget("pod:1", in: fabric).links(of: fabric).count == 8)
        #expect(try FabricTarget("core-0-0", in: fabric).links(of: fabric).count == 4)
        #expect(try FabricTarget("plane:0", in: fabric).links(of: fabric).count == 32)
        let trunks = (0..<fabric.trunkCount).flatMap {
            FabricTarget.trunk(TrunkID($0)).links(of: fabric)
        }
        #expect(Set(trunks).count == 32)
        #expect(trunks.count == 32)
    }

    @Test("a name that is unknown is refused with what may have been meant")
    func unknown() {
        let fabric = PlanSamples.fabric("fattree:4")
        func refusal(_ text: String, _ fabric: Fabric) -> String {
            do {
                _ = try FabricTarget(text, in: fabric)
                return ""
            } catch { return error.description }
        }
        #expect(refusal("egde-0-1", fabric).contains("did you mean edge-0-1"))
        #expect(refusal("leaf17", fabric).contains("names look like edge-0-0"))
        #expect(refusal("edge-0-1:swp9", fabric).contains("it has swp1, swp2"))
        #expect(refusal("pod:4", fabric).contains("from 0 to 3"))
        #expect(refusal("link:-1", fabric).contains("from 0 to 31"))
        #expect(refusal("edge-0-1:swp1 -- agg-0-1:swp1", fabric).contains("two links"))
        #expect(refusal("pod:1", PlanSamples.fabric("ab:4")).contains("no pods"))
        for text in ["", ":", " -- ", "a:b -- c:d", "link:", "trunk:99999999999999999999"] {
            #expect(!refusal(text, fabric).isEmpty, "\(text)")
        }
    }

    @Test("hundreds of mutated names are read or refused, and never crash")
    func fuzz() {
        var random = RandomStream(seed: 9).split("names")
        let fabric = PlanSamples.fabric("planes:2,fattree:4")
        let good = [
            "plane1-edge-0-1:swp2", "link:17", "pod:1", "plane0-core-1-0",
            "plane0-edge-0-1:swp2 -- plane0-agg-0-1:swp2",
        ]
        var accepted = 0
        for round in 0..<600 {
            let bytes = Mutation.of(Array(good[round % good.count].utf8), &random)
            let text = String(decoding: bytes, as: UTF8.self)
            guard let target = try? FabricTarget(text, in: fabric) else { continue }
            accepted += 1
            #expect(target.links(of: fabric).allSatisfy { $0.index < fabric.linkCount })
        }
        #expect(accepted > 2)
    }
}
