import Crypto
import KapokWorld
import Testing

@testable import KapokFabric

/// Plans and wirings for tests.
enum PlanSamples {
    static let signer = PlannerSigner(seed: [UInt8](repeating: 7, count: 32)) ?? PlannerSigner()

    static func fabric(_ name: String) -> Fabric {
        guard let topology = try? TopologyName(name) else { preconditionFailure(name) }
        return topology.fabric
    }

    static func plan(_ name: String, of id: Int = 0, epoch: UInt64 = 5) -> SwitchPlan {
        SwitchPlan(
            epoch: epoch, switchID: SwitchID(id), fabric: fabric(name), topologyName: name)
    }

    /// A plan with something in every field.
    static func fullPlan() -> SwitchPlan {
        var plan = plan("fattree:4", of: 3)
        plan.missing = [LinkID(2), LinkID(3), LinkID(4), LinkID(31)]
        plan.drained = [LinkID(0), LinkID(9)]
        plan.extraPrefixes = [
            DestinationID(1): [IPv4Prefix(address: 0, length: 0)],
            DestinationID(6): [
                IPv4Prefix(address: 192 << 24, length: 8),
                IPv4Prefix(address: 10 << 24 | 200 << 16 | 1, length: 32),
            ],
        ]
        plan.timers.hello = .microseconds(500)
        plan.timers.multiplier = 3
        plan.timers.digest = .milliseconds(100)
        plan.timers.holdDown = .seconds(3)
        plan.timers.longestHoldDown = .seconds(600)
        plan.timers.greyLossPerMillion = 1_000
        plan.timers.greyWindow = .milliseconds(1_000)
        plan.compatibleSince = 2
        plan.identity = Array(signer.publicKey.bytes)
        return plan
    }

    /// A ring with chords, names of several kinds, and extra trees.
    static func graphPlan() -> SwitchPlan {
        let names = ["r1", "r2", "r3", "sw-é", "x", "y007", "y008", "z"]
        let nodes = names.enumerated().map { index, name in
            GraphTopology.Node(
                name: name, tier: Tier(rawValue: index % 4), isDestination: index % 2 == 0,
                hostPorts: index == 4 ? 12 : 0)
        }
        var edges = names.indices.map { index in
            GraphTopology.Edge(
                from: index, fromPort: "swp1", to: (index + 1) % 8, toPort: "swp02",
                trunk: index < 3 ? "north" : nil)
        }
        edges.append(.init(from: 6, fromPort: "Ethernet1/1", to: 1, toPort: "up", trunk: "t9"))
        edges.append(.init(from: 3, fromPort: "swp99999999", to: 7, toPort: "0"))
        guard let graph = try? GraphTopology(nodes: nodes, edges: edges) else {
            preconditionFailure("a sound graph")
        }
        return SwitchPlan(
            epoch: 77, switchID: SwitchID(5), fabric: .graph(graph), topologyName: "",
            missing: [LinkID(8)],
            extraTrees: [DestinationID(2): [[LinkID(0)], [LinkID(1), LinkID(2)]]])
    }
}

func expectSame(
    _ a: SwitchPlan, _ b: SwitchPlan, _ location: SourceLocation = #_sourceLocation
) {
    #expect(a.epoch == b.epoch, sourceLocation: location)
    #expect(a.switchID == b.switchID, sourceLocation: location)
    #expect(a.fabric == b.fabric, sourceLocation: location)
    #expect(a.topologyName == b.topologyName, sourceLocation: location)
    #expect(a.missing == b.missing, sourceLocation: location)
    #expect(a.drained == b.drained, sourceLocation: location)
    #expect(a.extraTrees == b.extraTrees, sourceLocation: location)
    #expect(a.extraPrefixes == b.extraPrefixes, sourceLocation: location)
    #expect(a.timers == b.timers, sourceLocation: location)
    #expect(a.compatibleSince == b.compatibleSince, sourceLocation: location)
    #expect(a.identity == b.identity, sourceLocation: location)
}

