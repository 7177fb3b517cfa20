/// The end of a range of decimal numbers.
struct DecimalBound {
    var value: Double
    var isExclusive: Bool

    /// The bound's magnitude: its whole part, and its digits behind the point without zeros at the
    /// end. Decimal digits of a double are exact here: bounds stay below 2^53.
    var parts: (whole: UInt64, fraction: [UInt8]) {
        let magnitude = abs(value)
        let whole = UInt64(magnitude)
        let text = JSONValue.number(magnitude).text()
        guard !text.contains("e") else { return (whole, Self.smallFraction(text)) }
        var fraction = text.split(separator: ".").dropFirst().first.map { Array($0.utf8) } ?? []
        while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
        return (whole, fraction.map { $0 - UInt8(ascii: "0") })
    }

    /// The digits of a number that is written as `1.5e-07`.
    private static func smallFraction(_ text: String) -> [UInt8] {
        let parts = text.split(separator: "e")
        guard let exponent = Int(parts[1]), exponent < 0 else { return [] }
        let digits = parts[0].utf8.filter { $0 != UInt8(ascii: ".") }
        return Array(repeating: 0, count: -exponent - 1) + digits.map { $0 - UInt8(ascii: "0") }
    }
}

/// Texts of decimal numbers between two bounds.
enum DecimalRange {
    /// - Returns: nil when there is none.
    static func numbers(from low: DecimalBound, to high: DecimalBound) -> GrammarExpression? {
        var parts: [GrammarExpression] = []
        let zero = DecimalBound(value: 0, isExclusive: false)
        if low.value < 0 {
            // Negative numbers are magnitudes the other way round; zero is written without a sign.
            let least =
                high.value < 0
                ? DecimalBound(value: -high.value, isExclusive: high.isExclusive)
                : DecimalBound(value: 0, isExclusive: true)
            let most = DecimalBound(value: -low.value, isExclusive: low.isExclusive)
            if let magnitudes = magnitudes(from: least, to: most) {
                parts.append(.sequence([.text("-"), magnitudes]))
            }
        }
        if high.value >= 0 {
            if let magnitudes = magnitudes(from: low.value < 0 ? zero : low, to: high) {
                parts.append(magnitudes)
            }
        }
        return parts.isEmpty ? nil : .choice(parts)
    }

    private static func magnitudes(
        from low: DecimalBound, to high: DecimalBound
    ) -> GrammarExpression? {
        let least = low.parts
        let most = high.parts
        guard low.value <= high.value else { return nil }
        if least.whole == most.whole {
            let fraction = fractions(
                above: least.fraction, isExclusive: low.isExclusive,
                below: Limit(digits: most.fraction, isExclusive: high.isExclusive))
            return fraction.map { .sequence([.text(String(least.whole)), $0]) }
        }
        var parts: [GrammarExpression] = []
        if let fraction = fractions(
            above: least.fraction, isExclusive: low.isExclusive, below: nil)
        {
            parts.append(.sequence([.text(String(least.whole)), fraction]))
        }
        if most.whole - least.whole > 1 {
            parts.append(
                .sequence([
                    JSONSchemaNumbers.magnitudes(least.whole + 1, most.whole - 1), anyFraction,
                ]))
        }
        if let fraction = fractions(
            above: [], isExclusive: false,
            below: Limit(digits: most.fraction, isExclusive: high.isExclusive))
        {
            parts.append(.sequence([.text(String(most.whole)), fraction]))
        }
        return parts.isEmpty ? nil : .choice(parts)
    }

    private static var anyFraction: GrammarExpression {
        .optional(
            .sequence([
                .text("."),
                .repeated(JSONText.digit, minimum: 1, maximum: JSONText.fractionDigits),
            ]))
    }

    private struct Limit {
        var digits: [UInt8]
        var isExclusive: Bool
    }

    /// What may follow the whole part: nothing, or a point and digits.
    private static func fractions(
        above low: [UInt8], isExclusive: Bool, below high: Limit?
    ) -> GrammarExpression? {
        var parts: [GrammarExpression] = []
        // No fraction at all is zero.
        let allowsZero =
            low.isEmpty && !isExclusive
            && !(high.map { $0.digits.isEmpty && $0.isExclusive } ?? false)
        if allowsZero { parts.append(.empty) }
        let lowIsStrict = isExclusive
        if let tail = digits(
            low[...], lowIsStrict, high.map { ($0.digits[...], $0.isExclusive) }, used: 0)
        {
            parts.append(.sequence([.text("."), tail]))
        }
        return parts.isEmpty ? nil : .choice(parts)
    }

    /// Digits whose value, as a fraction, is above `low` (nil when already so) and below `high`
    /// (nil when already so). At least one digit comes when none was used.
    private static func digits(
        _ low: ArraySlice<UInt8>?, _ lowIsStrict: Bool, _ high: (ArraySlice<UInt8>, Bool)?,
        used: Int
    ) -> GrammarExpression? {
        let left = JSONText.fractionDigits - used
        if low == nil, high == nil {
            return .repeated(JSONText.digit, minimum: used == 0 ? 1 : 0, maximum: max(0, left))
        }
        var parts: [GrammarExpression] = []
        // May the digits end here? Missing digits are zeros.
        let passesLow = low.map { $0.isEmpty && !lowIsStrict } ?? true
        let passesHigh = high.map { !($0.0.isEmpty && $0.1) } ?? true
        if used > 0, passesLow, passesHigh { parts.append(.empty) }
        guard left > 0 else { return parts.isEmpty ? nil : parts[0] }
        let lowDigit = low.map { $0.first ?? 0 } ?? 0
        let highDigit = high.map { $0.0.first ?? 0 } ?? 9
        guard lowDigit <= highDigit else { return parts.isEmpty ? nil : .choice(parts) }
        var from = lowDigit
        var to = highDigit
        func add(_ digit: UInt8, _ keepsLow: Bool, _ keepsHigh: Bool) {
            let rest = digits(
                keepsLow ? low?.dropFirst() : nil, lowIsStrict,
                keepsHigh ? high.map { ($0.0.dropFirst(), $0.1) } : nil, used: used + 1)
            if let rest {
                parts.append(.sequence([JSONSchemaNumbers.digit(digit, digit), rest]))
            }
        }
        if low != nil {
            add(lowDigit, true, high != nil && lowDigit == highDigit)
            from += 1
        }
        if high != nil, low == nil || highDigit != lowDigit {
            add(highDigit, false, true)
            if to == 0 { return parts.isEmpty ? nil : .choice(parts) }
            to -= 1
        }
        if from <= to {
            let rest = GrammarExpression.repeated(JSONText.digit, minimum: 0, maximum: left - 1)
            parts.append(.sequence([JSONSchemaNumbers.digit(from, to), rest]))
        }
        return parts.isEmpty ? nil : .choice(parts)
    }
}
