/// Cuts the text of a Graphviz graph into tokens (graphviz.org/doc/info/lang.html): bare and quoted
/// identifiers, numbers, HTML strings, signs; comments `//`, `/* */` and `#` are skipped.
struct DOTLexer {
    /// A piece of the text.
    enum Token: Equatable {
        /// An identifier or a value. `isBare` tells keywords from quoted words of the same letters.
        case word(String, isBare: Bool)
        /// One of `{ } [ ] ; , : = +`.
        case sign(UInt8)
        /// `--`
        case undirected
        /// `->`
        case directed
        /// Nothing follows.
        case end
    }

    /// The most bytes of a file.
    static let maximumBytes = 256 << 20
    /// The most bytes of one identifier or value.
    static let maximumWord = 4_096

    private let bytes: [UInt8]
    private var at = 0
    /// The line of the token that was read last, counted from 1.
    private(set) var line = 1

    init(_ bytes: [UInt8]) throws(WiringDocument.Refusal) {
        guard bytes.count <= Self.maximumBytes else {
            throw WiringDocument.Refusal(
                line: 0,
                reason: "the file has \(bytes.count) bytes; the most are \(Self.maximumBytes): "
                    + "use a named topology, or split the wiring by plane")
        }
        self.bytes = bytes
        // A byte order mark.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
    }

    func refusal(_ reason: String) -> WiringDocument.Refusal {
        WiringDocument.Refusal(line: line, reason: reason)
    }

    private func peek(_ ahead: Int = 0) -> UInt8? {
        at + ahead < bytes.count ? bytes[at + ahead] : nil
    }

    /// The next token.
    mutating func next() throws(WiringDocument.Refusal) -> Token {
        try skipBlanks()
        guard let byte = peek() else { return .end }
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["), UInt8(ascii: "]"),
            UInt8(ascii: ";"), UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "="),
            UInt8(ascii: "+"):
            at += 1
            return .sign(byte)
        case UInt8(ascii: "\""): return .word(try quoted(), isBare: false)
        case UInt8(ascii: "<"): return .word(try html(), isBare: false)
        case UInt8(ascii: "-"):
            if peek(1) == UInt8(ascii: "-") {
                at += 2
                return .undirected
            }
            if peek(1) == UInt8(ascii: ">") {
                at += 2
                return .directed
            }
            return .word(try number(), isBare: true)
        case UInt8(ascii: "."), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return .word(try number(), isBare: true)
        default:
            guard Self.isLetter(byte) else {
                throw refusal(
                    "'\(Self.shown(byte))' begins no name; put names with such signs into "
                        + "quotation marks")
            }
            return .word(try bareWord(), isBare: true)
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"), 0x80...0xFF:
            true
        default: false
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }

    private static func shown(_ byte: UInt8) -> String {
        byte > 32 && byte < 127
            ? String(UnicodeScalar(byte)) : "byte \(byte)"
    }

    private mutating func skipBlanks() throws(WiringDocument.Refusal) {
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\n"):
                line += 1
                at += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), 0x0C: at += 1
            case UInt8(ascii: "#"): skipLine()
            case UInt8(ascii: "/"):
                if peek(1) == UInt8(ascii: "/") {
                    skipLine()
                } else if peek(1) == UInt8(ascii: "*") {
                    try skipBlockComment()
                } else {
                    throw refusal("'/' begins no name; comments are //, /* */ or #")
                }
            default: return
            }
        }
    }

    private mutating func skipLine() {
        while let byte = peek(), byte != UInt8(ascii: "\n") { at += 1 }
    }

    private mutating func skipBlockComment() throws(WiringDocument.Refusal) {
        let start = line
        at += 2
        while let byte = peek() {
            if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
                at += 2
                return
            }
            if byte == UInt8(ascii: "\n") { line += 1 }
            at += 1
        }
        throw WiringDocument.Refusal(line: start, reason: "a comment /* without its */")
    }

    private func text(_ word: [UInt8]) throws(WiringDocument.Refusal) -> String {
        guard let text = String(validating: word, as: UTF8.self) else {
            throw refusal("a name that is not UTF-8; store the file as UTF-8")
        }
        return text
    }

    private func bounded(_ count: Int, from start: Int) throws(WiringDocument.Refusal) {
        guard count <= Self.maximumWord else {
            throw WiringDocument.Refusal(
                line: start,
                reason: "a name or value of more than \(Self.maximumWord) bytes; a quotation "
                    + "mark may be missing before it")
        }
    }

    private mutating func bareWord() throws(WiringDocument.Refusal) -> String {
        let start = at
        while let byte = peek(), Self.isLetter(byte) || Self.isDigit(byte) { at += 1 }
        try bounded(at - start, from: line)
        return try text(Array(bytes[start..<at]))
    }

    private mutating func number() throws(WiringDocument.Refusal) -> String {
        let start = at
        if peek() == UInt8(ascii: "-") { at += 1 }
        var hasDigit = false
        var hasPoint = false
        while let byte = peek() {
            if Self.isDigit(byte) {
                hasDigit = true
            } else if byte == UInt8(ascii: "."), !hasPoint {
                hasPoint = true
            } else {
                break
            }
            at += 1
        }
        guard hasDigit else { throw refusal("'-' or '.' alone; links are written --") }
        if let byte = peek(), Self.isLetter(byte) {
            throw refusal("a name that begins with a digit; put it into quotation marks")
        }
        try bounded(at - start, from: line)
        return try text(Array(bytes[start..<at]))
    }

    /// A word in quotation marks: `\"` and `\\` stand for one sign, a backslash at the end of a
    /// line joins it to the next, all other backslashes are kept as they are.
    private mutating func quoted() throws(WiringDocument.Refusal) -> String {
        let start = line
        at += 1
        var word: [UInt8] = []
        while let byte = peek() {
            if byte == UInt8(ascii: "\"") {
                at += 1
                return try text(word)
            }
            if byte == UInt8(ascii: "\\"), let escaped = peek(1) {
                at += 2
                switch escaped {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): word.append(escaped)
                case UInt8(ascii: "\n"): line += 1
                default: word += [byte, escaped]
                }
            } else {
                if byte == UInt8(ascii: "\n") { line += 1 }
                word.append(byte)
                at += 1
            }
            try bounded(word.count, from: start)
        }
        throw WiringDocument.Refusal(line: start, reason: "a quotation mark without its second")
    }

    /// An HTML string `<...>`, with its brackets.
    private mutating func html() throws(WiringDocument.Refusal) -> String {
        let begin = at
        let start = line
        var depth = 0
        while let byte = peek() {
            at += 1
            switch byte {
            case UInt8(ascii: "<"): depth += 1
            case UInt8(ascii: ">"):
                depth -= 1
                if depth == 0 { return try text(Array(bytes[begin..<at])) }
            case UInt8(ascii: "\n"): line += 1
            default: break
            }
            try bounded(at - begin, from: start)
        }
        throw WiringDocument.Refusal(line: start, reason: "'<' without its '>'")
    }
}
