/// What a pattern is compiled to: instructions of a matcher that tries and goes back.
enum PatternInstruction {
    /// One character of a set.
    case one(set: Int)
    /// As many characters of a set as there are, from `minimum` to `maximum`, giving back as needed
    /// unless it is possessive.
    case run(set: Int, minimum: Int, maximum: Int, isPossessive: Bool)
    /// Try `first`, then `second`.
    case split(first: Int, second: Int)
    case jump(to: Int)
    /// Go on at `next` when what follows matches the instructions after this one up to `.matched`
    /// (or when it does not).
    case look(isNegated: Bool, next: Int)
    /// The text is at its end.
    case end
    /// A word ends or begins here.
    case wordBoundary
    case matched
}

/// Compiles the subset of regular expressions that pre-tokenizers are written in: literals,
/// brackets with ranges, categories and `&&`, groups, `(?i:)`, alternatives, `? * + {m,n}` greedy
/// and possessive, look-ahead, `$`, `\b`, `\s \S \d \r \n \t`.
///
/// Patterns are part of this package, so a mistake in one is a programming error.
struct PatternCompiler {
    private indirect enum Node {
        case set(PatternSet)
        case sequence([Node])
        case alternatives([Node])
        case repeated(Node, minimum: Int, maximum: Int, isPossessive: Bool)
        case look(Node, isNegated: Bool)
        case end
        case wordBoundary
    }

    private let source: [UInt32]
    private var index = 0
    private var ignoresCase = false
    private(set) var instructions: [PatternInstruction] = []
    private(set) var sets: [PatternSet] = []

    init(_ pattern: String) {
        source = pattern.unicodeScalars.map(\.value)
        let tree = alternatives()
        precondition(index == source.count, "a pattern has a bracket too many")
        emit(tree)
        instructions.append(.matched)
    }

    // MARK: Reading

    private var next: Unicode.Scalar? {
        index < source.count ? Unicode.Scalar(source[index]) : nil
    }

    private mutating func take(_ text: String) -> Bool {
        let scalars = text.unicodeScalars.map(\.value)
        guard source[index...].starts(with: scalars) else { return false }
        index += scalars.count
        return true
    }

    private mutating func alternatives() -> Node {
        var choices = [sequence()]
        while take("|") { choices.append(sequence()) }
        return choices.count == 1 ? choices[0] : .alternatives(choices)
    }

    private mutating func sequence() -> Node {
        var nodes: [Node] = []
        while let scalar = next, scalar != "|", scalar != ")" {
            nodes.append(quantified(atom()))
        }
        return nodes.count == 1 ? nodes[0] : .sequence(nodes)
    }

    private mutating func atom() -> Node {
        if take("(?=") || take("(?!") {
            let isNegated = source[index - 1] == UInt32(UInt8(ascii: "!"))
            return .look(closed(), isNegated: isNegated)
        }
        if take("(?i:") {
            let outer = ignoresCase
            ignoresCase = true
            defer { ignoresCase = outer }
            return closed()
        }
        if take("(?:") || take("(") { return closed() }
        if take("[") { return .set(bracket()) }
        if take("$") { return .end }
        if take("\\b") { return .wordBoundary }
        if take(".") { return .set(.anyButLineEnd) }
        var set = PatternSet()
        member(&set)
        return .set(set)
    }

    private mutating func closed() -> Node {
        let node = alternatives()
        precondition(take(")"), "a pattern lacks a closing bracket")
        return node
    }

    private mutating func quantified(_ node: Node) -> Node {
        var (minimum, maximum) = (1, 1)
        if take("?") {
            minimum = 0
        } else if take("*") {
            (minimum, maximum) = (0, .max)
        } else if take("+") {
            maximum = .max
        } else if take("{") {
            minimum = number()
            maximum = take(",") ? number() : minimum
            precondition(take("}"), "a pattern lacks a closing brace")
        } else {
            return node
        }
        return .repeated(node, minimum: minimum, maximum: maximum, isPossessive: take("+"))
    }

    private mutating func number() -> Int {
        var value = 0
        while let scalar = next, scalar.isASCII, scalar.properties.numericType != nil {
            value = value * 10 + Int(scalar.value - 48)
            index += 1
        }
        return value
    }

