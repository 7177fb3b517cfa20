/// Access patterns without duplicates: an open-addressing hash table over an array.
///
/// A trace looks up two or three patterns for each instruction, so this is the inner loop of
/// tracing.
struct PatternTable {
    /// The patterns, in the order of their first use.
    private(set) var patterns: [AccessPattern] = []
    /// Index + 1 of a pattern, 0 for a free slot; a power of two in size, at most half full.
    private var slots = [UInt32](repeating: 0, count: 1024)

    /// The index of `pattern`, which is added when it is new.
    mutating func index(of pattern: AccessPattern) -> UInt32 {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: Self.hash(pattern)) & mask
        while slots[slot] != 0 {
            let index = slots[slot] - 1
            if patterns[Int(index)] == pattern { return index }
            slot = (slot + 1) & mask
        }
        patterns.append(pattern)
        slots[slot] = UInt32(patterns.count)
        if patterns.count * 2 > slots.count { grow() }
        return UInt32(patterns.count - 1)
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        let mask = slots.count - 1
        for (index, pattern) in patterns.enumerated() {
            var slot = Int(truncatingIfNeeded: Self.hash(pattern)) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = UInt32(index + 1)
        }
    }

    /// A multiplicative hash: the fields that differ between patterns of one trace, mixed.
    private static func hash(_ pattern: AccessPattern) -> UInt64 {
        var hash = UInt64(pattern.tile) << 32 | UInt64(pattern.tensor) << 16
        hash ^= UInt64(pattern.space.rawValue) << 8 | UInt64(pattern.type.rawValue)
        hash = mix(hash, UInt64(bitPattern: pattern.offset))
        hash = mix(
            hash,
            UInt64(pattern.partitionStart) << 56 | UInt64(pattern.partitionCount) << 32
                | UInt64(UInt32(bitPattern: pattern.partitionStride)))
        hash = mix(hash, bits(pattern.dimension3) ^ bits(pattern.dimension1) &* 31)
        hash = mix(hash, bits(pattern.dimension2) ^ bits(pattern.dimension0) &* 31)
        return hash ^ hash >> 32
    }

    private static func bits(_ dimension: FreeDimension) -> UInt64 {
        UInt64(dimension.count) << 32 | UInt64(UInt32(bitPattern: dimension.stride))
    }

    private static func mix(_ hash: UInt64, _ value: UInt64) -> UInt64 {
        let product = (hash ^ value) &* 0x9E37_79B9_7F4A_7C15
        return product ^ product >> 29
    }
}
