import KapokAccelerator
import KapokModel
import Testing

@testable import KapokInference

/// Decoders whose kernels run on the simulated core, value by value, beside the reference of the
/// graph in double precision and beside the CPU's backend.
///
/// Errors are the largest difference of logits, in units of the logits' root mean square.
@Suite("The accelerator computes what the graph says")
struct AcceleratedDecoderTests {
    let machine: Machine

    /// FP32 kernels add in another order than the reference and round once an operation: errors of
    /// a few units in the last place of 2^-24, with room for two blocks.
    private static let singleBound = 1e-4
    /// BF16 keeps 8 bits: each of about ten roundings in a row moves a value by up to 2^-9 of
    /// itself; what is seen is 0.02 to 0.05.
    private static let brainBound = 0.15

    init() throws { machine = try Machine(.trainium2) }

    /// What kernels gave for a prompt and for the tokens after it, one at a time.
    private struct Run {
        var tokens: [TokenID]
        var prompt: Int
        var logits: [[Float]]

        /// The errors of the prompt's logits and of the others.
        func errors(_ wanted: [[Float]]) -> (prompt: Double, decode: Double) {
            (Self.error(logits[..<prompt], wanted), Self.error(logits[prompt...], wanted))
        }

        private static func error(
            _ rows: ArraySlice<[Float]>, _ wanted: [[Float]]
        ) -> Double {
            var largest = 0.0
            var squares = 0.0
            for (row, values) in zip(rows.indices, rows) {
                #expect(values.count == wanted[row].count)
                for (value, reference) in zip(values, wanted[row]) {
                    let difference = abs(Double(value) - Double(reference))
                    largest = difference.isNaN ? .infinity : max(largest, difference)
                    squares += Double(reference) * Double(reference)
                }
            }
            let count = rows.reduce(0) { $0 + $1.count }
            return largest / (squares / Double(max(1, count))).squareRoot()
        }
    }

    private func run(
        _ model: RandomDecoder, prompt: Int = 17, steps: Int = 2, type: ElementType = .fp32,
        cores: Int = 1, isCausal: Bool = true, checksInitialization: Bool = false
    ) throws -> Run {
        let tokens = model.tokens(prompt + steps)
        var decoder = try AcceleratedDecoder(
            configuration: model.configuration, weights: model.weights(), machine: machine,
            type: type, cores: cores)
        decoder.isCausal = isCausal
        decoder.checksInitialization = checksInitialization
        var logits = try decoder.prefill(Array(tokens[..<prompt]))
        for token in tokens[prompt...] { logits.append(try decoder.decode(token)) }
        #expect(decoder.length == tokens.count && logits.count == tokens.count)
        return Run(tokens: tokens, prompt: prompt, logits: logits)
    }

    private func reference(_ model: RandomDecoder, _ tokens: [TokenID]) -> [[Float]] {
        ReferenceModel(configuration: model.configuration, weights: model.weights())
            .logits(tokens)
    }

    private func expectAgreement(
        _ model: RandomDecoder, prompt: Int = 17, steps: Int = 2, type: ElementType = .fp32,
        cores: Int = 1, bound: Double = Self.singleBound
    ) throws {
        let run = try run(model, prompt: prompt, steps: steps, type: type, cores: cores)
        let errors = run.errors(reference(model, run.tokens))
        #expect(errors.prompt < bound, "prompt")
        #expect(errors.decode < bound, "tokens from the cache")
    }

    // MARK: Families

    @Test("Llama: grouped heads, neighbours turn; a prompt, then tokens from the cache")
    func llama() throws { try expectAgreement(RandomDecoder()) }

    @Test("no kernel reads what nothing has written")
    func initialized() throws {
        var model = RandomDecoder(layers: 1)
        (model.hasBias, model.normalisesHeads, model.width) = (true, true, 200)
        _ = try run(model, prompt: 5, steps: 1, checksInitialization: true)
    }

    @Test("the same with activations in BF16")
    func brain() throws {
        try expectAgreement(RandomDecoder(layers: 1), type: .bf16, bound: Self.brainBound)
    }

    @Test("Qwen2: biases of queries, keys and values; halves of a head turn")
    func qwen2() throws {
        var model = RandomDecoder(layers: 1)
        (model.pairing, model.hasBias, model.tiesEmbeddings) = (.halves, true, false)
        try expectAgreement(model)
    }

    @Test("Qwen3: norms of each head of queries and keys, heads wider than the stream's share")
    func qwen3() throws {
        var model = RandomDecoder(layers: 1)
        (model.pairing, model.normalisesHeads) = (.halves, true)
        (model.heads, model.keyValueHeads, model.headWidth) = (3, 1, 64)
        try expectAgreement(model)
    }

