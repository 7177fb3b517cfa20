import KapokLinux
import KapokModel

/// What an engine is put together from.
struct EngineParts {
    /// An executor that its own thread makes.
    struct Executor: Sendable {
        var role: ExecutorRole
        var makeWork: @Sendable () -> StepWork
    }

    var options: EngineOptions
    var file: LanguageModelFile
    var tokenizer: any Tokenizer
    var model: CPUModel
    var cache: KVCache
    var contextLimit: Int
    var schedulerConfiguration: SchedulerConfiguration
    var executors: [Executor]

    /// What an engine of the model in `file` needs.
    init(file: LanguageModelFile, options: EngineOptions) throws {
        try Self.check(options)
        self.options = options
        self.file = file
        tokenizer = try makeTokenizer(file.vocabulary)
        let loading = ThreadPool(threads: options.threads)
        let model = try CPUModel(file, threads: loading)
        self.model = model
        let configuration = file.configuration
        let pageBytes = KVCache.pageBytes(configuration)
        let pages = options.cacheBytes / pageBytes
        guard pages >= 2 else {
            throw EngineError(
                "\(options.cacheBytes) bytes of memory for keys and values hold \(pages) pages of "
                    + "\(pageBytes) bytes; give at least \(2 * pageBytes)")
        }
        cache = try KVCache(configuration, pages: pages)
        let wanted = options.contextLimit ?? configuration.contextLength
        guard wanted >= 2, wanted <= configuration.contextLength else {
            throw EngineError(
                "a context of \(wanted) tokens is not possible: the model was trained for "
                    + "2 to \(configuration.contextLength)")
        }
        contextLimit = min(wanted, (pages - 1) * KVPage.tokens)
        schedulerConfiguration = Self.scheduling(options, pages: pages, contextLimit: contextLimit)
        let drafting = try options.draftModel.map { path in
            try DraftParts(path: path, target: configuration, threads: loading, options: options)
        }
        let plan: [(role: ExecutorRole, threads: Int)] =
            options.splitsExecutors
            ? [
                (.prefill, options.threads / 2), (.decode, options.threads - options.threads / 2),
            ] : [(.both, options.threads)]
        executors = [Executor]()
        let largestStep = schedulerConfiguration.maximumStepTokens
        for (role, threads) in plan {
            let pool = plan.count == 1 ? loading : ThreadPool(threads: threads)
            executors.append(
                Executor(role: role) { [cache] in
                    StepWork(
                        role: role,
                        executor: CPUExecutor(
                            model: model, cache: cache, threads: pool,
                            maximumTokens: largestStep),
                        threads: pool, drafter: role == .prefill ? nil : drafting?.make(pool),
                        vocabularySize: configuration.vocabularySize)
                })
        }
    }

    private static func check(_ options: EngineOptions) throws(EngineError) {
        guard options.threads >= 1 else {
            throw EngineError("an engine needs at least one thread")
        }
        guard !options.splitsExecutors || options.threads >= 2 else {
            throw EngineError(
                "prefill and decode with threads of their own need at least 2 threads; "
                    + "there is \(options.threads)")
        }
        guard (options.role == .prefill) == (options.transferListen != nil) else {
            throw EngineError(
                "a prefill role, and only one, has an address for decode roles to connect to: "
                    + "name it with --transfer-listen and serve with --role prefill, or leave both "
                    + "away")
        }
        guard (options.role == .decode) != options.prefillHosts.isEmpty else {
            throw EngineError(
                "a decode role, and only one, has prefill hosts: name them with --prefill and "
                    + "serve with --role decode, or leave both away")
        }
    }

    /// What a transfer tells and asks of its other side.
    func transferOptions() throws -> TransferOptions {
        TransferOptions(
            // Kernels give the same bits on every processor, so one name will do for them.
            fingerprint: ModelFingerprint.of(
                file.configuration, file.weights, arithmetic: "kapok cpu 1"),
            secret: options.transferKey,
            attestation: options.attestation)
    }

    private static func scheduling(
        _ options: EngineOptions, pages: Int, contextLimit: Int
    ) -> SchedulerConfiguration {
        var scheduling = SchedulerConfiguration(pages: pages, contextLimit: contextLimit)
        scheduling.executors = options.splitsExecutors ? [.prefill, .decode] : [.both]
        if let tokens = options.prefillTokensPerStep {
            scheduling.prefillTokensPerStep = tokens
        }
        scheduling.maximumDecodeSequences = options.maximumSequences
        scheduling.queueLimit = options.queueLimit
        scheduling.tenantLimit = options.tenantLimit
        scheduling.optimizedLimit = options.optimizedLimit
        scheduling.maximumDrafts = options.maximumDrafts
        scheduling.pullThreshold = options.role == .decode ? options.pullThreshold : nil
        return scheduling
    }
}

/// A draft model, loaded.
private struct DraftParts: Sendable {
    /// Memory for its keys and values, in bytes.
    static let cacheBytes = 256 << 20
    /// Tokens of a prompt that it takes at once.
    static let largestSpan = 256

    let model: CPUModel
    let cache: KVCache

    init(
        path: String, target: ModelConfiguration, threads: ThreadPool, options: EngineOptions
    ) throws {
        let file = try LanguageModelFile.open(path: path)
        guard file.configuration.vocabularySize == target.vocabularySize else {
            throw EngineError(
                "the draft model has \(file.configuration.vocabularySize) tokens and the model "
                    + "\(target.vocabularySize): drafts need one vocabulary")
        }
        model = try CPUModel(file, threads: threads)
        let pages = Self.cacheBytes / KVCache.pageBytes(file.configuration)
        cache = try KVCache(file.configuration, pages: max(pages, 2))
    }

    func make(_ threads: ThreadPool) -> DraftModel {
        DraftModel(
            executor: CPUExecutor(
                model: model, cache: cache, threads: threads, maximumTokens: Self.largestSpan),
            pages: cache.pages, configuration: model.configuration,
            largestSpan: Self.largestSpan)
    }
}
