import CKernels
import Glibc
import Testing

@Suite("MD5 in lanes")
struct MD5LanesTests {
    static let implementations = [
        KAPOK_MD5_PORTABLE, KAPOK_MD5_AVX2, KAPOK_MD5_AVX512,
    ].filter { kapok_md5_supports($0) != 0 }

    /// Bytes without a pattern, the same in every run.
    static let bytes: [UInt8] = {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        return (0..<70_000).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }()

    static let start = SIMD4<UInt32>(0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476)

    /// RFC 1321, 3.1 and 3.2.
    static func padded(_ message: [UInt8]) -> [UInt8] {
        var bytes = message + [0x80]
        while bytes.count % 64 != 56 { bytes.append(0) }
        let bits = UInt64(message.count) * 8
        return bytes + (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
    }

    /// RFC 1321, 3.5.
    static func digest(_ state: SIMD4<UInt32>) -> [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: state[$0 / 4] >> UInt32(8 * ($0 % 4))) }
    }

    /// RFC 1321, 3.4, as it is written there.
    static func reference(_ message: [UInt8]) -> [UInt8] {
        let table = (1...64).map { UInt32((abs(sin(Double($0))) * 4_294_967_296).rounded(.down)) }
        let rotations: [UInt32] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
        var state = start
        let bytes = padded(message)
        for block in stride(from: 0, to: bytes.count, by: 64) {
            let words = (0..<16).map { word in
                (0..<4).reduce(UInt32(0)) {
                    $0 | UInt32(bytes[block + 4 * word + $1]) << UInt32(8 * $1)
                }
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            for step in 0..<64 {
                let (mixed, word) =
                    switch step / 16 {
                    case 0: (b & c | ~b & d, step)
                    case 1: (b & d | c & ~d, 5 * step + 1)
                    case 2: (b ^ c ^ d, 3 * step + 5)
                    default: (c ^ (b | ~d), 7 * step)
                    }
                let sum = a &+ mixed &+ words[word % 16] &+ table[step]
                let rotation = rotations[step / 16 * 4 + step % 4]
                (a, d, c, b) = (d, c, b, b &+ (sum << rotation | sum >> (32 - rotation)))
            }
            state &+= SIMD4(a, b, c, d)
        }
        return digest(state)
    }

    /// Advances each of `states` over `counts` blocks of `streams`, from the block of its number in
    /// `from`, in one call.
    static func advance(
        _ implementation: kapok_md5_implementation, _ states: inout [SIMD4<UInt32>],
        _ streams: [[UInt8]], from: [Int], counts: [Int]
    ) {
        let copies = streams.map { stream in
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: stream.count)
            copy.initialize(from: stream, count: stream.count)
            return copy
        }
        defer { for copy in copies { copy.deallocate() } }
        let data: [UnsafePointer<UInt8>?] = zip(copies, from).map { UnsafePointer($0 + 64 * $1) }
        states.withUnsafeMutableBytes { states in
            kapok_md5_blocks_with(
                implementation,
                states.baseAddress?.assumingMemoryBound(
                    to: (UInt32, UInt32, UInt32, UInt32).self), data, counts, streams.count)
        }
    }

    static func digests(
        _ implementation: kapok_md5_implementation, _ messages: [[UInt8]]
    ) -> [[UInt8]] {
        var states = [SIMD4<UInt32>](repeating: start, count: messages.count)
        let streams = messages.map(padded)
        advance(
            implementation, &states, streams, from: streams.map { _ in 0 },
            counts: streams.map { $0.count / 64 })
        return states.map(digest)
    }

    @Test("the test suite of RFC 1321, A.5, alone and together", arguments: implementations)
    func knownAnswers(_ implementation: kapok_md5_implementation) {
        let vectors: [(String, String)] = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "d174ab98d277d9f5a5611c2c9f419d9f"
            ),
            (
                String(repeating: "1234567890", count: 8), "57edf4a22be3c955ac49da2e2107b67a"
            ),
        ]
        func hex(_ digest: [UInt8]) -> String {
            digest.map { byte in
                let digits = String(byte, radix: 16)
                return digits.count == 1 ? "0" + digits : digits
            }.joined()
        }
        for (message, answer) in vectors {
            let digests = Self.digests(implementation, [Array(message.utf8)])
            #expect(digests.map(hex) == [answer])
        }
        let together = Self.digests(implementation, vectors.map { Array($0.0.utf8) })
        #expect(together.map(hex) == vectors.map(\.1))
    }

    @Test("agrees with the definition for every length", arguments: implementations)
    func everyLength(_ implementation: kapok_md5_implementation) {
        let messages = (0...400).map { Array(Self.bytes[$0..<2 * $0]) }
        let digests = Self.digests(implementation, messages)
        let wrong = messages.indices.filter {
            digests[$0] != Self.reference(messages[$0])
        }
        #expect(wrong.isEmpty, "lengths \(wrong)")
    }

    @Test(
        "agrees with the portable version, alone, for every number of lanes",
        arguments: implementations)
    func everyLaneCount(_ implementation: kapok_md5_implementation) {
        var random: UInt64 = 1
        for lanes in 0...40 {
            for equal in [true, false] {
                let messages = (0..<lanes).map { _ -> [UInt8] in
                    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    let first = Int(random >> 40 & 0x3FFF)
                    let count = equal ? 3000 : Int(random >> 20 & 0x1FFF)
                    return Array(Self.bytes[first..<first + count])
                }
                let digests = Self.digests(implementation, messages)
                let wrong = messages.indices.filter {
                    [digests[$0]] != Self.digests(KAPOK_MD5_PORTABLE, [messages[$0]])
                }
                #expect(wrong.isEmpty, "\(lanes) lanes, \(equal ? "equal" : "mixed"): \(wrong)")
            }
        }
    }

    @Test("streams may change their company, and the implementation, between any two blocks")
    func changingCompany() {
        var random: UInt64 = 7
        func next(_ bound: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % bound
        }
        let messages = (0..<23).map { Array(Self.bytes[$0..<$0 + 2000 + 97 * $0]) }
        let streams = messages.map(Self.padded)
        var states = [SIMD4<UInt32>](repeating: Self.start, count: streams.count)
        var done = [Int](repeating: 0, count: streams.count)
        while true {
            let unfinished = streams.indices.filter { done[$0] < streams[$0].count / 64 }
            guard !unfinished.isEmpty else { break }
            let company = unfinished.shuffledBy(next).prefix(1 + next(unfinished.count))
            let counts = company.map { min(next(12), streams[$0].count / 64 - done[$0]) }
            var moved = company.map { states[$0] }
            Self.advance(
                Self.implementations[next(Self.implementations.count)], &moved,
                company.map { streams[$0] }, from: company.map { done[$0] }, counts: counts)
            for (place, stream) in company.enumerated() {
                states[stream] = moved[place]
                done[stream] += counts[place]
            }
        }
        #expect(states.map(Self.digest) == messages.map(Self.reference))
    }

    @Test("the implementation in use is the widest that the processor supports")
    func choice() {
        #expect(kapok_md5_chosen() == Self.implementations.last)
    }
}

extension Array {
    /// In an order that `next`, a source of numbers below its argument, decides.
    fileprivate func shuffledBy(_ next: (Int) -> Int) -> [Element] {
        var rest = self
        return indices.map { _ in rest.remove(at: next(rest.count)) }
    }
}
