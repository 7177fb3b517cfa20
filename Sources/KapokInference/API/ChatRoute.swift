import HTTPTypes
import Hummingbird
import KapokModel
import OrderedCollections

/// `POST /v1/chat/completions`.
enum ChatRoute {
    static func answer(_ call: APICall) async throws -> Response {
        let request = try ChatRequest(call)
        try call.model.check(name: request.model)
        let (writer, feed) = try await start(request, call)
        return request.generation.streams
            ? writer.stream(feed) : try await writer.complete(feed)
    }

    /// Begins to answer a request.
    static func start(
        _ request: ChatRequest, _ call: APICall
    ) async throws -> (ChatWriter, PrimedFeed) {
        let plan = try AnswerPlan(
            turns: request.turns, tools: request.tools, choice: request.choice,
            allowsParallelCalls: request.allowsParallelCalls,
            constraint: request.generation.constraint,
            templateExtras: request.templateExtras, model: call.model)
        var generation = request.generation
        generation.constraint = plan.constraint
        try call.model.prompts.check(
            plan.prompt, newTokens: generation.maximumNewTokens, parameter: "messages")
        let feed = try await PrimedFeed(
            call.start(
                generation.requests(
                    prompt: plan.prompt, tenant: call.tenant,
                    timeout: call.limits.requestSeconds)))
        let writer = ChatWriter(
            call: call, generation: generation, promptTokens: plan.prompt.count,
            reader: plan.reader)
        return (writer, feed)
    }
}

/// A feed whose first event has come: the request is admitted, and its mode is known.
struct PrimedFeed: Sendable {
    let first: GenerationItem?
    let rest: AsyncThrowingStream<GenerationItem, any Error>

    /// Waits for the first event.
    /// - Throws: why the request was not taken.
    init(_ stream: AsyncThrowingStream<GenerationItem, any Error>) async throws {
        var iterator = stream.makeAsyncIterator()
        first = try await iterator.next()
        rest = stream
    }

    /// Goes through all events, the first one included.
    func forEach(_ body: (GenerationItem) async throws -> Void) async throws {
        if let first { try await body(first) }
        for try await item in rest { try await body(item) }
    }

    /// The mode of the generation that was admitted first.
    var mode: LatencyMode {
        if case .some(.admitted(let mode)) = first?.event { mode } else { .standard }
    }
}

/// Writes answers to chats, at once or as they grow.
struct ChatWriter: Sendable {
    let call: APICall
    let generation: GenerationFields
    let promptTokens: Int
    let reader: AnswerReader
    let id = APICall.makeID("chatcmpl-")

    private var tokenizer: any Tokenizer { call.model.service.tokenizer }
    private var wantsProbabilities: Bool { generation.logProbabilities != nil }

    private func document(_ object: String, _ usage: UsageTally) -> JSONObject {
        [
            "id": .string(id), "object": .string(object), "created": .count(call.created),
            "model": .string(call.model.service.modelName),
            "system_fingerprint": .string(call.model.fingerprint),
            "service_tier": usage.serviceTier, "latency": usage.latency,
        ]
    }

    // MARK: At once

    func complete(_ feed: PrimedFeed) async throws -> Response {
        var choices = Array(repeating: ChatChoice(reader: reader), count: generation.choices)
        var usage = UsageTally()
        usage.add(prompt: promptTokens)
        try await feed.forEach { item in
            switch item.event {
            case .admitted(let mode): usage.add(mode: mode)
            case .text(let text, let tokens): _ = choices[item.index].take(text, tokens)
            case .finished(let summary):
                _ = choices[item.index].finish(summary)
                usage.add(summary, isFirstChoice: item.index == 0)
            }
        }
        var answer = document("chat.completion", usage)
        var values: [JSONValue] = []
        for (index, choice) in choices.enumerated() {
            values.append([
                "index": .count(index), "message": choice.message,
                "logprobs": TokenProbabilities.chat(
                    choice.reports, wanted: wantsProbabilities, tokenizer),
                "finish_reason": .string(try choice.finishReason()),
            ])
        }
        answer["choices"] = .array(values)
        answer["usage"] = usage.completionUsage
        return Answer.json(.object(answer), headers: [.performanceLatency: usage.latencyText])
    }

