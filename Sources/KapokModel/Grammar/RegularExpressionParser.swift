/// Reads regular expressions: characters, `.`, classes, escapes, groups, alternatives, greedy and
/// lazy quantifiers (for a whole text they are the same), `^` and `$` at the ends.
struct RegularExpressionParser {
    private static let depthLimit = 32
    private static let lengthLimit = 4096
    private static let countLimit = 1000
    /// Counts of what may be empty: all of them are tried at once.
    private static let emptyCountLimit = 8

    private let scalars: [Unicode.Scalar]
    private var position = 0

    init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

    mutating func parse() throws(GrammarError) -> [RegularExpression.Branch] {
        guard scalars.count <= Self.lengthLimit else {
            throw GrammarError(
                .tooLarge,
                "the regular expression has \(scalars.count) characters; at most "
                    + "\(Self.lengthLimit) are taken")
        }
        var branches: [RegularExpression.Branch] = []
        repeat {
            let startsText = take("^")
            let node = try sequence(depth: 0)
            branches.append(
                RegularExpression.Branch(
                    node: node, startsText: startsText, endsText: take("$")))
            if peek() == "$" || peek() == "^" { throw anchor() }
        } while take("|")
        guard position == scalars.count else {
            throw error(.invalid, "')' without '('")
        }
        // `^a|b$` ties each alternative by itself, as it is in all regular expressions.
        return branches
    }

