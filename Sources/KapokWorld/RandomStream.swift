/// A deterministic stream of random numbers (SplitMix64: Steele, Lea, Flood, OOPSLA 2014).
///
/// Each component gets a stream of its own, split from the seed by a label, so that a new draw in
/// one component leaves the numbers of all others as they were.
public struct RandomStream: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64
    @usableFromInline let seed: UInt64

    @inlinable
    public init(seed: UInt64) {
        self.seed = seed
        self.state = seed
    }

    @inlinable
    static func mix(_ input: UInt64) -> UInt64 {
        var z = input
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The next 64 random bits.
    @inlinable
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// A stream of its own for the component named `label`: it depends on the seed and the label
    /// only, not on how much of this stream was used.
    public func split(_ label: StaticString) -> RandomStream {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        label.withUTF8Buffer { bytes in
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        }
        return RandomStream(seed: Self.mix(seed ^ Self.mix(hash)))
    }

    /// A stream of its own for the `index`-th of many equal components.
    public func split(_ index: UInt64) -> RandomStream {
        RandomStream(seed: Self.mix(Self.mix(seed) &+ 0x9E37_79B9_7F4A_7C15 &* (index &+ 1)))
    }

    /// A uniform integer in `0 ..< bound` (Lemire's multiply-shift; the bias is below 2^-32 for
    /// bounds under 2^32). `bound` must be positive.
    @inlinable
    public mutating func below(_ bound: UInt64) -> UInt64 {
        precondition(bound > 0)
        return next().multipliedFullWidth(by: bound).high
    }

    /// A uniform integer in `0 ..< bound`.
    @inlinable
    public mutating func below(_ bound: Int) -> Int { Int(below(UInt64(bound))) }

    /// True with probability `numerator / denominator`.
    @inlinable
    public mutating func chance(_ numerator: UInt64, in denominator: UInt64) -> Bool {
        below(denominator) < numerator
    }

    /// A uniform number in `0 ..< 1` with 53 bits.
    @inlinable
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1.0p-53 }
}
