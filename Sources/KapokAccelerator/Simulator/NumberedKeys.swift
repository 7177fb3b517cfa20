/// A small trivial value with a hash of its own making: the key of ``NumberedKeys``.
protocol NumberedKey: Equatable {
    /// Well mixed in its low bits.
    var hash: UInt64 { get }
}

/// Gives equal keys equal numbers, in order of their first appearance. Expected constant time; no
/// hashing through existentials or seeded hashers, since this runs once for each instruction.
struct NumberedKeys<Key: NumberedKey> {
    /// The keys, by number.
    private(set) var keys: [Key] = []
    /// Open addressing: 0, or a number plus one.
    private var slots: [UInt32]
    private var mask: Int

    init() {
        slots = [UInt32](repeating: 0, count: 256)
        mask = 255
    }

    /// The number of `key`; `keys.count - 1` after the call when it is new.
    @inline(__always)
    mutating func number(of key: Key) -> Int {
        var slot = Int(truncatingIfNeeded: key.hash) & mask
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            if keys[number] == key { return number }
            slot = (slot + 1) & mask
        }
        return insert(key, at: slot)
    }

    private mutating func insert(_ key: Key, at slot: Int) -> Int {
        keys.append(key)
        slots[slot] = UInt32(keys.count)
        if keys.count * 2 > slots.count { grow() }
        return keys.count - 1
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 4)
        mask = slots.count - 1
        for (number, key) in keys.enumerated() {
            var slot = Int(truncatingIfNeeded: key.hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(number + 1)
        }
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
