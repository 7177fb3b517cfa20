/// A JSON text (RFC 8259) as a tree, read from bytes that cannot be trusted.
indirect enum JSONText: Hashable, Sendable {
    case null
    case bool(Bool)
    /// As it is written.
    case number(String)
    case string(String)
    case array([JSONText])
    /// In the order of the text.
    case object([Member])

    struct Member: Hashable, Sendable {
        var key: String
        var value: JSONText
        /// The line of the key, counted from 1.
        var line: Int
    }

    /// The most bytes of a text, values in it, and nesting.
    static let maximumBytes = 512 << 20
    static let maximumValues = 1 << 25
    static let maximumDepth = 64

    init(_ bytes: [UInt8]) throws(WiringDocument.Refusal) {
        guard bytes.count <= Self.maximumBytes else {
            throw WiringDocument.Refusal(
                line: 0,
                reason: "the file has \(bytes.count) bytes; the most are \(Self.maximumBytes)")
        }
        var reader = JSONReader(bytes)
        self = try reader.read()
    }

    /// The value of a key of an object; nil where there is none.
    subscript(key: String) -> JSONText? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The text of a string; nil for other values.
    var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }
}

private struct JSONReader {
    private let bytes: [UInt8]
    private var at = 0
    private var line = 1
    private var values = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
    }

    private func refusal(_ reason: String) -> WiringDocument.Refusal {
        WiringDocument.Refusal(line: line, reason: "no JSON: \(reason)")
    }

    private var byte: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipBlanks() {
        while let byte, byte == 32 || byte == 9 || byte == 10 || byte == 13 {
            if byte == 10 { line += 1 }
            at += 1
        }
    }

    mutating func read() throws(WiringDocument.Refusal) -> JSONText {
        let value = try value(depth: 0)
        skipBlanks()
        guard at == bytes.count else { throw refusal("text behind the end of the value") }
        return value
    }

    private mutating func value(depth: Int) throws(WiringDocument.Refusal) -> JSONText {
        guard depth <= JSONText.maximumDepth else {
            throw refusal("nested deeper than \(JSONText.maximumDepth)")
        }
        values += 1
        guard values <= JSONText.maximumValues else {
            throw refusal("more than \(JSONText.maximumValues) values")
        }
        skipBlanks()
        switch byte {
        case UInt8(ascii: "{"): return try object(depth)
        case UInt8(ascii: "["): return try array(depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"): return try number()
        case nil: throw refusal("the text ends where a value should be")
        case let other?:
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(other) else {
                throw refusal("byte \(other) where a value should be")
            }
            return try number()
        }
    }

    private mutating func literal(_ word: String, _ value: JSONText)
        throws(WiringDocument.Refusal) -> JSONText
    {
        guard bytes[at...].starts(with: word.utf8) else {
            throw refusal("a word that is not \(word)")
        }
        at += word.utf8.count
        return value
    }

    private mutating func number() throws(WiringDocument.Refusal) -> JSONText {
        let start = at
        var digits = 0
        while let byte {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += 1
            case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"),
                UInt8(ascii: "E"):
                break
            default:
                return .number(String(decoding: bytes[start..<at], as: UTF8.self))
            }
            at += 1
            guard digits > 0 || at - start < 4, at - start <= 64 else {
                throw refusal("a number that is none")
            }
        }
        guard digits > 0 else { throw refusal("a number that is none") }
        return .number(String(decoding: bytes[start..<at], as: UTF8.self))
    }

    private mutating func array(_ depth: Int) throws(WiringDocument.Refusal) -> JSONText {
        at += 1
        var all: [JSONText] = []
        skipBlanks()
        if byte == UInt8(ascii: "]") {
            at += 1
            return .array([])
        }
        while true {
            all.append(try value(depth: depth + 1))
            if try ends(UInt8(ascii: "]")) { return .array(all) }
        }
    }

    private mutating func object(_ depth: Int) throws(WiringDocument.Refusal) -> JSONText {
        at += 1
        var all: [JSONText.Member] = []
        skipBlanks()
        if byte == UInt8(ascii: "}") {
            at += 1
            return .object([])
        }
        while true {
            skipBlanks()
            let start = line
            guard byte == UInt8(ascii: "\"") else { throw refusal("a key must be a string") }
            let key = try string()
            skipBlanks()
            guard byte == UInt8(ascii: ":") else { throw refusal("expected ':' behind a key") }
            at += 1
            all.append(
                JSONText.Member(key: key, value: try value(depth: depth + 1), line: start))
            if try ends(UInt8(ascii: "}")) { return .object(all) }
        }
    }

    /// Takes a comma (false) or the closing sign (true).
    private mutating func ends(_ close: UInt8) throws(WiringDocument.Refusal) -> Bool {
        skipBlanks()
        guard let byte, byte == close || byte == UInt8(ascii: ",") else {
            throw refusal("expected ',' or '\(UnicodeScalar(close))'")
        }
        at += 1
        return byte == close
    }

    private mutating func string() throws(WiringDocument.Refusal) -> String {
        at += 1
        var text: [UInt8] = []
        while let byte {
            at += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: text, as: UTF8.self) else {
                    throw refusal("a string that is not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): try escape(&text)
            case 0..<32: throw refusal("a control sign inside a string; write it as an escape")
            default: text.append(byte)
            }
            guard text.count <= DOTLexer.maximumWord else {
                throw refusal("a string of more than \(DOTLexer.maximumWord) bytes")
            }
        }
        throw refusal("a string without its end")
    }

    private mutating func escape(_ text: inout [UInt8]) throws(WiringDocument.Refusal) {
        guard let byte else { throw refusal("a string without its end") }
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), at + 1 < bytes.count,
                bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u")
            {
                at += 2
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw refusal("half of a sign") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = UnicodeScalar(code) else { throw refusal("half of a sign") }
            text += Array(String(Character(scalar)).utf8)
        default: throw refusal("an escape that JSON has not")
        }
    }

    private mutating func hexadecimal() throws(WiringDocument.Refusal) -> UInt32 {
        guard at + 4 <= bytes.count else { throw refusal("a string without its end") }
        var value: UInt32 = 0
        for byte in bytes[at..<at + 4] {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
                throw refusal("\\u without four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
        }
        at += 4
        return value
    }
}
