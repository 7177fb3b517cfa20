/// A small trivial value with a hash of its own making: the key of ``NumberedKeys``.
protocol NumberedKey: Equatable, BitwiseCopyable {
    /// Well mixed in its low bits.
    var hash: UInt64 { get }
}

/// Gives equal keys equal numbers, in order of their first appearance. Expected constant time; no
/// hashing through existentials or seeded hashers, since this runs once for each instruction.
struct NumberedKeys<Key: NumberedKey>: ~Copyable {
    /// How many different keys there are.
    private(set) var count = 0
    /// By number; has room for half as many keys as there are slots.
    private var keys: FlatBuffer<Key>
    /// Open addressing: 0, or a number plus one.
    private var slots: FlatBuffer<UInt32>

    init() {
        slots = FlatBuffer(repeating: 0, count: 256)
        keys = FlatBuffer(uninitializedCount: 128)
    }

    /// The number of `key`: `count - 1` after the call when it is new.
    @inline(__always)
    mutating func number(of key: Key) -> Int {
        var slot = Int(truncatingIfNeeded: key.hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if keys[number] == key { return number }
            slot = (slot + 1) & (slots.count - 1)
        }
        return insert(key, at: slot)
    }

    @inline(never)
    private mutating func insert(_ key: Key, at slot: Int) -> Int {
        keys[count] = key
        count += 1
        slots[slot] = UInt32(count)
        if count == keys.count { grow() }
        return count - 1
    }

    private mutating func grow() {
        keys.grow(to: keys.count * 4)
        let table = FlatBuffer<UInt32>(repeating: 0, count: slots.count * 4)
        for number in 0..<count {
            var slot = Int(truncatingIfNeeded: keys[number].hash) & (table.count - 1)
            while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
            table[slot] = UInt32(number + 1)
        }
        slots = table
    }
}

extension UInt64 {
    /// One step of a multiplicative hash; the result's low bits depend on all bits of both.
    @inline(__always)
    func mixed(with word: UInt64) -> UInt64 {
        let product = (self ^ word) &* 0x9E37_79B9_7F4A_7C15
        return product ^ (product >> 32)
    }
}
