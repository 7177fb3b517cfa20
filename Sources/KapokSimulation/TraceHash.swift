public import KapokWorld

/// One number for everything that happened in a run, in order: two runs that did the same have the
/// same hash, in debug and release and on any machine.
///
/// Each step is a bijection of the state for a given word and of the word for a given state, so two
/// traces that differ in exactly one word never end in the same state. It guards against accidents,
/// not against an adversary.
public struct TraceHash: Sendable {
    @usableFromInline var state: UInt64
    @usableFromInline var words: UInt64

    /// The hash of nothing.
    @inlinable
    public init() {
        state = 0x243F_6A88_85A3_08D3  // the first 64 bits of pi's fraction
        words = 0
    }

    /// The hash of all that was mixed in up to now.
    @inlinable
    public var value: UInt64 {
        var z = state ^ (words &* 0x9E37_79B9_7F4A_7C15)
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Mixes in one word.
    @inlinable
    public mutating func mix(_ word: UInt64) {
        let product = (state ^ word) &* 0x9FB2_1C65_1E98_DF25
        state = ((product << 29) | (product >> 35)) &* 0xD6E8_FEB8_6659_FD93
        words &+= 1
    }

    /// Mixes in an integer of at most 64 bits as one word, sign-extended: equal numbers of
    /// different types mix in equally.
    @inlinable
    public mutating func mix(_ number: some FixedWidthInteger) {
        mix(UInt64(truncatingIfNeeded: number))
    }

    /// Mixes in a truth value as 0 or 1.
    @inlinable
    public mutating func mix(_ flag: Bool) { mix(flag ? 1 : 0 as UInt64) }

    /// Mixes in an instant.
    @inlinable
    public mutating func mix(_ instant: Instant) { mix(instant.nanoseconds) }

    /// Mixes in a length of time.
    @inlinable
    public mutating func mix(_ interval: Interval) { mix(interval.nanoseconds) }

    /// Mixes in an identity.
    @inlinable
    public mutating func mix(_ id: UniqueID) {
        mix(id.high)
        mix(id.low)
    }

    /// Mixes in the length and then the bytes, eight to a little-endian word.
    public mutating func mix(_ bytes: UnsafeRawBufferPointer) {
        mix(UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            mix(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        guard offset < bytes.count else { return }
        var tail: UInt64 = 0
        for (i, byte) in bytes[offset...].enumerated() { tail |= UInt64(byte) << UInt64(8 * i) }
        mix(tail)
    }

    /// Mixes in the length and then the bytes.
    public mutating func mix(_ bytes: [UInt8]) { bytes.withUnsafeBytes { mix($0) } }

    /// Mixes in the length and the bytes of the text's UTF-8, as it is (not normalised).
    public mutating func mix(_ text: String) {
        var text = text
        text.withUTF8 { mix(UnsafeRawBufferPointer($0)) }
    }
}
