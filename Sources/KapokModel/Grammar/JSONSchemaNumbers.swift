import OrderedCollections

/// Numbers within bounds.
enum JSONSchemaNumbers {
    /// Integers of at most `JSONText.integerDigits` digits within the schema's bounds, exactly.
    static func integer(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        if let step = members["multipleOf"], step.doubleValue != 1 {
            throw GrammarError(
                .unsupported, at: path + "/multipleOf", "multiples of other numbers than 1")
        }
        let keywords = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
        guard keywords.contains(where: { members[$0] != nil }) else { return JSONText.integer }
        var low = -limit
        var high = limit
        for keyword in keywords {
            guard let value = try bound(keyword, members, at: path) else { continue }
            switch keyword {
            case "minimum": low = max(low, clamped(value.rounded(.up)))
            case "exclusiveMinimum": low = max(low, clamped(value.rounded(.down)) + 1)
            case "maximum": high = min(high, clamped(value.rounded(.down)))
            default: high = min(high, clamped(value.rounded(.up)) - 1)
            }
        }
        guard low <= high else {
            throw GrammarError(.unsatisfiable, at: path, "no integer lies within the bounds")
        }
        return integers(low, high)
    }

    /// Numbers within the schema's bounds: without exponents, with at most
    /// `JSONText.fractionDigits` digits behind the point.
    static func number(
        _ members: JSONObject, at path: String
    ) throws(GrammarError) -> GrammarExpression {
        if members["multipleOf"] != nil {
            throw GrammarError(.unsupported, at: path + "/multipleOf", "multiples of a number")
        }
        var low = DecimalBound(value: -Double(limit), isExclusive: false)
        var high = DecimalBound(value: Double(limit), isExclusive: false)
        var isBounded = false
        for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            guard let value = try bound(keyword, members, at: path) else { continue }
            isBounded = true
            let bound = DecimalBound(value: value, isExclusive: keyword.hasPrefix("exclusive"))
            if keyword.hasSuffix("inimum") {
                if bound.value > low.value || (bound.value == low.value && bound.isExclusive) {
                    low = bound
                }
            } else if bound.value < high.value || (bound.value == high.value && bound.isExclusive) {
                high = bound
            }
        }
        guard isBounded else { return JSONText.number }
        let expression = DecimalRange.numbers(from: low, to: high)
        guard let expression else {
            throw GrammarError(.unsatisfiable, at: path, "no number lies within the bounds")
        }
        return expression
    }

    private static let limit: Int64 = 999_999_999_999_999_999

    /// A bound as a number. Draft 4's `exclusiveMinimum: true` makes `minimum` exclusive.
    private static func bound(
        _ keyword: String, _ members: JSONObject, at path: String
    ) throws(GrammarError) -> Double? {
        let exclusive = keyword == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum"
        if !keyword.hasPrefix("exclusive"), members[exclusive] == .bool(true) { return nil }
        guard let value = members[keyword] else { return nil }
        if keyword.hasPrefix("exclusive"), let flag = value.boolValue {
            guard flag else { return nil }
            let plain = keyword == "exclusiveMinimum" ? "minimum" : "maximum"
            return members[plain]?.doubleValue
        }
        guard let number = value.doubleValue else {
            throw GrammarError(.invalid, at: "\(path)/\(keyword)", "a number is needed")
        }
        guard abs(number) <= 0x1p53 else {
            throw GrammarError(
                .tooLarge, at: "\(path)/\(keyword)", "bounds beyond 2^53 are not exact")
        }
        return number
    }

    private static func clamped(_ value: Double) -> Int64 {
        Int64(max(-Double(limit), min(Double(limit), value)))
    }

    // MARK: Integers

    /// The decimal texts of the integers in `low ... high`.
    static func integers(_ low: Int64, _ high: Int64) -> GrammarExpression {
        var parts: [GrammarExpression] = []
        if low < 0 {
            let most = low.magnitude
            let least = high < 0 ? high.magnitude : 1
            parts.append(.sequence([.text("-"), magnitudes(least, most)]))
        }
        if high >= 0 { parts.append(magnitudes(low > 0 ? low.magnitude : 0, high.magnitude)) }
        return .choice(parts)
    }

    /// The decimal texts of natural numbers, without leading zeros, of each length by itself.
    static func magnitudes(_ low: UInt64, _ high: UInt64) -> GrammarExpression {
        var parts: [GrammarExpression] = []
        let first = digits(low).count
        let last = digits(high).count
        for length in first...last {
            let least = length == first ? digits(low) : [1] + Array(repeating: 0, count: length - 1)
            let most = length == last ? digits(high) : Array(repeating: 9, count: length)
            parts.append(between(least[...], most[...]))
        }
        return .choice(parts)
    }

    private static func digits(_ value: UInt64) -> [UInt8] {
        String(value).utf8.map { $0 - UInt8(ascii: "0") }
    }

    /// Texts of as many digits as both bounds have, between these.
    static func between(_ low: ArraySlice<UInt8>, _ high: ArraySlice<UInt8>) -> GrammarExpression {
        guard let first = low.first, let last = high.first else { return .empty }
        let (lowRest, highRest) = (low.dropFirst(), high.dropFirst())
        if first == last { return .sequence([digit(first, first), between(lowRest, highRest)]) }
        let count = lowRest.count
        let zeros = ArraySlice(repeatElement(UInt8(0), count: count))
        let nines = ArraySlice(repeatElement(UInt8(9), count: count))
        var parts: [GrammarExpression] = []
        var from = first
        var to = last
        if !lowRest.elementsEqual(zeros) {
            parts.append(.sequence([digit(first, first), between(lowRest, nines)]))
            from += 1
        }
        if !highRest.elementsEqual(nines) {
            parts.append(.sequence([digit(last, last), between(zeros, highRest)]))
            to -= 1
        }
        if from <= to {
            parts.append(
                .sequence([
                    digit(from, to),
                    .repeated(JSONText.digit, minimum: count, maximum: count),
                ]))
        }
        return .choice(parts)
    }

    static func digit(_ low: UInt8, _ high: UInt8) -> GrammarExpression {
        .bytes(ByteSet((UInt8(ascii: "0") + low)...(UInt8(ascii: "0") + high)))
    }
}
