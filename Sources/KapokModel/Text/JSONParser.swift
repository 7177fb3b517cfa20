import OrderedCollections

/// What bounds a JSON text: it comes from outside.
public struct JSONLimits: Sendable {
    /// The longest text, in bytes.
    public var bytes: Int
    /// How deep arrays and objects may be nested.
    public var depth: Int
    /// How many values there may be in all.
    public var values: Int

    /// Limits; what is not given suits the largest tokenizer files.
    public init(bytes: Int = 128 << 20, depth: Int = 64, values: Int = 16 << 20) {
        self.bytes = bytes
        self.depth = depth
        self.values = values
    }
}

/// Why a text is no JSON, and where.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The line, from 1; lines end with a line feed.
    public var line: Int
    /// The column, from 1, in Unicode scalars.
    public var column: Int
    /// The byte, from 0.
    public var offset: Int
    /// What is wrong.
    public var problem: String

    /// An error from its parts.
    public init(line: Int, column: Int, offset: Int, problem: String) {
        self.line = line
        self.column = column
        self.offset = offset
        self.problem = problem
    }

    public var description: String { "line \(line), column \(column): \(problem)" }
}

extension JSONValue {
    /// Reads a JSON text (RFC 8259) as a whole: nothing but white space may surround the value.
    /// Of members of the same name the last one counts, at the place of the first.
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        self = try bytes.withUnsafeBufferPointer { buffer throws(JSONError) in
            try JSONValue(parsing: UnsafeRawBufferPointer(buffer), limits: limits)
        }
    }

    /// Reads a JSON text (RFC 8259) as a whole.
    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }

    /// Reads a JSON text (RFC 8259) as a whole, from memory that lives until it is read.
    public init(
        parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = JSONLimits()
    ) throws(JSONError) {
        var parser = JSONParser(bytes: bytes, limits: limits)
        self = try parser.document()
    }
}

