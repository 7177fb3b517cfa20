import KapokFabric
import KapokWorld
import Testing

@Suite("Agents: recovery")
struct AgentRecoveryTests {
    static func failed(holdDown: Interval = .seconds(3)) throws -> AgentNet {
        var timers = AgentTimers()
        timers.holdDown = holdDown
        var net = try AgentNet("leafspine:1,1,0", timers: timers)
        net.run(.milliseconds(20))
        net.cutBothWays(LinkID(0))
        net.run(.milliseconds(10))
        #expect(net.hosts[0].agent.dead == [LinkID(0)])
        return net
    }

    /// When a link is used again by a host, from now on.
    static func recovery(_ net: inout AgentNet, _ index: Int, within: Interval) -> Interval? {
        let from = net.now
        net.run(within)
        return net.entries.first {
            $0.host == index && $0.at > from && $0.dead?.contains(LinkID(0)) == false
        }.map { $0.at - from }
    }

    @Test("a link that failed is used again after three sound seconds, and told before it is used")
    func holdDown() throws {
        var net = try Self.failed()
        net.heal(LinkID(0))
        let healed = net.now
        let time = try #require(Self.recovery(&net, 0, within: .milliseconds(3_200)))
        #expect(time >= .seconds(3) && time <= .milliseconds(3_100))
        let told = try #require(
            net.entries.first {
                $0.host == 0 && $0.at > healed && $0.log?.counter == "news_told_up"
            })
        #expect(told.at + .milliseconds(9) <= healed + time)
        #expect(net.hosts.allSatisfy { $0.agent.dead.isEmpty })
    }

    @Test("each failure doubles the hold-down, up to the longest, and good times halve it")
    func doubling() throws {
        var timers = AgentTimers()
        timers.hello = .milliseconds(10)
        timers.holdDown = .milliseconds(400)
        timers.longestHoldDown = .milliseconds(3_000)
        var net = try AgentNet("leafspine:1,1,0", timers: timers)
        net.run(.milliseconds(200))
        for expected in [400, 800, 1_600, 3_000, 3_000] as [UInt64] {
            net.cutBothWays(LinkID(0))
            net.run(.milliseconds(80))
            net.heal(LinkID(0))
            let time = try #require(Self.recovery(&net, 0, within: .seconds(4)))
            #expect(time >= .milliseconds(expected))
            #expect(time <= .milliseconds(expected + 250))
            #expect(net.port(0).holdDown == .milliseconds(expected))
        }
        #expect(net.port(0).failures == 5)
        net.run(.seconds(61))
        #expect(net.port(0).failures == 4)
    }

    @Test("a link that breaks again within its hold-down starts it anew, and does not flap")
    func flapping() throws {
        var net = try Self.failed(holdDown: .milliseconds(500))
        let before = net.entries.count { $0.log?.counter.hasPrefix("news_told") == true }
        for _ in 0..<5 {
            net.heal(LinkID(0))
            net.run(.milliseconds(300))
            net.cutBothWays(LinkID(0))
            net.run(.milliseconds(20))
        }
        #expect(net.entries.count { $0.log?.counter.hasPrefix("news_told") == true } == before)
        #expect(!net.port(0).isInUse)
        #expect(net.port(0).failures == 1)
        net.heal(LinkID(0))
        let time = try #require(Self.recovery(&net, 0, within: .milliseconds(600)))
        #expect(time >= .milliseconds(500))
    }

    @Test("losses in the hold-down start it anew")
    func unsound() throws {
        var net = try Self.failed(holdDown: .seconds(1))
        net.heal(LinkID(0))
        net.lossPerMillion[net.fabric.ends(of: LinkID(0)).upper] = 10_000
        net.run(.seconds(2))
        #expect(!net.port(0).isInUse)
        net.lossPerMillion = [:]
        #expect(Self.recovery(&net, 0, within: .milliseconds(1_200)) != nil)
    }

    @Test("a drain is told first, moves others away, kills nothing, and ends as it began")
    func drain() throws {
        var net = try AgentNet("k4", seed: 4)
        net.run(.milliseconds(20))
        let link = LinkID(0)
        let ends = net.fabric.ends(of: link)
        let mark = net.entries.count
        net.give(.drain(port: ends.lower.port, isDrained: true), to: ends.lower.owner.index)
        net.run(.milliseconds(5))
        for index in net.hosts.indices {
            let agent = net.hosts[index].agent
            #expect(agent.dead.isEmpty)
            let isConcerned = FloodTree(net.fabric).isInScope(link, of: SwitchID(index))
            #expect(agent.avoided == (isConcerned ? [link] : []), "\(index)")
        }
        #expect(net.port(ends.lower.owner.index, ends.lower.port).isInUse)
        // Told before it was acted on.
        let own = net.entries[mark...].filter { $0.host == ends.lower.owner.index }
        let told = try #require(own.firstIndex { $0.log?.counter == "news_told_drained" })
        let acted = try #require(own.firstIndex { $0.avoided?.contains(link) == true })
        #expect(told < acted)
        net.give(.drain(port: ends.lower.port, isDrained: false), to: ends.lower.owner.index)
        net.run(.milliseconds(5))
        #expect(net.hosts.allSatisfy { $0.agent.avoided.isEmpty && $0.agent.dead.isEmpty })
        // What is over leaves no difference behind.
        net.run(.milliseconds(300))
        #expect(net.hosts.indices.allSatisfy { net.counter($0, "digest_mismatch") == 0 })
    }
}
