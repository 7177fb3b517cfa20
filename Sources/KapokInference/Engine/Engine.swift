import Dispatch
import KapokLinux
public import KapokModel
import KapokWorld
import Logging
import Synchronization

/// A model that answers requests: the scheduler's driver on this machine.
///
/// The scheduler decides under one lock; executors (threads of their own) run its steps, sample,
/// and yield text to the requests' streams.
public final class Engine: GenerationService, Sendable {
    /// The name under which the model is served.
    public let modelName: String
    /// The model's shape.
    public let configuration: ModelConfiguration
    /// The model's tokenizer.
    public let tokenizer: any Tokenizer
    /// Tokens that a prompt and its answer may have together.
    public let contextLimit: Int
    /// The model's chat template, where it has one.
    public let chatTemplate: String?
    /// The model's keys and values.
    public let cache: KVCache
    /// What the engine was started with.
    public let options: EngineOptions

    private let state: Mutex<EngineState>
    let runners: [StepRunner]
    private let embedder: Embedder
    private let vocabulary: Mutex<TokenVocabulary?>
    let stepLog: StepLog?
    /// Brings pages of long prompts, in a decode role.
    let puller: (any KVPuller)?
    /// Serves pages, in a prefill role.
    private let prefillServer = Mutex<PrefillServer?>(nil)
    private let timers = DispatchQueue(label: "kapok.engine.timers")
    let log = Logger(label: "kapok.engine")

    private init(parts: EngineParts) throws {
        modelName = parts.options.modelName ?? parts.file.configuration.name
        configuration = parts.file.configuration
        tokenizer = parts.tokenizer
        contextLimit = parts.contextLimit
        chatTemplate = parts.file.chatTemplate
        cache = parts.cache
        options = parts.options
        embedder = Embedder(parts.model, threads: parts.options.threads)
        vocabulary = Mutex(nil)
        let header = StepLogHeader(
            parts.schedulerConfiguration, model: modelName, threads: options.threads,
            pageBytes: cache.pageBytes)
        stepLog = try parts.options.stepLog.map { try StepLog(path: $0, header: header) }
        puller =
            options.prefillHosts.isEmpty
            ? nil
            : try PrefillClient(
                hosts: options.prefillHosts, pageBytes: cache.pageBytes,
                options: try parts.transferOptions(), logger: Logger(label: "kapok.transfer"))
        var system = SystemRandomNumberGenerator()
        let seed = system.next()
        state = Mutex(
            EngineState(
                scheduler: Scheduler(
                    configuration: parts.schedulerConfiguration,
                    random: RandomStream(seed: seed).split("scheduler")),
                entropy: RandomStream(seed: seed).split("sampling")))
        runners = parts.executors.map { StepRunner(role: $0.role) }
        for (runner, executor) in zip(runners, parts.executors) {
            try runner.start(delegate: self) { executor.makeWork() }
        }
        if let endpoint = options.transferListen {
            let server = try PrefillServer(
                listeningOn: endpoint, host: self,
                leases: LeaseConfiguration(
                    vocabularySize: configuration.vocabularySize, maximumTokens: contextLimit),
                options: try parts.transferOptions(), logger: Logger(label: "kapok.transfer"))
            prefillServer.withLock { $0 = server }
        }
    }

    /// The port on which decode roles are served, in a prefill role.
    public var transferPort: UInt16? { prefillServer.withLock { $0?.port } }

    /// Loads the model file at `path` and starts.
    /// - Throws: `EngineError`, or what the file, its tokenizer or the kernels find wrong.
    public static func start(path: String, options: EngineOptions) throws -> Engine {
        try start(file: try LanguageModelFile.open(path: path), options: options)
    }

    /// Starts with a model that is open already.
    public static func start(file: LanguageModelFile, options: EngineOptions) throws -> Engine {
        try Engine(parts: try EngineParts(file: file, options: options))
    }

