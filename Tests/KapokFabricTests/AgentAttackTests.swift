import Crypto
import KapokFabric
import KapokWorld
import Testing

@Suite("Agents: what is refused")
struct AgentAttackTests {
    static func keys() throws -> FabricKeys { try #require(FabricKeys(secret: AgentNet.secret)) }

    /// A fabric in which one link has failed, seen from an aggregation switch.
    static func net() throws -> (net: AgentNet, victim: Int, port: Int, far: PortID) {
        var net = try AgentNet("k4", seed: 21)
        net.run(.milliseconds(10))
        net.cutBothWays(LinkID(5))
        net.run(.milliseconds(6))
        let victim = try #require(net.fabric.switchNamed("agg-0-0")).index
        let far = try #require(net.fabric.neighbor(of: SwitchID(victim), port: 0)).far
        return (net, victim, 0, far)
    }

    /// Hands the victim a datagram and expects that nothing changed but the counter, and that a
    /// line says so.
    static func expectRefusal(
        _ bytes: [UInt8], _ counter: String, _ net: inout AgentNet, _ victim: Int, _ port: Int
    ) {
        let before = net.state(victim)
        let count = net.counter(victim, counter)
        let lines = net.entries.count
        net.give(.received(bytes: bytes, port: port, arrival: net.now), to: victim)
        #expect(net.state(victim) == before, "\(counter)")
        #expect(net.counter(victim, counter) == count + 1, "\(counter)")
        #expect(net.entries[lines...].contains { $0.log?.counter == counter }, "\(counter)")
        #expect(net.entries[lines...].allSatisfy { $0.dead == nil }, "\(counter)")
    }

    static func hello(_ net: AgentNet, from far: PortID, to victim: Int) -> HelloMessage {
        HelloMessage(
            state: .down, sender: far, interval: .milliseconds(1),
            incarnation: net.hosts[far.owner.index].agent.identity.incarnation,
            heardIncarnation: net.hosts[victim].agent.identity.incarnation,
            sequence: 1 << 40, epoch: 1)
    }

    @Test("hellos that are forged, replayed, reflected, or of another port change nothing")
    func hellos() throws {
        var (net, victim, port, far) = try Self.net()
        let link = try #require(net.fabric.neighbor(of: far.owner, port: far.port)).link
        let key = SipHashKey(try Self.keys().helloKey(of: link))
        let genuine = Self.hello(net, from: far, to: victim)
        var forged = genuine.encoded(key: key)
        forged[3] ^= 1
        Self.expectRefusal(forged, "hello_bad_code", &net, victim, port)
        var old = genuine
        old.sequence = 1
        Self.expectRefusal(old.encoded(key: key), "hello_replayed", &net, victim, port)
        var earlierLife = genuine
        earlierLife.incarnation -= 1
        Self.expectRefusal(earlierLife.encoded(key: key), "hello_replayed", &net, victim, port)
        var reflected = genuine
        reflected.sender = PortID(SwitchID(victim), port)
        Self.expectRefusal(reflected.encoded(key: key), "hello_wrong_sender", &net, victim, port)
        var short = genuine.encoded(key: key)
        short.removeLast()
        Self.expectRefusal(short, "hello_malformed", &net, victim, port)
        Self.expectRefusal([1, 2, 3], "datagram_malformed", &net, victim, port)
        Self.expectRefusal([], "datagram_malformed", &net, victim, port)
        Self.expectRefusal(genuine.encoded(key: key), "datagram_at_unknown_port", &net, victim, 99)
        // The genuine one is believed: the checks above do not refuse everything.
        net.give(
            .received(bytes: genuine.encoded(key: key), port: port, arrival: net.now), to: victim)
        #expect(net.port(victim, port).reason == .otherEnd)
    }

    @Test("a datagram that was recorded on the wire is refused when it comes again")
    func recorded() throws {
        var (net, victim, port, far) = try Self.net()
        let tape = Tape()
        net.tap = { from, bytes in
            if from == far { tape.bytes.append(bytes) }
            return bytes
        }
        net.cutBothWays(LinkID(8))
        net.run(.milliseconds(6))
        net.tap = nil
        #expect(tape.bytes.contains { $0[2] == 1 })
        for bytes in tape.bytes.prefix(5) where bytes[2] == 1 {
            Self.expectRefusal(bytes, "hello_replayed", &net, victim, port)
        }
    }

    final class Tape { var bytes: [[UInt8]] = [] }

    @Test("news that is forged, replayed, old, of a wrong origin or unknown changes nothing")
    func news() throws {
        var (net, victim, port, far) = try Self.net()
        let newsKey = try Self.keys().newsKey
        let link = LinkID(0)
        let origin = net.fabric.ends(of: link).lower.owner
        func message(_ change: (inout NewsMessage) -> Void) -> [UInt8] {
            var message = NewsMessage(
                sender: far,
                incarnation: net.hosts[far.owner.index].agent.identity.incarnation,
                receiverIncarnation: net.hosts[victim].agent.identity.incarnation,
                hopSequence: 1 << 30,
                news: [
                    LinkNews(
                        link: link, origin: origin, condition: .down, sequence: 1 << 62,
                        epoch: 1)
                ])
            change(&message)
            return message.encoded(key: newsKey)
        }
        var forged = message { _ in }
        forged[60] ^= 1
        Self.expectRefusal(forged, "news_bad_code", &net, victim, port)
        Self.expectRefusal(
            message { $0.sender.port += 1 }, "news_wrong_sender", &net, victim, port)
        Self.expectRefusal(
            message { $0.incarnation -= 1 }, "news_wrong_incarnation", &net, victim, port)
        Self.expectRefusal(
            message { $0.receiverIncarnation -= 1 }, "news_wrong_incarnation", &net, victim, port)
        Self.expectRefusal(message { $0.hopSequence = 0 }, "news_replayed", &net, victim, port)
        var hop: UInt64 = 1 << 31
        func piece(_ change: (inout LinkNews) -> Void) -> [UInt8] {
            hop += 1
            return message {
                $0.hopSequence = hop
                change(&$0.news[0])
            }
        }
        let count = net.fabric.linkCount
        Self.expectRefusal(
            piece { $0.link = LinkID(count) }, "news_unknown_link", &net, victim, port)
        Self.expectRefusal(
            piece { $0.origin = SwitchID(19) }, "news_wrong_origin", &net, victim, port)
        Self.expectRefusal(piece { $0.epoch = 900 }, "news_epoch_unknown", &net, victim, port)
        Self.expectRefusal(
            piece { $0.sequence = .max }, "news_bad_sequence", &net, victim, port)
        let foreign = try AgentNewsTests.upper(net.fabric, 0, 1, 0)
        Self.expectRefusal(
            piece {
                $0.link = foreign
                $0.origin = net.fabric.ends(of: foreign).lower.owner
            }, "news_out_of_scope", &net, victim, port)
        // Old news of a link that is known is counted without a line.
        let before = net.state(victim)
        let known = try #require(before.news.first { $0.origin != SwitchID(victim) })
        net.give(
            .received(
                bytes: piece {
                    $0 = known
                    $0.sequence -= 1
                    $0.condition = .up
                }, port: port, arrival: net.now), to: victim)
        #expect(net.state(victim) == before)
        #expect(net.counter(victim, "news_old") == 1)
    }

    @Test("hellos of unknown epochs are counted and logged once; too old a neighbour is drained")
    func epochs() throws {
        var net = try AgentNet("leafspine:1,1,0")
        net.run(.milliseconds(10))
        let key = SipHashKey(try Self.keys().helloKey(of: LinkID(0)))
        func hello(_ epoch: UInt64, _ sequence: UInt64) -> [UInt8] {
            var hello = Self.hello(net, from: PortID(SwitchID(1), 0), to: 0)
            hello.state = .up
            hello.sequence = sequence
            hello.epoch = epoch
            return hello.encoded(key: key)
        }
        let far = net.now
        for n in 0..<5 as Range<UInt64> {
            net.give(.received(bytes: hello(40, 1 << 30 + n), port: 0, arrival: far), to: 0)
        }
        #expect(net.counter(0, "hello_epoch_unknown") == 5)
        #expect(net.entries.count { $0.log?.counter == "hello_epoch_unknown" } == 1)
        #expect(net.port(0).isInUse && !net.port(0).isAvoided)

        var other = try AgentNet("leafspine:1,1,0")
        other.run(.milliseconds(10))
        for epoch in [2, 3] as [UInt64] {
            other.give(.plan(bytes: other.plan(0, epoch: epoch)), to: 0)
            other.give(.activate(epoch: epoch), to: 0)
            other.run(.milliseconds(5))
            #expect(other.port(0).isAvoided == (epoch == 3))
        }
        #expect(other.counter(0, "hello_epoch_old") > 0)
        other.give(.plan(bytes: other.plan(1, epoch: 3)), to: 1)
        other.give(.activate(epoch: 3), to: 1)
        other.run(.milliseconds(5))
        #expect(!other.port(0).isAvoided && !other.port(1).isAvoided)
        #expect(other.falseDeaths == 0)
    }

    @Test("a cable in the wrong port keeps it out of service, and it says what it found")
    func miswired() throws {
        var net = try AgentNet("leafspine:2,2,0")
        let leaf = SwitchID(0)
        let (a, b) = (PortID(SwitchID(2), 0), PortID(SwitchID(3), 0))
        // Leaf 0's two cables are swapped at the spines.
        net.moved = [
            PortID(leaf, 0): b, PortID(leaf, 1): a, a: PortID(leaf, 1), b: PortID(leaf, 0),
        ]
        net.run(.milliseconds(50))
        #expect(net.port(0, 0).reason == .miswired && !net.port(0, 0).isInUse)
        #expect(net.port(0, 0).expected == a && net.port(0, 0).seen == b)
        #expect(net.port(0, 1).seen == a)
        let lines = net.entries.filter { $0.host == 0 && $0.log?.counter == "miswired" }
        #expect(lines.count == 2)
        #expect(lines[0].log?.text.contains("found spine-1:swp1") == true)
        #expect(net.port(1, 0).isInUse && net.port(1, 1).isInUse)
        net.moved = [:]
        net.run(.milliseconds(20))
        #expect(net.port(0, 0).isInUse && net.port(0, 1).isInUse)
    }

    @Test("an agent survives thousands of damaged datagrams with its state unharmed")
    func fuzz() throws {
        var (net, victim, _, _) = try Self.net()
        let tape = Tape()
        net.tap = { _, bytes in
            tape.bytes.append(bytes)
            return bytes
        }
        net.cutBothWays(LinkID(9))
        net.run(.milliseconds(8))
        net.tap = nil
        var random = RandomStream(seed: 5)
        let before = net.state(victim)
        for _ in 0..<4_000 {
            var bytes = tape.bytes[random.below(tape.bytes.count)]
            for _ in 0...random.below(3) where !bytes.isEmpty {
                switch random.below(3) {
                case 0: bytes[random.below(bytes.count)] ^= UInt8(1 + random.below(255))
                case 1: bytes.removeLast(random.below(bytes.count) / 2)
                default: bytes.append(UInt8(random.below(256)))
                }
            }
            if tape.bytes.contains(bytes) { continue }
            net.give(
                .received(bytes: bytes, port: random.below(5), arrival: net.now), to: victim)
        }
        #expect(net.state(victim) == before)
        // Whole ones that were meant for others, or come again, do no harm either.
        for bytes in tape.bytes {
            net.give(.received(bytes: bytes, port: random.below(4), arrival: net.now), to: victim)
        }
        #expect(net.state(victim).dead == before.dead)
        #expect(net.state(victim).news == before.news)
        #expect(net.state(victim).ports.map(\.isInUse) == before.ports.map(\.isInUse))
    }
}
