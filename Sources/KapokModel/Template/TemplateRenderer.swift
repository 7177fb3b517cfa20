import OrderedCollections

/// Carries out a template's statements.
struct TemplateRenderer {
    let time: CivilTime?
    var scope: TemplateScope
    private var output = ""
    private var steps = 0
    private var depth = 0
    private var callDepth = 0

    init(context: JSONObject, time: CivilTime?) {
        self.time = time
        // Variables of the template hide those that it is given.
        let given = TemplateScope(parent: nil)
        for (name, value) in context { given.names[name] = TemplateValue(value) }
        self.scope = TemplateScope(parent: given)
    }

    mutating func render(_ body: [TemplateStatement]) throws(TemplateError) -> String {
        _ = try execute(body)
        return output
    }

    // MARK: Bounds

    /// Counts work: one step, and one more for each 64 bytes made.
    mutating func charge(_ bytes: Int, at place: TemplatePlace) throws(TemplateError) {
        guard bytes <= TemplateLimits.output else {
            throw place.error(.limit, "a text of more than \(TemplateLimits.output) bytes")
        }
        steps += 1 + bytes >> 6
        guard steps <= TemplateLimits.steps else {
            throw place.error(.limit, "the template works too long for these messages")
        }
    }

    mutating func enter(at place: TemplatePlace) throws(TemplateError) {
        depth += 1
        guard depth <= TemplateLimits.depth else {
            throw place.error(.limit, "nested deeper than \(TemplateLimits.depth) levels at work")
        }
    }

    mutating func leave() { depth -= 1 }

    // MARK: Statements

    /// How a block came to its end.
    enum Flow {
        case next
        case breakLoop
        case continueLoop
    }

    mutating func execute(_ body: [TemplateStatement]) throws(TemplateError) -> Flow {
        for statement in body {
            let flow = try execute(statement)
            if flow != .next { return flow }
        }
        return .next
    }

    private mutating func write(_ text: String, at place: TemplatePlace) throws(TemplateError) {
        try charge(text.utf8.count, at: place)
        output += text
        guard output.utf8.count <= TemplateLimits.output else {
            throw place.error(.limit, "the text is longer than \(TemplateLimits.output) bytes")
        }
    }

    private static let nowhere = TemplatePlace(line: 1, column: 1)

