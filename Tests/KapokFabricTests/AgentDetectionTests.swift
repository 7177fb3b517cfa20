import KapokFabric
import KapokWorld
import Testing

@Suite("Agents: detection")
struct AgentDetectionTests {
    /// Times from a cut to both ends' new tables, over phases of both loops and of the cut.
    static func detectionTimes(cutting: (inout AgentNet) -> Void) throws -> [Interval] {
        var times: [Interval] = []
        for phaseB in stride(from: 0, to: 1_000, by: 170) as StrideTo<UInt64> {
            for cutPhase in stride(from: 0, to: 1_000, by: 90) as StrideTo<UInt64> {
                var net = try AgentNet("leafspine:1,1,0", phases: [0, phaseB * 1_000])
                net.run(.milliseconds(20))
                net.run(.microseconds(cutPhase))
                let cutAt = net.now
                cutting(&net)
                net.run(.milliseconds(8))
                for index in 0..<2 {
                    let at = try #require(net.deadAt(LinkID(0), index, from: cutAt))
                    times.append(at - cutAt)
                }
            }
        }
        return times
    }

    @Test("a silent cut is dead at both ends within 4 ms, whatever the phases")
    func silentCut() throws {
        let times = try Self.detectionTimes { $0.cutBothWays(LinkID(0)) }
        #expect(times.count == 2 * 6 * 12)
        let longest = try #require(times.max())
        let shortest = try #require(times.min())
        #expect(longest <= .milliseconds(4))
        #expect(shortest >= .milliseconds(2))
    }

    @Test("a cut of one direction is found by the end that does not hear, and told to the other")
    func oneWayCut() throws {
        for lower in [true, false] {
            let times = try Self.detectionTimes { net in
                let ends = net.fabric.ends(of: LinkID(0))
                net.cut.insert(lower ? ends.lower : ends.upper)
            }
            #expect(try #require(times.max()) <= .milliseconds(5))
        }
    }

    @Test("a lost carrier is dead at once, and told before the next tick")
    func carrier() throws {
        var net = try AgentNet("k4", seed: 3)
        net.run(.milliseconds(20))
        let link = LinkID(0)
        let ends = net.fabric.ends(of: link)
        let from = net.now
        net.cutBothWays(link)
        for end in [ends.lower, ends.upper] {
            net.give(.carrier(port: end.port, isUp: false), to: end.owner.index)
        }
        #expect(net.hosts[ends.lower.owner.index].agent.dead == [link])
        net.run(.microseconds(60))
        for index in net.hosts.indices
        where FloodTree(net.fabric).isInScope(link, of: SwitchID(index)) {
            #expect(net.hosts[index].agent.dead == [link], "\(index)")
        }
        #expect(net.port(ends.lower.owner.index, ends.lower.port).reason == .noCarrier)
        #expect(net.now - from <= .microseconds(60))
    }

    @Test("an own loop that stalls for 50 ms condemns nobody, whenever it stalls")
    func ownStall() throws {
        for phase in stride(from: 0, to: 2_000, by: 70) as StrideTo<UInt64> {
            var net = try AgentNet("leafspine:1,2,0", seed: phase)
            net.run(.milliseconds(20))
            net.run(.microseconds(phase))
            net.stall(0, for: .milliseconds(50))
            net.run(.milliseconds(80))
            #expect(net.falseDeaths == 0)
        }
    }

    @Test("a host that freezes for 50 ms, kernel and all, condemns nobody when it wakes")
    func ownFreeze() throws {
        for phase in stride(from: 0, to: 2_000, by: 70) as StrideTo<UInt64> {
            var net = try AgentNet("leafspine:1,1,0", seed: phase)
            net.run(.milliseconds(20))
            net.run(.microseconds(phase))
            net.freeze(0, for: .milliseconds(50))
            net.run(.milliseconds(49))
            // The other end is right to find the link dead; the frozen one must not by itself.
            let own = net.entries.filter { $0.host == 0 && $0.log?.counter == "link_down" }
            #expect(own.isEmpty)
            net.run(.milliseconds(1))
            net.run(.microseconds(900))
            let reasons = net.entries.filter { $0.host == 0 }.compactMap { $0.log?.text }
            #expect(!reasons.contains { $0.contains("silent") })
        }
    }

    @Test("a neighbour's agent that stalls for ten seconds keeps its links: its kernel forwards")
    func neighbourStall() throws {
        var net = try AgentNet("leafspine:1,1,0")
        net.run(.milliseconds(20))
        net.stall(1, for: .seconds(10))
        net.run(.seconds(9))
        #expect(net.port(0).isNeighborAgentSilent)
        #expect(net.port(0).isInUse)
        #expect(net.counter(0, "neighbor_agent_silent") == 1)
        // Echoes are asked for at every tick at first, then at every fourth.
        let rounds = net.counter(0, "echo_requests")
        #expect(rounds > 2_000 && rounds < 9_000 / 4 + 100)
        net.run(.seconds(2))
        #expect(!net.port(0).isNeighborAgentSilent)
        #expect(net.falseDeaths == 0)
        #expect(net.hosts.allSatisfy { $0.agent.dead.isEmpty })
    }

