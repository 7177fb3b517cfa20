/// A key of SipHash: 128 bits.
public struct SipHashKey: Hashable, Sendable {
    /// The first eight bytes, little-endian.
    public let first: UInt64
    /// The last eight bytes, little-endian.
    public let last: UInt64

    /// The key of two halves, as `FabricKeys.helloKey(of:)` gives them.
    public init(_ halves: (UInt64, UInt64)) { (first, last) = halves }

    /// A key of 16 bytes; nil for any other number.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        func word(_ at: Int) -> UInt64 {
            (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) }
        }
        first = word(0)
        last = word(8)
    }
}

/// SipHash-2-4, a keyed hash for short messages with a 64-bit result (Aumasson and Bernstein,
/// "SipHash: a fast short-input PRF", INDOCRYPT 2012; test vectors in its appendix A).
///
/// Hellos carry it: it costs some tens of nanoseconds where HMAC-SHA256 costs a microsecond, and a
/// hello is worth forging only within the milliseconds that it is about.
public struct SipHash: Sendable {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    private init(_ key: SipHashKey) {
        v0 = key.first ^ 0x736f_6d65_7073_6575
        v1 = key.last ^ 0x646f_7261_6e64_6f6d
        v2 = key.first ^ 0x6c79_6765_6e65_7261
        v3 = key.last ^ 0x7465_6462_7974_6573
    }

    /// The hash of `message` under `key`.
    public static func hash(_ message: UnsafeRawBufferPointer, key: SipHashKey) -> UInt64 {
        var state = SipHash(key)
        let whole = message.count & ~7
        var at = 0
        while at < whole {
            state.compress(
                UInt64(
                    littleEndian: message.loadUnaligned(fromByteOffset: at, as: UInt64.self)))
            at += 8
        }
        var last = UInt64(truncatingIfNeeded: message.count) << 56
        var shift: UInt64 = 0
        while at < message.count {
            last |= UInt64(message[at]) << shift
            shift += 8
            at += 1
        }
        state.compress(last)
        state.v2 ^= 0xFF
        for _ in 0..<4 { state.round() }
        return state.v0 ^ state.v1 ^ state.v2 ^ state.v3
    }

    private mutating func compress(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    @inline(__always)
    private mutating func round() {
        v0 = v0 &+ v1
        v1 = v1 << 13 | v1 >> 51
        v1 ^= v0
        v0 = v0 << 32 | v0 >> 32
        v2 = v2 &+ v3
        v3 = v3 << 16 | v3 >> 48
        v3 ^= v2
        v0 = v0 &+ v3
        v3 = v3 << 21 | v3 >> 43
        v3 ^= v0
        v2 = v2 &+ v1
        v1 = v1 << 17 | v1 >> 47
        v1 ^= v2
        v2 = v2 << 32 | v2 >> 32
    }
}