    /// What is in square brackets, the opening one having been read.
    private mutating func bracket() -> PatternSet {
        var set = PatternSet()
        set.isNegated = take("^")
        while !take("]") {
            if take("&&") {
                precondition(take("["), "&& needs a bracket")
                set.limits.append(bracket())
            } else {
                member(&set)
            }
        }
        return set
    }

    /// One character, range or class, added to `set`.
    private mutating func member(_ set: inout PatternSet) {
        if take("\\p{") {
            var name = ""
            while !take("}") { name.unicodeScalars.append(literal()) }
            precondition(set.add(property: name), "no property is called \(name)")
        } else if take("\\s") {
            set.hasSpace = true
        } else if take("\\S") {
            set.hasSpace = true
            set.isNegated.toggle()
        } else if take("\\d") {
            precondition(set.add(property: "Nd"))
        } else {
            let first = literal().value
            var last = first
            if next == "-", index + 1 < source.count, source[index + 1] != 0x5D {
                index += 1
                last = literal().value
            }
            set.ranges.append(first...last)
            if ignoresCase && first == last { addOtherCases(of: first, to: &set) }
        }
    }

    /// One character, after a backslash or as it is.
    private mutating func literal() -> Unicode.Scalar {
        guard let scalar = next else { preconditionFailure("a pattern ends too early") }
        index += 1
        guard scalar == "\\", let escaped = next else { return scalar }
        index += 1
        switch escaped {
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        default: return escaped
        }
    }

    private func addOtherCases(of letter: UInt32, to set: inout PatternSet) {
        guard (0x61...0x7A).contains(letter) else { return }
        set.ranges.append(letter - 32...letter - 32)
        // The long s and the sign for kelvin fold to ASCII.
        if letter == 0x73 { set.ranges.append(0x17F...0x17F) }
        if letter == 0x6B { set.ranges.append(0x212A...0x212A) }
    }

    // MARK: Writing

    private mutating func number(of set: PatternSet) -> Int {
        if let known = sets.firstIndex(of: set) { return known }
        sets.append(set)
        return sets.count - 1
    }

    private mutating func emit(_ node: Node) {
        switch node {
        case .set(let set): instructions.append(.one(set: number(of: set)))
        case .sequence(let nodes): for node in nodes { emit(node) }
        case .end: instructions.append(.end)
        case .wordBoundary: instructions.append(.wordBoundary)
        case .alternatives(let choices): emit(choices)
        case .look(let body, let isNegated):
            let start = instructions.count
            instructions.append(.matched)
            emit(body)
            instructions.append(.matched)
            instructions[start] = .look(isNegated: isNegated, next: instructions.count)
        case .repeated(.set(let set), let minimum, let maximum, let isPossessive):
            instructions.append(
                .run(
                    set: number(of: set), minimum: minimum, maximum: maximum,
                    isPossessive: isPossessive))
        case .repeated(let body, let minimum, let maximum, let isPossessive):
            precondition(!isPossessive, "only sets may be possessive")
            emitGroup(body, minimum: minimum, maximum: maximum)
        }
    }

    private mutating func emit(_ choices: [Node]) {
        var jumps: [Int] = []
        for choice in choices.dropLast() {
            let split = instructions.count
            instructions.append(.matched)
            emit(choice)
            jumps.append(instructions.count)
            instructions.append(.matched)
            instructions[split] = .split(first: split + 1, second: instructions.count)
        }
        if let last = choices.last { emit(last) }
        for jump in jumps { instructions[jump] = .jump(to: instructions.count) }
    }

    private mutating func emitGroup(_ body: Node, minimum: Int, maximum: Int) {
        for _ in 0..<minimum { emit(body) }
        if maximum == .max {
            let loop = instructions.count
            instructions.append(.matched)
            emit(body)
            instructions.append(.jump(to: loop))
            instructions[loop] = .split(first: loop + 1, second: instructions.count)
            return
        }
        var splits: [Int] = []
        for _ in minimum..<maximum {
            splits.append(instructions.count)
            instructions.append(.matched)
            emit(body)
        }
        for split in splits {
            instructions[split] = .split(first: split + 1, second: instructions.count)
        }
    }
}
