import KapokWorld
import Testing

@testable import KapokStore

@Suite("Erasure coding")
struct ErasureCodeTests {
    /// K + M shards, data filled from `random` and parity encoded.
    struct Stripe {
        let code: ErasureCode
        let byteCount: Int
        let memory: UnsafeMutableRawBufferPointer
        let pointers: [UnsafeMutableRawPointer]
        let original: [[UInt8]]

        init(_ k: Int, _ m: Int, byteCount: Int, random: inout some RandomNumberGenerator) throws {
            code = try ErasureCode(dataShards: k, parityShards: m)
            self.byteCount = byteCount
            let stride = max(64, (byteCount + 63) / 64 * 64)
            memory = .allocate(byteCount: stride * (k + m), alignment: 64)
            for i in memory.indices { memory[i] = UInt8.random(in: 0...255, using: &random) }
            let base = try #require(memory.baseAddress)
            let pointers = (0..<k + m).map { base + $0 * stride }
            code.encode(
                data: pointers[..<k].map { UnsafeRawPointer($0) }, parity: Array(pointers[k...]),
                byteCount: byteCount)
            self.pointers = pointers
            original = pointers.map {
                Array(UnsafeRawBufferPointer(start: $0, count: byteCount))
            }
        }

        func content(_ shard: Int) -> [UInt8] {
            Array(UnsafeRawBufferPointer(start: pointers[shard], count: byteCount))
        }

        /// Spoils the shards outside `present`, rebuilds `wanted`, and says whether all of them and
        /// all present ones are as they were; spoiled ones that nobody wanted stay spoiled.
        func survives(present: UInt32, wanted: UInt32) -> Bool {
            for shard in pointers.indices where present & 1 << UInt32(shard) == 0 {
                for i in 0..<byteCount {
                    pointers[shard].storeBytes(
                        of: ~original[shard][i], toByteOffset: i, as: UInt8.self)
                }
            }
            code.reconstruct(
                shards: pointers, present: present, wanted: wanted, byteCount: byteCount)
            let right = pointers.indices.allSatisfy { shard in
                let known = (present | wanted) & 1 << UInt32(shard) != 0
                return content(shard) == (known ? original[shard] : original[shard].map { ~$0 })
            }
            for (shard, pointer) in pointers.enumerated() {
                pointer.copyMemory(from: original[shard], byteCount: byteCount)
            }
            return right
        }
    }

