/// A 128-bit identity, written as 32 lower-case hexadecimal digits.
public struct UniqueID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The first 64 bits.
    public var high: UInt64
    /// The last 64 bits.
    public var low: UInt64

    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Draws an identity from `random`.
    @inlinable
    public init(from random: inout some RandomNumberGenerator) {
        self.init(high: random.next(), low: random.next())
    }

    /// Reads what `description` writes; nil for anything else.
    public init?(_ text: some StringProtocol) {
        let digits = Array(text.utf8)
        let isHexadecimal = digits.allSatisfy {
            ($0 >= 48 && $0 <= 57) || ($0 >= 97 && $0 <= 102)
        }
        guard digits.count == 32, isHexadecimal,
            let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// In the order of the digits.
    @inlinable
    public static func < (a: UniqueID, b: UniqueID) -> Bool {
        (a.high, a.low) < (b.high, b.low)
    }

    /// 32 hexadecimal digits.
    public var description: String {
        func hex(_ value: UInt64) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return hex(high) + hex(low)
    }
}

/// A monotonically rising number that fences the past: whoever holds a lower one is refused.
public struct Epoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number itself; 0 before the first attach.
    public var number: UInt64

    @inlinable
    public init(_ number: UInt64) { self.number = number }

    /// Before the first attach.
    public static let none = Epoch(0)

    /// Earlier, and so weaker.
    @inlinable
    public static func < (a: Epoch, b: Epoch) -> Bool { a.number < b.number }

    /// The epoch after this one.
    @inlinable
    public var next: Epoch { Epoch(number + 1) }

    /// The number.
    public var description: String { String(number) }
}
