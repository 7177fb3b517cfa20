/// How far a packet has been pushed off its shortest paths: 0, or a rank that only ever rises.
///
/// A packet at rank 0 follows the shortest-path network of its destination. At rank r > 0 it
/// follows tree `(r - 1) % treeCount` of its destination. A switch that cannot go on at the
/// packet's rank raises it; nothing lowers it. Every rank by itself has no loop, so no packet ever
/// goes around in a circle, whatever the switches on its way know or do not know.
///
/// On the wire it is the six bits of the DSCP field (RFC 2474); edge switches set it to 0 on what
/// comes from hosts.
public struct Tag: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The rank, 0 to 63.
    public var rank: UInt8

    @inlinable
    public init(rank: UInt8) { self.rank = rank }

    /// The rank of packets that come from a host.
    public static let zero = Tag(rank: 0)
    /// The highest rank; what would have to rise above it is dropped and counted.
    public static let highest = Tag(rank: 63)

    public static func < (a: Tag, b: Tag) -> Bool { a.rank < b.rank }
    public var description: String { "rank \(rank)" }

    /// The tree that a packet of this rank follows, of `count` trees; nil at rank 0.
    @inlinable
    public func tree(of count: Int) -> Int? { rank == 0 ? nil : Int(rank - 1) % count }

    /// The lowest rank above this one that follows `tree`; nil beyond the highest.
    public func raised(to tree: Int, of count: Int) -> Tag? {
        // Rank 0 stands before tree 0, as if it followed the last.
        let current = rank == 0 ? count - 1 : (Int(rank) - 1) % count
        let step = (tree - current + count - 1) % count + 1
        let value = Int(rank) + step
        return value <= Int(Tag.highest.rank) ? Tag(rank: UInt8(value)) : nil
    }
}
