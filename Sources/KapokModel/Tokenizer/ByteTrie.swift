/// A trie over byte strings whose edges lie in one hash table.
struct ByteTrie: Sendable {
    /// The node of the empty string.
    static let root: UInt32 = 0

    /// An edge's node and byte, and where it leads; the root is never led to, so 0 is no edge.
    private struct Slot {
        var key: UInt32
        var child: UInt32
    }

    private var slots: [Slot]
    private let mask: Int
    /// For each node the number of the string that ends there, or -1.
    private var values: [Int32] = [-1]

    /// A trie with room for strings of `capacity` bytes in all, which must be below 2^24.
    init(capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        slots = Array(repeating: Slot(key: 0, child: 0), count: size)
        mask = size - 1
    }

    /// Gives `string` the number `value`; the first one that a string is given stays.
    mutating func insert(_ string: UnsafeBufferPointer<UInt8>, value: Int32) {
        var node = Self.root
        for byte in string {
            let key = node << 8 | UInt32(byte)
            var slot = hash(key)
            while slots[slot].child != 0, slots[slot].key != key { slot = (slot + 1) & mask }
            if slots[slot].child == 0 {
                slots[slot] = Slot(key: key, child: UInt32(values.count))
                values.append(-1)
            }
            node = slots[slot].child
        }
        if values[Int(node)] < 0 { values[Int(node)] = value }
    }

    /// Where `byte` leads from `node`.
    func child(of node: UInt32, _ byte: UInt8) -> UInt32? {
        let key = node << 8 | UInt32(byte)
        var slot = hash(key)
        while slots[slot].child != 0 {
            if slots[slot].key == key { return slots[slot].child }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// The number of the string that ends at `node`.
    func value(of node: UInt32) -> Int32? {
        let value = values[Int(node)]
        return value < 0 ? nil : value
    }

    private func hash(_ key: UInt32) -> Int {
        Int(truncatingIfNeeded: (UInt64(key) &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    }
}
