import Synchronization

/// Numbers requests: each gets an id that does not repeat and that says nothing about the count.
final class RequestIDs: Sendable {
    private let counter: Atomic<UInt64>

    /// `x-amz-id-2`: the same for all answers of one server run.
    let hostID: String

    init() {
        var random = SystemRandomNumberGenerator()
        counter = Atomic(random.next())
        hostID = Base64.encode((0..<30).map { _ in UInt8.random(in: 0...255, using: &random) })
    }

    /// The next id: 16 digits and capital letters.
    func next() -> String {
        // The finaliser of SplitMix64: a bijection, so ids of one run are all different.
        var z = counter.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return String(unsafeUninitializedCapacity: 16) { out in
            for i in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: z >> UInt64(60 - 4 * i)) & 15
                out[i] = digit < 10 ? 48 + digit : 55 + digit
            }
            return 16
        }
    }
}
