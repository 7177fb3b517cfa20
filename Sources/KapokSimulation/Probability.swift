public import KapokWorld

/// How likely something is, in steps of 2^-63, so that a draw is one comparison of integers and
/// comes out the same on any machine.
public struct Probability: Hashable, Comparable, Sendable {
    /// The probability times 2^63, at most 2^63.
    @usableFromInline let threshold: UInt64

    @usableFromInline static let one: UInt64 = 1 << 63

    /// Takes a number between 0 and 1; anything else stops the program.
    public init(_ value: Double) {
        precondition(value >= 0 && value <= 1, "a probability lies between 0 and 1")
        threshold = UInt64(value * 0x1.0p63)
    }

    /// It cannot happen.
    public static let never = Probability(0)

    /// It happens each time.
    public static let always = Probability(1)

    /// The probability as a number between 0 and 1.
    public var value: Double { Double(threshold) * 0x1.0p-63 }

    /// Draws from `random` whether it happens. Exactly one number is used up, even by `never` and
    /// `always`: turning a fault off leaves the later draws as they were.
    @inlinable
    public func happens(_ random: inout RandomStream) -> Bool { random.next() >> 1 < threshold }

    @inlinable
    public static func < (a: Probability, b: Probability) -> Bool { a.threshold < b.threshold }
}

extension Probability: ExpressibleByFloatLiteral {
    /// A literal such as `0.25`.
    public init(floatLiteral value: Double) { self.init(value) }
}
