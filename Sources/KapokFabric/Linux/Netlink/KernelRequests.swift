import CNetlink
import Glibc

/// The requests that a switch makes, each with the kernel's words for it.
enum KernelRequests {
    /// Who made our routes, rules and next hops (`rtm_protocol`): a number that nobody has in
    /// /etc/iproute2/rt_protos.
    static let origin: UInt8 = 75
    /// The table of rank 0: the main one.
    static let mainTable: UInt32 = 254
    /// The table of tree 0; the others follow.
    static let firstTreeTable: UInt32 = 100
    /// The metric of routes in slot 0; backups follow.
    static let firstMetric: UInt32 = 10
    /// Where the tree's number stands in a packet's mark: tree + 1, in bits 8 to 15.
    static let markShift: UInt32 = 8
    /// The bits of the mark that the fabric owns.
    static let markMask: UInt32 = 0xFF00

    /// The gateway of ways that raise packets to a tree: link-local, so that it is nobody's.
    static func raiseGateway(_ tree: Int) -> UInt32 {
        169 << 24 | 254 << 16 | UInt32(tree) << 8 | 1
    }

    static func number(of table: RankTable) -> UInt32 {
        switch table {
        case .shortest: mainTable
        case .tree(let tree): firstTreeTable + UInt32(tree)
        }
    }

    static func table(of number: UInt32, trees: Int) -> RankTable? {
        if number == mainTable { return .shortest }
        guard number >= firstTreeTable, number < firstTreeTable + UInt32(trees) else { return nil }
        return .tree(Int(number - firstTreeTable))
    }

    private static let replace = Int(NLM_F_CREATE) | Int(NLM_F_REPLACE)

    // MARK: Next hops

