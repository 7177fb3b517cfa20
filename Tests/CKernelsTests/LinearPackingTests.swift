import CKernels
import Glibc
import Testing

@Suite("Packing for linear layers")
struct LinearPackingTests {
    private static let q4_1 = LinearFileFormat.quantised[1]

    @Test(
        "packed weights are at most 3 per cent larger than the file's",
        arguments: LinearFileFormat.all)
    func sizes(format: LinearFileFormat) {
        let (rows, columns) = (48, 1536)
        let file = rows * columns / format.blockElements * format.blockBytes
        let packed = kapok_linear_packed_bytes(format.type, rows, columns)
        #expect(packed >= file && packed * 100 <= file * 103)
        #expect(packed % 64 == 0)
        #expect(kapok_linear_packed_bytes(format.type, rows - 15, columns) == packed)
    }

    @Test(
        "rows packed in parts give the same bytes as packed at once",
        arguments: LinearFileFormat.all)
    func parts(format: LinearFileFormat) {
        let product = LinearProduct(format, rows: 39, columns: 512, tokens: 1, seed: 2)
        let count = kapok_linear_packed_bytes(format.type, 39, 512)
        let (whole, parts) = (product.packedWeights(), LinearMemory(count))
        for range in [16..<32, 0..<16, 32..<39] {
            kapok_linear_pack(
                format.type, 39, 512, product.file, parts.bytes, range.lowerBound,
                range.upperBound)
        }
        #expect(memcmp(whole.bytes, parts.bytes, count) == 0)
    }

    @Test("all implementations pack activations into the same bytes")
    func activations() {
        var product = LinearProduct(Self.q4_1, rows: 16, columns: 256, tokens: 6, seed: 9)
        // Blocks of zeros, of halves between two steps, of numbers that are hardly any.
        for k in 0..<32 {
            product.x[k] = 0
            product.x[32 + k] = Float(k) * 0.5 - 8
            product.x[64 + k] = .leastNonzeroMagnitude * Float(k)
            product.x[96 + k] = .greatestFiniteMagnitude / Float(k + 1)
        }
        let used = 256 / 32 * 52
        let expected = product.packedActivations(KAPOK_LINEAR_PORTABLE)
        let stride = kapok_linear_activation_bytes(Self.q4_1.type, 256)
        for implementation in LinearTests.implementations {
            let packed = product.packedActivations(implementation)
            for token in 0..<6 {
                let at = token * stride
                #expect(memcmp(packed.bytes + at, expected.bytes + at, used) == 0)
            }
        }
    }

    @Test("whatever its number of blocks and whichever are odd, a token is packed in one way")
    func oddBlocks() {
        let odd: [Float] = [0, 1e-36, 2e38, .nan, .infinity, -127.5, 0.5]
        var random = LinearRandom(seed: 77)
        for columns in stride(from: 32, through: 640, by: 32) {
            for seed in 0..<4 {
                var product = LinearProduct(
                    Self.q4_1, rows: 16, columns: columns, tokens: 1, seed: UInt64(seed))
                for block in 0..<(columns / 32) where random.byte() % 4 == 0 {
                    let value = odd[Int(random.byte()) % odd.count]
                    for k in 0..<32 where random.byte() % 3 != 0 {
                        product.x[block * 32 + k] = value
                    }
                }
                let expected = product.packedActivations(KAPOK_LINEAR_PORTABLE)
                for implementation in LinearTests.implementations {
                    let packed = product.packedActivations(implementation)
                    let isSame = memcmp(packed.bytes, expected.bytes, columns / 32 * 52) == 0
                    #expect(isSame, "\(columns) columns, seed \(seed)")
                }
            }
        }
    }

    @Test("one form of activations serves all quantised types, another all floats")
    func sameActivations() {
        for a in LinearFileFormat.all {
            for b in LinearFileFormat.all {
                let isSame = kapok_linear_same_activations(a.type, b.type) != 0
                #expect(isSame == (a.isFloat == b.isFloat))
                let bytes = [a, b].map { kapok_linear_activation_bytes($0.type, 256) }
                if isSame { #expect(bytes[0] == bytes[1]) }
            }
        }
    }

    @Test(
        "an activation that is not finite shows in its token's results and in no other's",
        arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(value: Float) {
        for format in LinearFileFormat.all {
            var product = LinearProduct(format, rows: 16, columns: 256, tokens: 2, seed: 4)
            product.x[256 + 77] = value
            for implementation in LinearTests.implementations {
                let result = product.result(implementation)
                let finite = result.filter(\.isFinite).count
                #expect(finite == 16)
                #expect(result[0].isFinite && !result[31].isFinite)
            }
        }
    }

    @Test("what measures memory reads every line")
    func readsAll() {
        let memory = LinearMemory(4096)
        for implementation in LinearTests.implementations {
            memset(memory.bytes, 0, 4096)
            let before = kapok_linear_read(implementation, memory.bytes, 4096)
            for line in 0..<64 {
                let byte = line * 64 + line
                memory.bytes.storeBytes(of: 1, toByteOffset: byte, as: UInt8.self)
                #expect(kapok_linear_read(implementation, memory.bytes, 4096) != before)
                memory.bytes.storeBytes(of: 0, toByteOffset: byte, as: UInt8.self)
            }
        }
    }

    @Test("what measures the integer units multiplies as often as it says")
    func peakCounts() {
        for implementation in LinearTests.implementations.dropFirst() {
            // 3 times -5, four of them in each 32-bit sum for AVX-512 and for AVX2.
            let sums = UInt32(truncatingIfNeeded: -60 * 16 * 10)
            let lanes: UInt32 = implementation == KAPOK_LINEAR_AVX512 ? 16 : 1
            #expect(kapok_linear_peak(implementation, 10) == sums &* lanes)
            #expect(kapok_linear_peak_products(implementation) > 1)
        }
    }
}
