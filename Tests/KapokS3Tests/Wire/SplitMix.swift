import Glibc

/// A small random stream for mutations; the same numbers in every run.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    /// How many rounds of a fuzz test to run: `base`, times `KAPOK_FUZZ` when it is set.
    static func rounds(_ base: Int) -> Int {
        guard let text = getenv("KAPOK_FUZZ").map({ String(cString: $0) }) else { return base }
        return base * max(Int(text) ?? 1, 1)
    }

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }

    /// Changes, inserts, removes or repeats a few bytes.
    mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var out = bytes
        for _ in 0...below(3) {
            let at = below(out.count + 1)
            switch below(5) {
            case 0 where at < out.count: out[at] = UInt8(truncatingIfNeeded: next())
            case 1 where at < out.count: out[at] ^= 1 << UInt8(below(8))
            case 2: out.insert(UInt8(truncatingIfNeeded: next()), at: at)
            case 3 where at < out.count: out.removeSubrange(at..<min(at + 1 + below(8), out.count))
            default:
                let from = below(out.count + 1)
                let piece = out[min(from, at)..<max(from, at)].prefix(16)
                out.insert(contentsOf: Array(piece), at: at)
            }
        }
        return out
    }

    mutating func mutate(_ text: String) -> String {
        String(decoding: mutate(Array(text.utf8)), as: UTF8.self)
    }
}
