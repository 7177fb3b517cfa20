import OrderedCollections

/// How a JSON text is written.
public struct JSONStyle: Hashable, Sendable {
    /// Spaces for each level, with a line for each element; nil writes one line.
    public var indent: Int?
    /// What stands between elements; line breaks of `indent` come after it.
    public var itemSeparator: String
    /// What stands between a member's name and its value.
    public var keySeparator: String
    /// Whether everything beyond ASCII is escaped.
    public var escapesNonASCII: Bool
    /// Whether members are written in the order of their names' Unicode scalars.
    public var sortsKeys: Bool

    /// A style from its parts; by default the shortest text.
    public init(
        indent: Int? = nil, itemSeparator: String = ",", keySeparator: String = ":",
        escapesNonASCII: Bool = false, sortsKeys: Bool = false
    ) {
        self.indent = indent
        self.itemSeparator = itemSeparator
        self.keySeparator = keySeparator
        self.escapesNonASCII = escapesNonASCII
        self.sortsKeys = sortsKeys
    }

    /// No space at all.
    public static let compact = JSONStyle()
    /// For people: two spaces a level.
    public static let pretty = JSONStyle(indent: 2, keySeparator: ": ")

    /// As Python's `json.dumps` writes it: `", "` and `": "`, and no space at the end of a line
    /// when indented. Its `ensure_ascii` is true unless said otherwise; `tojson` of chat templates
    /// says otherwise.
    public static func python(
        indent: Int? = nil, escapesNonASCII: Bool = false, sortsKeys: Bool = false
    ) -> JSONStyle {
        JSONStyle(
            indent: indent, itemSeparator: indent == nil ? ", " : ",", keySeparator: ": ",
            escapesNonASCII: escapesNonASCII, sortsKeys: sortsKeys)
    }
}

extension JSONValue {
    /// The value as a JSON text. Numbers that JSON does not have (infinities, not a number) are
    /// written as `null`; the others as the shortest digits that give them back, with a point or
    /// an exponent, in the form that Python's `repr` has.
    public func text(_ style: JSONStyle = .compact) -> String {
        String(decoding: bytes(style), as: UTF8.self)
    }

    /// The UTF-8 bytes of `text(_:)`.
    public func bytes(_ style: JSONStyle = .compact) -> [UInt8] {
        var writer = JSONWriter(style: style)
        writer.write(self, level: 0)
        return writer.bytes
    }
}

private struct JSONWriter {
    let style: JSONStyle
    var bytes: [UInt8] = []

    init(style: JSONStyle) { self.style = style }

    mutating func write(_ value: JSONValue, level: Int) {
        switch value {
        case .null: put("null")
        case .bool(let flag): put(flag ? "true" : "false")
        case .integer(let number): put(String(number))
        case .number(let number): put(Self.text(of: number))
        case .string(let string): write(string)
        case .array(let elements): write(elements, level: level)
        case .object(let members): write(members, level: level)
        }
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func write(_ elements: [JSONValue], level: Int) {
        guard !elements.isEmpty else { return put("[]") }
        put("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { put(style.itemSeparator) }
            breakLine(level + 1)
            write(element, level: level + 1)
        }
        breakLine(level)
        put("]")
    }

    private mutating func write(_ members: JSONObject, level: Int) {
        guard !members.isEmpty else { return put("{}") }
        put("{")
        var names = Array(members.keys)
        // Python compares code points, which are in the order of their UTF-8 bytes.
        if style.sortsKeys { names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) } }
        for (index, name) in names.enumerated() {
            if index > 0 { put(style.itemSeparator) }
            breakLine(level + 1)
            write(name)
            put(style.keySeparator)
            write(members[name] ?? .null, level: level + 1)
        }
        breakLine(level)
        put("}")
    }

    private mutating func breakLine(_ level: Int) {
        guard let indent = style.indent else { return }
        bytes.append(0x0A)
        bytes.append(contentsOf: repeatElement(0x20, count: max(0, indent) * level))
    }

    private mutating func write(_ string: String) {
        bytes.append(UInt8(ascii: "\""))
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": put("\\\"")
            case "\\": put("\\\\")
            case "\n": put("\\n")
            case "\r": put("\\r")
            case "\t": put("\\t")
            case "\u{8}": put("\\b")
            case "\u{C}": put("\\f")
            case _ where scalar.value < 0x20: escape(UInt16(scalar.value))
            case _ where scalar.value > 0x7E && style.escapesNonASCII:
                for unit in String(Character(scalar)).utf16 { escape(unit) }
            default:
                if scalar.value < 0x80 {
                    bytes.append(UInt8(scalar.value))
                } else {
                    bytes.append(
                        contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
                }
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ unit: UInt16) {
        let digits = String(unit, radix: 16)
        put("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
    }

    /// Swift writes the same digits as Python, but goes over to exponents elsewhere: Python does
    /// below 10^-4 and from 10^16 on.
    private static func text(of number: Double) -> String {
        guard number.isFinite else { return "null" }
        guard number != 0 else { return number.sign == .minus ? "-0.0" : "0.0" }
        let parts = number.magnitude.description.split(separator: "e")
        let places = parts[0].split(separator: ".")
        let fraction = places.count > 1 ? places[1] : ""
        // The digits without zeros around them, and the power of ten of the first of them.
        let written = places[0] + fraction
        var digits = written.drop { $0 == "0" }
        var exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        exponent += places[0].count - 1 - (written.count - digits.count)
        while digits.last == "0" { digits.removeLast() }
        let sign = number < 0 ? "-" : ""
        switch exponent {
        case 16..., ..<(-4):
            let rest = digits.dropFirst()
            let power = String(exponent.magnitude)
            return sign + digits.prefix(1) + (rest.isEmpty ? "" : ".\(rest)")
                + (exponent < 0 ? "e-" : "e+") + (power.count < 2 ? "0" : "") + power
        case 0...:
            let whole = digits.prefix(exponent + 1)
            let zeros = String(repeating: "0", count: exponent + 1 - whole.count)
            let rest = digits.dropFirst(exponent + 1)
            return sign + whole + zeros + "." + (rest.isEmpty ? "0" : rest)
        default:
            return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits
        }
    }
}
