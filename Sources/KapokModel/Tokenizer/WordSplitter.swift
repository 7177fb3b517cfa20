/// What the patterns of GPT-2 and Llama 3 ask of a character.
enum WordKind {
    static let other: UInt8 = 0
    static let letter: UInt8 = 1
    static let number: UInt8 = 2
    static let space: UInt8 = 3
}

/// Cuts text into words as the patterns of GPT-2, Llama 3 and their relatives do, by hand: the
/// patterns are those of nearly all models, and this is several times faster than `Pattern`,
/// against which the tests hold it.
struct WordSplitter: Sendable {
    /// GPT-2's rules, or Llama 3's: words take one leading character of any kind, signs take the
    /// line ends after them, contractions may be upper case.
    enum Rules: Sendable { case gpt2, llama3 }

    private let rules: Rules
    /// The most digits of a number; 0 for any number of them.
    private let digits: Int
    /// Whether digits are cut off before everything else, as the `Digits` pre-tokenizer does: then
    /// white space before one is at the end of its text.
    private let digitsFirst: Bool
    private let signsTakeLineEnds: Bool
    private let hasContractions: Bool
    /// The kinds of all properties, 256 of them, then the kinds of ASCII; never freed.
    private let kinds: UnsafeTable

    /// The memory of a table that lives as long as the process; there are few of them.
    private struct UnsafeTable: @unchecked Sendable {
        var base: UnsafePointer<UInt8>
    }

    init(
        _ rules: Rules, digits: Int = 0, digitsFirst: Bool = false, marksAreLetters: Bool = false,
        signsTakeLineEnds: Bool = true, hasContractions: Bool = true
    ) {
        self.rules = rules
        self.digits = digits
        self.digitsFirst = digitsFirst
        self.signsTakeLineEnds = signsTakeLineEnds
        self.hasContractions = hasContractions
        self.kinds = Self.table(digitsFirst: digitsFirst, marksAreLetters: marksAreLetters)
    }

    private static let tables = [
        makeTable(digitsFirst: false, marksAreLetters: false),
        makeTable(digitsFirst: true, marksAreLetters: false),
        makeTable(digitsFirst: false, marksAreLetters: true),
        makeTable(digitsFirst: true, marksAreLetters: true),
    ]

    private static func table(digitsFirst: Bool, marksAreLetters: Bool) -> UnsafeTable {
        tables[(digitsFirst ? 1 : 0) + (marksAreLetters ? 2 : 0)]
    }