    // MARK: As it grows

    func stream(_ feed: PrimedFeed) -> Response {
        Answer.events(headers: [.performanceLatency: feed.mode.rawValue]) { events in
            var writer = events
            do {
                try await chunks(feed) { try await writer.send($0) }
            } catch let error as APIError {
                try await writer.send(error.openAI)
            } catch let error as GenerationError {
                try await writer.send(APIError(error).openAI)
            }
            try await writer.done()
        }
    }

    /// Makes the chunks of a stream, one after the other.
    func chunks(_ feed: PrimedFeed, _ send: (JSONValue) async throws -> Void) async throws {
        var choices = Array(repeating: ChatChoice(reader: reader), count: generation.choices)
        var usage = UsageTally()
        usage.add(prompt: promptTokens)
        try await feed.forEach { item in
            let index = item.index
            switch item.event {
            case .admitted(let mode):
                usage.add(mode: mode)
                try await send(
                    chunk(index, ["role": "assistant", "content": "", "refusal": nil], usage))
            case .text(let text, let tokens):
                let pieces = choices[index].take(text, tokens)
                for value in chunks(index, pieces, tokens, choices[index], usage) {
                    try await send(value)
                }
            case .finished(let summary):
                let pieces = choices[index].finish(summary)
                usage.add(summary, isFirstChoice: index == 0)
                for value in chunks(index, pieces, [], choices[index], usage) {
                    try await send(value)
                }
                let reason = try choices[index].finishReason()
                try await send(chunk(index, [:], usage, finish: reason))
            }
        }
        if generation.includesUsage {
            var last = document("chat.completion.chunk", usage)
            last["choices"] = []
            last["usage"] = usage.completionUsage
            try await send(.object(last))
        }
    }

    /// A chunk for each piece; log probabilities go with the first, or alone.
    private func chunks(
        _ index: Int, _ pieces: [AnswerPiece], _ tokens: [TokenReport], _ choice: ChatChoice,
        _ usage: UsageTally
    ) -> [JSONValue] {
        var left = tokens
        var number = choice.calls.count - pieces.count { $0.beginsCall } - 1
        var result: [JSONValue] = []
        for piece in pieces {
            let delta: JSONObject
            switch piece {
            case .text(let text): delta = ["content": .string(text)]
            case .callBegins(let id, let name):
                number += 1
                delta = [
                    "tool_calls": [
                        [
                            "index": .count(number), "id": .string(id), "type": "function",
                            "function": ["name": .string(name), "arguments": ""],
                        ]
                    ]
                ]
            case .callArguments(let text):
                delta = [
                    "tool_calls": [
                        ["index": .count(number), "function": ["arguments": .string(text)]]
                    ]
                ]
            }
            result.append(chunk(index, delta, usage, tokens: left))
            left = []
        }
        if !left.isEmpty, wantsProbabilities {
            result.append(chunk(index, ["content": ""], usage, tokens: left))
        }
        return result
    }

    private func chunk(
        _ index: Int, _ delta: JSONObject, _ usage: UsageTally, tokens: [TokenReport] = [],
        finish: String? = nil
    ) -> JSONValue {
        var value = document("chat.completion.chunk", usage)
        value["choices"] = [
            [
                "index": .count(index), "delta": .object(delta),
                "logprobs": TokenProbabilities.chat(
                    tokens, wanted: wantsProbabilities && !tokens.isEmpty, tokenizer),
                "finish_reason": .optional(finish),
            ]
        ]
        if generation.includesUsage { value["usage"] = .null }
        return .object(value)
    }
}
