/// Which two tokens merge into which, and how early: an open hash table, never changed once made.
struct MergeTable: @unchecked Sendable {
    /// A pair that does not merge.
    static let none = UInt64.max

    /// Keeps the memory of the table.
    private final class Storage {
        let slots: UnsafeMutablePointer<Slot>

        init(capacity: Int) {
            slots = .allocate(capacity: capacity)
            slots.initialize(repeating: Slot(key: .max, value: .max), count: capacity)
        }

        deinit { slots.deallocate() }
    }

    private struct Slot {
        var key: UInt64
        var value: UInt64
    }

    private let storage: Storage
    private let slots: UnsafeMutablePointer<Slot>
    private let mask: Int
    private let shift: UInt64

    /// A table with room for `count` merges.
    init(count: Int) {
        var bits = 4
        while 1 << bits < count * 2 { bits += 1 }
        storage = Storage(capacity: 1 << bits)
        slots = storage.slots
        mask = 1 << bits - 1
        shift = UInt64(64 - bits)
    }

    /// Says that `left` and `right` become `result`; the first merge of a pair stays.
    func insert(left: Int32, right: Int32, rank: Int, result: Int32) {
        let key = Self.key(left, right)
        var index = slot(key)
        while slots[index].key != .max {
            if slots[index].key == key { return }
            index = (index + 1) & mask
        }
        let value = UInt64(UInt32(rank)) << 32 | UInt64(UInt32(bitPattern: result))
        slots[index] = Slot(key: key, value: value)
    }

    /// The rank in the upper, the resulting token in the lower 32 bits; `none` where the pair does
    /// not merge. Smaller ranks merge first.
    @inline(__always)
    func lookup(_ left: Int32, _ right: Int32) -> UInt64 {
        let key = Self.key(left, right)
        var index = slot(key)
        while true {
            let found = slots[index]
            if found.key == key { return found.value }
            if found.key == .max { return Self.none }
            index = (index &+ 1) & mask
        }
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func slot(_ key: UInt64) -> Int {
        // Fibonacci hashing: the upper bits of a product with 2^64 / golden ratio.
        Int(truncatingIfNeeded: ((key ^ (key >> 29)) &* 0x9E37_79B9_7F4A_7C15) >> shift)
    }
}
