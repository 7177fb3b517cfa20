import KapokAccelerator
import KapokModel
import Testing

@testable import KapokInference

/// Decoders whose kernels run on the simulated core, value by value, beside the reference of the
/// graph in double precision, and beside the CPU's backend.
@Suite("The accelerator computes what the graph says")
struct AcceleratedDecoderTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    /// The largest difference of logits, in units of the logits' root mean square: of the prompt,
    /// and of the tokens after it.
    private func error(
        _ model: RandomDecoder, prompt: Int, steps: Int, type: ElementType, cores: Int = 1,
        reference other: RandomDecoder? = nil, isCausal: Bool = true
    ) throws -> (prompt: Double, decode: Double) {
        let tokens = model.tokens(prompt + steps)
        var accelerated = try AcceleratedDecoder(
            configuration: model.configuration, weights: model.weights(), machine: machine,
            type: type, cores: cores)
        accelerated.isCausal = isCausal
        var logits = try accelerated.prefill(Array(tokens[..<prompt]))
        for token in tokens[prompt...] { logits.append(try accelerated.decode(token)) }
        let original = other ?? model
        let wanted = ReferenceModel(
            configuration: original.configuration, weights: original.weights()
        ).logits(tokens)
        #expect(accelerated.length == tokens.count)
        return (
            Self.error(logits[..<prompt], wanted[..<prompt]),
            Self.error(logits[prompt...], wanted[prompt...])
        )
    }

    private static func error(
        _ values: ArraySlice<[Float]>, _ wanted: ArraySlice<[Float]>
    ) -> Double {
        let squares = wanted.joined().reduce(0) { $0 + Double($1) * Double($1) }
        let scale = (squares / Double(max(1, wanted.joined().count))).squareRoot()
        let errors = zip(values.joined(), wanted.joined()).map { abs(Double($0) - Double($1)) }
        #expect(errors.allSatisfy { $0.isFinite })
        return (errors.max() ?? 0) / max(scale, 1e-9)
    }

    @Test("grouped heads, a prompt and then single tokens from the cache: FP32")
    func llama() throws {
        let error = try error(RandomDecoder(), prompt: 21, steps: 3, type: .fp32)
        #expect(error.prompt < 1e-4 && error.decode < 1e-4)
    }

    @Test("the same in BF16")
    func brain() throws {
        let error = try error(RandomDecoder(), prompt: 21, steps: 3, type: .bf16)
        #expect(error.prompt < 0.1 && error.decode < 0.1)
    }
}
