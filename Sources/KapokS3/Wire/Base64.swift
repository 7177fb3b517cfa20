/// Base 64 with padding (RFC 4648 section 4), as checksum and digest headers carry it.
public enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The text of `bytes`.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        let source = Array(bytes)
        let count = (source.count + 2) / 3 * 4
        return String(unsafeUninitializedCapacity: count) { out in
            var o = 0
            var i = 0
            while i < source.count {
                let left = source.count - i
                let b0 = UInt32(source[i])
                let b1 = left > 1 ? UInt32(source[i + 1]) : 0
                let b2 = left > 2 ? UInt32(source[i + 2]) : 0
                let group = b0 << 16 | b1 << 8 | b2
                out[o] = alphabet[Int(group >> 18)]
                out[o + 1] = alphabet[Int(group >> 12 & 63)]
                out[o + 2] = left > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "=")
                out[o + 3] = left > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "=")
                o += 4
                i += 3
            }
            return count
        }
    }

    /// The bytes of `text`; nil unless it is canonical base 64 (padded, no spaces, unused bits 0).
    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let source = Array(text.utf8)
        guard source.count % 4 == 0 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(source.count / 4 * 3)
        var i = 0
        while i < source.count {
            let last = i + 4 == source.count
            let padding =
                last && source[i + 3] == UInt8(ascii: "=")
                ? (source[i + 2] == UInt8(ascii: "=") ? 2 : 1) : 0
            var group: UInt32 = 0
            for j in 0..<4 {
                if j >= 4 - padding {
                    group <<= 6
                } else {
                    guard let digit = value(source[i + j]) else { return nil }
                    group = group << 6 | digit
                }
            }
            let unused: UInt32 = padding == 0 ? 0 : (padding == 1 ? 0xFF : 0xFFFF)
            guard group & unused == 0 else { return nil }
            out.append(UInt8(truncatingIfNeeded: group >> 16))
            if padding < 2 { out.append(UInt8(truncatingIfNeeded: group >> 8)) }
            if padding < 1 { out.append(UInt8(truncatingIfNeeded: group)) }
            i += 4
        }
        return out
    }

    private static func value(_ digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
