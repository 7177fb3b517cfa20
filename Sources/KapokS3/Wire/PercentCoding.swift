/// Percent coding (RFC 3986 section 2.1) as S3 uses it in paths, queries and listings.
enum PercentCoding {
    /// Whether a byte stands for itself in S3's canonical form: letters, digits, `-`, `.`, `_`,
    /// `~`.
    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// The bytes that `text` stands for; nil when a `%` is not followed by two hexadecimal digits.
    static func decode(_ text: some Sequence<UInt8>, plusIsSpace: Bool = false) -> [UInt8]? {
        var out: [UInt8] = []
        out.reserveCapacity(text.underestimatedCount)
        var iterator = text.makeIterator()
        while let byte = iterator.next() {
            if byte == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(Hexadecimal.value),
                    let low = iterator.next().flatMap(Hexadecimal.value)
                else { return nil }
                out.append(high << 4 | low)
            } else if byte == UInt8(ascii: "+"), plusIsSpace {
                out.append(UInt8(ascii: " "))
            } else {
                out.append(byte)
            }
        }
        return out
    }

    /// Appends `bytes` in canonical form to `out`.
    @inline(__always)
    static func encode(_ bytes: some Sequence<UInt8>, keepSlash: Bool, into out: inout [UInt8]) {
        for byte in bytes { encode(byte, keepSlash: keepSlash, into: &out) }
    }

    @inline(__always)
    static func encode(_ byte: UInt8, keepSlash: Bool, into out: inout [UInt8]) {
        if isUnreserved(byte) || (keepSlash && byte == UInt8(ascii: "/")) {
            out.append(byte)
        } else {
            out.append(UInt8(ascii: "%"))
            out.append(upperHexadecimal(byte >> 4))
            out.append(upperHexadecimal(byte & 15))
        }
    }

    /// The canonical form of `text`, for `encoding-type=url` and URLs.
    static func encode(_ text: String, keepSlash: Bool) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count + 16)
        encode(text.utf8, keepSlash: keepSlash, into: &out)
        return String(decoding: out, as: UTF8.self)
    }

    /// Brings a part of a URL that is already coded in some way into canonical form, without
    /// storing the decoded bytes. False when a `%` is not followed by two hexadecimal digits.
    ///
    /// - Parameters:
    ///   - keepSlash: whether a plain slash stands for itself.
    ///   - keepCodedSlash: whether a slash that came as `%2F` becomes a plain one.
    @inline(__always)
    static func recode(
        _ text: some Sequence<UInt8>, keepSlash: Bool, keepCodedSlash: Bool, plusIsSpace: Bool,
        into out: inout [UInt8]
    ) -> Bool {
        var iterator = text.makeIterator()
        while let byte = iterator.next() {
            if byte == UInt8(ascii: "%") {
                guard let high = iterator.next().flatMap(Hexadecimal.value),
                    let low = iterator.next().flatMap(Hexadecimal.value)
                else { return false }
                encode(high << 4 | low, keepSlash: keepCodedSlash, into: &out)
            } else if byte == UInt8(ascii: "+"), plusIsSpace {
                encode(UInt8(ascii: " "), keepSlash: keepSlash, into: &out)
            } else {
                encode(byte, keepSlash: keepSlash, into: &out)
            }
        }
        return true
    }

    @inline(__always)
    private static func upperHexadecimal(_ value: UInt8) -> UInt8 {
        value < 10 ? 48 + value : 55 + value
    }
}