/// A recursive descent over bytes; its recursion is bounded by the limit of depth.
private struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    let limits: JSONLimits
    var position = 0
    var values = 0

    init(bytes: UnsafeRawBufferPointer, limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    mutating func document() throws(JSONError) -> JSONValue {
        guard bytes.count <= limits.bytes else {
            throw JSONError(
                line: 1, column: 1, offset: 0,
                problem: "the text has \(bytes.count) bytes; at most \(limits.bytes) are read")
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw error("a byte order mark; JSON has none", at: 0)
        }
        skipSpace()
        let value = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else {
            throw error("more text after the value", at: position)
        }
        return value
    }

    // MARK: Values

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard let byte = peek() else { throw error("the text ends where a value should be") }
        values += 1
        guard values <= limits.values else { throw error("more than \(limits.values) values") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw error("\(shown(byte)) begins no value")
        }
    }

    private mutating func word(
        _ word: StaticString, _ value: JSONValue
    ) throws(JSONError) -> JSONValue {
        let end = position + word.utf8CodeUnitCount
        let isWord = word.withUTF8Buffer { expected in
            end <= bytes.count && expected.elementsEqual(bytes[position..<end])
        }
        guard isWord else { throw error("not the word '\(word)'") }
        position = end
        return value
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        try enter(depth)
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return elements }
        while true {
            elements.append(try value(depth: depth))
            skipSpace()
            if take(UInt8(ascii: "]")) { return elements }
            try expect(UInt8(ascii: ","), "',' or ']' after an element of an array")
            skipSpace()
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        try enter(depth)
        var members = JSONObject()
        skipSpace()
        if take(UInt8(ascii: "}")) { return members }
        while true {
            guard peek() == UInt8(ascii: "\"") else {
                throw error("a member of an object begins with its name in double quotes")
            }
            let name = try string()
            skipSpace()
            try expect(UInt8(ascii: ":"), "':' after the name of a member")
            skipSpace()
            members[name] = try value(depth: depth)
            skipSpace()
            if take(UInt8(ascii: "}")) { return members }
            try expect(UInt8(ascii: ","), "',' or '}' after a member of an object")
            skipSpace()
        }
    }

    private mutating func enter(_ depth: Int) throws(JSONError) {
        guard depth <= limits.depth else {
            throw error("nested deeper than \(limits.depth) levels")
        }
        position += 1
    }

    // MARK: Numbers

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        var isWhole = true
        _ = take(UInt8(ascii: "-"))
        if take(UInt8(ascii: "0")) {
            if let next = peek(), Self.isDigit(next) {
                throw error("a number must not begin with a zero", at: start)
            }
        } else {
            try digits("a digit")
        }
        if take(UInt8(ascii: ".")) {
            isWhole = false
            try digits("a digit after the point")
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isWhole = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits("a digit of the exponent")
        }
        if isWhole, let value = whole(start..<position) { return .integer(value) }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Double(text), value.isFinite else {
            throw error("the number is too large", at: start)
        }
        return .number(value)
    }

    private mutating func digits(_ expected: String) throws(JSONError) {
        guard let byte = peek(), Self.isDigit(byte) else { throw error("\(expected) is missing") }
        while let byte = peek(), Self.isDigit(byte) { position += 1 }
    }

    /// The digits as an integer; nil when it does not fit.
    private func whole(_ range: Range<Int>) -> Int64? {
        guard range.count <= 20 else { return nil }
        var value: Int64 = 0
        let isNegative = bytes[range.lowerBound] == UInt8(ascii: "-")
        for byte in bytes[range] where byte != UInt8(ascii: "-") {
            let digit = Int64(byte - UInt8(ascii: "0"))
            let (product, high) = value.multipliedReportingOverflow(by: 10)
            // Negative all the way, so that the least integer fits.
            let (sum, over) = product.subtractingReportingOverflow(digit)
            if high || over { return nil }
            value = sum
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    // MARK: Strings

    private mutating func string() throws(JSONError) -> String {
        let start = position
        position += 1
        let first = position
        try skipPlain(from: start)
        if bytes[position] == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try validated(bytes[first..<position], at: first)
        }
        var buffer = Array(bytes[first..<position])
        while bytes[position] == UInt8(ascii: "\\") {
            try escape(into: &buffer)
            let next = position
            try skipPlain(from: start)
            buffer.append(contentsOf: bytes[next..<position])
        }
        position += 1
        return try validated(buffer, at: first)
    }

    /// Goes on to the next quotation mark or backslash.
    private mutating func skipPlain(from start: Int) throws(JSONError) {
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return }
            guard byte >= 0x20 else {
                throw error("\(shown(byte)) in a string must be escaped")
            }
            position += 1
        }
        throw error("the string has no end", at: start)
    }

    private func validated(
        _ content: some Collection<UInt8>, at offset: Int
    ) throws(JSONError) -> String {
        guard let text = String(validating: content, as: UTF8.self) else {
            throw error("the string is not UTF-8", at: offset)
        }
        return text
    }

    private mutating func escape(into buffer: inout [UInt8]) throws(JSONError) {
        let start = position
        guard position + 1 < bytes.count else { throw error("the string has no end") }
        let kind = bytes[position + 1]
        position += 2
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(kind)
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0C)
        case UInt8(ascii: "n"): buffer.append(0x0A)
        case UInt8(ascii: "r"): buffer.append(0x0D)
        case UInt8(ascii: "t"): buffer.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try escapedScalar(from: start)
            buffer.append(contentsOf: String(Character(scalar)).utf8)
        default: throw error("\(shown(kind)) after a backslash is no escape", at: start)
        }
    }

    private mutating func escapedScalar(from start: Int) throws(JSONError) -> Unicode.Scalar {
        let first = try fourDigits(from: start)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { throw error("half of a surrogate pair", at: start) }
        position += 2
        let second = try fourDigits(from: start)
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("half of a surrogate pair", at: start) }
        return scalar
    }

    private mutating func fourDigits(from start: Int) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Self.hexadecimal(byte) else {
                throw error("\\u needs four hexadecimal digits", at: start)
            }
            value = value << 4 | digit
            position += 1
        }
        return value
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    // MARK: Bytes

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
        guard !take(byte) else { return }
        throw error(
            peek() == nil ? "the text ends; expected \(what)" : "expected \(what)")
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    private func shown(_ byte: UInt8) -> String {
        (0x21...0x7E).contains(byte)
            ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(String(byte, radix: 16))"
    }

    private func error(_ problem: String, at offset: Int? = nil) -> JSONError {
        let offset = min(offset ?? position, bytes.count)
        var line = 1
        var column = 1
        for byte in bytes[..<offset] {
            if byte == 0x0A {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return JSONError(line: line, column: column, offset: offset, problem: problem)
    }
}
