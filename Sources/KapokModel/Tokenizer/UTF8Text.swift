/// Text as bytes that a tokenizer reads: characters where they are valid, single bytes where not.
enum UTF8Text {
    /// The character at `index`, which is below `end`, and its length. Surrogates count as
    /// characters; a byte that belongs to none is U+FFFD of length 1.
    @inline(__always)
    static func decode(
        _ text: UnsafePointer<UInt8>, at index: Int, end: Int
    ) -> (scalar: UInt32, length: Int) {
        let lead = text[index]
        return lead < 0x80 ? (UInt32(lead), 1) : decodeLong(text, at: index, end: end)
    }

    private static func decodeLong(
        _ text: UnsafePointer<UInt8>, at index: Int, end: Int
    ) -> (scalar: UInt32, length: Int) {
        let invalid = (scalar: UInt32(0xFFFD), length: 1)
        let (value, length) = lenient(text, at: index, end: end)
        switch length {
        case 2: return value >= 0x80 ? (value, 2) : invalid
        case 3: return value >= 0x800 ? (value, 3) : invalid
        case 4: return value >= 0x10000 && value < 0x110000 ? (value, 4) : invalid
        default: return invalid
        }
    }

    /// The value of the sequence at `index` by its form alone: too long forms, surrogates and
    /// values that are none are let through. Length 0 when the form is wrong.
    private static func lenient(
        _ text: UnsafePointer<UInt8>, at index: Int, end: Int
    ) -> (value: UInt32, length: Int) {
        let lead = UInt32(text[index])
        let length: Int
        var value: UInt32
        switch lead {
        case 0xC0...0xDF: (length, value) = (2, lead & 0x1F)
        case 0xE0...0xEF: (length, value) = (3, lead & 0x0F)
        case 0xF0...0xF7: (length, value) = (4, lead & 0x07)
        default: return (0, 0)
        }
        guard index + length <= end else { return (0, 0) }
        for offset in 1..<length {
            let byte = UInt32(text[index + offset])
            guard byte & 0xC0 == 0x80 else { return (0, 0) }
            value = value << 6 | byte & 0x3F
        }
        return (value, length)
    }

    /// Where the character that ends at `index` begins; `start` is below `index`.
    static func previous(_ text: UnsafePointer<UInt8>, before index: Int, start: Int) -> Int {
        var candidate = index - 1
        while text[candidate] & 0xC0 == 0x80, index - candidate < 4, candidate > start {
            candidate -= 1
        }
        let length = decode(text, at: candidate, end: index).length
        return length == index - candidate ? candidate : index - 1
    }

    /// How many bytes from `start` on are ASCII, eight at a time.
    private static func asciiEnd(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var index = start
        let raw = UnsafeRawBufferPointer(text)
        while index + 8 <= raw.count {
            let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if word & 0x8080_8080_8080_8080 != 0 { break }
            index += 8
        }
        while index < raw.count, raw[index] < 0x80 { index += 1 }
        return index
    }

    /// Where the first byte lies that `repaired` would change; nil when there is none.
    static func firstInvalid(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
        guard let base = text.baseAddress else { return nil }
        var index = 0
        while index < text.count {
            index = asciiEnd(text, from: index)
            while index < text.count, base[index] >= 0x80 {
                let (scalar, length) = decode(base, at: index, end: text.count)
                if length == 1 && scalar == 0xFFFD { return index }
                index += length
            }
        }
        return nil
    }

    /// `text` as llama.cpp reads it (unicode.cpp, `unicode_cpts_from_utf8`): a byte that has not
    /// the form of UTF-8 becomes U+FFFD, each of them one; a form that is too long becomes the
    /// character that it spells; surrogates stay. Values above U+10FFFF, at which llama.cpp ends
    /// the process, become U+FFFD byte by byte.
    static func repaired(_ text: UnsafeBufferPointer<UInt8>, from first: Int) -> [UInt8] {
        guard let base = text.baseAddress else { return [] }
        var result = Array(text[..<first])
        result.reserveCapacity(text.count + text.count / 4)
        var index = first
        while index < text.count {
            if base[index] < 0x80 {
                result.append(base[index])
                index += 1
                continue
            }
            let (value, length) = lenient(base, at: index, end: text.count)
            if length == 0 || value > 0x10FFFF {
                append(0xFFFD, to: &result)
                index += 1
            } else {
                append(value, to: &result)
                index += length
            }
        }
        return result
    }

    /// Adds the UTF-8 form of `value`, a code point or a surrogate.
    static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (value >> shift) & 0x3F) }
        switch value {
        case 0..<0x80: bytes.append(UInt8(value))
        case 0..<0x800: bytes += [UInt8(0xC0 | value >> 6), tail(0)]
        case 0..<0x10000: bytes += [UInt8(0xE0 | value >> 12), tail(6), tail(0)]
        default: bytes += [UInt8(0xF0 | value >> 18), tail(12), tail(6), tail(0)]
        }
    }
}
