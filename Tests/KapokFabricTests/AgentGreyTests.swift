import KapokFabric
import KapokWorld
import Testing

@Suite("Agents: grey links")
struct AgentGreyTests {
    /// A link of leaf 0 that loses packets on its way down, and the time until it is drained.
    static func timeToDrain(lossPerMillion: UInt64, seed: UInt64, within: Interval) throws
        -> Interval?
    {
        var net = try AgentNet("leafspine:2,2,0", seed: seed)
        net.run(.milliseconds(20))
        let ends = net.fabric.ends(of: LinkID(0))
        net.lossPerMillion[ends.upper] = lossPerMillion
        let from = net.now
        while net.hosts[0].agent.avoided.isEmpty {
            guard net.now < from + within else { return nil }
            net.run(.milliseconds(5))
        }
        #expect(net.falseDeaths == 0)
        return net.now - from
    }

    @Test("one packet in a hundred lost: found and drained within a second, at both ends")
    func onePercent() throws {
        var times: [Interval] = []
        for seed in 1...6 as ClosedRange<UInt64> {
            let time = try Self.timeToDrain(
                lossPerMillion: 10_000, seed: seed, within: .seconds(1))
            times.append(try #require(time))
        }
        #expect(times.sorted()[3] < .milliseconds(400))
    }

    @Test("one packet in a thousand lost: found and drained, more hellos being asked for")
    func onePerMille() throws {
        var times: [Interval] = []
        for seed in [2, 3] as [UInt64] {
            let time = try Self.timeToDrain(
                lossPerMillion: 1_000, seed: seed, within: .milliseconds(3_000))
            times.append(try #require(time))
        }
        #expect(try #require(times.min()) < .seconds(2))
    }

    @Test("with eight hellos a tick, one packet in a thousand lost is drained within a second")
    func eightHellos() throws {
        var net = try AgentNet("leafspine:2,2,0", seed: 1)
        let sender = net.fabric.ends(of: LinkID(0)).upper
        net.hosts[sender.owner.index].agent.hellosPerTick = 8
        net.run(.milliseconds(20))
        net.lossPerMillion[sender] = 1_000
        let from = net.now
        while net.hosts[0].agent.avoided.isEmpty, net.now < from + .seconds(1) {
            net.run(.milliseconds(10))
        }
        #expect(net.hosts[0].agent.avoided == [LinkID(0)])
    }

    @Test("single losses, and many in one go, condemn no link")
    func innocent() throws {
        var net = try AgentNet("leafspine:1,2,0", seed: 3)
        net.run(.milliseconds(20))
        let end = net.fabric.ends(of: LinkID(0)).upper
        for _ in 0..<4 {
            // A dip of two hellos, too short for a detection.
            net.cut.insert(end)
            net.run(.milliseconds(2))
            net.cut.remove(end)
            net.run(.milliseconds(450))
        }
        #expect(net.port(0).lost > 4)
        #expect(!net.port(0).isGrey)
        #expect(net.counter(0, "link_grey") == 0)
        #expect(net.hosts.allSatisfy { $0.agent.avoided.isEmpty })
    }

    @Test("the capacity floor holds though every uplink turns grey")
    func floor() throws {
        var net = try AgentNet("leafspine:2,4,0", seed: 4)
        net.run(.milliseconds(20))
        for port in 0..<4 { net.lossPerMillion[PortID(SwitchID(2 + port), 0)] = 30_000 }
        for _ in 0..<20 {
            net.run(.milliseconds(30))
            #expect(net.hosts[0].agent.avoided.count <= 2)
            for spine in 2..<6 { #expect(net.hosts[spine].agent.avoided.count <= 2) }
        }
        #expect(net.hosts[0].agent.avoided.count == 2)
        #expect((0..<4).allSatisfy { net.port(0, $0).isGrey })
        #expect(net.counter(0, "drain_refused") > 0)
        // Both ends of a drained link tell it.
        for link in net.hosts[0].agent.avoided {
            let spine = net.fabric.ends(of: link).upper.owner.index
            #expect(net.hosts[spine].agent.avoided.contains(link))
            let origins = net.state(1).news.filter { $0.link == link }.map(\.origin)
            #expect(origins.count == 2)
        }
    }

    @Test("the only way is not drained however grey it is")
    func onlyWay() throws {
        var net = try AgentNet("leafspine:2,1,0", seed: 5)
        net.run(.milliseconds(20))
        net.lossPerMillion[net.fabric.ends(of: LinkID(0)).upper] = 30_000
        net.run(.milliseconds(600))
        #expect(net.port(0).isGrey)
        #expect(net.hosts.allSatisfy { $0.agent.avoided.isEmpty })
    }

    @Test("damaged frames that the hardware counts find a grey link that hellos would find later")
    func frameCounters() throws {
        var net = try AgentNet("leafspine:2,2,0", seed: 6)
        net.run(.milliseconds(20))
        var (arrived, damaged) = (0, 0) as (UInt64, UInt64)
        func report(_ more: UInt64, _ bad: UInt64) {
            arrived += more
            damaged += bad
            net.give(.frameCounters(port: 0, arrived: arrived, damaged: damaged), to: 0)
            net.run(.milliseconds(10))
        }
        // A million frames with a few damaged ones: below the limit by far.
        for _ in 0..<10 { report(1_000_000, 9) }
        #expect(!net.port(0).isGrey)
        report(100_000, 200)
        #expect(!net.port(0).isGrey)
        report(100_000, 200)
        #expect(net.port(0).isGrey)
        #expect(net.port(0).isAvoided)
    }

    @Test("a grey link that is sound again is used again, after its time")
    func recovery() throws {
        var timers = AgentTimers()
        timers.hello = .milliseconds(10)
        timers.greyLossPerMillion = 10_000
        var net = try AgentNet("leafspine:2,2,0", seed: 7, timers: timers)
        net.run(.milliseconds(200))
        net.lossPerMillion[net.fabric.ends(of: LinkID(0)).upper] = 100_000
        net.run(.seconds(4))
        #expect(net.port(0).isAvoided)
        net.lossPerMillion = [:]
        net.run(.seconds(5))
        #expect(net.port(0).isAvoided)
        net.run(.seconds(30))
        #expect(!net.port(0).isGrey && !net.port(0).isAvoided)
        #expect(net.hosts.allSatisfy { $0.agent.avoided.isEmpty })
    }
}
