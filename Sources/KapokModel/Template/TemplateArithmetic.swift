import OrderedCollections

// Operators.
extension TemplateRenderer {
    mutating func arithmetic(
        _ kind: TemplateOperator, _ left: TemplateValue, _ right: TemplateValue,
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch (kind, left, right) {
        case (.add, .string(let a), .string(let b)):
            try charge(a.utf8.count + b.utf8.count, at: place)
            return .string(a + b)
        case (.add, .list(let a), .list(let b)):
            try charge((a.count + b.count) * 16, at: place)
            return .list(a + b)
        case (.multiply, .string(let text), _) where right.whole != nil:
            return try repeated(text, right.whole ?? 0, at: place)
        case (.multiply, _, .string(let text)) where left.whole != nil:
            return try repeated(text, left.whole ?? 0, at: place)
        case (.modulo, .string(let format), _):
            let values: [TemplateValue] = if case .list(let list) = right { list } else { [right] }
            return .string(try TemplateFormatting.percent(format, values, at: place))
        default: break
        }
        if let a = left.whole, let b = right.whole, kind != .divide {
            return try integers(kind, a, b, at: place)
        }
        guard let a = left.number, let b = right.number else {
            for value in [left, right] {
                if case .undefined(let what) = value {
                    throw place.error(.rendering, "\(what) is undefined")
                }
            }
            throw place.error(
                .rendering, "'\(kind.rawValue)' does not fit \(left.kind) and \(right.kind)")
        }
        return try floats(kind, a, b, at: place)
    }

    private mutating func repeated(
        _ text: String, _ count: Int, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        guard count > 0, !text.isEmpty else { return .string("") }
        let size = text.utf8.count.multipliedReportingOverflow(by: count)
        try charge(size.overflow ? .max : size.partialValue, at: place)
        return .string(String(repeating: text, count: count))
    }

    private func integers(
        _ kind: TemplateOperator, _ a: Int, _ b: Int, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        let result: (partialValue: Int, overflow: Bool)
        switch kind {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        case .floorDivide, .modulo:
            guard b != 0 else { throw place.error(.rendering, "a division by zero") }
            guard a != .min || b != -1 else { throw place.error(.limit, "the number is too large") }
            let quotient = a / b
            let rest = a % b
            // Python rounds down.
            let isBelow = rest != 0 && (rest < 0) != (b < 0)
            return .integer(
                kind == .modulo ? (isBelow ? rest + b : rest) : (isBelow ? quotient - 1 : quotient))
        case .power:
            guard b >= 0 else { return try floats(kind, Double(a), Double(b), at: place) }
            return .integer(try power(a, b, at: place))
        case .divide: return try floats(kind, Double(a), Double(b), at: place)
        }
        guard !result.overflow else { throw place.error(.limit, "the number is too large") }
        return .integer(result.partialValue)
    }

    private func power(
        _ base: Int, _ exponent: Int, at place: TemplatePlace
    ) throws(TemplateError) -> Int {
        if base == 0 || base == 1 { return exponent == 0 ? 1 : base }
        if base == -1 { return exponent % 2 == 0 ? 1 : -1 }
        var result = 1
        // Beyond 63 doublings every other base is too large.
        for _ in 0..<min(exponent, 64) {
            let next = result.multipliedReportingOverflow(by: base)
            guard !next.overflow else { throw place.error(.limit, "the number is too large") }
            result = next.partialValue
        }
        return result
    }

    private func floats(
        _ kind: TemplateOperator, _ a: Double, _ b: Double, at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        switch kind {
        case .add: return .float(a + b)
        case .subtract: return .float(a - b)
        case .multiply: return .float(a * b)
        case .power:
            guard b == b.rounded(), abs(b) <= 64 else {
                throw place.error(.unsupported, "powers with fractions")
            }
            var result = 1.0
            for _ in 0..<Int(abs(b)) { result *= a }
            return .float(b < 0 ? 1 / result : result)
        case .divide, .floorDivide, .modulo:
            guard b != 0 else { throw place.error(.rendering, "a division by zero") }
            if kind == .divide { return .float(a / b) }
            let quotient = (a / b).rounded(.down)
            return .float(kind == .floorDivide ? quotient : a - quotient * b)
        }
    }

    mutating func compare(
        _ first: TemplateExpression, _ others: [(TemplateComparison, TemplateExpression)],
        at place: TemplatePlace
    ) throws(TemplateError) -> TemplateValue {
        var left = try evaluate(first)
        for (comparison, expression) in others {
            let right = try evaluate(expression)
            guard try holds(comparison, left, right, at: place) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    mutating func holds(
        _ comparison: TemplateComparison, _ left: TemplateValue, _ right: TemplateValue,
        at place: TemplatePlace
    ) throws(TemplateError) -> Bool {
        func less(_ a: TemplateValue, _ b: TemplateValue) throws(TemplateError) -> Bool {
            guard let result = TemplateValue.isLess(a, b) else {
                throw place.error(.rendering, "\(left.kind) and \(right.kind) have no order")
            }
            return result
        }
        try charge(0, at: place)
        switch comparison {
        case .equal: return TemplateValue.areEqual(left, right)
        case .notEqual: return !TemplateValue.areEqual(left, right)
        case .less: return try less(left, right)
        case .greater: return try less(right, left)
        case .lessOrEqual:
            return try less(left, right) || TemplateValue.areEqual(left, right)
        case .greaterOrEqual:
            return try less(right, left) || TemplateValue.areEqual(left, right)
        case .within: return try contains(right, left, at: place)
        case .notWithin: return try !contains(right, left, at: place)
        }
    }

    private mutating func contains(
        _ container: TemplateValue, _ element: TemplateValue, at place: TemplatePlace
    ) throws(TemplateError) -> Bool {
        switch (container, element) {
        case (.undefined, _): return false
        case (.string(let text), .string(let part)):
            try charge(text.utf8.count, at: place)
            return TemplateText.find(part, in: text) != nil
        case (.string, _):
            throw place.error(.rendering, "'in' a string takes a string, not \(element.kind)")
        case (.list(let elements), _):
            try charge(elements.count * 16, at: place)
            return elements.contains { TemplateValue.areEqual($0, element) }
        case (.dictionary(let members), .string(let name)): return members[name] != nil
        case (.dictionary, _): return false
        default: throw place.error(.rendering, "nothing is in \(container.kind)")
        }
    }
}
