import KapokFabric
import KapokWorld
import Testing

@Suite("Agents: plans")
struct AgentPlanTests {
    static func expectRefused(
        _ bytes: [UInt8], _ counter: String, _ net: inout AgentNet, _ index: Int = 0
    ) {
        let before = net.state(index)
        let count = net.counter(index, counter)
        let lines = net.entries.count
        net.give(.plan(bytes: bytes), to: index)
        #expect(net.state(index) == before, "\(counter)")
        #expect(net.counter(index, counter) == count + 1, "\(counter)")
        let new = net.entries[lines...]
        #expect(new.contains { $0.log?.counter == counter }, "\(counter)")
        #expect(
            new.contains {
                if case .refused = $0.answer { return true }
                return false
            }, "\(counter)")
    }

    @Test("plans that are malformed, badly signed, old, or for another switch are refused")
    func refusals() throws {
        var net = try AgentNet("leafspine:2,2,0")
        net.run(.milliseconds(10))
        let good = net.plan(0, epoch: 5)
        Self.expectRefused([], "plan_malformed", &net)
        Self.expectRefused(Array(good.prefix(60)), "plan_malformed", &net)
        var damaged = good
        damaged[good.count - 1] ^= 1
        Self.expectRefused(damaged, "plan_bad_signature", &net)
        let other = try #require(PlannerSigner(seed: Array(repeating: 8, count: 32)))
        let foreign = SwitchPlan(
            epoch: 5, switchID: SwitchID(0), fabric: net.fabric, topologyName: net.name)
        Self.expectRefused(
            SignedPlan(foreign, signedBy: other).encoded(), "plan_bad_signature", &net)
        Self.expectRefused(net.plan(1, epoch: 5), "plan_wrong_switch", &net)
        Self.expectRefused(net.plan(0, epoch: 0), "plan_old_epoch", &net)
        // Of the epoch in force, and yet not the plan in force.
        Self.expectRefused(
            net.plan(0, epoch: 1) { $0.timers.multiplier = 9 }, "plan_old_epoch", &net)
        Self.expectRefused(
            net.plan(0, epoch: 5) { $0.identity = [1] }, "plan_inconsistent", &net)
        net.give(.plan(bytes: good), to: 0)
        #expect(net.state(0).storedEpoch == 5)
        Self.expectRefused(net.plan(0, epoch: 4), "plan_old_epoch", &net)
    }

    @Test("a plan is stored, then activated; an unknown epoch is not, and nothing changes")
    func activation() throws {
        var net = try AgentNet("leafspine:1,1,0")
        net.run(.milliseconds(10))
        net.give(.plan(bytes: net.plan(0, epoch: 2)), to: 0)
        #expect(net.state(0).epoch == 1 && net.state(0).storedEpoch == 2)
        let before = net.state(0)
        net.give(.activate(epoch: 7), to: 0)
        #expect(net.state(0) == before)
        #expect(net.counter(0, "activate_unknown_epoch") == 1)
        net.give(.activate(epoch: 2), to: 0)
        #expect(net.state(0).epoch == 2 && net.state(0).storedEpoch == nil)
        // Both come again, for the answers may have been lost.
        let lines = net.entries.count
        net.give(.plan(bytes: net.plan(0, epoch: 2)), to: 0)
        net.give(.activate(epoch: 2), to: 0)
        #expect(net.entries[lines...].compactMap(\.answer) == [.active, .active])
    }

    @Test("while plans change everywhere, one switch after the other, no link goes down")
    func staged() throws {
        var net = try AgentNet("k4", seed: 8)
        net.run(.milliseconds(10))
        for index in net.hosts.indices {
            net.give(
                .plan(bytes: net.plan(index, epoch: 2) { $0.drained = [LinkID(3)] }), to: index)
        }
        for index in net.hosts.indices {
            net.give(.activate(epoch: 2), to: index)
            net.run(.microseconds(700))
        }
        net.run(.milliseconds(10))
        #expect(net.falseDeaths == 0)
        for host in net.hosts {
            #expect(host.agent.dead.isEmpty && host.agent.avoided.isEmpty)
            #expect(host.agent.plan?.epoch == 2)
        }
    }

    @Test("what is known of failures survives a change of plans, and so does the hold-down")
    func knowledge() throws {
        var net = try AgentNet("k4", seed: 9)
        net.run(.milliseconds(10))
        net.cutBothWays(LinkID(4))
        net.run(.milliseconds(6))
        let known = net.hosts.map { $0.agent.dead }
        #expect(known.contains { !$0.isEmpty })
        for index in net.hosts.indices {
            net.give(.plan(bytes: net.plan(index, epoch: 2)), to: index)
            net.give(.activate(epoch: 2), to: index)
            #expect(net.hosts[index].agent.dead == known[index], "\(index)")
        }
        net.run(.milliseconds(150))
        #expect(net.hosts.map { $0.agent.dead } == known)
        #expect(net.hosts.indices.allSatisfy { net.counter($0, "digest_mismatch") == 0 })
    }

    @Test("a link that a plan takes away is left alone, and comes back with a later plan")
    func missing() throws {
        var net = try AgentNet("leafspine:2,2,0")
        net.run(.milliseconds(10))
        func use(_ epoch: UInt64, _ missing: LinkSet) {
            for index in net.hosts.indices {
                net.give(
                    .plan(bytes: net.plan(index, epoch: epoch) { $0.missing = missing }),
                    to: index)
                net.give(.activate(epoch: epoch), to: index)
            }
            net.run(.milliseconds(40))
        }
        use(2, [LinkID(0)])
        #expect(net.port(0, 0).reason == .missing && !net.port(0, 0).isInUse)
        #expect(net.hosts.allSatisfy { $0.agent.dead.isEmpty })
        #expect(net.port(0, 1).isInUse)
        use(3, [])
        #expect(net.port(0, 0).isInUse)
        #expect(net.hosts.allSatisfy { $0.agent.dead.isEmpty })
    }

    @Test("without a plan an agent says nothing and waits; without a planner it goes on")
    func failStatic() throws {
        var agent = SwitchAgent(
            identity: AgentIdentity(switchID: SwitchID(0), incarnation: 1),
            keys: try #require(FabricKeys(secret: AgentNet.secret)),
            planner: AgentNet.signer.publicKey, initialPlan: [1, 2, 3])
        var effects = EffectBuffer<AgentEffect>()
        agent.handle(.tick(lateness: .zero), at: Instant(nanoseconds: 1), into: &effects)
        agent.handle(
            .received(bytes: [0x4B], port: 0, arrival: .zero), at: .zero, into: &effects)
        agent.handle(.drain(port: 0, isDrained: true), at: .zero, into: &effects)
        agent.handle(.carrier(port: 3, isUp: false), at: .zero, into: &effects)
        #expect(agent.counters["plan_malformed"] == 1)
        #expect(agent.counters["datagram_without_plan"] == 1)
        #expect(agent.stateLine == "switch 0: no plan")
        let sent = effects.takeAll().contains {
            if case .send = $0 { return true }
            return false
        }
        #expect(!sent)
    }
}
