import KapokModel
import KapokWorld

/// A model on the CPU with a cache, for tests.
struct CPUSample {
    let model: CPUModel
    let cache: KVCache
    let vocabulary: Int

    /// A shape that the kernels compute: rows of whole super-blocks.
    static let llama = TinyModel(
        layers: 2, width: 256, heads: 8, keyValueHeads: 2, headWidth: 32, feedForward: 256,
        vocabulary: 40)
    /// Biases, head norms, halves turned together, heads of 40 elements that share keys.
    static let qwen = TinyModel(
        architecture: "qwen3", layers: 2, width: 64, heads: 4, keyValueHeads: 2, headWidth: 40,
        feedForward: 96, vocabulary: 33, ropeBase: 1e6, epsilon: 1e-6, hasBias: true,
        hasHeadNorms: true, tiesEmbeddings: false)

    static func file(_ tiny: TinyModel, _ type: WeightType) throws -> LanguageModelFile {
        try LanguageModelFile.open(FileBytes(copying: tiny.bytes(type: type), path: "tiny.gguf"))
    }

    init(_ tiny: TinyModel, _ type: WeightType, pages: Int = 64) throws {
        let file = try Self.file(tiny, type)
        model = try CPUModel(file, threads: ThreadPool(threads: 1))
        cache = try KVCache(file.configuration, pages: pages)
        vocabulary = tiny.vocabulary
    }

    /// An executor over the model and its cache.
    func executor(threads: Int = 1, maximumTokens: Int = 64) -> CPUExecutor {
        CPUExecutor(
            model: model, cache: cache, threads: ThreadPool(threads: threads),
            maximumTokens: maximumTokens)
    }

    /// `count` tokens that depend on `seed` alone.
    func tokens(_ count: Int, seed: UInt64) -> [TokenID] {
        var random = RandomStream(seed: seed)
        return (0..<count).map { _ in TokenID(random.below(vocabulary)) }
    }

    /// The rows of logits of a batch, on `executor` or on one of a single thread.
    func rows(_ spans: [StepBatch.Span], on executor: CPUExecutor? = nil) throws -> [[Float]] {
        let executor = executor ?? self.executor()
        return try withExtendedLifetime(executor) {
            let logits = try executor.run(StepBatch(spans: spans))
            return stride(from: 0, to: logits.count, by: vocabulary).map {
                Array(logits[$0..<$0 + vocabulary])
            }
        }
    }

    /// Logits of all of `tokens`, in one pass with one thread.
    func whole(_ tokens: [TokenID]) throws -> [[Float]] {
        let pages = (0..<PageID((tokens.count + 15) / 16)).map { $0 }
        return try rows([.init(tokens: tokens, start: 0, pages: pages, logits: tokens.count)])
    }
}
