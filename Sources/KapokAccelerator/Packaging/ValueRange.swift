internal import KapokWorld

/// A value that is known to lie between two bounds.
public struct ValueRange: Hashable, Codable, Sendable {
    /// The bounds; equal for a value that is known.
    public var low: Double
    public var high: Double

    public init(_ low: Double, _ high: Double) {
        self.low = low
        self.high = high
    }

    /// A value that is known.
    public init(_ value: Double) { self.init(value, value) }

    /// Reads `0.05..0.15`, or a single number.
    ///
    /// - Returns: nil when it is no range of finite numbers, the lower one first.
    public init?(parsing text: some StringProtocol) {
        guard let dots = text.firstRange(of: "..") else {
            guard let value = Double(text), value.isFinite else { return nil }
            self.init(value)
            return
        }
        guard let low = Double(text[..<dots.lowerBound]),
            let high = Double(text[dots.upperBound...]), low.isFinite, high.isFinite, low <= high
        else { return nil }
        self.init(low, high)
    }

    /// The value in the middle.
    public var middle: Double { (low + high) / 2 }

    /// A value from the range, all equally likely.
    func sample(_ random: inout RandomStream) -> Double { low + (high - low) * random.unit() }

    /// Whether all of it lies between two bounds.
    func lies(in bounds: ClosedRange<Double>) -> Bool {
        low <= high && bounds.contains(low) && bounds.contains(high)
    }
}

extension ValueRange: CustomStringConvertible {
    public var description: String { low == high ? "\(low)" : "\(low)..\(high)" }
}
