import Crypto
import KapokFabric
import KapokWorld
import Testing

@Suite("Agents: news")
struct AgentNewsTests {
    static func lower(_ fabric: Fabric) throws -> LinkID {
        guard case .clos(let clos) = fabric else { throw Wrong() }
        return clos.lowerLink(plane: 0, pod: 1, edge: 0, aggregation: 1)
    }

    static func upper(_ fabric: Fabric, _ pod: Int, _ aggregation: Int, _ core: Int) throws
        -> LinkID
    {
        guard case .clos(let clos) = fabric else { throw Wrong() }
        return clos.upperLink(plane: 0, pod: pod, aggregation: aggregation, core: core)
    }

    struct Wrong: Error {}

    static func expectKnown(_ links: LinkSet, _ net: AgentNet) {
        for index in net.hosts.indices {
            let expected = LinkSet(
                links.filter { FloodTree(net.fabric).isInScope($0, of: SwitchID(index)) })
            #expect(net.hosts[index].agent.dead == expected, "\(index)")
        }
    }

    @Test(
        "a cut is known to all in its scope, and to nobody else, within 60 us of its detection",
        arguments: ["k4", "fattree:6", "leafspine:4,3,1", "ab:4"])
    func reach(name: String) throws {
        var net = try AgentNet(name, seed: 11)
        net.run(.milliseconds(10))
        let link = LinkID(net.fabric.linkCount / 3)
        let from = net.now
        net.cutBothWays(link)
        net.run(.milliseconds(5))
        Self.expectKnown([link], net)
        let detections = net.entries.filter {
            $0.at > from && $0.log?.counter == "link_down"
        }.map(\.at)
        let last = try #require(
            net.entries.last { $0.at > from && $0.dead?.contains(link) == true })
        #expect(last.at - (try #require(detections.max())) <= .microseconds(60))
    }

    @Test("news that was lost on all its ways is made good by the digests")
    func antiEntropy() throws {
        var net = try AgentNet("k4", seed: 12)
        net.run(.milliseconds(10))
        let link = try Self.lower(net.fabric)
        net.tap = { _, bytes in bytes[2] == 2 ? nil : bytes }
        net.cutBothWays(link)
        net.run(.milliseconds(8))
        #expect(net.hosts.count { !$0.agent.dead.isEmpty } == 2)
        net.tap = nil
        net.run(.milliseconds(250))
        Self.expectKnown([link], net)
    }

    @Test("news is dead if either end says so and up only when both do")
    func eitherEnd() throws {
        var net = try AgentNet("k4", seed: 13)
        net.run(.milliseconds(10))
        let link = try Self.lower(net.fabric)
        let ends = net.fabric.ends(of: link)
        net.cut.insert(ends.lower)
        net.run(.milliseconds(6))
        Self.expectKnown([link], net)
        let stranger = net.state(0).news.filter { $0.link == link }
        #expect(Set(stranger.map(\.origin)) == [ends.lower.owner, ends.upper.owner])
        #expect(stranger.allSatisfy { $0.condition == .down && $0.epoch == 1 })
    }

    @Test("an agent that starts again takes back what its earlier life told")
    func earlierLife() throws {
        var net = try AgentNet("k4", seed: 14)
        net.run(.milliseconds(10))
        let ends = net.fabric.ends(of: try Self.lower(net.fabric))
        net.give(.drain(port: ends.upper.port, isDrained: true), to: ends.upper.owner.index)
        net.run(.milliseconds(5))
        #expect(net.hosts[0].agent.avoided.count == 1)
        try net.restart(ends.upper.owner.index)
        net.run(.milliseconds(300))
        #expect(net.hosts.allSatisfy { $0.agent.avoided.isEmpty && $0.agent.dead.isEmpty })
        #expect(net.counter(ends.upper.owner.index, "news_of_earlier_life") > 0)
        #expect(net.falseDeaths == 0)
    }

    @Test("edge switches are told of upper links once their plane has no way to a pod left")
    func escalation() throws {
        var timers = AgentTimers()
        timers.holdDown = .milliseconds(30)
        var net = try AgentNet("k4", seed: 15, timers: timers)
        net.run(.milliseconds(10))
        let first = try Self.upper(net.fabric, 0, 0, 0)
        let second = try Self.upper(net.fabric, 1, 0, 1)
        net.cutBothWays(first)
        net.run(.milliseconds(6))
        Self.expectKnown([first], net)
        // Core 0 lost pod 0, core 1 loses pod 1: between these pods plane 0 is closed.
        net.cutBothWays(second)
        net.run(.milliseconds(6))
        let told = try ["edge-0-0", "edge-0-1", "edge-1-0", "edge-1-1"].map {
            try #require(net.fabric.switchNamed($0)).index
        }
        for index in net.hosts.indices where net.fabric.tier(of: SwitchID(index)) == .edge {
            let expected: LinkSet = told.contains(index) ? [first, second] : []
            #expect(net.hosts[index].agent.dead == expected, "\(index)")
        }
        // What the ways leave out, one exchange makes good; then all agree.
        net.run(.milliseconds(250))
        let exchanges = net.hosts.indices.map { net.counter($0, "digest_mismatch") }
        net.run(.milliseconds(150))
        #expect(net.hosts.indices.map { net.counter($0, "digest_mismatch") } == exchanges)
        net.heal(first)
        net.heal(second)
        net.run(.milliseconds(60))
        #expect(net.hosts.allSatisfy { $0.agent.dead.isEmpty })
        #expect(net.hosts.indices.allSatisfy { net.state($0).escalated.isEmpty })
    }

    @Test("many failures at once are known wherever a living way leads over switches concerned")
    func manyAtOnce() throws {
        var net = try AgentNet("k4", seed: 16)
        net.run(.milliseconds(10))
        let links = LinkSet((0..<6).map { LinkID($0 * 5) })
        for link in links { net.cutBothWays(link) }
        net.run(.milliseconds(250))
        var checked = 0
        for link in links {
            for id in Self.informed(of: link, net.fabric, dead: links) {
                #expect(net.hosts[id.index].agent.dead.contains(link), "\(id), \(link)")
                checked += 1
            }
        }
        #expect(checked > 40)
    }

    /// The switches that news of a link can reach over living links between switches in its scope.
    static func informed(of link: LinkID, _ fabric: Fabric, dead: LinkSet) -> Set<SwitchID> {
        let flood = FloodTree(fabric)
        let ends = fabric.ends(of: link)
        var reached: Set<SwitchID> = [ends.lower.owner, ends.upper.owner]
        var open = Array(reached)
        while let at = open.popLast() {
            for port in 0..<fabric.fabricPortCount(of: at) {
                guard let next = fabric.neighbor(of: at, port: port), !dead.contains(next.link),
                    flood.isInScope(link, of: next.far.owner),
                    reached.insert(next.far.owner).inserted
                else { continue }
                open.append(next.far.owner)
            }
        }
        return reached
    }
}
