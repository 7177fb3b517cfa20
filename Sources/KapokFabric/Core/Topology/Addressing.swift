/// An IPv4 prefix: an address and how many of its bits count.
public struct IPv4Prefix: Hashable, Sendable, CustomStringConvertible {
    /// The address, first byte highest.
    public var address: UInt32
    /// Bits that count, 0 to 32.
    public var length: Int

    public init(address: UInt32, length: Int) {
        self.address = address
        self.length = length
    }

    /// Four numbers with dots.
    public static func dotted(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }

    public var description: String { "\(Self.dotted(address))/\(length)" }
}

extension Fabric {
    /// The prefix behind an edge switch: `10.POD.EDGE.0/24` where pods and edges are few enough
    /// (further planes follow in the third byte), otherwise counted through 10.0.0.0/8; nil beyond
    /// 65,536 destinations.
    public func prefix(of destination: DestinationID) -> IPv4Prefix? {
        guard destinationCount <= 1 << 16 else { return nil }
        var high = destination.index >> 8
        var low = destination.index & 255
        if case .clos(let clos) = self, clos.shape.pods > 1, clos.shape.pods <= 256,
            clos.shape.planes * clos.shape.edgesPerPod <= 256
        {
            let at = clos.position(of: clos.owner(of: destination))
            high = at.pod
            low = at.plane * clos.shape.edgesPerPod + at.group
        }
        return IPv4Prefix(address: 10 << 24 | UInt32(high) << 16 | UInt32(low) << 8, length: 24)
    }

    /// The addresses of a link's ends (lower, upper): a /31 out of 172.16.0.0/12 (RFC 3021); nil
    /// beyond 524,288 links, where links are unnumbered.
    public func addresses(of link: LinkID) -> (lower: UInt32, upper: UInt32)? {
        guard link.index < 1 << 19 else { return nil }
        let base = UInt32(172 << 24 | 16 << 16) + UInt32(link.index) * 2
        return (base, base + 1)
    }
}
