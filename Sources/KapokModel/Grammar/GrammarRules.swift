/// The rules of a grammar while it is built.
struct GrammarRules {
    private(set) var rules: [GrammarExpression] = []
    private var freeValues: [Int] = []
    private var freeObjectRule: Int?

    init() {}

    /// A rule that is defined later.
    mutating func reserve() -> Int {
        rules.append(.never)
        return rules.count - 1
    }

    mutating func define(_ rule: Int, _ expression: GrammarExpression) {
        rules[rule] = expression
    }

    mutating func add(_ expression: GrammarExpression) -> GrammarExpression {
        rules.append(expression)
        return .rule(rules.count - 1)
    }

    /// Any JSON value, nested to `JSONText.freeDepth`.
    mutating func anyValue() -> GrammarExpression {
        makeFreeValues()
        return .rule(freeValues[0])
    }

    /// Any value inside of an array.
    mutating func anyArrayElement() -> GrammarExpression {
        makeFreeValues()
        return .rule(freeValues[1])
    }

    /// Any array.
    mutating func anyArray() -> GrammarExpression {
        makeFreeValues()
        return JSONText.array(.rule(freeValues[1]))
    }

    /// Any object.
    mutating func anyObject() -> GrammarExpression {
        makeFreeValues()
        return Self.object(of: .rule(freeValues[1]))
    }

    private static func object(of value: GrammarExpression) -> GrammarExpression {
        let member = GrammarExpression.sequence([
            .jsonString(minimum: 0, maximum: nil), JSONText.colon, value,
        ])
        return .sequence([.text("{"), JSONText.list(member), .text("}")])
    }

    private mutating func makeFreeValues() {
        guard freeValues.isEmpty else { return }
        let scalar = add(
            .choice([
                .jsonString(minimum: 0, maximum: nil), JSONText.number, JSONText.boolean,
                JSONText.null,
            ]))
        freeValues = (0...JSONText.freeDepth).map { _ in reserve() }
        for (depth, rule) in freeValues.enumerated() {
            guard depth < JSONText.freeDepth else {
                define(rule, scalar)
                break
            }
            let inner = GrammarExpression.rule(freeValues[depth + 1])
            define(rule, .choice([scalar, JSONText.array(inner), Self.object(of: inner)]))
        }
    }
}

extension Grammar {
    /// The grammar of a constraint.
    init(_ constraint: TextConstraint) throws(GrammarError) {
        var rules = GrammarRules()
        switch constraint {
        case .jsonObject:
            let start = rules.anyObject()
            self.init(start: start, rules: rules.rules)
        case .jsonSchema(let schema):
            var compiler = JSONSchemaCompiler(root: schema)
            let start = try compiler.compileRoot()
            self.init(start: start, rules: compiler.rules.rules)
        case .regularExpression(let pattern):
            let expression = try RegularExpression(pattern)
            self.init(start: expression.wholeText(in: .text), rules: [])
        case .choice(let texts):
            guard !texts.isEmpty, texts.allSatisfy({ !$0.isEmpty }) else {
                throw GrammarError(.invalid, "a choice needs texts, none of them empty")
            }
            self.init(start: .choice(texts.map { .text($0) }), rules: [])
        case .toolCalls(let calls):
            try self.init(calls)
        }
    }

    private init(_ constraint: ToolCallConstraint) throws(GrammarError) {
        guard !constraint.calls.isEmpty, constraint.maximumCalls >= 1 else {
            throw GrammarError(.invalid, "no tool may be called")
        }
        var rules = GrammarRules()
        var calls: [GrammarExpression] = []
        for call in constraint.calls {
            var compiler = JSONSchemaCompiler(root: call.arguments, rules: rules)
            let arguments = try compiler.compileRoot()
            rules = compiler.rules
            calls.append(.sequence([.text(call.prefix), arguments, .text(call.suffix)]))
        }
        let call = rules.add(.choice(calls))
        self.init(
            start: .sequence([
                .text(constraint.opening), call,
                .repeated(
                    .sequence([.text(constraint.separator), call]), minimum: 0,
                    maximum: constraint.maximumCalls - 1),
                .text(constraint.closing),
            ]), rules: rules.rules)
    }
}