    @Test("blocks that do not turn, and heads of which a part turns")
    func partialRotation() throws {
        var model = RandomDecoder()
        (model.layersWithoutRotation, model.rotatedWidth) = ([1], 16)
        model.pairing = .halves
        try expectAgreement(model)
    }

    @Test(
        "sizes that fill no tile: widths, heads and prompts",
        arguments: [(1, 2), (33, 1), (100, 1)])
    func oddSizes(prompt: Int, steps: Int) throws {
        var model = RandomDecoder(layers: 1)
        (model.width, model.hidden, model.vocabulary) = (144, 200, 67)
        // 3 heads of 40 in a tile of 128, the second tile has one.
        (model.heads, model.keyValueHeads, model.headWidth) = (4, 2, 40)
        try expectAgreement(model, prompt: prompt, steps: steps)
    }

    // MARK: The CPU's backend

    @Test("the CPU's backend gives the same logits, to the precision of its 16-bit cache")
    func cpu() throws {
        let model = RandomDecoder(layers: 1)
        let run = try run(model)
        let pool = ThreadPool(threads: 1)
        let cpu = try CPUModel(model.file(), threads: pool)
        let cache = try KVCache(model.configuration, pages: 4)
        let executor = CPUExecutor(model: cpu, cache: cache, threads: pool, maximumTokens: 64)
        let logits = try executor.run(
            StepBatch(spans: [
                StepBatch.Span(
                    tokens: run.tokens, start: 0, pages: [0, 1, 2, 3], logits: run.tokens.count)
            ]))
        let size = model.vocabulary
        let rows = run.tokens.indices.map { Array(logits[($0 * size)..<(($0 + 1) * size)]) }
        let errors = run.errors(rows)
        #expect(errors.prompt < 0.01 && errors.decode < 0.01)
    }

    // MARK: Verification

    @Test("verification is content with a right model, and says what it found")
    func verification() throws {
        let agreement = try AcceleratorAgreement(RandomDecoder(layers: 1).file(), machine: machine)
        #expect(agreement.isWithinBounds && agreement.largestError > 0)
        #expect(agreement.equalChoices > 4 && agreement.prompt + agreement.decoded == 7)
        var wrong = agreement
        wrong.meanError = 0.1
        #expect(!wrong.isWithinBounds)
    }

    // MARK: Several cores

    @Test(
        "cores that share a model give its logits: uneven heads, copies of keys, an idle core",
        arguments: [2, 8])
    func cores(_ cores: Int) throws {
        var model = RandomDecoder(layers: 1)
        (model.heads, model.keyValueHeads, model.headWidth, model.hidden) = (6, 3, 16, 100)
        try expectAgreement(model, prompt: 9, steps: 2, cores: cores)
    }

    // MARK: The comparison can fail

    @Test("a rotation the other way round is found")
    func wrongRotation() throws {
        let model = RandomDecoder(layers: 1)
        var wrong = model.configuration
        wrong.rope.frequencies = wrong.rope.frequencies.map { -$0 }
        let tokens = model.tokens(12)
        var decoder = try AcceleratedDecoder(
            configuration: wrong, weights: model.weights(), machine: machine, type: .bf16)
        let run = Run(tokens: tokens, prompt: 12, logits: try decoder.prefill(tokens))
        #expect(run.errors(reference(model, tokens)).prompt > 2 * Self.brainBound)
    }

    @Test("pairs of the other kind are found")
    func wrongPairs() throws {
        let model = RandomDecoder(layers: 1)
        var other = model
        other.pairing = .halves
        let run = try run(other, type: .bf16)
        let errors = run.errors(reference(model, run.tokens))
        #expect(min(errors.prompt, errors.decode) > 2 * Self.brainBound)
    }

    @Test("a missing mask is found")
    func missingMask() throws {
        let run = try run(RandomDecoder(), steps: 1, type: .bf16, isCausal: false)
        let errors = run.errors(reference(RandomDecoder(), run.tokens))
        #expect(min(errors.prompt, errors.decode) > 2 * Self.brainBound)
    }

    @Test("a cache that forgets its last position is found")
    func shortCache() throws {
        let run = try run(RandomDecoder(layers: 1), prompt: 8, steps: 1, type: .bf16)
        var tokens = run.tokens
        tokens.remove(at: 7)
        let wanted = reference(RandomDecoder(layers: 1), tokens)
        let last = Run(tokens: [], prompt: 0, logits: [run.logits[8]])
        #expect(last.errors([wanted[7]]).decode > 2 * Self.brainBound)
    }
}
