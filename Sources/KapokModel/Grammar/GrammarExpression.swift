/// A grammar over bytes, with rules that may call each other.
indirect enum GrammarExpression: Sendable {
    /// The empty text.
    case empty
    /// No text at all.
    case never
    /// One byte of a set.
    case bytes(ByteSet)
    /// These bytes.
    case literal([UInt8])
    /// One character of a set, in UTF-8.
    case scalars(ScalarSet)
    case sequence([GrammarExpression])
    case choice([GrammarExpression])
    /// So many times; without a maximum for nil.
    case repeated(GrammarExpression, minimum: Int, maximum: Int?)
    /// A JSON string of so many characters, with its quotation marks.
    case jsonString(minimum: Int, maximum: Int?)
    /// The rule of that number.
    case rule(Int)

    /// These characters.
    static func text(_ text: String) -> GrammarExpression { .literal(Array(text.utf8)) }

    /// Once or not at all.
    static func optional(_ expression: GrammarExpression) -> GrammarExpression {
        .repeated(expression, minimum: 0, maximum: 1)
    }

    /// One byte of these ASCII characters.
    static func ascii(_ range: ClosedRange<Unicode.Scalar>) -> GrammarExpression {
        .bytes(ByteSet(UInt8(ascii: range.lowerBound)...UInt8(ascii: range.upperBound)))
    }
}

/// A start and the rules that it calls.
struct Grammar: Sendable {
    var start: GrammarExpression
    var rules: [GrammarExpression]

    /// Whether each rule has a finite text.
    private var productiveRules: [Bool] {
        var productive = [Bool](repeating: false, count: rules.count)
        var changed = true
        while changed {
            changed = false
            for (index, rule) in rules.enumerated() where !productive[index] {
                if Self.isProductive(rule, productive) {
                    productive[index] = true
                    changed = true
                }
            }
        }
        return productive
    }

    private static func isProductive(_ expression: GrammarExpression, _ rules: [Bool]) -> Bool {
        switch expression {
        case .never: false
        case .empty, .bytes, .literal, .jsonString: true
        case .scalars(let set): !set.isEmpty
        case .sequence(let parts): parts.allSatisfy { isProductive($0, rules) }
        case .choice(let parts): parts.contains { isProductive($0, rules) }
        case .repeated(let body, let minimum, _): minimum == 0 || isProductive(body, rules)
        case .rule(let index): rules[index]
        }
    }

    /// The same grammar without the alternatives that can never come to an end: what is left can
    /// be completed from everywhere.
    /// - Throws: `unsatisfiable` when nothing is left.
    func pruned() throws(GrammarError) -> Grammar {
        let productive = productiveRules
        guard Self.isProductive(start, productive) else {
            throw GrammarError(.unsatisfiable, "no finite text can conform to it")
        }
        return Grammar(
            start: Self.prune(start, productive), rules: rules.map { Self.prune($0, productive) })
    }

    private static func prune(
        _ expression: GrammarExpression, _ rules: [Bool]
    ) -> GrammarExpression {
        guard isProductive(expression, rules) else { return .never }
        switch expression {
        case .sequence(let parts):
            return .sequence(parts.map { prune($0, rules) })
        case .choice(let parts):
            let left = parts.filter { isProductive($0, rules) }.map { prune($0, rules) }
            return left.count == 1 ? left[0] : .choice(left)
        case .repeated(let body, let minimum, let maximum):
            if maximum == 0 || !isProductive(body, rules) { return .empty }
            return .repeated(prune(body, rules), minimum: minimum, maximum: maximum)
        default:
            return expression
        }
    }
}