    /// Ends the threads; requests on their way end with `failed`.
    public func stop() {
        // Server and client hold the engine, and let it go here.
        prefillServer.withLock { server in
            server?.stop()
            server = nil
        }
        (puller as? PrefillClient)?.stop()
        for runner in runners { runner.stop() }
        let left = state.withLock { state -> [ActiveRequest] in
            defer { state.requests = [:] }
            return Array(state.requests.values)
        }
        for request in left {
            request.continuation.finish(throwing: GenerationError.failed("the engine stopped"))
        }
    }

    /// Takes no more requests; those on their way go on.
    public func drain() {
        prefillServer.withLock { $0?.drain() }
        submit { _ in .drain }
    }

    // MARK: Requests

    /// Starts a request; see `GenerationService`.
    public func generate(
        _ request: GenerationRequest
    ) -> AsyncThrowingStream<GenerationEvent, any Error> {
        let (stream, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
        do { try submit(request, continuation) } catch {
            continuation.finish(throwing: error)
        }
        return stream
    }

    /// The normalised mean of the last layer's states over `prompt`.
    public func embed(_ prompt: [TokenID], tenant: UInt32) async throws -> [Float] {
        try validate(prompt, newTokens: 0)
        return try await embedder.embed(prompt)
    }

    func validate(_ prompt: [TokenID], newTokens: Int) throws(GenerationError) {
        guard !prompt.isEmpty else { throw .invalid("the prompt has no tokens") }
        guard prompt.allSatisfy({ $0 >= 0 && Int($0) < configuration.vocabularySize }) else {
            throw .invalid(
                "the prompt has token numbers outside of 0 ..< \(configuration.vocabularySize)")
        }
        guard prompt.count + newTokens <= contextLimit else {
            throw .refused(.tooLong(tokens: prompt.count + newTokens, limit: contextLimit))
        }
    }

    private func submit(
        _ request: GenerationRequest,
        _ continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    ) throws(GenerationError) {
        try validate(request.prompt, newTokens: 1)
        let matcher = try request.constraint.map { (constraint) throws(GenerationError) in
            try makeMatcher(constraint)
        }
        let room = contextLimit - request.prompt.count
        let now = MonotonicClock.now()
        submit { state in
            state.nextNumber += 1
            let id = RequestID(state.nextNumber)
            var scheduled = ScheduledRequest(
                id: id, prompt: request.prompt,
                maximumNewTokens: max(1, min(request.maximumNewTokens ?? room, room)),
                mode: request.mode, tenant: request.tenant,
                deadline: request.timeoutSeconds.map {
                    now + Interval(nanoseconds: UInt64(max(0, min($0, 1e6)) * 1e9))
                },
                usesPrefixCache: request.usesPrefixCache)
            scheduled.speculates =
                request.speculates ?? (options.speculatesAlways || request.mode == .optimized)
            state.requests[id] = ActiveRequest(
                scheduled, request: request, tokenizer: tokenizer, matcher: matcher,
                entropy: state.entropy.next(), submitted: now, continuation: continuation)
            continuation.onTermination = { [weak self] reason in
                if case .cancelled = reason { self?.submit { _ in .cancel(id) } }
            }
            return .submit(scheduled)
        }
    }

    private func makeMatcher(_ constraint: TextConstraint) throws(GenerationError) -> GrammarMatcher
    {
        let vocabulary = vocabulary.withLock { vocabulary -> TokenVocabulary in
            if let vocabulary { return vocabulary }
            let made = TokenVocabulary(tokenizer)
            vocabulary = made
            return made
        }
        do {
            return try GrammarMatcher(constraint: constraint, vocabulary: vocabulary)
        } catch { throw .invalid("\(error)") }
    }

    // MARK: The scheduler's driver

    /// Makes an event under the lock, and has the scheduler handle it; nil is no event.
    func submit(_ event: (inout EngineState) -> SchedulerEvent?) {
        state.withLock { state in
            event(&state).map { handle($0, &state) } ?? EngineDeliveries()
        }.carryOut()
    }

    /// Looks at the state under the lock.
    func withState<Result>(_ body: (inout EngineState) -> sending Result) -> sending Result {
        state.withLock { body(&$0) }
    }

    private func handle(_ event: SchedulerEvent, _ state: inout EngineState) -> EngineDeliveries {
        let now = MonotonicClock.now()
        state.scheduler.handle(event, at: now, into: &state.effects)
        var deliveries = EngineDeliveries()
        for effect in state.effects.takeAll() {
            carry(effect, &state, &deliveries, at: now)
        }
        return deliveries
    }

    private func carry(
        _ effect: SchedulerEffect, _ state: inout EngineState, _ deliveries: inout EngineDeliveries,
        at now: Instant
    ) {
        switch effect {
        case .admitted(let id, let mode):
            // Before any step with it is handed over, so before any text.
            state.requests[id]?.mode = mode
            state.requests[id]?.continuation.yield(.admitted(mode))
        case .refused(let id, let reason):
            state.metrics.recordRefusal()
            report(.ended("refused: \(reason)"), to: id, &state, &deliveries)
            state.prompts.removeValue(forKey: id)
            let request = state.requests.removeValue(forKey: id)
            deliveries.append {
                request?.continuation.finish(throwing: GenerationError.refused(reason))
            }
        case .run(let step):
            runners.first { $0.role == step.executor }?.put(step)
        case .finished(let id, let reason, let account):
            finish(id, reason, account, &state, &deliveries, at: now)
        case .setTimer(let time):
            setTimer(time, &state, now: now)
        case .pull(let id, let from, let tokens, let pages):
            pull(id, from: from, tokens: tokens, pages: pages, &state, &deliveries)
        case .abandonPull(let id):
            deliveries.append { [puller] in puller?.abandon(id) }
        case .prefillProgress(let id, let tokens, let pages):
            report(.progress(tokens: tokens, pages: pages), to: id, &state, &deliveries)
        case .prefilled(let id, let pages):
            let tokens = state.prefills[id]?.tokens ?? 0
            report(.progress(tokens: tokens, pages: pages), to: id, &state, &deliveries)
        }
    }

    private func finish(
        _ id: RequestID, _ reason: FinishReason, _ account: RequestAccount,
        _ state: inout EngineState, _ deliveries: inout EngineDeliveries, at now: Instant
    ) {
        report(.ended("ended: \(reason)"), to: id, &state, &deliveries)
        state.prompts.removeValue(forKey: id)
        guard let request = state.requests.removeValue(forKey: id) else { return }
        state.metrics.recordEnd(
            reason, account: account, promptTokens: request.promptCount,
            timing: request.timing, at: now)
        let failure = state.failure
        let timing = request.timing
        deliveries.append {
            if reason == .failed {
                request.continuation.finish(
                    throwing: GenerationError.failed(failure ?? "the model's executor failed"))
                return
            }
            if reason == .length { request.flush() }
            let summary = GenerationSummary(
                reason: reason, stopText: request.stopText, promptTokens: request.promptCount,
                account: account,
                secondsToFirstToken: timing.firstToken.map {
                    Double(($0 - timing.submitted).nanoseconds) / 1e9
                })
            request.continuation.yield(.finished(summary))
            request.continuation.finish()
        }
    }

    private func setTimer(_ time: Instant, _ state: inout EngineState, now: Instant) {
        state.timer += 1
        let number = state.timer
        let delay = Int(min((time - now).nanoseconds, 1 << 50))
        timers.asyncAfter(deadline: .now() + .nanoseconds(delay)) { [weak self] in
            guard let self else { return }
            submit { $0.timer == number ? .timer : nil }
        }
    }

    // MARK: Figures

    /// Figures of the moment, in Prometheus' text format.
    public func metricsText() -> String {
        let (metrics, snapshot) = state.withLock { ($0.metrics, $0.scheduler.snapshot) }
        let transfers =
            puller?.metricsText() ?? prefillServer.withLock { $0?.metricsText() } ?? ""
        return metrics.text() + snapshot.prometheusText + transfers
    }
}
