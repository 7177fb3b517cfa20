import OrderedCollections

// Values of expressions.
extension TemplateRenderer {
    mutating func evaluate(_ expression: TemplateExpression) throws(TemplateError) -> TemplateValue
    {
        switch expression {
        case .constant(let value): return value
        case .name(let name, let place):
            try charge(0, at: place)
            return lookUp(name)
        default: return try evaluateNested(expression)
        }
    }

    private static let functions: Set<String> = [
        "range", "namespace", "dict", "raise_exception", "strftime_now",
    ]

    private func lookUp(_ name: String) -> TemplateValue {
        if let value = scope.find(name) { return value }
        return Self.functions.contains(name) ? .function(name) : .undefined("'\(name)'")
    }

    private mutating func evaluateNested(
        _ expression: TemplateExpression
    ) throws(TemplateError) -> TemplateValue {
        try enter(at: TemplatePlace(line: 1, column: 1))
        defer { leave() }
        switch expression {
        case .constant(let value): return value
        case .name(let name, _): return lookUp(name)
        case .list(let parts):
            var values: [TemplateValue] = []
            for part in parts { values.append(try evaluate(part)) }
            return .list(values)
        case .dictionary(let parts, let place): return try dictionary(parts, at: place)
        case .attribute(let base, let name, let place):
            return try attribute(name, of: try evaluate(base), at: place)
        case .item(let base, let index, let place):
            return try item(try evaluate(index), of: try evaluate(base), at: place)
        case .slice(let base, let slice, let place): return try self.slice(base, slice, at: place)
        case .call(let function, let arguments, let place):
            return try call(function, arguments, caller: nil, at: place)
        case .filter(let base, let name, let arguments, let place):
            return try filter(name, try evaluate(base), try evaluate(arguments), at: place)
        case .test(let base, let name, let arguments, let place):
            return .bool(
                try test(name, try evaluate(base), try evaluate(arguments), at: place))
        case .not(let base): return .bool(!(try evaluate(base).isTrue))
        case .and(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? try evaluate(right) : value
        case .or(let left, let right):
            let value = try evaluate(left)
            return value.isTrue ? value : try evaluate(right)
        case .negative(let base, let place):
            return try arithmetic(.subtract, .integer(0), try evaluate(base), at: place)
        case .positive(let base, let place):
            return try arithmetic(.add, .integer(0), try evaluate(base), at: place)
        case .arithmetic(let kind, let left, let right, let place):
            return try arithmetic(kind, try evaluate(left), try evaluate(right), at: place)
        case .concatenation(let parts, let place):
            var result = ""
            for part in parts {
                result += try text(of: try evaluate(part), at: place)
                try charge(result.utf8.count, at: place)
            }
            return .string(result)
        case .comparison(let left, let others, let place):
            return try compare(left, others, at: place)
        case .conditional(let value, let condition, let otherwise):
            if try evaluate(condition).isTrue { return try evaluate(value) }
            guard let otherwise else { return .undefined("the value of 'if' without 'else'") }
            return try evaluate(otherwise)
        }
    }

    /// Text of a value, charged for: a value may hold others many times over.
    mutating func text(
        of value: TemplateValue, at place: TemplatePlace
    ) throws(TemplateError) -> String {
        if case .string(let text) = value { return text }
        var size = 0
        try measure(value, &size, at: place)
        return value.text
    }

    /// Bounds the size of what a value's text will be.
    mutating func measure(
        _ value: TemplateValue, _ size: inout Int, at place: TemplatePlace
    ) throws(TemplateError) {
        try enter(at: place)
        defer { leave() }
        switch value {
        case .string(let text): size += text.utf8.count
        case .list(let elements):
            for element in elements { try measure(element, &size, at: place) }
        case .dictionary(let members):
            for (name, element) in members {
                size += name.utf8.count
                try measure(element, &size, at: place)
            }
        default: size += 8
        }
        try charge(0, at: place)
        guard size <= TemplateLimits.output else {
            throw place.error(.limit, "a value of more than \(TemplateLimits.output) bytes")
        }
    }

    private mutating func dictionary(
        _ parts: [(TemplateExpression, TemplateExpression)], at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        var members = TemplateDictionary()
        for (key, value) in parts {
            guard case .string(let name) = try evaluate(key) else {
                throw place.error(.unsupported, "names of members must be strings")
            }
            members[name] = try evaluate(value)
        }
        return .dictionary(members)
    }

    mutating func evaluate(
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValues {
        var values = TemplateValues()
        for argument in arguments.positional { values.positional.append(try evaluate(argument)) }
        for (name, argument) in arguments.named { values.named[name] = try evaluate(argument) }
        return values
    }

    /// The elements that a loop goes through.
    func elements(
        of value: TemplateValue, at place: TemplatePlace
    ) throws(TemplateError) -> [TemplateValue] {
        switch value {
        case .undefined: return []
        case .list(let elements): return elements
        case .dictionary(let members): return members.keys.map { .string($0) }
        case .string(let text): return text.unicodeScalars.map { .string(String($0)) }
        default: throw place.error(.rendering, "\(value.kind) has no elements")
        }
    }

    // MARK: Members

    private func undefined(
        _ value: TemplateValue, _ name: String, at place: TemplatePlace
    ) -> TemplateError {
        guard case .undefined(let what) = value else {
            return place.error(.rendering, "\(value.kind) has no member \(name)")
        }
        return place.error(.rendering, "\(what) is undefined, so it has no member \(name)")
    }

    func attribute(
        _ name: String, of value: TemplateValue, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch value {
        case .undefined: throw undefined(value, "'\(name)'", at: place)
        case .dictionary(let members):
            // Python looks for methods first.
            if TemplateMethods.ofDictionary.contains(name) { return .method(value, name) }
            return members[name] ?? .undefined("the member '\(name)'")
        case .string where TemplateMethods.ofString.contains(name): return .method(value, name)
        case .list where TemplateMethods.ofList.contains(name): return .method(value, name)
        case .namespace(let space):
            return space.members[name] ?? .undefined("the member '\(name)' of the namespace")
        case .loop(let state): return state.attribute(name)
        case .macro(let closure) where name == "name": return .string(closure.macro.name)
        default: return .undefined("the member '\(name)' of \(value.kind)")
        }
    }

    func item(
        _ index: TemplateValue, of value: TemplateValue, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch (value, index) {
        case (.undefined, _): throw undefined(value, index.representation, at: place)
        case (.dictionary(let members), .string(let name)):
            if let member = members[name] { return member }
            return TemplateMethods.ofDictionary.contains(name)
                ? .method(value, name) : .undefined("the member '\(name)'")
        case (.list(let elements), _) where index.whole != nil:
            let number = index.whole ?? 0
            let position = number < 0 ? number + elements.count : number
            return elements.indices.contains(position)
                ? elements[position] : .undefined("element \(number)")
        case (.string(let text), _) where index.whole != nil:
            let scalars = Array(text.unicodeScalars)
            let number = index.whole ?? 0
            let position = number < 0 ? number + scalars.count : number
            return scalars.indices.contains(position)
                ? .string(String(scalars[position])) : .undefined("character \(number)")
        case (_, .string(let name)): return try attribute(name, of: value, at: place)
        default: return .undefined("the member \(index.representation)")
        }
    }

    private mutating func slice(
        _ base: TemplateExpression, _ slice: TemplateSlice, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        let value = try evaluate(base)
        func bound(_ part: TemplateExpression?) throws(TemplateError) -> Int? {
            guard let part else { return nil }
            let value = try evaluate(part)
            if case .none = value { return nil }
            guard let whole = value.whole else {
                throw place.error(.rendering, "a slice from or to \(value.kind)")
            }
            return whole
        }
        let start = try bound(slice.start)
        let stop = try bound(slice.stop)
        let step = try bound(slice.step) ?? 1
        guard step != 0 else { throw place.error(.rendering, "a slice with the step 0") }
        switch value {
        case .list(let elements):
            return .list(
                Self.indices(elements.count, start, stop, step).map { elements[$0] })
        case .string(let text):
            try charge(text.utf8.count, at: place)
            let scalars = Array(text.unicodeScalars)
            let chosen = Self.indices(scalars.count, start, stop, step).map { scalars[$0] }
            return .string(String(String.UnicodeScalarView(chosen)))
        default: throw place.error(.rendering, "\(value.kind) cannot be sliced")
        }
    }

    /// The positions that a slice of Python takes.
    private static func indices(_ count: Int, _ start: Int?, _ stop: Int?, _ step: Int) -> [Int] {
        func clamp(_ value: Int, _ low: Int, _ high: Int) -> Int {
            min(max(value < 0 ? value + count : value, low), high)
        }
        let step = max(-count - 1, min(count + 1, step))
        if step > 0 {
            let from = clamp(start.map { max($0, -count) } ?? 0, 0, count)
            let to = clamp(stop.map { max($0, -count) } ?? count, 0, count)
            return from < to ? Array(stride(from: from, to: to, by: step)) : []
        }
        let from = start.map { clamp(max($0, -count - 1), -1, count - 1) } ?? count - 1
        let to = stop.map { clamp(max($0, -count - 1), -1, count - 1) } ?? -1
        return from > to ? Array(stride(from: from, to: to, by: step)) : []
    }

    // MARK: Calls

    mutating func call(
        _ function: TemplateExpression, _ arguments: TemplateArguments, caller: TemplateValue?,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        try charge(0, at: place)
        let callee = try evaluate(function)
        let values = try evaluate(arguments)
        switch callee {
        case .macro(let closure):
            return try callMacro(closure, values, caller: caller, at: place)
        case .function(let name): return try callFunction(name, values, at: place)
        case .method(let receiver, let name):
            return try callMethod(name, of: receiver, values, at: place)
        default:
            throw place.error(.rendering, "\(callee.kind) cannot be called")
        }
    }

    private mutating func callFunction(
        _ name: String, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch name {
        case "range": return try range(arguments, at: place)
        case "namespace", "dict":
            var members = arguments.named
            if case .dictionary(let first)? = arguments.positional.first {
                members = first.merging(arguments.named) { _, last in last }
            }
            return name == "dict" ? .dictionary(members) : .namespace(TemplateNamespace(members))
        case "raise_exception":
            let reason = arguments.value(0, "message")?.text ?? "no reason given"
            throw place.error(.refused, reason)
        default:
            guard let time else {
                throw place.error(
                    .rendering, "the template asks for the time, and none was given")
            }
            let format = arguments.value(0, "format")?.text ?? ""
            guard let text = time.formatted(format) else {
                throw place.error(.unsupported, "the form of time '\(format)'")
            }
            return .string(text)
        }
    }

    private mutating func range(
        _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        let numbers = arguments.positional.compactMap(\.whole)
        guard numbers.count == arguments.positional.count, (1...3).contains(numbers.count) else {
            throw place.error(.rendering, "a range needs one to three whole numbers")
        }
        let start = numbers.count > 1 ? numbers[0] : 0
        let stop = numbers.count > 1 ? numbers[1] : numbers[0]
        let step = numbers.count > 2 ? numbers[2] : 1
        guard step != 0 else { throw place.error(.rendering, "a range with the step 0") }
        let distance =
            (step > 0
                ? stop.subtractingReportingOverflow(start)
                : start.subtractingReportingOverflow(stop))
        guard !distance.overflow, step != .min,
            distance.partialValue / abs(step) <= TemplateLimits.range
        else { throw place.error(.limit, "a range of more than \(TemplateLimits.range) numbers") }
        let values = stride(from: start, to: stop, by: step).map { TemplateValue.integer($0) }
        try charge(values.count * 16, at: place)
        return .list(values)
    }
}