@Suite("A plan as it travels")
struct PlanCodingTests {
    let signer = PlanSamples.signer

    @Test("what the planner signs, the switch reads, whole")
    func roundTrip() throws {
        for plan in [PlanSamples.fullPlan(), PlanSamples.graphPlan(), PlanSamples.plan("ab:4")] {
            let bytes = SignedPlan(plan, signedBy: signer).encoded()
            expectSame(try SignedPlan.verify(bytes, trusting: signer.publicKey), plan)
        }
    }

    @Test("a plan of a known content has these very bytes")
    func golden() {
        let bytes = SignedPlan(PlanSamples.fullPlan(), signedBy: signer).encoded()
        let body = PlanBody.encoded(PlanSamples.fullPlan())
        #expect(
            PlanDigest.hexadecimal(body)
                == "0105030009666174747265653a34" + "02050134" + "020010" + "00"
                + "020101" + "0000000000" + "0602" + "08000000c0" + "200100c80a"
                + "a0c21e0380c2d72f80bcc1960b80e0a596bb11e8078094ebdc03")
        // The whole holds an Ed25519 signature and the hash tree of 20 switches.
        #expect(bytes.count == 370)
        #expect(
            PlanDigest.hexadecimal(PlanDigest.of(bytes))
                == "438847b372a06386603e2a5d712d63a1a7e990dd9a2ad733bdbd0e73a7b9d72a")
    }

    @Test("what another key signed is refused, and so is a plan with any byte changed")
    func forged() {
        let plan = PlanSamples.fullPlan()
        let bytes = SignedPlan(plan, signedBy: PlannerSigner()).encoded()
        #expect(throws: PlanRefusal.badSignature) {
            try SignedPlan.verify(bytes, trusting: signer.publicKey)
        }
        let good = SignedPlan(plan, signedBy: signer).encoded()
        for index in good.indices {
            var bad = good
            bad[index] ^= 1 << UInt8(index % 8)
            #expect(throws: PlanRefusal.self, "byte \(index)") {
                try SignedPlan.verify(bad, trusting: signer.publicKey)
            }
        }
        for length in good.indices {
            #expect(throws: PlanRefusal.self) {
                try SignedPlan.verify(Array(good[..<length]), trusting: signer.publicKey)
            }
        }
        #expect(throws: PlanRefusal.self) {
            try SignedPlan.verify(good + [0], trusting: signer.publicKey)
        }
    }

    @Test("a switch cannot be given the place or the identity of another")
    func places() throws {
        let bytes = SignedPlan(PlanSamples.fullPlan(), signedBy: signer).encoded()
        let place = 4 + 64 + 32 + 4
        #expect(bytes[place] == 3)
        var moved = bytes
        moved[place] = 2
        #expect(throws: PlanRefusal.badSignature) {
            try SignedPlan.verify(moved, trusting: signer.publicKey)
        }
        var renamed = bytes
        renamed[place + 5] ^= 1
        #expect(throws: PlanRefusal.badSignature) {
            try SignedPlan.verify(renamed, trusting: signer.publicKey)
        }
    }

    @Test("a plan above the limit is refused by its size alone")
    func tooLarge() {
        let bytes = [UInt8](repeating: 0, count: SignedPlan.maximumBytes + 1)
        #expect(throws: PlanRefusal.tooLarge(bytes: bytes.count)) {
            try SignedPlan.verify(bytes, trusting: signer.publicKey)
        }
    }

    /// Signs a body as it is, so that what is wrong in it reaches the decoder.
    private func signed(_ body: [UInt8], switches: Int, at index: Int = 0) -> [UInt8] {
        let tree = SwitchTree([[UInt8]](repeating: [], count: switches))
        let statement = SignedPlan.signedStatement(
            bodyHash: PlanDigest.of(body), root: tree.root, count: switches)
        return SignedPlan(
            body: body, tree: tree, count: switches, id: SwitchID(index), identity: [],
            signature: signer.signature(over: statement)
        ).encoded()
    }

    @Test("of a well-signed plan that contradicts itself, the refusal says what is wrong")
    func contradictions() {
        func refusal(_ change: (inout SwitchPlan) -> Void) -> PlanRefusal? {
            var plan = PlanSamples.plan("fattree:4")
            change(&plan)
            let bytes = signed(PlanBody.encoded(plan), switches: 20)
            do {
                _ = try SignedPlan.verify(bytes, trusting: signer.publicKey)
                return nil
            } catch { return error }
        }
        #expect(refusal { _ in } == nil)
        #expect(
            refusal { $0.missing = [LinkID(32)] } == .inconsistent("link 32 of 32"))
        #expect(refusal { $0.topologyName = "moebius:4" } == .unknownTopology("moebius:4"))
        #expect(refusal { $0.topologyName = "FatTree:4" } == .unknownTopology("FatTree:4"))
        #expect(
            refusal { $0.topologyName = "fattree:6" }
                == .inconsistent("it is for 20 switches, the topology has 45"))
        #expect(
            refusal { $0.extraPrefixes = [DestinationID(0): [.init(address: 1, length: 8)]] }
                == .malformed("0.0.0.1/8 is no prefix"))
        #expect(refusal { $0.timers.multiplier = 1 }?.counter == "plan_malformed")
        #expect(refusal { $0.timers.hello = .zero }?.counter == "plan_malformed")
    }

    @Test("twenty thousand mutated bodies, signed well, never crash the decoder")
    func fuzz() {
        var random = RandomStream(seed: 4).split("mutated plans")
        let bodies = [PlanSamples.fullPlan(), PlanSamples.graphPlan()].map {
            PlanBody.encoded($0)
        }
        var refused = 0
        var counters: Set<String> = []
        for round in 0..<20_000 {
            let body = Mutation.of(bodies[round % 2], &random)
            let count = round % 2 == 0 ? 20 : 8
            do {
                let plan = try PlanBody.decode(body[...], for: SwitchID(round % count))
                // What is accepted is in bounds.
                #expect(plan.missing.allSatisfy { $0.index < plan.fabric.linkCount })
                #expect(plan.drained.allSatisfy { $0.index < plan.fabric.linkCount })
                #expect(plan.timers.fault == nil)
            } catch {
                refused += 1
                counters.insert(error.counter)
            }
        }
        #expect(refused > 10_000)
        #expect(
            counters.isSuperset(of: [
                "plan_malformed", "plan_inconsistent", "plan_unknown_topology",
            ]))
    }

    @Test("a few bytes cannot ask for much memory")
    func bombs() {
        let plan = PlanSamples.plan("planes:2,fattree:128")
        var writer = ByteWriter()
        writer.raw(PlanBody.encoded(plan))
        // A run over every link of the fabric, where the empty set of missing links stood.
        let at = 3 + 1 + plan.topologyName.utf8.count + 1
        var run = ByteWriter()
        run.varint(1)
        run.varint(1)
        run.varint(UInt64(plan.fabric.linkCount - 2))
        let body = Array(writer.bytes[..<at]) + run.bytes + Array(writer.bytes[(at + 1)...])
        #expect(throws: PlanRefusal.self) { try PlanBody.decode(body[...], for: SwitchID(0)) }
    }
}

/// Changes bytes at random: flips, deletions, insertions, numbers of great length.
enum Mutation {
    static func of(_ bytes: [UInt8], _ random: inout RandomStream) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.below(3) {
            guard !bytes.isEmpty else { return bytes }
            let at = random.below(bytes.count)
            switch random.below(5) {
            case 0: bytes[at] ^= 1 << UInt8(random.below(8))
            case 1: bytes[at] = UInt8(random.below(256))
            case 2: bytes.remove(at: at)
            case 3: bytes.insert(UInt8(random.below(256)), at: at)
            default: bytes.replaceSubrange(at...at, with: [0xFF, 0xFF, 0xFF, 0xFF, 0x7F])
            }
        }
        return bytes
    }
}
