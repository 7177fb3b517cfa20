import KapokModel
import Testing

@Suite("Quantisation")
struct QuantizationTests {
    /// Numbers that other programs can make exactly.
    static let numbers = (0..<64).map { (i: Int) -> Float in
        Float((i * i * 31 + i * 17) % 257 - 128) / 37
    }

    static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    @Test(
        "blocks have the bits of gguf-py's quantize()",
        arguments: [
            (
                WeightType.q8_0,
                "f92681b11ec9b3d93ee0c0de3ad3abc012a3707cc64d131656d5928cc339ecdd0c78"
                    + "b326240b33903816348826fb0f64efbbc612945f619a1cd5cd067f2e1e4db4634970"
            ),
            (.q4_0, "eb36f0f34ad59396dc5614164cc5736499f2a6b6f62725ef64b7b58f06586732d92c3c17"),
            (
                .q4_1,
                "4b37ebc2e0f349c49395db5614164bb5626489f2e43645c219d8da119b594a80faa798cd36d3c4e8"
            ),
            (
                .q5_0,
                "eb3244447bc8e0f694a9263bb8bc281c877ae5c822f4"
                    + "a6b288726910eb4f4adec95d69ff0ba1ce63a249772e"
            ),
            (
                .q5_1,
                "0f33ebc244447bc8e0f69399262ba7ac281c877ad5b812f4"
                    + "ab3245c2778d96ef14b0b52136a29600f45e319c5db688d1"
            ),
        ])
    func blocks(type: WeightType, expected: String) {
        #expect(Self.hex(type.quantized(Self.numbers)) == expected)
    }

    @Test("16-bit numbers are rounded to nearest even, as gguf-py does")
    func halves() {
        let first = Array(Self.numbers[..<8])
        #expect(Self.hex(WeightType.f16.quantized(first)) == "ebc253c07d3af2bd37c037bcb43eebba")
        #expect(Self.hex(WeightType.bf16.quantized(first)) == "5dc00ac0503fbebf07c087bfd63f5dbf")
        let odd: [Float] = [.infinity, -.infinity, .nan, 1e30]
        let back = odd.map { number in
            WeightType.bf16.dequantized(WeightType.bf16.quantized([number]))[0]
        }
        #expect(back[0] == .infinity && back[1] == -.infinity && back[2].isNaN)
        #expect(abs(back[3] / 1e30 - 1) < 0.004)
    }

    @Test(
        "blocks of 256 give the numbers of gguf-py's dequantize()",
        arguments: [
            (
                WeightType.q4_K, UInt64(0x2B1F_9BDF_E3A0),
                [0.469512939453125, 2.486480712890625, 5.58782958984375] as [Float]
            ),
            (.q5_K, 0x23EB_A119_6A80, [8.537384033203125, 10.554351806640625, -0.930419921875]),
            (.q6_K, 0x422A_4402_9BB0, [7.981781005859375, 5.079315185546875, -0.553436279296875]),
        ])
    func superBlocks(type: WeightType, sum: UInt64, some: [Float]) {
        var bytes = (0..<type.blockBytes).map { (j: Int) -> UInt8 in
            UInt8((j * j * 7 + j * 13 + 5) % 256)
        }
        let scales: [(Int, Float)] =
            type == .q6_K ? [(208, 0.0123)] : [(0, 0.0123), (2, 0.0456)]
        for (offset, scale) in scales {
            let half = Float16(scale).bitPattern
            bytes[offset] = UInt8(half & 255)
            bytes[offset + 1] = UInt8(half >> 8)
        }
        let numbers = type.dequantized(bytes)
        #expect([numbers[0], numbers[1], numbers[33]] == some)
        var weighted: UInt64 = 0
        for (index, number) in numbers.enumerated() {
            weighted &+= UInt64(number.bitPattern) &* UInt64(index + 1)
        }
        #expect(weighted == sum)
    }

    @Test(
        "numbers come back within the error of their type",
        arguments: [
            (WeightType.f32, 0), (.f16, 0.0004), (.bf16, 0.003), (.q8_0, 0.006), (.q6_K, 0.02),
            (.q5_1, 0.04), (.q5_0, 0.05), (.q5_K, 0.035), (.q4_K, 0.075), (.q4_1, 0.08),
            (.q4_0, 0.1),
        ])
    func errors(type: WeightType, bound: Double) {
        // The sum of three uniform numbers: near enough to what weights look like.
        var state: UInt32 = 7
        func uniform() -> Float {
            state = state &* 1_664_525 &+ 1_013_904_223
            return Float(state >> 8) / Float(1 << 24) - 0.5
        }
        let numbers = (0..<1024).map { _ in uniform() + uniform() + uniform() }
        let back = type.dequantized(type.quantized(numbers))
        var error = 0.0
        var power = 0.0
        for (number, other) in zip(numbers, back) {
            error += Double((number - other) * (number - other))
            power += Double(number * number)
        }
        #expect((error / power).squareRoot() <= bound)
    }

