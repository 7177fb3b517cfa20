import CKernels

/// Runs batches through a model. Each belongs to one thread at a time; several may work over the
/// same model and cache, each with a pool of its own.
///
/// A token's results depend on its own history alone: the same bits come out whatever the number of
/// threads, whatever else is in a batch, however a prompt is cut, and wherever pages lie.
public final class CPUExecutor {
    private let model: CPUModel
    private let cache: KVCache
    private let pool: ThreadPool
    private let maximumTokens: Int
    private let shape: PassShape
    private let workspace: Workspace?
    private var plan: BatchPlan
    private var logits: GrowingFloats
    private var partials: GrowingFloats

    /// An executor for batches of up to `maximumTokens` tokens. Its workspace takes memory as it is
    /// used, about 30 KB for each token of a batch with the smallest models.
    public init(model: CPUModel, cache: KVCache, threads: ThreadPool, maximumTokens: Int) {
        self.model = model
        self.cache = cache
        self.pool = threads
        self.maximumTokens = max(maximumTokens, 1)
        shape = PassShape(model.configuration)
        workspace = try? Workspace(shape, rows: self.maximumTokens, threads: threads.threads)
        plan = BatchPlan()
        logits = GrowingFloats(what: "logits")
        partials = GrowingFloats(what: "partial results of attention")
    }

    /// Runs a batch: writes keys and values of its tokens into their pages.
    /// - Returns: `batch.logitCount` rows of `vocabularySize` logits, in the order of spans and
    ///   positions; valid until the next call, as long as the executor lives.
    /// - Throws: `CPUModelError.invalidBatch`, before anything is written, or
    ///   `CPUModelError.outOfMemory`.
    public func run(_ batch: StepBatch) throws(CPUModelError) -> UnsafeBufferPointer<Float> {
        try check(batch)
        try plan.take(batch, shape: shape, threads: pool.threads)
        let rows = try logits.reserve(plan.wantedCount * shape.vocabulary)
        try forward(logits: rows)
        return UnsafeBufferPointer(start: rows, count: plan.wantedCount * shape.vocabulary)
    }

    /// What `tokens` mean as a whole: the mean over all of them of the model's final, normalised
    /// hidden
    /// states, brought to length 1; `width` numbers. Uses `pages` for their keys and values.
    /// - Throws: `CPUModelError.invalidBatch` or `CPUModelError.outOfMemory`.
    public func embed(
        _ tokens: [TokenID], pages: [PageID]
    ) throws(CPUModelError) -> [Float] {
        let whole = StepBatch.Span(tokens: tokens, start: 0, pages: pages, logits: 0)
        try check(whole)
        var sums = [Double](repeating: 0, count: shape.width)
        for start in stride(from: 0, to: tokens.count, by: maximumTokens) {
            let part = tokens[start..<min(start + maximumTokens, tokens.count)]
            let span = StepBatch.Span(
                tokens: Array(part), start: start, pages: pages, logits: part.count)
            try plan.take(StepBatch(spans: [span]), shape: shape, threads: pool.threads)
            let states = try forward(logits: nil)
            for index in 0..<(part.count * shape.width) {
                sums[index % shape.width] += Double(states[index])
            }
        }
        let length = sums.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return sums.map { Float(length > 0 ? $0 / length : 0) }
    }

    /// Runs the planned batch; gives the final hidden states, which are final where no logits are
    /// asked for.
    @discardableResult
    private func forward(
        logits: UnsafeMutablePointer<Float>?
    ) throws(CPUModelError) -> UnsafePointer<Float> {
        guard let workspace else {
            throw .outOfMemory(
                bytes: Workspace.bytes(shape, rows: maximumTokens, threads: pool.threads),
                what: "an executor's workspace")
        }
        let partialResults = try partials.reserve(plan.partialFloats)
        let weights = model.weights
        plan.withPointers { rows, pages, spans in
            let pass = ForwardPass(
                shape: shape, layers: UnsafePointer(weights.layers), output: weights.output,
                outputNorm: weights.outputNorm, frequencies: weights.frequencies,
                embeddingType: weights.embedding.type, embedding: weights.embedding.bytes,
                cache: cache.base, pageBytes: cache.pageBytes, team: pool.team,
                threads: pool.threads, buffers: workspace.buffers, scratch: workspace.scratch,
                rows: rows, pages: pages, spans: spans, wantedCount: plan.wantedCount,
                splitsKeys: plan.splitsKeys, partials: partialResults, logits: logits)
            pool.runTogether(phases: ForwardPass.phases(layers: shape.layers)) { thread in
                pass.run(thread: thread)
            }
        }
        return UnsafePointer(workspace.buffers.x)
    }

