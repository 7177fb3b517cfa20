/// Tests: what stands behind `is`.
enum TemplateTests {
    static let names: Set<String> = [
        "defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true",
        "false", "mapping", "iterable", "sequence", "callable", "sameas", "eq", "equalto", "ne",
        "lt", "lessthan", "le", "gt", "greaterthan", "ge", "in", "odd", "even", "divisibleby",
        "lower", "upper", "filter", "test",
    ]

    static func refusal(of name: String) -> String {
        "the test '\(name)' is not supported; supported are "
            + names.sorted().joined(separator: ", ")
    }
}

extension TemplateRenderer {
    mutating func test(
        _ name: String, _ value: TemplateValue, _ arguments: TemplateValues,
        at place: TemplatePlace
    ) throws(TemplateError) -> Bool {
        if let known = kindTest(name, value) { return known }
        if let comparison = Self.comparisons[name] {
            let other = try argument(name, arguments, at: place)
            return try holds(comparison, value, other, at: place)
        }
        switch name {
        case "sameas":
            let other = try argument(name, arguments, at: place)
            // Identity of values: the same kind and equal.
            return value.kind == other.kind && (value.whole == nil) == (other.whole == nil)
                && TemplateValue.areEqual(value, other)
        case "odd", "even", "divisibleby":
            guard let number = value.whole else {
                throw place.error(.rendering, "'\(name)' takes a whole number, not \(value.kind)")
            }
            if name == "odd" { return number % 2 != 0 }
            if name == "even" { return number % 2 == 0 }
            guard let divisor = try argument(name, arguments, at: place).whole, divisor != 0 else {
                throw place.error(.rendering, "'divisibleby' takes a whole number above 0")
            }
            return divisor == -1 || number % divisor == 0
        case "lower":
            return value.text == value.text.lowercased() && value.text != value.text.uppercased()
        case "upper":
            return value.text == value.text.uppercased() && value.text != value.text.lowercased()
        case "filter": return TemplateFilters.names.contains(value.text)
        case "test": return TemplateTests.names.contains(value.text)
        default: throw place.error(.unsupported, TemplateTests.refusal(of: name))
        }
    }

    private static let comparisons: [String: TemplateComparison] = [
        "eq": .equal, "equalto": .equal, "==": .equal, "ne": .notEqual, "!=": .notEqual,
        "lt": .less, "lessthan": .less, "<": .less, "le": .lessOrEqual, "<=": .lessOrEqual,
        "gt": .greater, "greaterthan": .greater, ">": .greater, "ge": .greaterOrEqual,
        ">=": .greaterOrEqual, "in": .within,
    ]

    private func kindTest(_ name: String, _ value: TemplateValue) -> Bool? {
        switch name {
        case "defined": return !value.isUndefined
        case "undefined": return value.isUndefined
        case "none": if case .none = value { return true }
        case "string": if case .string = value { return true }
        case "number": return value.number != nil
        case "integer": if case .integer = value { return true }
        case "float": if case .float = value { return true }
        case "boolean": if case .bool = value { return true }
        case "true": if case .bool(true) = value { return true }
        case "false": if case .bool(false) = value { return true }
        case "mapping": if case .dictionary = value { return true }
        case "iterable", "sequence":
            switch value {
            case .list, .dictionary, .string, .undefined: return true
            default: return false
            }
        case "callable":
            switch value {
            case .macro, .function, .method: return true
            default: return false
            }
        default: return nil
        }
        return false
    }

    private func argument(
        _ name: String, _ arguments: TemplateValues, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        guard let value = arguments.value(0, "other") else {
            throw place.error(.rendering, "the test '\(name)' needs a value to compare with")
        }
        return value
    }
}
