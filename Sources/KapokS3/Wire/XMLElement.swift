/// An element of a request's XML document.
struct XMLElement: Sendable, Equatable {
    /// Without namespace prefix.
    var name: String
    /// The character data directly inside, joined.
    var text = ""
    var children: [XMLElement] = []

    /// The first child called `name`.
    subscript(_ name: String) -> XMLElement? { children.first { $0.name == name } }

    /// All children called `name`.
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
}

/// What an XML document may have at most.
struct XMLLimits: Sendable {
    /// How many elements lie inside each other.
    var depth = 8
    var elements = 100_000
    /// In bytes.
    var nameLength = 128
    var attributesPerElement = 16
}

/// A bounded parser for the XML documents in requests: elements, character data, CDATA, comments
/// and the five named entities. Attributes are read over. Document types and processing
/// instructions are refused, so nothing can be expanded or fetched.
struct XMLParser {
    private let bytes: [UInt8]
    private let limits: XMLLimits
    private var position = 0
    private var elementCount = 0

    /// Parses `bytes` as one document.
    /// - Throws: `MalformedXML`, saying what and where.
    static func parse(
        _ bytes: [UInt8], limits: XMLLimits = XMLLimits()
    ) throws(S3Error) -> XMLElement {
        var parser = XMLParser(bytes: bytes, limits: limits)
        return try parser.document()
    }

    private init(bytes: [UInt8], limits: XMLLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    private func malformed(_ reason: String) -> S3Error {
        S3Error(
            .malformedXML,
            "The XML you provided was not well-formed or did not validate against our published "
                + "schema: \(reason) at byte \(position).")
    }

    private mutating func document() throws(S3Error) -> XMLElement {
        if starts(with: "\u{FEFF}") { position += 3 }
        if starts(with: "<?xml") { try skip(behind: "?>") }
        try skipSpaceAndComments()
        let root = try element(depth: 1)
        try skipSpaceAndComments()
        guard position == bytes.count else { throw malformed("content behind the root element") }
        return root
    }

    // MARK: Elements

    private mutating func element(depth: Int) throws(S3Error) -> XMLElement {
        guard depth <= limits.depth else { throw malformed("too many nested elements") }
        elementCount += 1
        guard elementCount <= limits.elements else { throw malformed("too many elements") }
        guard take("<") else { throw malformed("an element is expected") }
        let qualified = try name()
        var result = XMLElement(name: Self.localName(qualified))
        guard try attributes() else { return result }
        var text: [UInt8] = []
        while true {
            guard position < bytes.count else { throw malformed("an element is not closed") }
            if bytes[position] != UInt8(ascii: "<") {
                try characters(into: &text)
            } else if take("</") {
                guard try name() == qualified else { throw malformed("a wrong closing tag") }
                skipSpace()
                guard take(">") else { throw malformed("a bad closing tag") }
                break
            } else if take("<!--") {
                try skip(behind: "-->")
            } else if take("<![CDATA[") {
                let start = position
                try skip(behind: "]]>")
                text.append(contentsOf: bytes[start..<position - 3])
            } else {
                result.children.append(try element(depth: depth + 1))
            }
        }
        guard let valid = String(validating: text, as: UTF8.self) else {
            throw malformed("text that is not UTF-8")
        }
        result.text = valid
        return result
    }

    private static func localName(_ name: [UInt8]) -> String {
        let start = name.firstIndex(of: UInt8(ascii: ":")).map { $0 + 1 } ?? 0
        return String(decoding: name[start...], as: UTF8.self)
    }

    private mutating func name() throws(S3Error) -> [UInt8] {
        let start = position
        while position < bytes.count, Self.isNameByte(bytes[position]) { position += 1 }
        guard position > start, position - start <= limits.nameLength else {
            throw malformed("a bad name")
        }
        return Array(bytes[start..<position])
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        PercentCoding.isUnreserved(byte) && byte != UInt8(ascii: "~") || byte == UInt8(ascii: ":")
            || byte >= 0x80
    }

    /// Reads over the attributes up to the end of the tag. False when the element is empty (`/>`).
    private mutating func attributes() throws(S3Error) -> Bool {
        for _ in 0...limits.attributesPerElement {
            let hadSpace = skipSpace()
            if take("/>") { return false }
            if take(">") { return true }
            guard hadSpace else { throw malformed("a bad tag") }
            _ = try name()
            skipSpace()
            guard take("=") else { throw malformed("an attribute without value") }
            skipSpace()
            guard position < bytes.count, bytes[position] == 34 || bytes[position] == 39 else {
                throw malformed("an attribute without quotes")
            }
            let quote = bytes[position]
            position += 1
            while position < bytes.count, bytes[position] != quote {
                guard bytes[position] != UInt8(ascii: "<") else {
                    throw malformed("a bad attribute")
                }
                position += 1
            }
            guard position < bytes.count else { throw malformed("an attribute without end") }
            position += 1
        }
        throw malformed("too many attributes")
    }

    // MARK: Text

    /// Character data up to the next tag, with entities replaced and line ends as LF.
    private mutating func characters(into text: inout [UInt8]) throws(S3Error) {
        while position < bytes.count, bytes[position] != UInt8(ascii: "<") {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "&"): try entity(into: &text)
            case 0: throw malformed("a zero byte")
            case UInt8(ascii: "\r"):
                text.append(UInt8(ascii: "\n"))
                position += 1
                if position < bytes.count, bytes[position] == UInt8(ascii: "\n") { position += 1 }
            default:
                text.append(byte)
                position += 1
            }
        }
    }

    private mutating func entity(into text: inout [UInt8]) throws(S3Error) {
        let named: [(String, String)] = [
            ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"),
        ]
        for (entity, character) in named where take(entity) {
            text.append(contentsOf: character.utf8)
            return
        }
        guard take("&#") else { throw malformed("an unknown entity") }
        let radix: UInt32 = take("x") ? 16 : 10
        var value: UInt32 = 0
        var digits = 0
        while position < bytes.count, let digit = Hexadecimal.value(bytes[position]),
            UInt32(digit) < radix, digits < 8
        {
            value = value &* radix &+ UInt32(digit)
            digits += 1
            position += 1
        }
        guard (1...7).contains(digits), take(";"), value != 0, let scalar = Unicode.Scalar(value)
        else { throw malformed("a bad character reference") }
        text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }

    // MARK: Tokens

    private func starts(with text: String) -> Bool {
        let token = text.utf8
        return bytes.count - position >= token.count
            && zip(bytes[position...], token).allSatisfy { $0 == $1 }
    }

    private mutating func take(_ token: String) -> Bool {
        guard starts(with: token) else { return false }
        position += token.utf8.count
        return true
    }

    private mutating func skip(behind token: String) throws(S3Error) {
        while position < bytes.count {
            if take(token) { return }
            position += 1
        }
        throw malformed("\(token) is missing")
    }

    @discardableResult
    private mutating func skipSpace() -> Bool {
        let start = position
        while position < bytes.count, [9, 10, 13, 32].contains(bytes[position]) { position += 1 }
        return position > start
    }

    private mutating func skipSpaceAndComments() throws(S3Error) {
        repeat { skipSpace() } while try takeComment()
    }

    private mutating func takeComment() throws(S3Error) -> Bool {
        guard take("<!--") else { return false }
        try skip(behind: "-->")
        return true
    }
}
