/// A set of Unicode scalars: sorted ranges that neither touch nor overlap, without surrogates.
struct ScalarSet: Hashable, Sendable {
    private(set) var ranges: [ClosedRange<UInt32>] = []

    static let all = ScalarSet(ranges: [0...0x10FFFF])

    init() {}

    init(ranges: [ClosedRange<UInt32>]) {
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            for part in Self.withoutSurrogates(range) {
                if let last = self.ranges.last, last.upperBound + 1 >= part.lowerBound {
                    let end = max(last.upperBound, part.upperBound)
                    self.ranges[self.ranges.count - 1] = last.lowerBound...end
                } else {
                    self.ranges.append(part)
                }
            }
        }
    }

    init(_ scalars: some Sequence<Unicode.Scalar>) {
        self.init(ranges: scalars.map { $0.value...$0.value })
    }

    var isEmpty: Bool { ranges.isEmpty }

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        ranges.contains { $0.contains(scalar.value) }
    }

    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges: ranges + other.ranges) }

    var inverted: ScalarSet {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return ScalarSet(ranges: result)
    }

    func subtracting(_ other: ScalarSet) -> ScalarSet {
        inverted.union(other).inverted
    }

    func intersection(_ other: ScalarSet) -> ScalarSet {
        inverted.union(other.inverted).inverted
    }

    private static func withoutSurrogates(
        _ range: ClosedRange<UInt32>
    ) -> [ClosedRange<UInt32>] {
        var parts: [ClosedRange<UInt32>] = []
        if range.lowerBound < 0xD800 {
            parts.append(range.lowerBound...min(range.upperBound, 0xD7FF))
        }
        if range.upperBound > 0xDFFF {
            parts.append(max(range.lowerBound, 0xE000)...range.upperBound)
        }
        return parts
    }

    // MARK: UTF-8

    /// The UTF-8 texts of the scalars, as sequences of byte sets.
    var byteSequences: [[ByteSet]] {
        var sequences: [[ByteSet]] = []
        // One-byte characters are one set together.
        var ascii = ByteSet()
        for range in ranges {
            for limits in [0...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF]
                as [ClosedRange<UInt32>]
            {
                let low = max(range.lowerBound, limits.lowerBound)
                let high = min(range.upperBound, limits.upperBound)
                guard low <= high else { continue }
                if limits.upperBound == 0x7F {
                    for byte in low...high { ascii.insert(UInt8(byte)) }
                } else {
                    Self.split(low, high, into: &sequences)
                }
            }
        }
        return (ascii == ByteSet() ? [] : [[ascii]]) + sequences
    }

    /// Splits a range whose ends have equally long texts, until each byte's range is independent
    /// of the others (Cox, "Regular Expression Matching in the Wild", 2010).
    private static func split(_ low: UInt32, _ high: UInt32, into sequences: inout [[ByteSet]]) {
        let lowBytes = encode(low)
        let highBytes = encode(high)
        for bits in [6, 12, 18] as [UInt32] where bits < 6 * UInt32(lowBytes.count) {
            let mask: UInt32 = 1 << bits - 1
            guard low & ~mask != high & ~mask else { continue }
            if low & mask != 0 {
                split(low, low | mask, into: &sequences)
                split((low | mask) + 1, high, into: &sequences)
                return
            }
            if high & mask != mask {
                split(low, (high & ~mask) - 1, into: &sequences)
                split(high & ~mask, high, into: &sequences)
                return
            }
        }
        sequences.append(zip(lowBytes, highBytes).map { ByteSet($0...$1) })
    }

    private static func encode(_ value: UInt32) -> [UInt8] {
        // Ends of ranges are no surrogates: `ranges` leaves them out.
        guard let scalar = Unicode.Scalar(value) else { preconditionFailure("a surrogate") }
        return Array(String(Character(scalar)).utf8)
    }
}