    @Test("zeros stay zeros and constants nearly so", arguments: WeightType.allCases)
    func constants(type: WeightType) {
        let zeros = [Float](repeating: 0, count: 256)
        #expect(type.dequantized(type.quantized(zeros)) == zeros)
        for constant: Float in [1, -1, 0.05] {
            let back = type.dequantized(
                type.quantized([Float](repeating: constant, count: 256)))
            for number in back { #expect(abs(number - constant) <= 0.01 * abs(constant)) }
        }
    }

    @Test("what is not finite crashes nothing", arguments: WeightType.allCases)
    func odd(type: WeightType) {
        for odd: Float in [
            .infinity, -.infinity, .nan, .greatestFiniteMagnitude, .leastNonzeroMagnitude,
        ] {
            var numbers = (0..<256).map { Float($0 % 7) }
            numbers[100] = odd
            #expect(type.quantized(numbers).count == 256 / type.blockElements * type.blockBytes)
            let all = [Float](repeating: odd, count: 256)
            #expect(type.dequantized(type.quantized(all)).count == 256)
        }
    }

    // MARK: Plans

    @Test("rows that are no whole blocks fall back as in llama.cpp")
    func fallback() {
        #expect(WeightType.q4_K.fitting(columns: 512) == .q4_K)
        #expect(WeightType.q4_K.fitting(columns: 576) == .q5_0)
        #expect(WeightType.q5_K.fitting(columns: 576) == .q5_1)
        #expect(WeightType.q6_K.fitting(columns: 576) == .q8_0)
        #expect(WeightType.q4_0.fitting(columns: 24) == .f16)
        #expect(WeightType.q4_K.fitting(columns: 24) == .f16)
    }

    @Test("mixtures have the types that llama.cpp chooses for SmolLM2")
    func mixtures() throws {
        let plan = QuantizationPlan(
            mixture: try #require(.init(name: "Q4_K_M")), layers: 30)
        func type(_ name: String, _ columns: Int) -> WeightType {
            plan.type(name: name, dimensions: [columns, 64], tiesEmbeddings: true)
        }
        let raised = (0..<30).filter { type("blk.\($0).ffn_down.weight", 1536) == .q6_K }
        #expect(raised == [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 27, 28, 29])
        #expect(type("token_embd.weight", 576) == .q8_0)
        #expect(type("blk.0.attn_q.weight", 576) == .q5_0)
        #expect(type("blk.0.attn_v.weight", 576) == .q8_0)
        #expect(type("blk.0.attn_v.weight", 512) == .q6_K)
        #expect(type("blk.3.ffn_down.weight", 1536) == .q4_K)
        #expect(type("blk.0.attn_norm.weight", 576) == .f32)
        #expect(QuantizationPlan.Mixture(name: "q9_0") == nil)
    }

    @Test("a quantised model opens again, with its metadata and the types of the plan")
    func model() throws {
        let tiny = TinyModel(
            layers: 1, width: 64, heads: 2, headWidth: 32, feedForward: 256, vocabulary: 10)
        let source = try GGUFFile(FileBytes(copying: tiny.bytes(), path: "tiny.gguf"))
        let quantizer = try ModelQuantizer(source, mixture: .init(type: .q4_K))
        #expect(!quantizer.requantizes)
        let file = try GGUFFile(FileBytes(copying: try quantizer.bytes(), path: "q4.gguf"))
        #expect(try file.values.integer("general.file_type") == 14)
        #expect(try file.values.texts("tokenizer.ggml.merges") == ["t 1", "t 2"])
        let model = try LanguageModelFile.open(file.file)
        #expect(model.weights.embedding.type == .q8_0)
        #expect(model.weights.layers[0].gate.type == .q5_0)
        #expect(model.weights.layers[0].down.type == .q4_K)
        #expect(model.weights.layers[0].attentionNorm.type == .f32)
        let again = try ModelQuantizer(file, mixture: .init(type: .q8_0), embedding: .f16)
        #expect(again.requantizes)
        let other = try LanguageModelFile.open(
            FileBytes(copying: try again.bytes(), path: "q8.gguf"))
        #expect(other.weights.embedding.type == .f16)
        #expect(other.weights.layers[0].gate.type == .q8_0)
    }

    @Test("a model with what is no number is refused by the tensor's name")
    func notFinite() throws {
        let tiny = TinyModel(layers: 1, width: 32, heads: 2, headWidth: 16, feedForward: 32)
        let bytes = tiny.bytes { _, parts in parts[3].numbers[5] = .nan }
        let source = try GGUFFile(FileBytes(copying: bytes, path: "tiny.gguf"))
        let quantizer = try ModelQuantizer(source, mixture: .init(type: .q8_0))
        do {
            _ = try quantizer.bytes()
            Issue.record("quantised")
        } catch {
            #expect(error.place == "tensor 'blk.0.attn_q.weight'")
        }
    }
}

extension WeightType {
    /// The numbers of whole blocks.
    func dequantized(_ bytes: [UInt8]) -> [Float] {
        var numbers = [Float](repeating: 0, count: bytes.count / blockBytes * blockElements)
        bytes.withUnsafeBytes { source in
            numbers.withUnsafeMutableBufferPointer { dequantize(source, into: $0) }
        }
        return numbers
    }
}
