import CNetlink
import Glibc

/// What the kernel says of a network interface.
package struct InterfaceRecord: Hashable {
    package var index: UInt32
    package var name: String
    /// It is switched on and something at the far end is too.
    package var isRunning: Bool
    /// Its hardware address; empty when it has none.
    package var hardwareAddress: [UInt8]
}

/// What the kernel says of a neighbour on an interface.
package struct NeighborRecord: Hashable {
    package var interface: UInt32
    /// Its IPv4 address.
    package var address: UInt32
    /// Its hardware address; nil while it is not known.
    package var hardwareAddress: [UInt8]?
}

/// What the kernel says of a next-hop object.
package struct NextHopRecord: Hashable {
    package var id: UInt32
    /// Who made it (`RTPROT_…`).
    package var origin: UInt8
    /// The objects of a group; nil for a single one.
    package var group: [UInt32]?
    /// The interface of a single one, 0 for one that drops packets.
    package var interface: UInt32 = 0
}

/// What the kernel says of an IPv4 route.
package struct RouteRecord: Hashable {
    package var table: UInt32
    package var prefix: IPv4Prefix
    package var priority: UInt32
    /// Who made it (`RTPROT_…`).
    package var origin: UInt8
    /// The next-hop object; 0 for a route without one.
    package var nextHop: UInt32
}

/// One thing that the kernel says.
package enum KernelRecord: Hashable {
    case interface(InterfaceRecord)
    case interfaceGone(index: UInt32)
    case neighbor(NeighborRecord)
    case nextHop(NextHopRecord)
    case route(RouteRecord)
    /// An answer to the request of this sequence: 0, or an errno and the kernel's words.
    case answer(sequence: UInt32, error: Int32, text: String)
    /// The end of a list.
    case done(sequence: UInt32)

    /// The most groups' members that are read of one next hop.
    static let mostMembers = 4_096

    /// What a message says; nil for what does not matter here or cannot be read.
    init?(_ message: NetlinkMessage) {
        switch message.type {
        case Int(RTM_NEWLINK): self.init(interface: message)
        case Int(RTM_DELLINK):
            guard let index: Int32 = message.number(at: 4) else { return nil }
            self = .interfaceGone(index: UInt32(bitPattern: index))
        case Int(RTM_NEWNEIGH), Int(RTM_DELNEIGH): self.init(neighbor: message)
        case Int(RTM_NEWNEXTHOP): self.init(nextHop: message)
        case Int(RTM_NEWROUTE): self.init(route: message)
        case Int(NLMSG_ERROR): self.init(answer: message)
        case Int(NLMSG_DONE): self = .done(sequence: message.sequence)
        default: return nil
        }
    }

    private static let linkBytes = 16
    private static let neighborBytes = 12
    private static let nextHopBytes = 8
    private static let routeBytes = 12

    private init?(interface message: NetlinkMessage) {
        guard let index: Int32 = message.number(at: 4), let flags: UInt32 = message.number(at: 8)
        else { return nil }
        var name: String?
        var hardware: [UInt8] = []
        message.forEachAttribute(after: Self.linkBytes) { type, value in
            switch type {
            case Int(IFLA_IFNAME): name = Self.text(value)
            case Int(IFLA_ADDRESS) where value.count <= 32: hardware = Array(value)
            default: break
            }
        }
        guard let name, index > 0 else { return nil }
        let needed = UInt32(IFF_UP) | Self.lowerUp
        self = .interface(
            InterfaceRecord(
                index: UInt32(bitPattern: index), name: name,
                isRunning: flags & needed == needed, hardwareAddress: hardware))
    }

    /// `IFF_LOWER_UP` (linux/if.h, which cannot be imported beside net/if.h): there is a carrier.
    private static let lowerUp: UInt32 = 1 << 16

    private init?(neighbor message: NetlinkMessage) {
        guard let family: UInt8 = message.number(at: 0), family == UInt8(AF_INET),
            let index: Int32 = message.number(at: 4), let state: UInt16 = message.number(at: 8)
        else { return nil }
        var address: UInt32?
        var hardware: [UInt8]?
        message.forEachAttribute(after: Self.neighborBytes) { type, value in
            switch type {
            case Int(NDA_DST): address = NetlinkReader.number(value, UInt32.self)?.byteSwapped
            case Int(NDA_LLADDR) where value.count <= 32: hardware = Array(value)
            default: break
            }
        }
        guard let address else { return nil }
        let isUseless = Int32(state) & (NUD_INCOMPLETE | NUD_FAILED | NUD_NONE) != 0
        let isGone = message.type == Int(RTM_DELNEIGH)
        self = .neighbor(
            NeighborRecord(
                interface: UInt32(bitPattern: index), address: address,
                hardwareAddress: isUseless || isGone ? nil : hardware))
    }

    private init?(nextHop message: NetlinkMessage) {
        guard let origin: UInt8 = message.number(at: 2) else { return nil }
        var record = NextHopRecord(id: 0, origin: origin)
        message.forEachAttribute(after: Self.nextHopBytes) { type, value in
            switch type {
            case Int(NHA_ID): record.id = NetlinkReader.number(value) ?? 0
            case Int(NHA_OIF): record.interface = NetlinkReader.number(value) ?? 0
            case Int(NHA_GROUP):
                let count = min(value.count / 8, Self.mostMembers)
                record.group = (0..<count).compactMap { NetlinkReader.number(value, at: $0 * 8) }
            default: break
            }
        }
        guard record.id != 0 else { return nil }
        self = .nextHop(record)
    }

    private init?(route message: NetlinkMessage) {
        guard let family: UInt8 = message.number(at: 0), family == UInt8(AF_INET),
            let length: UInt8 = message.number(at: 1), length <= 32,
            let table: UInt8 = message.number(at: 4), let origin: UInt8 = message.number(at: 5)
        else { return nil }
        var record = RouteRecord(
            table: UInt32(table), prefix: IPv4Prefix(address: 0, length: Int(length)), priority: 0,
            origin: origin, nextHop: 0)
        message.forEachAttribute(after: Self.routeBytes) { type, value in
            let number = NetlinkReader.number(value, UInt32.self) ?? 0
            switch type {
            case Int(RTA_DST.rawValue): record.prefix.address = number.byteSwapped
            case Int(RTA_TABLE.rawValue): record.table = number
            case Int(RTA_PRIORITY.rawValue): record.priority = number
            case Int(RTA_NH_ID.rawValue): record.nextHop = number
            default: break
            }
        }
        self = .route(record)
    }

    private init?(answer message: NetlinkMessage) {
        guard let error: Int32 = message.number(at: 0) else { return nil }
        var text = ""
        // The kernel repeats the header of the request, and then says more in attributes.
        message.forEachAttribute(after: 4 + NetlinkBatch.headerBytes) { type, value in
            if type == Int(NLMSGERR_ATTR_MSG.rawValue) { text = Self.text(value) }
        }
        let code = error == .min ? Int32.max : abs(error)
        self = .answer(sequence: message.sequence, error: code, text: text)
    }

    /// Text that ends at the first zero byte; at most 255 bytes of it.
    private static func text(_ value: ArraySlice<UInt8>) -> String {
        String(decoding: value.prefix { $0 != 0 }.prefix(255), as: UTF8.self)
    }
}