    /// A way out: by `interface` to `gateway`; without a gateway it drops packets.
    static func appendNextHop(
        _ id: UInt32, interface: UInt32, gateway: UInt32?, sequence: UInt32,
        to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_NEWNEXTHOP), flags: replace, sequence: sequence)
        // A gateway that is in no network of the interface is on the link all the same.
        nextHopHeader(flags: gateway == nil ? 0 : UInt32(RTNH_F_ONLINK), to: &batch)
        batch.attribute(Int(NHA_ID), id)
        if let gateway {
            batch.attribute(Int(NHA_OIF), interface)
            batch.attribute(Int(NHA_GATEWAY), address: gateway)
        } else {
            batch.attribute(Int(NHA_BLACKHOLE), bytes: [])
        }
        batch.end()
    }

    /// A group of ways with equal shares: a new one, or other members for one that must exist.
    static func appendGroup(
        _ id: UInt32, members: [UInt32], isNew: Bool, sequence: UInt32,
        to batch: inout NetlinkBatch
    ) {
        let flags = isNew ? replace : Int(NLM_F_REPLACE)
        batch.begin(type: Int(RTM_NEWNEXTHOP), flags: flags, sequence: sequence)
        nextHopHeader(family: AF_UNSPEC, flags: 0, to: &batch)
        batch.attribute(Int(NHA_ID), id)
        var entries: [UInt8] = []
        entries.reserveCapacity(members.count * 8)
        for member in members {
            withUnsafeBytes(of: member) { entries.append(contentsOf: $0) }
            // Weight 1 (coded as one less), and two bytes that are not used.
            entries.append(contentsOf: [0, 0, 0, 0])
        }
        batch.attribute(Int(NHA_GROUP), bytes: entries)
        batch.end()
    }

    static func appendRemovalOfNextHop(
        _ id: UInt32, sequence: UInt32, to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_DELNEXTHOP), flags: 0, sequence: sequence)
        // The kernel wants nothing in the header of a removal.
        batch.put(UInt64(0))
        batch.attribute(Int(NHA_ID), id)
        batch.end()
    }

    /// `struct nhmsg`: family, scope, protocol, reserved, flags.
    private static func nextHopHeader(
        family: Int32 = AF_INET, flags: UInt32, to batch: inout NetlinkBatch
    ) {
        batch.put(UInt8(family))
        batch.put(UInt8(0))
        batch.put(origin)
        batch.put(UInt8(0))
        batch.put(flags)
    }

    // MARK: Routes and rules

    /// A route to a next-hop object.
    static func appendRoute(
        _ route: TableRoute, nextHop: UInt32, sequence: UInt32, to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_NEWROUTE), flags: replace, sequence: sequence)
        routeHeader(route.prefix, type: UInt8(RTN_UNICAST), to: &batch)
        batch.attribute(Int(RTA_DST.rawValue), address: route.prefix.address)
        batch.attribute(Int(RTA_TABLE.rawValue), number(of: route.table))
        batch.attribute(Int(RTA_PRIORITY.rawValue), firstMetric + UInt32(route.slot))
        batch.attribute(Int(RTA_NH_ID.rawValue), nextHop)
        batch.end()
    }

    static func appendRemoval(
        of route: TableRoute, sequence: UInt32, to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_DELROUTE), flags: 0, sequence: sequence)
        routeHeader(route.prefix, type: 0, to: &batch)
        batch.attribute(Int(RTA_DST.rawValue), address: route.prefix.address)
        batch.attribute(Int(RTA_TABLE.rawValue), number(of: route.table))
        batch.attribute(Int(RTA_PRIORITY.rawValue), firstMetric + UInt32(route.slot))
        batch.end()
    }

    /// A route without next hop in a tree's table: `RTN_BLACKHOLE` ends the packet, `RTN_THROW`
    /// lets the next table decide.
    static func appendEnd(
        _ prefix: IPv4Prefix, table: UInt32, type: Int, metric: UInt32, sequence: UInt32,
        to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_NEWROUTE), flags: replace, sequence: sequence)
        routeHeader(prefix, type: UInt8(type), to: &batch)
        batch.attribute(Int(RTA_DST.rawValue), address: prefix.address)
        batch.attribute(Int(RTA_TABLE.rawValue), table)
        batch.attribute(Int(RTA_PRIORITY.rawValue), metric)
        batch.end()
    }

    static func appendRemovalOfEnd(
        _ prefix: IPv4Prefix, table: UInt32, metric: UInt32, sequence: UInt32,
        to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_DELROUTE), flags: 0, sequence: sequence)
        routeHeader(prefix, type: 0, to: &batch)
        batch.attribute(Int(RTA_DST.rawValue), address: prefix.address)
        batch.attribute(Int(RTA_TABLE.rawValue), table)
        batch.attribute(Int(RTA_PRIORITY.rawValue), metric)
        batch.end()
    }

    /// `struct rtmsg`.
    private static func routeHeader(
        _ prefix: IPv4Prefix, type: UInt8, to batch: inout NetlinkBatch
    ) {
        let universe: UInt8 = 0
        for byte in [UInt8(AF_INET), UInt8(prefix.length), 0, 0, 0, origin, universe, type] {
            batch.put(byte)
        }
        batch.put(UInt32(0))
    }

    /// A rule: packets whose mark names a tree look into that tree's table.
    static func appendRule(tree: Int, sequence: UInt32, to batch: inout NetlinkBatch) {
        batch.begin(
            type: Int(RTM_NEWRULE), flags: Int(NLM_F_CREATE) | Int(NLM_F_EXCL), sequence: sequence)
        let lookUp = UInt8(FR_ACT_TO_TBL)
        for byte in [UInt8(AF_INET), 0, 0, 0, 0, 0, 0, lookUp] { batch.put(byte) }
        batch.put(UInt32(0))
        batch.attribute(Int(FRA_PRIORITY), rulePriority + UInt32(tree))
        batch.attribute(Int(FRA_FWMARK), UInt32(tree + 1) << markShift)
        batch.attribute(Int(FRA_FWMASK), markMask)
        batch.attribute(Int(FRA_TABLE), firstTreeTable + UInt32(tree))
        batch.attribute(Int(FRA_PROTOCOL), origin)
        batch.end()
    }

    static func appendRemovalOfRule(tree: Int, sequence: UInt32, to batch: inout NetlinkBatch) {
        batch.begin(type: Int(RTM_DELRULE), flags: 0, sequence: sequence)
        for byte in [UInt8(AF_INET), 0, 0, 0, 0, 0, 0, UInt8(FR_ACT_TO_TBL)] { batch.put(byte) }
        batch.put(UInt32(0))
        batch.attribute(Int(FRA_PRIORITY), rulePriority + UInt32(tree))
        batch.attribute(Int(FRA_TABLE), firstTreeTable + UInt32(tree))
        batch.end()
    }

    /// Where the rules stand: behind `local`, before `main`.
    static let rulePriority: UInt32 = 1_000

    // MARK: Neighbours and addresses

    /// Says once and for all where a gateway is.
    static func appendNeighbor(
        _ address: UInt32, interface: UInt32, hardwareAddress: [UInt8], sequence: UInt32,
        to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_NEWNEIGH), flags: replace, sequence: sequence)
        // struct ndmsg: family, three bytes of padding, interface, state, flags, type.
        for byte in [UInt8(AF_INET), 0, 0, 0] { batch.put(byte) }
        batch.put(interface)
        batch.put(UInt16(NUD_PERMANENT))
        batch.put(UInt8(0))
        batch.put(UInt8(0))
        batch.attribute(Int(NDA_DST), address: address)
        batch.attribute(Int(NDA_LLADDR), bytes: hardwareAddress)
        batch.end()
    }

    static func appendRemovalOfNeighbor(
        _ address: UInt32, interface: UInt32, sequence: UInt32, to batch: inout NetlinkBatch
    ) {
        batch.begin(type: Int(RTM_DELNEIGH), flags: 0, sequence: sequence)
        for byte in [UInt8(AF_INET), 0, 0, 0] { batch.put(byte) }
        batch.put(interface)
        batch.put(UInt32(0))
        batch.attribute(Int(NDA_DST), address: address)
        batch.end()
    }

    /// Gives an interface an address.
    static func appendAddress(
        _ address: UInt32, length: Int, interface: UInt32, sequence: UInt32,
        to batch: inout NetlinkBatch
    ) {
        batch.begin(
            type: Int(RTM_NEWADDR), flags: Int(NLM_F_CREATE) | Int(NLM_F_EXCL), sequence: sequence)
        // struct ifaddrmsg: family, prefix length, flags, scope, interface.
        for byte in [UInt8(AF_INET), UInt8(length), 0, 0] { batch.put(byte) }
        batch.put(interface)
        batch.attribute(Int(IFA_LOCAL), address: address)
        batch.attribute(Int(IFA_ADDRESS), address: address)
        batch.end()
    }
}
