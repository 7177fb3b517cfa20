// Expressions, with the precedences of Jinja 3.1.
extension TemplateParser {
    /// An expression, or several with commas between them, which are a list.
    mutating func tuple(conditional: Bool = true) throws(TemplateError) -> TemplateExpression {
        let first = try conditional ? expression() : disjunction()
        guard isSymbol(",") else { return first }
        var parts = [first]
        while take(",") {
            if token.kind == .blockEnd || token.kind == .variableEnd || isSymbol(")") { break }
            parts.append(try conditional ? expression() : disjunction())
        }
        return .list(parts)
    }

    mutating func expression() throws(TemplateError) -> TemplateExpression {
        try enter()
        defer { depth -= 1 }
        var result = try disjunction()
        while takeName("if") {
            let condition = try disjunction()
            var otherwise: TemplateExpression?
            if takeName("else") { otherwise = try expression() }
            result = .conditional(result, condition, otherwise)
        }
        return result
    }

    mutating func disjunction() throws(TemplateError) -> TemplateExpression {
        var left = try conjunction()
        var count = 0
        while takeName("or") {
            try bound(&count)
            left = .or(left, try conjunction())
        }
        return left
    }

    private mutating func conjunction() throws(TemplateError) -> TemplateExpression {
        var left = try negation()
        var count = 0
        while takeName("and") {
            try bound(&count)
            left = .and(left, try negation())
        }
        return left
    }

    /// Chains make left-deep trees, whose evaluation recurses.
    private func bound(_ count: inout Int) throws(TemplateError) {
        count += 1
        guard count <= TemplateLimits.nesting else {
            throw place.error(.limit, "a chain of more than \(TemplateLimits.nesting) operators")
        }
    }

    private mutating func negation() throws(TemplateError) -> TemplateExpression {
        guard takeName("not") else { return try comparison() }
        try enter()
        defer { depth -= 1 }
        return .not(try negation())
    }

    private mutating func comparison() throws(TemplateError) -> TemplateExpression {
        let start = place
        let left = try sum()
        var others: [(TemplateComparison, TemplateExpression)] = []
        while let comparison = comparisonOperator() { others.append((comparison, try sum())) }
        return others.isEmpty ? left : .comparison(left, others, start)
    }

    private mutating func comparisonOperator() -> TemplateComparison? {
        switch token.kind {
        case .symbol(let symbol):
            guard let known = TemplateComparison(rawValue: symbol) else { return nil }
            position += 1
            return known
        case .name("in"):
            position += 1
            return .within
        case .name("not"):
            guard position + 1 < tokens.count, tokens[position + 1].kind == .name("in") else {
                return nil
            }
            position += 2
            return .notWithin
        default: return nil
        }
    }

    private mutating func sum() throws(TemplateError) -> TemplateExpression {
        var left = try concatenation()
        var count = 0
        while isSymbol("+") || isSymbol("-") {
            try bound(&count)
            let place = place
            let kind: TemplateOperator = take("+") ? .add : .subtract
            if kind == .subtract { position += 1 }
            left = .arithmetic(kind, left, try concatenation(), place)
        }
        return left
    }

    private mutating func concatenation() throws(TemplateError) -> TemplateExpression {
        let start = place
        var parts = [try product()]
        while take("~") { parts.append(try product()) }
        return parts.count == 1 ? parts[0] : .concatenation(parts, start)
    }

    private mutating func product() throws(TemplateError) -> TemplateExpression {
        var left = try power()
        var count = 0
        while case .symbol(let symbol) = token.kind, ["*", "/", "//", "%"].contains(symbol),
            let kind = TemplateOperator(rawValue: symbol)
        {
            try bound(&count)
            let place = place
            position += 1
            left = .arithmetic(kind, left, try power(), place)
        }
        return left
    }

    private mutating func power() throws(TemplateError) -> TemplateExpression {
        var left = try unary()
        var count = 0
        while isSymbol("**") {
            try bound(&count)
            let place = place
            position += 1
            left = .arithmetic(.power, left, try unary(), place)
        }
        return left
    }

    private mutating func unary(withFilters: Bool = true) throws(TemplateError)
        -> TemplateExpression
    {
        let start = place
        try enter()
        defer { depth -= 1 }
        var node: TemplateExpression
        if take("-") {
            node = .negative(try unary(withFilters: false), start)
        } else if take("+") {
            node = .positive(try unary(withFilters: false), start)
        } else {
            node = try primary()
        }
        node = try postfix(node)
        return withFilters ? try filters(node) : node
    }