    private mutating func execute(_ statement: TemplateStatement) throws(TemplateError) -> Flow {
        try enter(at: Self.nowhere)
        defer { leave() }
        switch statement {
        case .data(let text): try write(text, at: Self.nowhere)
        case .output(let expression, let place):
            let value = try evaluate(expression)
            try write(try text(of: value, at: place), at: place)
        case .conditional(let branches, let otherwise):
            for (condition, body) in branches where try evaluate(condition).isTrue {
                return try execute(body)
            }
            return try execute(otherwise)
        case .loop(let loop): try execute(loop)
        case .set(let target, let expression, let place):
            try assign(try evaluate(expression), to: target, at: place)
        case .setBlock(let target, let body, let filters, let place):
            let text = try captured(body)
            try assign(try apply(filters, to: .string(text)), to: target, at: place)
        case .macro(let macro):
            scope.names[macro.name] = .macro(TemplateClosure(macro: macro, scope: scope))
        case .call(let macro, let call, let place):
            guard case .call(let function, let arguments, _) = call else {
                preconditionFailure("the parser takes calls only")
            }
            let caller = TemplateValue.macro(TemplateClosure(macro: macro, scope: scope))
            let result = try self.call(
                function, arguments, caller: caller, at: place)
            try write(try text(of: result, at: place), at: place)
        case .filterBlock(let filters, let body, let place):
            let result = try apply(filters, to: .string(try captured(body)))
            try write(try text(of: result, at: place), at: place)
        case .with(let values, let body, let place):
            let inner = TemplateScope(parent: scope)
            for (target, expression) in values {
                guard case .name(let name) = target else { continue }
                inner.names[name] = try evaluate(expression)
            }
            try charge(0, at: place)
            return try inScope(inner) { renderer throws(TemplateError) in
                try renderer.execute(body)
            }
        case .group(let body): return try execute(body)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .next
    }

    private mutating func inScope<Result>(
        _ inner: TemplateScope, _ body: (inout Self) throws(TemplateError) -> Result
    ) throws(TemplateError) -> Result {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try body(&self)
    }

    /// What statements write, as a text of its own.
    private mutating func captured(_ body: [TemplateStatement]) throws(TemplateError) -> String {
        let outer = output
        output = ""
        defer { output = outer }
        // Blocks that keep their text have a scope of their own.
        _ = try inScope(TemplateScope(parent: scope)) { renderer throws(TemplateError) in
            try renderer.execute(body)
        }
        return output
    }

    private mutating func apply(
        _ filters: [TemplateFilter], to value: TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        var value = value
        for filter in filters {
            value = try self.filter(
                filter.name, value, try evaluate(filter.arguments), at: filter.place)
        }
        return value
    }

    private mutating func execute(_ loop: TemplateLoop) throws(TemplateError) {
        var elements = try elements(of: try evaluate(loop.sequence), at: loop.place)
        if let condition = loop.condition {
            var kept: [TemplateValue] = []
            for element in elements {
                let inner = TemplateScope(parent: scope)
                let isKept = try inScope(inner) { renderer throws(TemplateError) in
                    try renderer.assign(element, to: loop.target, at: loop.place)
                    return try renderer.evaluate(condition).isTrue
                }
                if isKept { kept.append(element) }
            }
            elements = kept
        }
        guard !elements.isEmpty else {
            _ = try inScope(TemplateScope(parent: scope)) { renderer throws(TemplateError) in
                try renderer.execute(loop.otherwise)
            }
            return
        }
        let state = TemplateLoopState(elements: elements)
        for (index, element) in elements.enumerated() {
            try charge(0, at: loop.place)
            state.index = index
            let inner = TemplateScope(parent: scope)
            inner.names["loop"] = .loop(state)
            let flow = try inScope(inner) { renderer throws(TemplateError) in
                try renderer.assign(element, to: loop.target, at: loop.place)
                return try renderer.execute(loop.body)
            }
            if flow == .breakLoop { break }
        }
    }

    private mutating func assign(
        _ value: TemplateValue, to target: TemplateTarget, at place: TemplatePlace
    ) throws(TemplateError) {
        switch target {
        case .name(let name): scope.names[name] = value
        case .attribute(let name, let attribute, let place):
            guard case .namespace(let space)? = scope.find(name) else {
                throw place.error(
                    .rendering, "only members of a namespace can be set; '\(name)' is none")
            }
            space.members[attribute] = value
        case .tuple(let names, let place):
            let parts = try elements(of: value, at: place)
            guard parts.count == names.count else {
                throw place.error(
                    .rendering, "\(parts.count) values for \(names.count) names")
            }
            for (name, part) in zip(names, parts) { scope.names[name] = part }
        }
    }

    // MARK: Macros

    mutating func callMacro(
        _ closure: TemplateClosure, _ arguments: TemplateValues, caller: TemplateValue?,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        let macro = closure.macro
        callDepth += 1
        defer { callDepth -= 1 }
        guard callDepth <= TemplateLimits.calls else {
            throw place.error(.limit, "macros call each other deeper than \(TemplateLimits.calls)")
        }
        guard arguments.positional.count <= macro.parameters.count else {
            throw place.error(
                .rendering,
                "the macro '\(macro.name)' takes at most \(macro.parameters.count) arguments")
        }
        let inner = TemplateScope(parent: closure.scope)
        if let caller { inner.names["caller"] = caller }
        var named = arguments.named
        return try inScope(inner) { renderer throws(TemplateError) in
            for (index, parameter) in macro.parameters.enumerated() {
                let value: TemplateValue
                if index < arguments.positional.count {
                    value = arguments.positional[index]
                } else if let given = named.removeValue(forKey: parameter.name) {
                    value = given
                } else if let standard = parameter.standard {
                    value = try renderer.evaluate(standard)
                } else {
                    value = .undefined("the parameter '\(parameter.name)'")
                }
                inner.names[parameter.name] = value
            }
            if let unknown = named.keys.first {
                throw place.error(
                    .rendering, "the macro '\(macro.name)' has no parameter '\(unknown)'")
            }
            return .string(try renderer.captured(macro.body))
        }
    }
}

/// Arguments with their values.
struct TemplateValues {
    var positional: [TemplateValue] = []
    var named = TemplateDictionary()

    /// The argument at a position or of a name.
    func value(_ index: Int, _ name: String) -> TemplateValue? {
        index < positional.count ? positional[index] : named[name]
    }
}
