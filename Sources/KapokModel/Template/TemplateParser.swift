/// Reads statements; expressions are in an extension.
struct TemplateParser {
    let tokens: [TemplateToken]
    var position = 0
    var depth = 0
    private var loopDepth = 0
    /// Branches of conditions around the place.
    private(set) var conditionDepth = 0

    init(tokens: [TemplateToken]) { self.tokens = tokens }

    mutating func parse() throws(TemplateError) -> [TemplateStatement] {
        let body = try statements(until: [])
        guard token.kind == .end else { throw unexpected("the end of the template") }
        return body
    }

    // MARK: Reading tokens

    var token: TemplateToken { tokens[min(position, tokens.count - 1)] }
    var place: TemplatePlace { token.place }

    func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }
    func isName(_ name: String) -> Bool { token.kind == .name(name) }

    mutating func take(_ symbol: String) -> Bool {
        guard isSymbol(symbol) else { return false }
        position += 1
        return true
    }

    mutating func takeName(_ name: String) -> Bool {
        guard isName(name) else { return false }
        position += 1
        return true
    }

    mutating func expect(_ symbol: String) throws(TemplateError) {
        guard take(symbol) else { throw unexpected("'\(symbol)'") }
    }

    mutating func name() throws(TemplateError) -> String {
        guard case .name(let name) = token.kind else { throw unexpected("a name") }
        position += 1
        return name
    }

    func unexpected(_ wanted: String) -> TemplateError {
        let found =
            switch token.kind {
            case .data: "text"
            case .blockBegin: "'{%'"
            case .blockEnd: "'%}'"
            case .variableBegin: "'{{'"
            case .variableEnd: "'}}'"
            case .name(let name): "'\(name)'"
            case .string: "a string"
            case .integer, .float: "a number"
            case .symbol(let symbol): "'\(symbol)'"
            case .end: "the end of the template"
            }
        return place.error(.syntax, "expected \(wanted), found \(found)")
    }

    /// Guards the recursion over nested statements and expressions.
    mutating func enter() throws(TemplateError) {
        depth += 1
        guard depth <= TemplateLimits.nesting else {
            throw place.error(.limit, "nested deeper than \(TemplateLimits.nesting)")
        }
    }

    // MARK: Statements

    /// Statements up to a block tag with one of `ends`, whose name is the next token afterwards.
    private mutating func statements(
        until ends: Set<String>
    ) throws(TemplateError) -> [TemplateStatement] {
        try enter()
        defer { depth -= 1 }
        var body: [TemplateStatement] = []
        while true {
            switch token.kind {
            case .end:
                if let wanted = ends.sorted().last {
                    throw place.error(.syntax, "the template ends before '\(wanted)'")
                }
                return body
            case .data(let text):
                position += 1
                body.append(.data(text))
            case .variableBegin:
                let start = place
                position += 1
                body.append(.output(try tuple(), start))
                guard token.kind == .variableEnd else { throw unexpected("'}}'") }
                position += 1
            case .blockBegin:
                let start = place
                position += 1
                guard case .name(let keyword) = token.kind else {
                    throw unexpected("the name of a statement")
                }
                if ends.contains(keyword) { return body }
                position += 1
                body.append(try statement(keyword, start))
            default: throw unexpected("text or a tag")
            }
        }
    }

    /// The statements of a block and its end tag.
    private mutating func block(_ end: String) throws(TemplateError) -> [TemplateStatement] {
        let body = try statements(until: [end])
        position += 1
        if end == "endmacro" || end == "endcall", case .name = token.kind { position += 1 }
        try blockEnd()
        return body
    }

    private mutating func blockEnd() throws(TemplateError) {
        guard token.kind == .blockEnd else { throw unexpected("'%}'") }
        position += 1
    }

    private mutating func statement(
        _ keyword: String, _ start: TemplatePlace
    ) throws(TemplateError) -> TemplateStatement {
        switch keyword {
        case "if": return try conditional()
        case "for": return try loop(start)
        case "set": return try assignment(start)
        case "macro":
            let name = try name()
            return .macro(try macro(name, start, end: "endmacro"))
        case "call": return try callBlock(start)
        case "filter":
            let filters = try blockFilters(start)
            try blockEnd()
            return .filterBlock(filters, try block("endfilter"), start)
        case "with": return try with(start)
        case "generation":
            try blockEnd()
            return .group(try block("endgeneration"))
        case "break", "continue":
            guard loopDepth > 0 else {
                throw start.error(.syntax, "'\(keyword)' outside of a loop")
            }
            try blockEnd()
            return keyword == "break" ? .breakLoop : .continueLoop
        case "include", "import", "from", "extends", "block":
            throw start.error(.unsupported, "'\(keyword)': templates stand alone here")
        case "autoescape", "trans", "do", "debug":
            throw start.error(.unsupported, "the statement '\(keyword)' is not supported")
        case "else", "elif", "endif", "endfor", "endset", "endmacro", "endcall", "endfilter",
            "endwith", "endgeneration", "endraw":
            throw start.error(.syntax, "'\(keyword)' without its beginning")
        default: throw start.error(.syntax, "no statement is called '\(keyword)'")
        }
    }

    private mutating func conditional() throws(TemplateError) -> TemplateStatement {
        conditionDepth += 1
        defer { conditionDepth -= 1 }
        var branches: [(TemplateExpression, [TemplateStatement])] = []
        var otherwise: [TemplateStatement] = []
        while true {
            let condition = try tuple(conditional: false)
            try blockEnd()
            branches.append((condition, try statements(until: ["elif", "else", "endif"])))
            if takeName("elif") { continue }
            if takeName("else") {
                try blockEnd()
                otherwise = try block("endif")
            } else {
                position += 1
                try blockEnd()
            }
            return .conditional(branches, otherwise: otherwise)
        }
    }

    private mutating func loop(_ start: TemplatePlace) throws(TemplateError) -> TemplateStatement {
        let target = try target(allowsAttribute: false)
        guard takeName("in") else { throw unexpected("'in'") }
        let sequence = try tuple(conditional: false)
        var condition: TemplateExpression?
        if takeName("if") { condition = try expression() }
        if isName("recursive") {
            throw place.error(.unsupported, "recursive loops are not supported")
        }
        try blockEnd()
        loopDepth += 1
        let body = try statements(until: ["else", "endfor"])
        loopDepth -= 1
        var otherwise: [TemplateStatement] = []
        if takeName("else") {
            try blockEnd()
            otherwise = try block("endfor")
        } else {
            position += 1
            try blockEnd()
        }
        return .loop(
            TemplateLoop(
                target: target, sequence: sequence, condition: condition, body: body,
                otherwise: otherwise, place: start))
    }

    private mutating func assignment(
        _ start: TemplatePlace
    ) throws(TemplateError) -> TemplateStatement {
        let target = try target(allowsAttribute: true)
        if take("=") {
            let value = try tuple()
            try blockEnd()
            return .set(target, value, start)
        }
        var filters: [TemplateFilter] = []
        if take("|") { filters = try blockFilters(start) }
        try blockEnd()
        return .setBlock(target, try block("endset"), filters: filters, start)
    }

    private mutating func target(allowsAttribute: Bool) throws(TemplateError) -> TemplateTarget {
        let start = place
        let parenthesised = take("(")
        var names = [try assignable()]
        if allowsAttribute, !parenthesised, take(".") {
            return .attribute(names[0], try name(), start)
        }
        var isTuple = false
        while take(",") {
            isTuple = true
            guard case .name(let next) = token.kind, next != "in" else { break }
            names.append(try assignable())
        }
        if parenthesised { try expect(")") }
        return isTuple ? .tuple(names, start) : .name(names[0])
    }

    private mutating func assignable() throws(TemplateError) -> String {
        let start = place
        let name = try name()
        guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
            throw start.error(.syntax, "nothing can be assigned to '\(name)'")
        }
        return name
    }

    private mutating func macro(
        _ name: String, _ start: TemplatePlace, end: String
    ) throws(TemplateError) -> TemplateMacro {
        var parameters: [(name: String, standard: TemplateExpression?)] = []
        if take("(") {
            while !take(")") {
                if !parameters.isEmpty { try expect(",") }
                let parameter = try assignable()
                var standard: TemplateExpression?
                if take("=") { standard = try expression() }
                parameters.append((parameter, standard))
            }
        } else if end == "endmacro" {
            throw unexpected("'('")
        }
        try blockEnd()
        let outerLoops = loopDepth
        loopDepth = 0
        let body = try block(end)
        loopDepth = outerLoops
        return TemplateMacro(name: name, parameters: parameters, body: body, place: start)
    }

    private mutating func callBlock(
        _ start: TemplatePlace
    ) throws(TemplateError) -> TemplateStatement {
        var parameters: [(name: String, standard: TemplateExpression?)] = []
        if take("(") {
            while !take(")") {
                if !parameters.isEmpty { try expect(",") }
                parameters.append((try assignable(), nil))
            }
        }
        let call = try expression()
        guard case .call = call else { throw start.error(.syntax, "'call' needs a call") }
        try blockEnd()
        let outerLoops = loopDepth
        loopDepth = 0
        let body = try block("endcall")
        loopDepth = outerLoops
        return .call(
            TemplateMacro(name: "caller", parameters: parameters, body: body, place: start), call,
            start)
    }

    private mutating func blockFilters(
        _ start: TemplatePlace
    ) throws(TemplateError) -> [TemplateFilter] {
        var filters: [TemplateFilter] = []
        repeat {
            let place = place
            let name = try filterName()
            filters.append(
                TemplateFilter(
                    name: name, arguments: isSymbol("(") ? try arguments() : .init(), place: place))
        } while take("|")
        return filters
    }

    private mutating func with(_ start: TemplatePlace) throws(TemplateError) -> TemplateStatement {
        var values: [(TemplateTarget, TemplateExpression)] = []
        while token.kind != .blockEnd {
            if !values.isEmpty { try expect(",") }
            let target = try assignable()
            try expect("=")
            values.append((.name(target), try expression()))
        }
        try blockEnd()
        return .with(values, try block("endwith"), start)
    }
}
