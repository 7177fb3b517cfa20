import Crypto

/// The hash tree over a fabric's switches: one signature over its root vouches for every switch's
/// own part, so that a plan for thousands of switches is signed once. It is the tree of RFC 9162,
/// section 2.1: leaves are hashed behind a 0 byte, inner nodes behind a 1, and a node without a
/// sibling moves up as it is.
struct SwitchTree: Sendable {
    /// From the leaves to the root, each level in order.
    private let levels: [[[UInt8]]]

    /// The tree over the switches' own parts, in their order.
    init(_ parts: some Collection<[UInt8]>) {
        precondition(!parts.isEmpty)
        var level = parts.enumerated().map { Self.leaf($0.offset, $0.element) }
        var levels = [level]
        while level.count > 1 {
            level = stride(from: 0, to: level.count, by: 2).map { left in
                left + 1 < level.count ? Self.node(level[left], level[left + 1]) : level[left]
            }
            levels.append(level)
        }
        self.levels = levels
    }

    /// The root, 32 bytes.
    var root: [UInt8] { levels[levels.count - 1][0] }

    /// What leads from a switch's leaf to the root.
    func path(of index: Int) -> [[UInt8]] {
        var at = index
        var path: [[UInt8]] = []
        for level in levels.dropLast() {
            let sibling = at ^ 1
            if sibling < level.count { path.append(level[sibling]) }
            at /= 2
        }
        return path
    }

    /// The steps of the longest path: the first leaf has a sibling on every level.
    var longestPath: Int { levels.count - 1 }

    /// The most steps of a path: 2^24 switches and more are no fabric of ours.
    static let longestPath = 24

    /// The root that a switch's part and path lead to; nil when the path has the wrong length.
    static func root(
        from part: [UInt8], at index: Int, of count: Int, along path: [[UInt8]]
    ) -> [UInt8]? {
        guard index >= 0, index < count else { return nil }
        var hash = leaf(index, part)
        var at = index
        var width = count
        var steps = path[...]
        while width > 1 {
            if at ^ 1 < width {
                guard let sibling = steps.popFirst() else { return nil }
                hash = at & 1 == 0 ? node(hash, sibling) : node(sibling, hash)
            }
            at /= 2
            width = (width + 1) / 2
        }
        return steps.isEmpty ? hash : nil
    }

    private static func leaf(_ index: Int, _ part: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [0]
        bytes.reserveCapacity(part.count + 5)
        withUnsafeBytes(of: UInt32(index).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: part)
        return Array(SHA256.hash(data: bytes))
    }

    private static func node(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: [1] + left + right))
    }
}