    @Test("both agents stalled, at the same time or one into the other: no link dies")
    func bothStall() throws {
        for offset in stride(from: 0, to: 120, by: 7) as StrideTo<UInt64> {
            var net = try AgentNet("leafspine:1,1,0", seed: offset)
            net.run(.milliseconds(20))
            net.stall(0, for: .milliseconds(60))
            net.run(.milliseconds(offset))
            net.stall(1, for: .milliseconds(90))
            net.run(.milliseconds(200))
            #expect(net.falseDeaths == 0)
        }
    }

    @Test("loops that are late at random, up to 8 ms at a time, make no false detection")
    func jitter() throws {
        var net = try AgentNet("leafspine:2,2,0", seed: 5)
        var random = RandomStream(seed: 6)
        net.run(.milliseconds(20))
        for _ in 0..<1_500 {
            let index = random.below(net.hosts.count)
            net.stall(index, for: .microseconds(random.below(8_000)))
            net.run(.microseconds(random.below(3_000)))
        }
        #expect(net.falseDeaths == 0)
        #expect(net.counter(0, "late_ticks") > 0)
    }

    @Test("a cut during an own stall is found soon after it; so is one behind a silent agent")
    func cutInDisguise() throws {
        var net = try AgentNet("leafspine:1,1,0")
        net.run(.milliseconds(20))
        net.stall(0, for: .milliseconds(50))
        net.run(.milliseconds(25))
        net.cutBothWays(LinkID(0))
        net.run(.milliseconds(25))
        let wakes = net.now
        net.run(.milliseconds(30))
        let found = try #require(net.deadAt(LinkID(0), 0, from: wakes))
        #expect(found - wakes <= .milliseconds(20))

        var other = try AgentNet("leafspine:1,1,0")
        other.run(.milliseconds(20))
        other.stall(1, for: .seconds(5))
        other.run(.seconds(1))
        let cutAt = other.now
        other.cutBothWays(LinkID(0))
        other.run(.milliseconds(40))
        let late = try #require(other.deadAt(LinkID(0), 0, from: cutAt))
        #expect(late - cutAt <= .milliseconds(17))
    }

    @Test("a loop that is always late still finds cuts, with more patience, and loses it again")
    func patience() throws {
        var net = try AgentNet("leafspine:1,1,0")
        net.run(.milliseconds(20))
        func stumble(_ net: inout AgentNet, _ rounds: Int) {
            for _ in 0..<rounds {
                net.stall(0, for: .milliseconds(5))
                net.run(.milliseconds(5))
            }
        }
        stumble(&net, 40)
        #expect(net.falseDeaths == 0)
        let patient = net.hosts[0].agent.snapshot(at: net.now).allowance
        #expect(patient > .milliseconds(2) && patient <= .milliseconds(8))
        let cutAt = net.now
        net.cutBothWays(LinkID(0))
        stumble(&net, 12)
        let at = try #require(net.deadAt(LinkID(0), 0, from: cutAt))
        #expect(at - cutAt <= .milliseconds(40))
        net.run(.seconds(4))
        #expect(net.hosts[0].agent.snapshot(at: net.now).allowance == .zero)
    }

    @Test("a neighbour's switch that dies, kernel and all, is found like a cut")
    func switchDeath() throws {
        var net = try AgentNet("leafspine:1,2,0")
        net.run(.milliseconds(20))
        let from = net.now
        net.hosts[1].isDead = true
        net.run(.milliseconds(6))
        let link = net.port(0, 0).link
        let at = try #require(net.deadAt(link, 0, from: from))
        #expect(at - from <= .milliseconds(4))
        #expect(net.hosts[0].agent.dead == [link])
    }

    @Test(
        "an agent that starts beside a stalled one keeps the link, but not to one that never comes")
    func startBesideSilence() throws {
        var timers = AgentTimers()
        timers.hello = .milliseconds(10)
        var net = try AgentNet("leafspine:1,1,0", timers: timers)
        net.run(.milliseconds(200))
        net.stall(1, for: .seconds(150))
        net.run(.milliseconds(100))
        try net.restart(0)
        net.run(.seconds(100))
        #expect(net.port(0).isInUse && net.falseDeaths == 0)
        net.run(.seconds(30))
        #expect(net.port(0).reason == .notAgreed)
    }

    @Test("an agent that starts again cuts no link, at neither end")
    func restart() throws {
        var net = try AgentNet("leafspine:1,2,0")
        net.run(.milliseconds(50))
        net.stall(1, for: .milliseconds(30))
        net.run(.milliseconds(30))
        try net.restart(1)
        net.run(.milliseconds(300))
        #expect(net.falseDeaths == 0)
        #expect(net.counter(0, "neighbor_restarted") == 1)
        #expect(net.port(0, 0).neighborState == .up)
        #expect(net.port(1, 0).state == .up && net.port(1, 0).isInUse)
    }
}
