/// A regular expression: the subset of ECMA 262 that has a meaning for a whole text.
struct RegularExpression: Sendable {
    /// Where the text stands: as it is, or inside of a JSON string, escaped as needed.
    enum Setting: Sendable {
        case text
        case jsonString
    }

    /// One node of the expression.
    indirect enum Node: Sendable {
        case set(ScalarSet)
        case sequence([Node])
        case choice([Node])
        case repeated(Node, minimum: Int, maximum: Int?)

        /// The fewest and the most characters; nil for no bound.
        var lengths: (minimum: Int, maximum: Int?) {
            switch self {
            case .set: return (1, 1)
            case .sequence(let parts):
                return parts.reduce((0, 0)) { sum, part in
                    let next = part.lengths
                    let maximum = sum.1.flatMap { a in next.maximum.map { a + $0 } }
                    return (sum.0 + next.minimum, maximum)
                }
            case .choice(let parts):
                let all = parts.map(\.lengths)
                let longest =
                    all.contains { $0.maximum == nil } ? nil : all.compactMap(\.maximum).max()
                return (all.map(\.minimum).min() ?? 0, longest)
            case .repeated(let body, let minimum, let maximum):
                let one = body.lengths
                let most = maximum.flatMap { a in one.maximum.map { a * $0 } }
                return (minimum * one.minimum, one.maximum == 0 ? 0 : most)
            }
        }
    }

    /// An alternative at the top, and whether it is tied to the text's beginning and end.
    struct Branch: Sendable {
        var node: Node
        var startsText: Bool
        var endsText: Bool
    }

    var branches: [Branch]

    /// Reads an expression.
    /// - Throws: what is malformed or not supported, with the character's number from 1.
    init(_ pattern: String) throws(GrammarError) {
        var parser = RegularExpressionParser(pattern)
        self.branches = try parser.parse()
    }

    /// Texts that match as a whole; `^` and `$` at the ends say nothing more.
    func wholeText(in setting: Setting) -> GrammarExpression {
        .choice(branches.map { Self.expression($0.node, setting) })
    }

    /// Texts that have a match somewhere, as JSON Schema's `pattern` wants it.
    func search(in setting: Setting) -> GrammarExpression {
        let anything = GrammarExpression.repeated(
            Self.expression(.set(.all), setting), minimum: 0, maximum: nil)
        return .choice(
            branches.map { branch in
                .sequence(
                    (branch.startsText ? [] : [anything])
                        + [Self.expression(branch.node, setting)]
                        + (branch.endsText ? [] : [anything]))
            })
    }

    /// The fewest and most characters of texts that `search` allows.
    var searchLengths: (minimum: Int, maximum: Int?) {
        let all = branches.map { branch in
            let lengths = branch.node.lengths
            return (lengths.minimum, branch.startsText && branch.endsText ? lengths.maximum : nil)
        }
        let longest = all.contains { $0.1 == nil } ? nil : all.compactMap(\.1).max()
        return (all.map(\.0).min() ?? 0, longest)
    }

    private static func expression(_ node: Node, _ setting: Setting) -> GrammarExpression {
        switch node {
        case .set(let set):
            switch setting {
            case .text: return .scalars(set)
            case .jsonString: return escaped(set)
            }
        case .sequence(let parts): return .sequence(parts.map { expression($0, setting) })
        case .choice(let parts): return .choice(parts.map { expression($0, setting) })
        case .repeated(let body, let minimum, let maximum):
            return .repeated(expression(body, setting), minimum: minimum, maximum: maximum)
        }
    }

    /// A character of the set as a JSON string has it. Control characters without a short escape
    /// are left out.
    private static func escaped(_ set: ScalarSet) -> GrammarExpression {
        let escapes: [(Unicode.Scalar, String)] = [
            ("\"", "\\\""), ("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"),
            ("\u{8}", "\\b"), ("\u{C}", "\\f"),
        ]
        let alternatives =
            [GrammarExpression.scalars(set.intersection(JSONText.plain))]
            + escapes.filter { set.contains($0.0) }.map { .text($0.1) }
        return .choice(alternatives)
    }
}
