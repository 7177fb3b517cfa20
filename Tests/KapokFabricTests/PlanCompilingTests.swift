import KapokWorld
import Testing

@testable import KapokFabric

@Suite("Compiling the plan of a fabric")
struct PlanCompilingTests {
    let planner = Planner(signer: PlanSamples.signer)

    private func plan(_ name: String, epoch: UInt64 = 1) -> FabricPlan {
        FabricPlan(epoch: epoch, fabric: PlanSamples.fabric(name), topologyName: name)
    }

    @Test("each switch gets the plan that it would get by itself, byte for byte")
    func likeSingle() throws {
        var plan = plan("fattree:4", epoch: 9)
        plan.missing = [LinkID(3)]
        plan.drain(.pod(2))
        let compiled = try planner.compile(plan)
        for index in 0..<20 {
            let single = SignedPlan(
                plan.switchPlan(for: SwitchID(index)), signedBy: planner.signer)
            #expect(compiled.signedPlan(for: SwitchID(index)) == single)
            let read = try SignedPlan.verify(
                single.bytes, trusting: planner.signer.publicKey)
            #expect(read.switchID == SwitchID(index))
            #expect(single.bytes.count <= compiled.largestBytes)
        }
    }

    @Test("a plan made from its predecessor is the plan made from nothing")
    func incremental() throws {
        var random = RandomStream(seed: 11).split("incremental")
        var old = try planner.compile(plan("fattree:8"))
        for round in 0..<20 {
            var next = old.plan
            next.epoch += 1
            next.missing = LinkSet((0..<random.below(6)).map { _ in LinkID(random.below(256)) })
            next.drained = []
            if round % 3 == 0 { next.drain(.node(SwitchID(random.below(80)))) }
            if round == 10 { next.identities[SwitchID(7)] = [1, 2, 3] }
            let small = try planner.compile(next, replacing: old)
            let full = try planner.compile(next)
            #expect(small.bodyHash == full.bodyHash)
            #expect(small.tables == full.tables)
            for index in [0, 7, 79] {
                let id = SwitchID(index)
                #expect(small.signedPlan(for: id) == full.signedPlan(for: id))
            }
            old = small
        }
    }

    @Test("5,120 switches with a pod drained and 1,300 links missing stay under 4 KiB each")
    func sizes() throws {
        var random = RandomStream(seed: 2).split("sizes")
        var plan = plan("fattree:64")
        let compiled = try planner.compile(plan)
        #expect(compiled.switchCount == 5_120)
        #expect(compiled.largestBytes < 600)
        plan.missing = LinkSet((0..<1_300).map { _ in LinkID(random.below(131_072)) })
        plan.drain(.pod(63))
        let signed = SignedPlan(
            plan.switchPlan(for: SwitchID(5_119)), signedBy: planner.signer)
        #expect(signed.bytes.count <= 4_096)
        #expect(signed.bytes.count > 2_000)
    }

    @Test("a wiring takes at most eight bytes a link")
    func graphSizes() throws {
        let compiled = try planner.compile(
            FabricPlan(epoch: 1, fabric: PlanSamples.fabric("ab:8"), topologyName: ""))
        #expect(compiled.sharedBytes < 8 * 256 + 80 * 8)
        let bytes = compiled.signedPlan(for: SwitchID(79)).bytes
        let read = try SignedPlan.verify(bytes, trusting: compiled.publicKey)
        #expect(read.fabric == PlanSamples.fabric("ab:8"))
    }