    private mutating func primary() throws(TemplateError) -> TemplateExpression {
        let start = place
        switch token.kind {
        case .name(let name):
            position += 1
            switch name {
            case "true", "True": return .constant(.bool(true))
            case "false", "False": return .constant(.bool(false))
            case "none", "None": return .constant(.none)
            default: return .name(name, start)
            }
        case .string(var text):
            position += 1
            // Neighbouring strings are one, as in Python.
            while case .string(let more) = token.kind {
                text += more
                position += 1
            }
            return .constant(.string(text))
        case .integer(let value):
            position += 1
            return .constant(.integer(value))
        case .float(let value):
            position += 1
            return .constant(.float(value))
        case .symbol("("):
            position += 1
            if take(")") { return .list([]) }
            let inner = try tuple()
            try expect(")")
            return inner
        case .symbol("["):
            position += 1
            var elements: [TemplateExpression] = []
            while !take("]") {
                if !elements.isEmpty {
                    try expect(",")
                    if take("]") { break }
                }
                elements.append(try expression())
            }
            return .list(elements)
        case .symbol("{"): return try dictionary(start)
        default: throw unexpected("an expression")
        }
    }

    private mutating func dictionary(
        _ start: TemplatePlace
    ) throws(TemplateError) -> TemplateExpression {
        position += 1
        var members: [(TemplateExpression, TemplateExpression)] = []
        while !take("}") {
            if !members.isEmpty {
                try expect(",")
                if take("}") { break }
            }
            let key = try expression()
            try expect(":")
            members.append((key, try expression()))
        }
        return .dictionary(members, start)
    }

    // MARK: What follows a value

    private mutating func postfix(
        _ base: TemplateExpression
    ) throws(TemplateError) -> TemplateExpression {
        var node = base
        var count = 0
        while true {
            let start = place
            if take(".") {
                if case .integer(let index) = token.kind {
                    position += 1
                    node = .item(node, .constant(.integer(index)), start)
                } else {
                    node = .attribute(node, try name(), start)
                }
            } else if take("[") {
                node = try subscripted(node, start)
            } else if isSymbol("(") {
                node = .call(node, try arguments(), start)
            } else {
                return node
            }
            try bound(&count)
        }
    }

    private mutating func subscripted(
        _ base: TemplateExpression, _ start: TemplatePlace
    ) throws(TemplateError) -> TemplateExpression {
        var parts: [TemplateExpression?] = []
        var colons = 0
        var current: TemplateExpression?
        while !take("]") {
            if take(":") {
                parts.append(current)
                current = nil
                colons += 1
                guard colons <= 2 else { throw start.error(.syntax, "a slice has three parts") }
            } else if current == nil {
                current = try expression()
            } else {
                throw unexpected("']'")
            }
        }
        parts.append(current)
        guard colons > 0 else {
            guard let index = current else { throw start.error(.syntax, "an empty subscript") }
            return .item(base, index, start)
        }
        let slice = TemplateSlice(
            start: parts[0], stop: parts[1], step: parts.count > 2 ? parts[2] : nil)
        return .slice(base, slice, start)
    }

    mutating func arguments() throws(TemplateError) -> TemplateArguments {
        try expect("(")
        var arguments = TemplateArguments()
        var isFirst = true
        while !take(")") {
            if !isFirst {
                try expect(",")
                if take(")") { break }
            }
            isFirst = false
            if isSymbol("*") || isSymbol("**") {
                throw place.error(.unsupported, "'*' and '**' arguments are not supported")
            }
            if case .name(let name) = token.kind, position + 1 < tokens.count,
                tokens[position + 1].kind == .symbol("=")
            {
                position += 2
                arguments.named.append((name, try expression()))
            } else {
                guard arguments.named.isEmpty else {
                    throw place.error(.syntax, "an argument without a name after named ones")
                }
                arguments.positional.append(try expression())
            }
        }
        return arguments
    }

    private mutating func filters(
        _ base: TemplateExpression
    ) throws(TemplateError) -> TemplateExpression {
        var node = base
        var count = 0
        while true {
            let start = place
            if take("|") {
                let name = try filterName()
                node = .filter(node, name, isSymbol("(") ? try arguments() : .init(), start)
            } else if takeName("is") {
                node = try test(node, start)
            } else if isSymbol("(") {
                node = .call(node, try arguments(), start)
            } else {
                return node
            }
            try bound(&count)
        }
    }

    mutating func filterName() throws(TemplateError) -> String {
        let start = place
        let name = try name()
        // As in Jinja: where a condition may keep it from being used, its use is the error.
        guard conditionDepth > 0 || TemplateFilters.names.contains(name) else {
            throw start.error(.unsupported, TemplateFilters.refusal(of: name))
        }
        return name
    }

    private mutating func test(
        _ base: TemplateExpression, _ start: TemplatePlace
    ) throws(TemplateError) -> TemplateExpression {
        let isNegated = takeName("not")
        let namePlace = place
        let name = try name()
        guard conditionDepth > 0 || TemplateTests.names.contains(name) else {
            throw namePlace.error(.unsupported, TemplateTests.refusal(of: name))
        }
        var given = TemplateArguments()
        switch token.kind {
        case .symbol("("): given = try arguments()
        case .name(let next) where !["else", "or", "and", "is", "not", "if", "in"].contains(next):
            given.positional = [try postfix(primary())]
        case .string, .integer, .float, .symbol("["), .symbol("{"):
            given.positional = [try postfix(primary())]
        default: break
        }
        let node = TemplateExpression.test(base, name, given, start)
        return isNegated ? .not(node) : node
    }
}