    @Test("every loss of up to M shards is rebuilt, for all K + M <= 8")
    func everyPattern() throws {
        var random = RandomStream(seed: 1)
        for k in 1...7 {
            for m in 0...8 - k {
                let stripe = try Stripe(k, m, byteCount: 96, random: &random)
                defer { stripe.memory.deallocate() }
                let all: UInt32 = 1 << UInt32(k + m) - 1
                for present in 0...all where present.nonzeroBitCount >= k {
                    #expect(
                        stripe.survives(present: present, wanted: all & ~present),
                        "\(k)+\(m), present \(String(present, radix: 2))")
                }
            }
        }
    }

    @Test("random losses of exactly M shards are rebuilt, for every K + M up to 32")
    func randomPatterns() throws {
        var random = RandomStream(seed: 2)
        for k in 1...32 {
            for m in 0...32 - k {
                let stripe = try Stripe(k, m, byteCount: 70, random: &random)
                defer { stripe.memory.deallocate() }
                for _ in 0..<4 {
                    var present: UInt32 = 0
                    for shard in (0..<k + m).shuffled(using: &random).prefix(k) {
                        present |= 1 << UInt32(shard)
                    }
                    let all = UInt32((UInt64(1) << UInt64(k + m)) - 1)
                    #expect(stripe.survives(present: present, wanted: all & ~present))
                }
            }
        }
    }

    @Test("only the wanted shards are written", arguments: [(4, 2), (8, 4), (10, 4)])
    func partOfTheMissing(_ k: Int, _ m: Int) throws {
        var random = RandomStream(seed: 3)
        let stripe = try Stripe(k, m, byteCount: 200, random: &random)
        defer { stripe.memory.deallocate() }
        let all: UInt32 = 1 << UInt32(k + m) - 1
        let present = all & ~0b1001
        #expect(stripe.survives(present: present, wanted: 0b1))
        #expect(stripe.survives(present: present, wanted: 0b1000))
        #expect(stripe.survives(present: present, wanted: 0))
    }

    @Test("all lengths are coded, not only multiples of a vector")
    func lengths() throws {
        var random = RandomStream(seed: 4)
        for byteCount in 0...260 {
            let stripe = try Stripe(4, 2, byteCount: byteCount, random: &random)
            defer { stripe.memory.deallocate() }
            #expect(stripe.survives(present: 0b110101, wanted: 0b001010), "\(byteCount) bytes")
        }
    }

    @Test("the parity of a fixed stripe never changes: it is the format on the drives")
    func knownAnswer() throws {
        // Computed from the definition: parity row i has the coefficients 1 / ((K + i) xor j) in
        // GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1.
        let code = try ErasureCode(dataShards: 4, parityShards: 2)
        let data: [[UInt8]] = (0..<4).map { shard in (0..<40).map { UInt8(shard * 40 + $0) } }
        var parity = [[UInt8]](repeating: [UInt8](repeating: 0, count: 40), count: 2)
        Self.encode(code, data, &parity)
        for row in 0..<2 {
            let expected = (0..<40).map { i in
                (0..<4).reduce(UInt8(0)) { sum, column in
                    sum ^ Self.product(Self.inverse(UInt8((4 + row) ^ column)), data[column][i])
                }
            }
            #expect(parity[row] == expected)
        }
    }

    @Test("more decode patterns than the cache holds are all right")
    func cacheOverflow() throws {
        var random = RandomStream(seed: 5)
        let stripe = try Stripe(6, 3, byteCount: 64, random: &random)
        defer { stripe.memory.deallocate() }
        let all: UInt32 = 1 << 9 - 1
        for _ in 0..<2 {
            for present in 0...all where present.nonzeroBitCount == 6 {
                #expect(stripe.survives(present: present, wanted: all & ~present))
            }
        }
    }

    @Test(
        "codings outside of the bounds are refused", arguments: [(0, 2), (-1, 2), (4, -1), (30, 3)])
    func bounds(_ k: Int, _ m: Int) {
        #expect(throws: ErasureCodeError.unsupported(dataShards: k, parityShards: m)) {
            try ErasureCode(dataShards: k, parityShards: m)
        }
    }

    // MARK: The field by its definition

    static func product(_ a: UInt8, _ b: UInt8) -> UInt8 {
        var (a, b, result) = (a, b, UInt8(0))
        while b != 0 {
            if b & 1 == 1 { result ^= a }
            a = a << 1 ^ (a & 0x80 != 0 ? 0x1D : 0)
            b >>= 1
        }
        return result
    }

    static func inverse(_ a: UInt8) -> UInt8 { (1...255).first { product(a, $0) == 1 } ?? 0 }

    static func encode(_ code: ErasureCode, _ data: [[UInt8]], _ parity: inout [[UInt8]]) {
        let length = data[0].count
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: length * code.shards, alignment: 64)
        defer { memory.deallocate() }
        guard let base = memory.baseAddress else { return }
        let pointers = (0..<code.shards).map { base + $0 * length }
        for (shard, bytes) in data.enumerated() {
            pointers[shard].copyMemory(from: bytes, byteCount: length)
        }
        code.encode(
            data: pointers[..<code.dataShards].map { UnsafeRawPointer($0) },
            parity: Array(pointers[code.dataShards...]), byteCount: length)
        for row in parity.indices {
            parity[row] = Array(
                UnsafeRawBufferPointer(start: pointers[code.dataShards + row], count: length))
        }
    }
}
