/// A set of characters as a bracket expression of a pattern spells it.
struct PatternSet: Hashable {
    /// Bits of `GeneralCategory`.
    var categories: UInt32 = 0
    var hasSpace = false
    var hasHan = false
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false
    /// What a member must be too (`&&`).
    var limits: [PatternSet] = []

    /// The set of one character.
    init(_ scalar: UInt32) { ranges = [scalar...scalar] }

    init() {}

    /// Every character but a line end: `.`.
    static let anyButLineEnd: PatternSet = {
        var set = PatternSet(0x0A)
        set.isNegated = true
        return set
    }()

    /// Adds what `\p{name}` matches; false when the name is not known.
    mutating func add(property name: String) -> Bool {
        if name == "Han" {
            hasHan = true
            return true
        }
        var found = false
        for category in GeneralCategory.allCases
        where category.abbreviation == name || category.abbreviation.prefix(1) == name {
            categories |= 1 << UInt32(category.rawValue)
            found = true
        }
        return found
    }

    /// Whether the character `scalar` with `properties` is a member.
    func contains(_ scalar: UInt32, _ properties: ScalarProperties) -> Bool {
        let inside =
            categories >> UInt32(properties.category.rawValue) & 1 != 0
            || hasSpace && properties.isSpace || hasHan && properties.isHan
            || ranges.contains { $0.contains(scalar) }
        guard inside != isNegated else { return false }
        return limits.allSatisfy { $0.contains(scalar, properties) }
    }

    /// Whether membership of characters outside ASCII depends on more than their properties.
    var needsScalar: Bool {
        ranges.contains { $0.upperBound >= 0x80 } || limits.contains(where: \.needsScalar)
    }
}
