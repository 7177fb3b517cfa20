import KapokModel
import OrderedCollections

/// The client of a request is gone: nobody is to be told.
struct ClientVanished: Error {}

/// What happened to one of the generations of a request.
struct GenerationItem: Sendable {
    /// Which generation, in the order of the requests.
    var index: Int
    var event: GenerationEvent
}

/// Runs the generations of one request side by side and tells of them in one stream, for as long as
/// somebody reads it and the client is there.
enum GenerationFeed {
    /// Starts the first `parallel` of `requests` at once, each further one when another is done.
    static func start(
        _ requests: [GenerationRequest], on service: any GenerationService, parallel: Int,
        life: ConnectionLife, metrics: HTTPMetrics
    ) -> AsyncThrowingStream<GenerationItem, any Error> {
        let (stream, continuation) = AsyncThrowingStream<GenerationItem, any Error>.makeStream()
        let task = Task {
            do {
                try await run(requests, on: service, parallel: parallel, into: continuation)
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        let registration = life.onEnd {
            metrics.vanished()
            task.cancel()
            continuation.finish(throwing: ClientVanished())
        }
        continuation.onTermination = { _ in
            registration.end()
            task.cancel()
        }
        return stream
    }

    private static func run(
        _ requests: [GenerationRequest], on service: any GenerationService, parallel: Int,
        into continuation: AsyncThrowingStream<GenerationItem, any Error>.Continuation
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, request) in requests.enumerated() {
                if index >= parallel { try await group.next() }
                group.addTask {
                    for try await event in service.generate(request) {
                        continuation.yield(GenerationItem(index: index, event: event))
                    }
                    try Task.checkCancellation()
                }
            }
            try await group.waitForAll()
        }
    }
}

/// The usage of a request in OpenAI's form, added up over its generations.
struct UsageTally: Sendable {
    private(set) var promptTokens = 0
    private(set) var completionTokens = 0
    private(set) var cachedTokens = 0
    private(set) var acceptedTokens = 0
    private(set) var rejectedTokens = 0
    /// The worst mode of all generations: `standard` when one fell back.
    private(set) var mode: LatencyMode?

    /// The tokens of a prompt, which count once however many choices there are.
    mutating func add(prompt tokens: Int) { promptTokens += tokens }

    mutating func add(_ summary: GenerationSummary, isFirstChoice: Bool) {
        completionTokens += summary.account.generatedTokens
        if isFirstChoice { cachedTokens += summary.account.cachedTokens }
        acceptedTokens += summary.account.acceptedTokens
        rejectedTokens += summary.account.draftedTokens - summary.account.acceptedTokens
    }

    mutating func add(mode served: LatencyMode) {
        mode = mode == nil || served == .standard ? served : mode
    }

    /// The mode that was served, for the answer's `latency`.
    var latency: JSONValue { .string((mode ?? .standard).rawValue) }

    /// The mode as text.
    var latencyText: String { (mode ?? .standard).rawValue }

    /// OpenAI's word for the mode.
    var serviceTier: JSONValue { mode == .optimized ? "priority" : "default" }

    /// `usage` of chat and completions.
    var completionUsage: JSONValue {
        [
            "prompt_tokens": .count(promptTokens), "completion_tokens": .count(completionTokens),
            "total_tokens": .count(promptTokens + completionTokens),
            "prompt_tokens_details": ["cached_tokens": .count(cachedTokens), "audio_tokens": 0],
            "completion_tokens_details": [
                "reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": .count(acceptedTokens),
                "rejected_prediction_tokens": .count(max(0, rejectedTokens)),
            ],
        ]
    }

    /// `usage` of responses.
    var responseUsage: JSONValue {
        [
            "input_tokens": .count(promptTokens),
            "input_tokens_details": ["cached_tokens": .count(cachedTokens)],
            "output_tokens": .count(completionTokens),
            "output_tokens_details": ["reasoning_tokens": 0],
            "total_tokens": .count(promptTokens + completionTokens),
        ]
    }
}