    private mutating func alternatives(depth: Int) throws(GrammarError) -> RegularExpression.Node {
        guard depth <= Self.depthLimit else {
            throw error(.tooLarge, "groups nested deeper than \(Self.depthLimit)")
        }
        var parts: [RegularExpression.Node] = []
        repeat { parts.append(try sequence(depth: depth)) } while take("|")
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence(depth: Int) throws(GrammarError) -> RegularExpression.Node {
        var parts: [RegularExpression.Node] = []
        while let next = peek(), next != "|", next != ")" {
            if next == "$" || next == "^" {
                // At the end of a branch at the top the caller takes it.
                if depth == 0, next == "$" { break }
                throw anchor()
            }
            parts.append(try quantified(depth: depth))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func quantified(depth: Int) throws(GrammarError) -> RegularExpression.Node {
        var node = try atom(depth: depth)
        while let (minimum, maximum) = try quantifier() {
            if let maximum, maximum > Self.emptyCountLimit, node.lengths.minimum == 0 {
                throw error(
                    .unsupported,
                    "a group that may be empty, repeated up to \(maximum) times")
            }
            node = .repeated(node, minimum: minimum, maximum: maximum)
            _ = take("?")
            if peek() == "+" { throw error(.unsupported, "possessive quantifiers") }
        }
        return node
    }

    private mutating func quantifier() throws(GrammarError) -> (Int, Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        guard peek() == "{" else { return nil }
        let start = position
        position += 1
        guard let minimum = try count() else {
            throw error(.invalid, "'{' begins a count; for the character write '\\{'", at: start)
        }
        var maximum: Int? = minimum
        if take(",") { maximum = try count() }
        guard take("}") else { throw error(.invalid, "a count without '}'", at: start) }
        if let maximum, maximum < minimum {
            throw error(.invalid, "a count whose end is below its start", at: start)
        }
        return (minimum, maximum)
    }

    private mutating func count() throws(GrammarError) -> Int? {
        var value: Int?
        while let next = peek(), ("0"..."9").contains(next) {
            value = (value ?? 0) * 10 + Int(next.value - 48)
            guard value ?? 0 <= Self.countLimit else {
                throw error(.tooLarge, "counts above \(Self.countLimit)")
            }
            position += 1
        }
        return value
    }

    private mutating func atom(depth: Int) throws(GrammarError) -> RegularExpression.Node {
        guard let next = peek() else { throw error(.invalid, "the expression ends early") }
        switch next {
        case "(": return try group(depth: depth)
        case "[": return .set(try characterClass())
        case ".":
            position += 1
            return .set(ScalarSet(["\n", "\r", "\u{2028}", "\u{2029}"]).inverted)
        case "\\": return .set(try escape())
        case "*", "+", "?": throw error(.invalid, "'\(next)' with nothing to repeat")
        default:
            position += 1
            return .set(ScalarSet([next]))
        }
    }

    private mutating func group(depth: Int) throws(GrammarError) -> RegularExpression.Node {
        let start = position
        position += 1
        if take("?") {
            if take(":") {
            } else if peek() == "<" || peek() == "P", isNamedGroup {
                while let next = peek(), next != ">" {
                    _ = next
                    position += 1
                }
                guard take(">") else { throw error(.invalid, "a group's name without '>'") }
            } else {
                throw error(.unsupported, "look-around and flags are not supported", at: start)
            }
        }
        let node = try alternatives(depth: depth + 1)
        guard take(")") else { throw error(.invalid, "'(' without ')'", at: start) }
        return node
    }

    private var isNamedGroup: Bool {
        var index = position
        if scalars[index] == "P" { index += 1 }
        guard index + 1 < scalars.count, scalars[index] == "<" else { return false }
        return scalars[index + 1] != "=" && scalars[index + 1] != "!"
    }

    // MARK: Characters

    private mutating func characterClass() throws(GrammarError) -> ScalarSet {
        let start = position
        position += 1
        let isInverted = take("^")
        var set = ScalarSet()
        var isFirst = true
        while true {
            guard let next = peek() else { throw error(.invalid, "'[' without ']'", at: start) }
            if next == "]", !isFirst { break }
            isFirst = false
            let low = try classMember()
            if peek() == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                position += 1
                let high = try classMember()
                guard let first = Self.single(low), let last = Self.single(high), first <= last
                else { throw error(.invalid, "a range in a class that is none", at: start) }
                set = set.union(ScalarSet(ranges: [first...last]))
            } else {
                set = set.union(low)
            }
        }
        position += 1
        let result = isInverted ? set.inverted : set
        guard !result.isEmpty else { throw error(.invalid, "an empty class", at: start) }
        return result
    }

    private static func single(_ set: ScalarSet) -> UInt32? {
        guard set.ranges.count == 1, set.ranges[0].count == 1 else { return nil }
        return set.ranges[0].lowerBound
    }

    private mutating func classMember() throws(GrammarError) -> ScalarSet {
        guard let next = peek() else { throw error(.invalid, "'[' without ']'") }
        if next == "\\" { return try escape(inClass: true) }
        position += 1
        return ScalarSet([next])
    }

    private static let digits = ScalarSet(ranges: [0x30...0x39])
    private static let word = ScalarSet(ranges: [
        0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A,
    ])
    /// ECMA 262's white space and line ends.
    private static let space = ScalarSet(ranges: [
        0x9...0xD, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
        0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
    ])

    private mutating func escape(inClass: Bool = false) throws(GrammarError) -> ScalarSet {
        let start = position
        position += 1
        guard let kind = peek() else { throw error(.invalid, "a backslash at the end") }
        position += 1
        switch kind {
        case "d": return Self.digits
        case "D": return Self.digits.inverted
        case "w": return Self.word
        case "W": return Self.word.inverted
        case "s": return Self.space
        case "S": return Self.space.inverted
        case "n": return ScalarSet(["\n"])
        case "r": return ScalarSet(["\r"])
        case "t": return ScalarSet(["\t"])
        case "f": return ScalarSet(["\u{C}"])
        case "v": return ScalarSet(["\u{B}"])
        case "0": return ScalarSet(["\u{0}"])
        case "b" where inClass: return ScalarSet(["\u{8}"])
        case "x": return ScalarSet([try hexadecimal(2, from: start)])
        case "u":
            if take("{") {
                let scalar = try hexadecimal(nil, from: start)
                guard take("}") else { throw error(.invalid, "'\\u{' without '}'", at: start) }
                return ScalarSet([scalar])
            }
            return ScalarSet([try hexadecimal(4, from: start)])
        case "a"..."z", "A"..."Z", "1"..."9":
            throw error(.unsupported, "the escape '\\\(kind)'", at: start)
        default: return ScalarSet([kind])
        }
    }

    private mutating func hexadecimal(
        _ digits: Int?, from start: Int
    ) throws(GrammarError) -> Unicode.Scalar {
        var text = ""
        while let next = peek(), text.count < digits ?? 6, next.properties.isASCIIHexDigit {
            text.unicodeScalars.append(next)
            position += 1
        }
        guard !text.isEmpty, digits.map({ $0 == text.count }) ?? true,
            let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value)
        else { throw error(.invalid, "no character has this number", at: start) }
        return scalar
    }

    // MARK: Reading

    private func peek() -> Unicode.Scalar? {
        position < scalars.count ? scalars[position] : nil
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == scalar else { return false }
        position += 1
        return true
    }

    private func anchor() -> GrammarError {
        error(.unsupported, "'^' and '$' are supported at the ends of the expression only")
    }

    private func error(
        _ kind: GrammarError.Kind, _ problem: String, at place: Int? = nil
    ) -> GrammarError {
        GrammarError(kind, at: "character \((place ?? position) + 1)", problem)
    }
}
