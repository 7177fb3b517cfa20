/// Reads words, numbers and marks from one line of text after the other.
struct KirTextScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var lineStart = 0
    /// The current line, from 1.
    private(set) var line = 1

    /// Numbers in text are at most this large, so that sums and differences do not overflow.
    static let maximumNumber = 1 << 50

    init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private static let newline: UInt8 = 0x0A
    private static let quote: UInt8 = 0x22
    private static let backslash: UInt8 = 0x5C
    private static let slash: UInt8 = 0x2F

    /// The next byte of this line; nil at its end.
    private var next: UInt8? {
        guard position < bytes.count, bytes[position] != Self.newline else { return nil }
        return bytes[position]
    }

    private func byte(ahead count: Int) -> UInt8? {
        let place = position + count
        guard place < bytes.count else { return nil }
        return bytes[place]
    }

    /// Where the scanner is.
    var place: KirError.Place { .text(line: line, column: position - lineStart + 1) }

    /// An error at the scanner's place.
    func error(_ kind: KirError.Kind, _ problem: String, remedy: String) -> KirError {
        KirError(kind, at: place, problem, remedy: remedy)
    }

    // MARK: Lines

    /// Goes to the next line that holds more than space and comment; false at the end of the text.
    mutating func nextStatement() -> Bool {
        while true {
            skipSpace()
            if next != nil { return true }
            guard position < bytes.count else { return false }
            position += 1
            line += 1
            lineStart = position
        }
    }

    /// Whether nothing but space and comment is left of the line.
    mutating func isAtLineEnd() -> Bool {
        skipSpace()
        return next == nil
    }

    /// Checks that the line is at its end.
    mutating func expectLineEnd() throws(KirError) {
        guard isAtLineEnd() else {
            throw error(
                .syntax, "\(seen()) is not expected here", remedy: "end the line before it")
        }
    }

    /// Skips blanks, and a comment with all that follows it on the line.
    private mutating func skipSpace() {
        while let byte = next {
            if byte == 0x20 || byte == 0x09 || byte == 0x0D {
                position += 1
            } else if byte == Self.slash, self.byte(ahead: 1) == Self.slash {
                while next != nil { position += 1 }
            } else {
                return
            }
        }
    }

    /// What stands at the scanner's place, for error texts.
    func seen() -> String {
        var end = position
        while end < bytes.count, end < position + 20, bytes[end] != Self.newline,
            bytes[end] != 0x20 || end == position
        { end += 1 }
        guard end > position else { return "the end of the line" }
        return "\"" + String(decoding: bytes[position..<end], as: UTF8.self) + "\""
    }

    // MARK: Marks

    /// Takes `mark` after blanks; false when something else stands there.
    mutating func takes(_ mark: StaticString) -> Bool {
        skipSpace()
        return takesHere(mark)
    }

    /// Takes `mark` right here, without blanks before it.
    mutating func takesHere(_ mark: StaticString) -> Bool {
        guard matches(mark) else { return false }
        position += mark.utf8CodeUnitCount
        return true
    }

    private func matches(_ mark: StaticString) -> Bool {
        let count = mark.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        for k in 0..<count where bytes[position + k] != mark.utf8Start[k] { return false }
        return true
    }

    /// Takes `mark`, which must stand here.
    mutating func expect(_ mark: StaticString) throws(KirError) {
        guard takes(mark) else {
            throw error(
                .syntax, "\(mark) is expected here, not \(seen())",
                remedy: "see the grammar in docs/kir.md")
        }
    }

    // MARK: Words

    /// A word of name parts, without quotes; empty when none stands here.
    mutating func word() -> String {
        skipSpace()
        return take(while: KirWord.isNamePart)
    }

    private mutating func take(while isPart: (UInt8) -> Bool) -> String {
        let start = position
        while let byte = next, isPart(byte) {
            if byte == Self.slash, self.byte(ahead: 1) == Self.slash { break }
            position += 1
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// A name, bare or in quotes.
    mutating func name(_ what: String) throws(KirError) -> (text: String, isQuoted: Bool) {
        skipSpace()
        if next == Self.quote { return (try quoted(), true) }
        guard let first = next, KirWord.isNameStart(first) else {
            throw error(
                .syntax, "\(what) is expected here, not \(seen())",
                remedy: "write a name, in quotes if it has other characters than letters, digits, "
                    + "_ . -")
        }
        return (take(while: KirWord.isNamePart), false)
    }

    /// A value or a file name, bare or in quotes.
    mutating func value(_ what: String) throws(KirError) -> String {
        skipSpace()
        if next == Self.quote { return try quoted() }
        let text = take(while: KirWord.isValuePart)
        guard !text.isEmpty else {
            throw error(
                .syntax, "\(what) is expected here, not \(seen())",
                remedy: "write it in quotes if it has other characters than letters, digits, "
                    + "_ . - / +")
        }
        return text
    }

    /// Whether an operand begins here: `_`, `#`, or a name and right behind it `[`, `:` or `#`.
    mutating func isAtOperand() -> Bool {
        var copy = self
        copy.skipSpace()
        if copy.takesHere("#") { return true }
        if copy.next == Self.quote { return true }
        let word = copy.word()
        guard let byte = copy.next else { return word == "_" }
        return word == "_" || !word.isEmpty && (byte == 0x5B || byte == 0x3A || byte == 0x23)
    }

    /// Whether a name begins here, bare or in quotes.
    mutating func isAtName() -> Bool {
        skipSpace()
        guard let byte = next else { return false }
        return byte == Self.quote || KirWord.isNameStart(byte)
    }

    private mutating func quoted() throws(KirError) -> String {
        let start = self
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            position += 1
            if byte == Self.quote { return String(decoding: text, as: UTF8.self) }
            if byte == Self.backslash {
                text.append(contentsOf: try escape())
            } else {
                text.append(byte)
            }
        }
        throw start.error(
            .syntax, "the quoted text does not end on its line",
            remedy: "end it with a quote; write line breaks as \\n")
    }

    /// What follows a backslash.
    private mutating func escape() throws(KirError) -> [UInt8] {
        let place = self
        let byte = next
        if byte != nil { position += 1 }
        switch byte {
        case Self.quote: return [Self.quote]
        case Self.backslash: return [Self.backslash]
        case 0x6E: return [0x0A]
        case 0x74: return [0x09]
        case 0x72: return [0x0D]
        case 0x75:
            if takesHere("{") {
                let digits = take { KirWord.isNamePart($0) }
                if digits.utf8.count <= 6, let value = UInt32(digits, radix: 16),
                    let scalar = Unicode.Scalar(value), takesHere("}")
                {
                    return Array(String(scalar).utf8)
                }
            }
        default: break
        }
        throw place.error(
            .syntax, "there is no such escape",
            remedy: #"write one of \" \\ \n \t \r \u{hexadecimal}"#)
    }

    // MARK: Numbers

    /// A decimal number of `range`, with a sign when negative.
    mutating func number(
        _ what: String, in range: ClosedRange<Int> = -maximumNumber...maximumNumber
    ) throws(KirError) -> Int {
        skipSpace()
        let start = self
        let isNegative = takesHere("-")
        var value = 0
        var digits = 0
        while let byte = next, byte >= 0x30, byte <= 0x39 {
            position += 1
            digits += 1
            value = min(value * 10 + Int(byte - 0x30), 10 * Self.maximumNumber)
        }
        guard digits > 0 else {
            throw start.error(
                .syntax, "\(what) is expected here, not \(start.seen())",
                remedy: "write a decimal number")
        }
        value = isNegative ? -value : value
        guard range.contains(value) else {
            throw start.error(
                .tooLarge, "\(what) is out of range",
                remedy: "write a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// An immediate operand: a decimal number, `inf`, `nan`, or all 32 bits as `0x...`.
    mutating func immediate() throws(KirError) -> Float {
        skipSpace()
        let start = self
        let text = take(while: KirWord.isValuePart)
        let value =
            text.hasPrefix("0x")
            ? UInt32(text.dropFirst(2), radix: 16).map(Float.init(bitPattern:)) : Float(text)
        guard let value, !text.utf8.dropFirst(2).contains(0x78) else {
            throw start.error(
                .syntax, "a floating-point number is expected here, not \(start.seen())",
                remedy: "write it like 0.5, -1e-6, inf, or its 32 bits like 0x3f800000")
        }
        return value
    }
}