    @Test("what does not fit its topology is refused with a reason")
    func unfit() {
        func problem(_ change: (inout FabricPlan) -> Void) -> String? {
            var plan = plan("fattree:4")
            change(&plan)
            do { _ = try planner.compile(plan) } catch { return error.description }
            return nil
        }
        #expect(problem { _ in } == nil)
        #expect(problem { $0.missing = [LinkID(32)] }?.contains("link 32") == true)
        #expect(problem { $0.topologyName = "fattree:6" }?.contains("something else") == true)
        #expect(problem { $0.topologyName = "" }?.contains("no name") == true)
        #expect(problem { $0.timers.multiplier = 1 }?.contains("multiplier") == true)
        let taken = IPv4Prefix(address: 10 << 24 | 1 << 8, length: 24)
        #expect(
            problem { $0.extraPrefixes = [DestinationID(5): [taken]] }
                == "10.0.1.0/24 belongs to both edge-0-1 and edge-2-1")
        let identity = [UInt8](repeating: 0, count: 65)
        #expect(problem { $0.identities[SwitchID(1)] = identity }?.contains("65 bytes") == true)
    }

    @Test("a destination's prefixes do not move to another at once, nested ones neither")
    func moving() throws {
        var old = plan("fattree:4")
        old.extraPrefixes = [
            DestinationID(6): [IPv4Prefix(address: 0, length: 0)],
            DestinationID(7): [IPv4Prefix(address: 1 << 31, length: 1)],
        ]
        var new = old
        new.epoch = 2
        #expect(try PlanRelation(of: new, to: old) == .safe)
        new.extraPrefixes[DestinationID(7)] = nil
        guard case .refused(let why) = try PlanRelation(of: new, to: old) else {
            Issue.record("withdrawing the half leaves it to the owner of the whole")
            return
        }
        #expect(why.hasPrefix("128.0.0.0 goes from edge-3-1 to edge-3-0 at once"))
        new.extraPrefixes[DestinationID(6)] = nil
        #expect(try PlanRelation(of: new, to: old) == .safe)
        #expect(throws: PlanProblem.self) {
            var moved = old
            moved.epoch = 2
            moved.extraPrefixes = [DestinationID(1): [IPv4Prefix(address: 0, length: 0)]]
            _ = try planner.compile(moved, replacing: try planner.compile(old))
        }
    }

    @Test("the owner of an address is that of the longest prefix, as a search over all finds")
    func owners() throws {
        var random = RandomStream(seed: 5).split("prefixes")
        for _ in 0..<200 {
            var plan = plan("leafspine:5,1,0")
            var all: [(prefix: IPv4Prefix, owner: DestinationID)] = (0..<5).compactMap { index in
                plan.fabric.prefix(of: DestinationID(index)).map { ($0, DestinationID(index)) }
            }
            for _ in 0..<random.below(6) {
                let length = random.below(33)
                let address =
                    UInt32(truncatingIfNeeded: random.next()) & IPv4Prefix.mask(length)
                let prefix = IPv4Prefix(address: address, length: length)
                if all.contains(where: { $0.prefix == prefix }) { continue }
                let owner = DestinationID(random.below(5))
                all.append((prefix, owner))
                plan.extraPrefixes[owner, default: []].append(prefix)
            }
            let owners = try PrefixOwners(plan)
            for _ in 0..<50 {
                let range = all[random.below(all.count)].prefix.range
                let edges: [UInt32] = [
                    range.lowerBound, range.upperBound, range.upperBound &+ 1,
                ]
                let address = edges[random.below(3)]
                let best = all.filter { $0.prefix.range.contains(address) }
                    .max { $0.prefix.length < $1.prefix.length }
                #expect(owners.owner(of: address) == best?.owner)
            }
        }
    }

    @Test("a wiring may grow at its end; other links missing need a proof; less is refused")
    func graphs() throws {
        let old = FabricPlan(epoch: 1, fabric: PlanSamples.fabric("ab:4"), topologyName: "")
        guard case .graph(let graph) = old.fabric else { return }
        func relation(
            _ nodes: [GraphTopology.Node], _ edges: [GraphTopology.Edge], missing: LinkSet = [],
            drained: LinkSet = []
        ) throws -> PlanRelation {
            let fabric = Fabric.graph(try GraphTopology(nodes: nodes, edges: edges))
            let new = FabricPlan(
                epoch: 2, fabric: fabric, topologyName: "", missing: missing, drained: drained)
            return try PlanRelation(of: new, to: old)
        }
        #expect(try relation(graph.nodes, graph.edges) == .safe)
        #expect(try relation(graph.nodes, graph.edges, drained: [LinkID(3)]) == .safe)
        #expect(
            try relation(graph.nodes, graph.edges, missing: [LinkID(3)])
                == .needsProof("other links are missing"))
        let more = graph.edges + [.init(from: 0, fromPort: "new", to: 1, toPort: "new")]
        #expect(try relation(graph.nodes, more) == .needsProof("the wiring has grown"))
        guard case .refused = try relation(graph.nodes, Array(graph.edges.dropFirst())) else {
            Issue.record("links have other numbers")
            return
        }
    }
}