    private static func makeTable(digitsFirst: Bool, marksAreLetters: Bool) -> UnsafeTable {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 384)
        func kind(_ properties: ScalarProperties) -> UInt8 {
            if properties.isSpace { return WordKind.space }
            if digitsFirst && properties.isDigit { return WordKind.number }
            switch properties.category {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter,
                .otherLetter:
                return WordKind.letter
            case .nonspacingMark, .spacingMark, .enclosingMark:
                return marksAreLetters ? WordKind.letter : WordKind.other
            case .decimalNumber, .letterNumber, .otherNumber: return WordKind.number
            default: return WordKind.other
            }
        }
        for raw in 0..<256 {
            memory[raw] = kind(ScalarProperties(rawValue: UInt8(raw)))
        }
        for ascii in 0..<128 {
            memory[256 + ascii] = kind(UnicodeTable.shared.properties(UInt32(ascii)))
        }
        return UnsafeTable(base: UnsafePointer(memory))
    }

    /// The end of the word that begins at `start`, which is below `end`.
    @inline(__always)
    func wordEnd(_ text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        switch rules {
        case .gpt2: gpt2End(text, from: start, to: end)
        case .llama3: llama3End(text, from: start, to: end)
        }
    }

    /// The kind and length of the character at `index`, which is below `end`.
    @inline(__always)
    private func kind(
        _ text: UnsafePointer<UInt8>, _ index: Int, _ end: Int
    ) -> (kind: UInt8, length: Int) {
        let byte = text[index]
        if byte < 0x80 { return (kinds.base[256 &+ Int(byte)], 1) }
        let (scalar, length) = UTF8Text.decode(text, at: index, end: end)
        return (kinds.base[Int(UnicodeTable.shared[scalar])], length)
    }

    /// Where the characters of `kind` from `index` on end.
    @inline(__always)
    private func runEnd(
        _ text: UnsafePointer<UInt8>, _ kind: UInt8, from index: Int, to end: Int
    ) -> Int {
        var index = index
        while index < end {
            let (next, length) = self.kind(text, index, end)
            if next != kind { break }
            index &+= length
        }
        return index
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    private func gpt2End(_ text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let byte = text[start]
        if byte == 0x27, let end = contractionEnd(text, from: start, to: end) { return end }
        var (kind, length) = self.kind(text, start, end)
        var body = start
        if byte == 0x20, start + 1 < end {
            let next = self.kind(text, start + 1, end)
            if next.kind != WordKind.space && !(digitsFirst && next.kind == WordKind.number) {
                (kind, length) = next
                body = start + 1
            }
        }
        if kind == WordKind.space { return spaceEnd(text, from: start, to: end) }
        if kind == WordKind.number && digitsFirst { return body + length }
        return runEnd(text, kind, from: body + length, to: end)
    }

    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|`
    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    private func llama3End(_ text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        let byte = text[start]
        if hasContractions, byte == 0x27, let end = contractionEnd(text, from: start, to: end) {
            return end
        }
        let (kind, length) = self.kind(text, start, end)
        if kind == WordKind.letter {
            return runEnd(text, WordKind.letter, from: start + length, to: end)
        }
        if kind == WordKind.number {
            var index = start + length
            var count = 1
            while index < end, digits == 0 || count < digits {
                let next = self.kind(text, index, end)
                if next.kind != WordKind.number { break }
                index += next.length
                count += 1
            }
            return index
        }
        let second = start + length
        let next = second < end ? self.kind(text, second, end).kind : WordKind.space
        if next == WordKind.letter && byte != 0x0A && byte != 0x0D {
            return runEnd(text, WordKind.letter, from: second, to: end)
        }
        if kind == WordKind.other || (byte == 0x20 && second < end && next == WordKind.other) {
            var index = runEnd(text, WordKind.other, from: second, to: end)
            if signsTakeLineEnds {
                while index < end, text[index] == 0x0A || text[index] == 0x0D { index += 1 }
            }
            return index
        }
        return spaceEnd(text, from: start, to: end)
    }

    /// White space from `start` on: all but the last character where a word follows, for it takes
    /// that one. Llama 3's rules end it at its last line end.
    private func spaceEnd(_ text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var index = start
        var last = start
        var lineEnd = start
        var follower = WordKind.space
        while index < end {
            let (kind, length) = self.kind(text, index, end)
            if kind != WordKind.space {
                follower = kind
                break
            }
            last = index
            index += length
            if text[last] == 0x0A || text[last] == 0x0D { lineEnd = index }
        }
        if rules == .llama3 && lineEnd > start { return lineEnd }
        if index == end || last == start { return index }
        return digitsFirst && follower == WordKind.number ? index : last
    }

    /// The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d`.
    private func contractionEnd(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) -> Int? {
        guard start + 1 < end else { return nil }
        let fold: UInt8 = rules == .llama3 ? 0x20 : 0
        let first = text[start + 1] | fold
        switch first {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"), UInt8(ascii: "l"):
            guard start + 2 < end else { return nil }
            let second = text[start + 2] | fold
            return second == (first == UInt8(ascii: "l") ? first : UInt8(ascii: "e"))
                ? start + 3 : nil
        case 0xC5 | fold where fold != 0 && text[start + 1] == 0xC5:
            // U+017F, which is an s to a pattern that ignores case.
            return start + 2 < end && text[start + 2] == 0xBF ? start + 3 : nil
        default: return nil
        }
    }
}
