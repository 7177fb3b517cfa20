/// Writes JSON (RFC 8259) with keys in the order in which they are given, indented by two spaces.
///
/// Numbers round-trip: whole ones are exact, others are the shortest text that reads as the same
/// value.
struct JSONWriter {
    private var bytes: [UInt8] = []
    private var depth = 0
    private var isFirst = true
    private var isAfterKey = false

    /// What was written.
    var text: String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Containers

    /// An object: `members` gives keys and values.
    mutating func object(_ members: (inout JSONWriter) -> Void) { container("{", "}", members) }

    /// An array: `elements` gives values.
    mutating func array(_ elements: (inout JSONWriter) -> Void) { container("[", "]", elements) }

    private mutating func container(
        _ open: StaticString, _ close: StaticString, _ content: (inout JSONWriter) -> Void
    ) {
        begin()
        append(open)
        depth += 1
        isFirst = true
        content(&self)
        depth -= 1
        if !isFirst { newLine() }
        append(close)
        isFirst = false
    }

    // MARK: Members

    /// The key of the value that comes next.
    mutating func key(_ name: String) {
        begin()
        string(name)
        append(": ")
        isAfterKey = true
    }

    mutating func member(_ name: String, _ value: String) {
        key(name)
        self.value(value)
    }

    mutating func member(_ name: String, _ value: Int) { member(name, Int64(value)) }

    mutating func member(_ name: String, _ value: Int64) {
        key(name)
        self.value(value)
    }

    mutating func member(_ name: String, _ value: Double) {
        key(name)
        self.value(value)
    }

    mutating func member(_ name: String, _ value: Bool) {
        key(name)
        begin()
        append(value ? "true" : "false")
    }

    // MARK: Values

    mutating func value(_ value: String) {
        begin()
        string(value)
    }

    mutating func value(_ value: Int64) {
        begin()
        bytes.append(contentsOf: "\(value)".utf8)
    }

    /// A number; null when it is none, for JSON has no infinities.
    mutating func value(_ value: Double) {
        begin()
        bytes.append(contentsOf: (value.isFinite ? "\(value)" : "null").utf8)
    }

    /// An array of whole numbers on one line.
    mutating func compact(_ values: some Sequence<Int64>) {
        begin()
        append("[")
        var isLater = false
        for value in values {
            if isLater { append(",") }
            bytes.append(contentsOf: "\(value)".utf8)
            isLater = true
        }
        append("]")
    }

    // MARK: Text

    private mutating func begin() {
        if isAfterKey {
            isAfterKey = false
            return
        }
        if !isFirst { append(",") }
        isFirst = false
        if depth > 0 { newLine() }
    }

    private mutating func newLine() {
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
    }

    private mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func string(_ text: String) {
        append("\"")
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): append("\\\"")
            case UInt8(ascii: "\\"): append("\\\\")
            case UInt8(ascii: "\n"): append("\\n")
            case UInt8(ascii: "\r"): append("\\r")
            case UInt8(ascii: "\t"): append("\\t")
            case 0..<0x20:
                append("\\u00")
                bytes.append(Self.hexadecimal(byte >> 4))
                bytes.append(Self.hexadecimal(byte & 15))
            default: bytes.append(byte)
            }
        }
        append("\"")
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}