    // MARK: Checks

    private func check(_ batch: StepBatch) throws(CPUModelError) {
        guard !batch.spans.isEmpty else { throw .invalidBatch("it has no spans") }
        let count = batch.tokenCount
        guard count <= maximumTokens else {
            throw .invalidBatch(
                "\(count) tokens; this executor takes up to \(maximumTokens) at once")
        }
        for span in batch.spans { try check(span) }
    }

    private func check(_ span: StepBatch.Span) throws(CPUModelError) {
        guard !span.tokens.isEmpty else { throw .invalidBatch("a span without tokens") }
        for token in span.tokens where token < 0 || Int(token) >= shape.vocabulary {
            throw .invalidBatch("token \(token) is not in 0 ..< \(shape.vocabulary)")
        }
        let limit = model.configuration.contextLength
        guard span.start >= 0, span.start <= limit, span.tokens.count <= limit - span.start else {
            throw .invalidBatch(
                "positions \(span.start) and \(span.tokens.count) more exceed the model's context "
                    + "of \(limit) tokens")
        }
        let needed = (span.start + span.tokens.count + KVPage.tokens - 1) / KVPage.tokens
        guard span.pages.count >= needed else {
            throw .invalidBatch(
                "\(span.pages.count) pages for \(span.start + span.tokens.count) positions; "
                    + "\(needed) are needed")
        }
        for page in span.pages.prefix(needed) where Int(page) >= cache.pages {
            throw .invalidBatch("page \(page) is not in 0 ..< \(cache.pages)")
        }
        guard (0...span.tokens.count).contains(span.logits) else {
            throw .invalidBatch(
                "logits of \(span.logits) of \(span.tokens.count) tokens cannot be had")
        }
    }
}

/// The memory that passes work in.
final class Workspace {
    let buffers: PassBuffers
    let scratch: UnsafePointer<ThreadScratch>
    private let memory: MappedMemory
    private let scratchStorage: UnsafeMutablePointer<ThreadScratch>

    init(_ shape: PassShape, rows: Int, threads: Int) throws(CPUModelError) {
        memory = try MappedMemory(
            bytes: Self.bytes(shape, rows: rows, threads: threads),
            for: "an executor's workspace")
        var layout = MemoryLayout64(memory.base)
        buffers = PassBuffers(&layout, shape, rows: rows)
        scratchStorage = .allocate(capacity: threads)
        for thread in 0..<threads {
            (scratchStorage + thread).initialize(to: ThreadScratch(&layout, shape))
        }
        scratch = UnsafePointer(scratchStorage)
    }

    deinit { scratchStorage.deallocate() }

    /// How much memory that is.
    static func bytes(_ shape: PassShape, rows: Int, threads: Int) -> Int {
        var counting = MemoryLayout64()
        _ = PassBuffers(&counting, shape, rows: rows)
        for _ in 0..<threads { _ = ThreadScratch(&counting, shape) }
        return counting.used
    }
}

/// Floats whose number grows with what is asked for, up to a bound that batches set.
struct GrowingFloats {
    private let what: String
    private var memory: MappedMemory?

    init(what: String) { self.what = what }

    /// Room for `count` floats; what was in it is lost.
    mutating func reserve(_ count: Int) throws(CPUModelError) -> UnsafeMutablePointer<Float> {
        let bytes = max(count, 16) * 4
        if let memory, memory.count >= bytes {
            return memory.base.assumingMemoryBound(to: Float.self)
        }
        let larger = try MappedMemory(bytes: max(bytes, (memory?.count ?? 0) * 2), for: what)
        memory = larger
        return larger.base.assumingMemoryBound(to: Float.self)
    }
}
