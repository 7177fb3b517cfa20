import CNetlink
import KapokWorld
import Testing

@testable import KapokFabric

@Suite("Netlink: what is written to the kernel, and what is read from it")
struct LinuxNetlinkTests {
    /// The bytes as hexadecimal digits, four bytes a group.
    private func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if index > 0, index % 4 == 0 { text += " " }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }

    // Lengths, types and fixed fields are those of iproute2 6.1 for the same requests (`strace ip
    // nexthop replace ...`); in routes we name the table in an attribute too, as tables above 255
    // need. In little-endian order.
    @Test("a group of two ways is written as ip nexthop writes it")
    func group() {
        var batch = NetlinkBatch()
        KernelRequests.appendGroup(10, members: [1, 2], isNew: true, sequence: 7, to: &batch)
        #expect(
            hex(batch.bytes)
                == "34000000 68000105 07000000 00000000 00004b00 00000000 08000100 0a000000 "
                + "14000200 01000000 00000000 02000000 00000000")
    }

    @Test("a way over a gateway on the link")
    func nextHop() {
        var batch = NetlinkBatch()
        KernelRequests.appendNextHop(
            2, interface: 3, gateway: KernelRequests.raiseGateway(3), sequence: 8, to: &batch)
        #expect(
            hex(batch.bytes)
                == "30000000 68000105 08000000 00000000 02004b00 04000000 08000100 02000000 "
                + "08000500 03000000 08000600 a9fe0301")
    }

    @Test("a route to a group, in the table of a tree")
    func route() {
        var batch = NetlinkBatch()
        let prefix = IPv4Prefix(address: 10 << 24 | 1 << 16, length: 24)
        KernelRequests.appendRoute(
            TableRoute(table: .tree(2), prefix: prefix, slot: 1), nextHop: 11, sequence: 9,
            to: &batch)
        #expect(
            hex(batch.bytes)
                == "3c000000 18000105 09000000 00000000 02180000 004b0001 00000000 08000100 "
                + "0a010000 08000f00 66000000 08000600 0b000000 08001e00 0b000000")
        batch.acknowledgeLast()
        #expect(batch.bytes[6] == 5)
    }

    @Test("a removal of a next hop has an empty header, as the kernel demands")
    func removal() {
        var batch = NetlinkBatch()
        KernelRequests.appendRemovalOfNextHop(5, sequence: 1, to: &batch)
        #expect(
            hex(batch.bytes)
                == "20000000 69000100 01000000 00000000 00000000 00000000 08000100 05000000")
    }

    /// A message as the kernel writes it.
    private func message(_ type: Int, fixed: [UInt8], _ attributes: [(Int, [UInt8])]) -> [UInt8] {
        var batch = NetlinkBatch()
        batch.begin(type: type, flags: 0, sequence: 3)
        for byte in fixed { batch.put(byte) }
        for (type, value) in attributes { batch.attribute(type, bytes: value) }
        batch.end()
        return batch.bytes
    }

    private func records(_ bytes: [UInt8]) -> [KernelRecord] {
        var records: [KernelRecord] = []
        _ = NetlinkReader.forEachMessage(in: bytes[...]) { message in
            if let record = KernelRecord(message) { records.append(record) }
        }
        return records
    }

    private var samples: [[UInt8]] {
        let up = [UInt8](repeating: 0, count: 4) + [7, 0, 0, 0] + [1, 0, 1, 0] + [0, 0, 0, 0]
        let link = message(
            Int(RTM_NEWLINK), fixed: up,
            [(Int(IFLA_IFNAME), Array("swp1\0".utf8)), (Int(IFLA_ADDRESS), [2, 0, 0, 0, 0, 9])])
        let neighbor = message(
            Int(RTM_NEWNEIGH), fixed: [2, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 1],
            [(Int(NDA_DST), [172, 16, 0, 1]), (Int(NDA_LLADDR), [2, 0, 0, 0, 0, 8])])
        let group = message(
            Int(RTM_NEWNEXTHOP), fixed: [0, 0, 75, 0, 0, 0, 0, 0],
            [
                (Int(NHA_ID), [10, 0, 0, 0]),
                (Int(NHA_GROUP), [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
            ])
        let route = message(
            Int(RTM_NEWROUTE), fixed: [2, 24, 0, 0, 254, 75, 0, 1, 0, 0, 0, 0],
            [
                (Int(RTA_DST.rawValue), [10, 3, 0, 0]),
                (Int(RTA_PRIORITY.rawValue), [11, 0, 0, 0]),
                (Int(RTA_NH_ID.rawValue), [10, 0, 0, 0]),
            ])
        let refusal = message(
            Int(NLMSG_ERROR), fixed: [0xFE, 0xFF, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 16),
            [(Int(NLMSGERR_ATTR_MSG.rawValue), Array("no such thing\0".utf8))])
        return [link, neighbor, group, route, refusal]
    }

    @Test("links, neighbours, groups, routes and refusals are read")
    func reading() {
        #expect(
            records(samples.flatMap { $0 }) == [
                .interface(
                    InterfaceRecord(
                        index: 7, name: "swp1", isRunning: true,
                        hardwareAddress: [2, 0, 0, 0, 0, 9])),
                .neighbor(
                    NeighborRecord(
                        interface: 7, address: 172 << 24 | 16 << 16 | 1,
                        hardwareAddress: [2, 0, 0, 0, 0, 8])),
                .nextHop(NextHopRecord(id: 10, origin: 75, group: [1, 2])),
                .route(
                    RouteRecord(
                        table: 254, prefix: IPv4Prefix(address: 10 << 24 | 3 << 16, length: 24),
                        priority: 11, origin: 75, nextHop: 10)),
                .answer(sequence: 3, error: 2, text: "no such thing"),
            ])
    }

    @Test("whatever the bytes are, reading ends and stays within them")
    func fuzz() {
        var random = RandomStream(seed: 77)
        let all = samples.flatMap { $0 }
        var table = InterfaceTable(
            names: ["swp1", "swp2"], gateways: [172 << 24 | 16 << 16 | 1, 9])
        for _ in 0..<5_000 {
            var bytes = all
            for _ in 0..<1 + random.below(6) {
                bytes[random.below(bytes.count)] = UInt8(random.below(256))
            }
            bytes.removeLast(random.below(bytes.count))
            let found = records(bytes)
            #expect(found.count <= bytes.count / NetlinkBatch.headerBytes)
            for record in found {
                _ = table.take(record)
                if case .route(let route) = record { #expect(route.prefix.length <= 32) }
            }
        }
        #expect(table.ports.map(\.name) == ["swp1", "swp2"])
    }

    @Test("a port follows its interface by name: carrier, disappearance, another number")
    func interfaces() {
        var table = InterfaceTable(names: ["swp1"], gateways: [99])
        func link(_ index: UInt32, _ isRunning: Bool, _ name: String = "swp1") -> KernelRecord {
            .interface(
                InterfaceRecord(
                    index: index, name: name, isRunning: isRunning, hardwareAddress: []))
        }
        #expect(
            table.take(link(7, true)) == .carrier(port: 0, isUp: true, isReplaced: true))
        #expect(table.take(link(7, true)) == nil)
        let neighbor = NeighborRecord(
            interface: 7, address: 99, hardwareAddress: [1, 2, 3, 4, 5, 6])
        #expect(table.take(.neighbor(neighbor)) == .neighbor(port: 0))
        #expect(table.take(.neighbor(neighbor)) == nil)
        #expect(table.take(link(7, false)) == .carrier(port: 0, isUp: false, isReplaced: false))
        #expect(table.ports[0].neighborAddress == nil)
        #expect(table.take(.interfaceGone(index: 8)) == nil)
        #expect(
            table.take(.interfaceGone(index: 7))
                == .carrier(port: 0, isUp: false, isReplaced: true))
        #expect(table.port(ofInterface: 7) == nil)
        #expect(table.take(link(9, true)) == .carrier(port: 0, isUp: true, isReplaced: true))
        #expect(table.take(link(9, true, "other")) != nil)
        #expect(table.ports[0].index == nil)
    }

    @Test("an echo is answered once, by the one who was asked, and only with the right cookie")
    func echoes() throws {
        var book = EchoBook()
        let now = Instant(nanoseconds: 5_000_000_000)
        #expect(!book.hasUnanswered(at: now))
        let asked = book.ask(.neighbor(3), at: now)
        #expect(book.hasUnanswered(at: now + .milliseconds(10)))
        #expect(!book.hasUnanswered(at: now + .seconds(2)))
        var packet: [UInt8] = [0x45] + [UInt8](repeating: 0, count: 19) + asked.encodedRequest()
        #expect(EchoMessage(replyIn: packet[...]) == nil)
        packet[20] = EchoMessage.reply
        let reply = try #require(EchoMessage(replyIn: packet[...]))
        var forged = reply
        forged.cookie ^= 1
        #expect(book.take(forged) == nil)
        #expect(book.take(reply) == .neighbor(3))
        #expect(book.take(reply) == nil)
        // RFC 1071: the sum over a message with its checksum is zero.
        #expect(EchoMessage.checksum(asked.encodedRequest()[...]) == 0)
        for length in 0..<packet.count { #expect(EchoMessage(replyIn: packet[..<length]) == nil) }
    }

    @Test("the marking rules raise every rank to the next one that follows the tree, or drop")
    func marking() {
        let rules = PacketMarking.rules(trees: 8, interfaces: ["swp1", "swp2"])
        // Rank 0 to tree 3 is rank 4; rank 4 follows tree 3 already, so it goes on to rank 12.
        #expect(rules.contains("chain raise3 { ip dscp vmap { 0 : goto rank4, 1 : goto rank4"))
        #expect(rules.contains("4 : goto rank12"))
        #expect(rules.contains("60 : goto exhaust, 61 : goto exhaust"))
        #expect(rules.contains("169.254.7.0/24 : goto raise7"))
        #expect(rules.contains("1 : 256, 2 : 512"))
        #expect(rules.contains("iifname != { \"swp1\", \"swp2\" } ip dscp set 0"))
    }
}
