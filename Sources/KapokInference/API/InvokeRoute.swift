import Foundation
import HTTPTypes
import Hummingbird
import KapokModel
import NIOCore
import OrderedCollections

/// `POST /model/{modelId}/invoke` and `/invoke-with-response-stream`: bodies are the model's own
/// form, either Llama's on Bedrock (`prompt`, `max_gen_len`) or OpenAI's chat (`messages`).
enum InvokeRoute {
    static func answer(_ call: APICall, modelID: String, streams: Bool) async throws -> Response {
        try call.model.check(name: modelID)
        return call.fields.has("messages")
            ? try await chat(call, streams: streams) : try await text(call, streams: streams)
    }

    // MARK: OpenAI's form

    private static func chat(_ call: APICall, streams: Bool) async throws -> Response {
        var request = try ChatRequest(call)
        request.generation.streams = streams
        request.generation.includesUsage = streams
        let (writer, feed) = try await ChatRoute.start(request, call)
        guard streams else { return try await writer.complete(feed) }
        return EventStreamAnswer.make(contentType: "application/json", latency: feed.mode) {
            sink in
            try await writer.chunks(feed) { value in try await sink.write(chunk(value)) }
        }
    }

    /// A part of the body: base64 of JSON.
    private static func chunk(_ value: JSONValue) -> ByteBuffer {
        let payload: JSONValue = [
            "bytes": .string(Data(value.bytes()).base64EncodedString())
        ]
        return EventStreamFraming.event("chunk", payload.bytes())
    }

    // MARK: Llama's form

    /// The prompt is the client's own: spellings of control tokens count, no template is applied.
    private static func text(_ call: APICall, streams: Bool) async throws -> Response {
        let began = ContinuousClock.now
        let fields = call.fields
        var generation = try GenerationFields(
            fields, limits: call.limits,
            vocabulary: call.model.service.configuration.vocabularySize, header: call.header)
        // Defaults of Meta's models on Bedrock (user guide, "Meta Llama models").
        if !fields.has("temperature") { generation.sampling.temperature = 0.5 }
        if !fields.has("top_p") { generation.sampling.topP = 0.9 }
        generation.choices = 1
        let newTokens = try fields.integer("max_gen_len", in: 1...Int(Int32.max)) ?? 512
        let prompt = call.model.prompts.tokens(of: try fields.requiredString("prompt"))
        // The default gives way to a short context; a number that was asked for does not.
        let room = call.model.service.contextLimit - prompt.count
        generation.maximumNewTokens =
            fields.has("max_gen_len") ? newTokens : max(1, min(newTokens, room))
        try call.model.prompts.check(
            prompt, newTokens: generation.maximumNewTokens, parameter: "prompt")
        let feed = try await PrimedFeed(
            call.start(
                generation.requests(
                    prompt: prompt, tenant: call.tenant, timeout: call.limits.requestSeconds)))
        guard streams else { return try await complete(feed, promptTokens: prompt.count) }
        return EventStreamAnswer.make(contentType: "application/json", latency: feed.mode) {
            sink in
            try await stream(feed, promptTokens: prompt.count, began, into: sink)
        }
    }

    private static func complete(_ feed: PrimedFeed, promptTokens: Int) async throws -> Response {
        var text = ""
        var summary: GenerationSummary?
        var usage = UsageTally()
        try await feed.forEach { item in
            switch item.event {
            case .admitted(let mode): usage.add(mode: mode)
            case .text(let more, _): text += more
            case .finished(let end): summary = end
            }
        }
        guard let summary else { throw APIError(.failed, "the answer has no end") }
        return Answer.json(
            [
                "generation": .string(text), "prompt_token_count": .count(promptTokens),
                "generation_token_count": .count(summary.account.generatedTokens),
                "stop_reason": .string(try summary.reason.openAI()),
            ], headers: [.performanceLatency: usage.latencyText])
    }

    private static func stream(
        _ feed: PrimedFeed, promptTokens: Int, _ began: ContinuousClock.Instant,
        into sink: BodySink
    ) async throws {
        var first: Duration?
        var isFirst = true
        try await feed.forEach { item in
            switch item.event {
            case .admitted: break
            case .text(let text, _):
                if first == nil { first = ContinuousClock.now - began }
                try await sink.write(
                    chunk([
                        "generation": .string(text),
                        "prompt_token_count": isFirst ? .count(promptTokens) : .null,
                        "generation_token_count": nil, "stop_reason": nil,
                    ]))
                isFirst = false
            case .finished(let summary):
                let total = ContinuousClock.now - began
                try await sink.write(
                    chunk([
                        "generation": "",
                        "prompt_token_count": isFirst ? .count(promptTokens) : .null,
                        "generation_token_count": .count(summary.account.generatedTokens),
                        "stop_reason": .string(try summary.reason.openAI()),
                        "amazon-bedrock-invocationMetrics": [
                            "inputTokenCount": .count(promptTokens),
                            "outputTokenCount": .count(summary.account.generatedTokens),
                            "invocationLatency": .count(Int(total / .milliseconds(1))),
                            "firstByteLatency": .count(Int((first ?? total) / .milliseconds(1))),
                        ],
                    ]))
            }
        }
    }
}
