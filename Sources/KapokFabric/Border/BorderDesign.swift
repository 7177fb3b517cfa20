/// How a fabric meets the rest of the world: eBGP (RFC 4271, in the manner of RFC 7938) at border
/// leaves, spoken by the system's own BIRD or FRR. The fabric says one thing outside, its
/// aggregate, and hears one thing, the default route.
public struct BorderDesign: Hashable, Sendable {
    /// A neighbour outside.
    public struct Peer: Hashable, Sendable {
        /// The border leaf.
        public var leaf: SwitchID
        /// The leaf's interface to the neighbour.
        public var interface: String
        /// The neighbour's autonomous system.
        public var asn: UInt32
        /// How it is reached.
        public var address: Address

        public init(leaf: SwitchID, interface: String, asn: UInt32, address: Address) {
            self.leaf = leaf
            self.interface = interface
            self.asn = asn
            self.address = address
        }
    }

    /// The address of a neighbour.
    public enum Address: Hashable, Sendable {
        /// An IPv4 address on the link.
        case ipv4(UInt32)
        /// An IPv6 link-local address; IPv4 routes go over it (RFC 8950, once 5549).
        case linkLocal(String)
        /// Whoever is at the other end of the interface.
        case unnumbered
    }

    /// The fabric.
    public var fabric: Fabric
    /// The fabric's own autonomous system.
    public var asn: UInt32
    /// The neighbours of all border leaves.
    public var peers: [Peer]
    /// What is told outside. Packets to it that belong to no edge switch are dropped at the border.
    public var aggregates: [IPv4Prefix]
    /// Milliseconds between two BFD packets (RFC 5880); three lost ones end the session.
    public var bfdMilliseconds: Int
    /// Routes that a neighbour may send before the session ends: it should send one.
    public var mostRoutes = 16

    /// Why a border is refused.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// What is wrong, and what would be right.
        public var description: String
    }

    /// A design over `peers`. Without `aggregates` the shortest prefix that covers the fabric's own
    /// is told outside.
    public init(
        fabric: Fabric, asn: UInt32, peers: [Peer], aggregates: [IPv4Prefix] = [],
        bfdMilliseconds: Int = 300
    ) throws(Refusal) {
        guard asn != 0, asn != 23_456, asn != .max else {
            throw Refusal(description: "\(asn) is no autonomous system (RFC 7607, 6793, 7300)")
        }
        guard (10...10_000).contains(bfdMilliseconds) else {
            throw Refusal(description: "BFD goes from every 10 to every 10,000 milliseconds")
        }
        guard !peers.isEmpty else { throw Refusal(description: "a border needs a neighbour") }
        var seen: Set<String> = []
        for peer in peers {
            let name = "\(fabric.name(of: peer.leaf)):\(peer.interface)"
            guard fabric.destination(of: peer.leaf) != nil else {
                throw Refusal(
                    description: "\(fabric.name(of: peer.leaf)) is no edge switch: packets are "
                        + "not sent to it, so it cannot be a border leaf")
            }
            guard peer.asn != 0, peer.asn != 23_456, peer.asn != .max, peer.asn != asn else {
                throw Refusal(
                    description: "\(name): a neighbour's autonomous system is another one than "
                        + "the fabric's (\(asn)), and not 0, 23456 or 4294967295")
            }
            guard Self.isInterface(peer.interface) else {
                throw Refusal(
                    description: "\"\(peer.interface)\" is no interface: one to 15 letters, "
                        + "digits, dots, dashes and underscores")
            }
            if case .linkLocal(let text) = peer.address, !Self.isLinkLocal(text) {
                throw Refusal(description: "\(name): \(text) is no address of fe80::/10")
            }
            guard seen.insert(name).inserted else {
                throw Refusal(description: "\(name) has two neighbours; one a link is supported")
            }
        }
        let cover = aggregates.isEmpty ? Self.cover(of: fabric).map { [$0] } ?? [] : aggregates
        guard !cover.isEmpty else {
            throw Refusal(
                description: "the fabric has more than 65,536 destinations and so no addresses "
                    + "of its own: say what to tell outside")
        }
        self.fabric = fabric
        self.asn = asn
        self.peers = peers
        self.aggregates = cover
        self.bfdMilliseconds = bfdMilliseconds
    }

    /// The border leaves, in order.
    public var leaves: [SwitchID] { Set(peers.map(\.leaf)).sorted() }

    /// The shortest prefix that covers the prefixes of all destinations; nil where there are none.
    public static func cover(of fabric: Fabric) -> IPv4Prefix? {
        var low = UInt32.max
        var high: UInt32 = 0
        for index in 0..<fabric.destinationCount {
            guard let prefix = fabric.prefix(of: DestinationID(index)) else { return nil }
            low = min(low, prefix.range.lowerBound)
            high = max(high, prefix.range.upperBound)
        }
        let length = (low ^ high).leadingZeroBitCount
        return IPv4Prefix(address: low & IPv4Prefix.mask(length), length: length)
    }

    /// What each border leaf owns of the world outside, for `FabricPlan.extraPrefixes`. A prefix
    /// has one owner (`PrefixOwners`), so several leaves share the default route in equal parts:
    /// one leaf has 0.0.0.0/0, two have a half each, three or four have quarters.
    public static func defaultRoutes(
        at leaves: [SwitchID], of fabric: Fabric
    ) throws(Refusal) -> [DestinationID: [IPv4Prefix]] {
        var owners: [DestinationID] = []
        for leaf in leaves {
            guard let owner = fabric.destination(of: leaf), !owners.contains(owner) else {
                throw Refusal(
                    description: "\(fabric.name(of: leaf)) is no edge switch, or named twice")
            }
            owners.append(owner)
        }
        guard (1...256).contains(owners.count) else {
            throw Refusal(description: "a fabric has 1 to 256 border leaves")
        }
        var length = 0
        while 1 << length < owners.count { length += 1 }
        var parts: [DestinationID: [IPv4Prefix]] = [:]
        for part in 0..<1 << length {
            let address = length == 0 ? 0 : UInt32(part) << UInt32(32 - length)
            parts[owners[part % owners.count], default: []]
                .append(IPv4Prefix(address: address, length: length))
        }
        return parts
    }

    private static func isInterface(_ name: String) -> Bool {
        (1...15).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || [45, 46, 95].contains($0)
            }
    }

    /// Whether a text is an address of fe80::/10 in its usual spelling (RFC 5952, without zone).
    private static func isLinkLocal(_ text: String) -> Bool {
        guard text.hasPrefix("fe80::"), text.utf8.count <= 39 else { return false }
        let words = text.dropFirst(6).split(separator: ":", omittingEmptySubsequences: false)
        return (1...4).contains(words.count)
            && words.allSatisfy { word in
                (1...4).contains(word.utf8.count)
                    && word.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
            }
    }
}
