import KapokLinux
import KapokWorld

/// Measures a model on this machine: how fast a prompt goes through it, and how fast it goes on
/// token by token from there.
public struct CPUBenchmark {
    /// What came out of one repetition.
    public struct Sample: Hashable, Sendable {
        /// Seconds that the prompt took, to its last token's logits.
        public var prefillSeconds: Double
        /// Seconds that the generation took.
        public var decodeSeconds: Double
    }

    /// Tokens that go through the model at once at most.
    public static let batchTokens = 512

    /// How many tokens the prompt has.
    public let promptTokens: Int
    /// How many tokens are generated, each from the logits of the one before.
    public let generatedTokens: Int
    private let executor: CPUExecutor
    private let prompt: [TokenID]
    private let pages: [PageID]

    /// A benchmark of `model`. The prompt's tokens are spread over the vocabulary.
    /// - Throws: `CPUModelError.invalidBatch` when that is more than the model's context, and what
    ///   a cache throws.
    public init(
        model: CPUModel, threads: ThreadPool, promptTokens: Int, generatedTokens: Int
    ) throws(CPUModelError) {
        let total = promptTokens + generatedTokens
        let limit = model.configuration.contextLength
        guard promptTokens >= 1, generatedTokens >= 0, total <= limit else {
            throw .invalidBatch(
                "\(promptTokens) tokens and \(generatedTokens) more; the model's context has "
                    + "\(limit)")
        }
        self.promptTokens = promptTokens
        self.generatedTokens = generatedTokens
        let count = (total + KVPage.tokens - 1) / KVPage.tokens
        let cache = try KVCache(model.configuration, pages: count)
        executor = CPUExecutor(
            model: model, cache: cache, threads: threads,
            maximumTokens: min(promptTokens, Self.batchTokens))
        let vocabulary = model.configuration.vocabularySize
        prompt = (0..<promptTokens).map { TokenID(($0 * 7919 + 100) % vocabulary) }
        pages = (0..<PageID(count)).map { $0 }
    }

    /// Runs once.
    public func run() throws(CPUModelError) -> Sample {
        let begin = MonotonicClock.now()
        var next: TokenID = 0
        for start in stride(from: 0, to: promptTokens, by: Self.batchTokens) {
            let part = prompt[start..<min(start + Self.batchTokens, promptTokens)]
            let isLast = start + part.count == promptTokens
            let logits = try executor.run(
                StepBatch(spans: [
                    .init(tokens: Array(part), start: start, pages: pages, logits: isLast ? 1 : 0)
                ]))
            if isLast { next = Self.likeliest(logits) }
        }
        let middle = MonotonicClock.now()
        for offset in 0..<generatedTokens {
            let logits = try executor.run(
                StepBatch(spans: [
                    .init(tokens: [next], start: promptTokens + offset, pages: pages, logits: 1)
                ]))
            next = Self.likeliest(logits)
        }
        let end = MonotonicClock.now()
        return Sample(
            prefillSeconds: Double((middle - begin).nanoseconds) / 1e9,
            decodeSeconds: Double((end - middle).nanoseconds) / 1e9)
    }

    /// The first of the largest logits.
    private static func likeliest(_ logits: UnsafeBufferPointer<Float>) -> TokenID {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        return TokenID(best)
    }
}
