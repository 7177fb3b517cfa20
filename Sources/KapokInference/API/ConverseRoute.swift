import Foundation
import HTTPTypes
import Hummingbird
import KapokModel
import NIOCore
import OrderedCollections

/// `POST /model/{modelId}/converse`, `/converse-stream` and `/count-tokens`.
enum ConverseRoute {
    static func answer(_ call: APICall, modelID: String, streams: Bool) async throws -> Response {
        let began = ContinuousClock.now
        try call.model.check(name: modelID)
        let request = try ConverseRequest(call)
        let plan = try plan(request, call)
        var generation = request.generation
        generation.constraint = plan.constraint
        try call.model.prompts.check(
            plan.prompt, newTokens: generation.maximumNewTokens, parameter: "messages")
        let feed = try await PrimedFeed(
            call.start(
                generation.requests(
                    prompt: plan.prompt, tenant: call.tenant,
                    timeout: call.limits.requestSeconds)))
        let writer = ConverseWriter(
            promptTokens: plan.prompt.count, reader: plan.reader, began: began)
        return streams ? writer.stream(feed) : try await writer.complete(feed)
    }

    private static func plan(
        _ request: ConverseRequest, _ call: APICall
    ) throws(APIError) -> AnswerPlan {
        try AnswerPlan(
            turns: request.turns, tools: request.tools, choice: request.choice,
            allowsParallelCalls: true, constraint: request.generation.constraint,
            model: call.model)
    }

    /// How many tokens a request would have.
    static func countTokens(_ call: APICall, modelID: String) throws(APIError) -> Response {
        try call.model.check(name: modelID)
        guard let input = try call.fields.fields("input") else {
            throw .invalid("input", "this field is required")
        }
        if let converse = try input.fields("converse") {
            let inner = call.with(body: converse.object)
            let plan = try plan(try ConverseRequest(inner), inner)
            return Answer.json(["inputTokens": .count(plan.prompt.count)])
        }
        guard let invoke = try input.fields("invokeModel"),
            let data = Data(base64Encoded: try invoke.requiredString("body"))
        else { throw .invalid("input", "expected converse, or invokeModel with a body") }
        let inner = call.with(body: try BodyReader.object(Array(data), limits: call.limits))
        if inner.fields.has("messages") {
            let turns = try ConversationReader.turns(inner.fields, limits: call.limits)
            let plan = try AnswerPlan(
                turns: turns, tools: [], choice: .none, allowsParallelCalls: true, constraint: nil,
                model: call.model)
            return Answer.json(["inputTokens": .count(plan.prompt.count)])
        }
        let prompt = call.model.prompts.tokens(of: try inner.fields.requiredString("prompt"))
        return Answer.json(["inputTokens": .count(prompt.count)])
    }
}

/// Writes answers in Bedrock's form, at once or as they grow.
private struct ConverseWriter: Sendable {
    let promptTokens: Int
    let reader: AnswerReader
    let began: ContinuousClock.Instant

    private var milliseconds: JSONValue {
        .count(Int((ContinuousClock.now - began) / .milliseconds(1)))
    }

    /// Usage, latency and the served mode.
    private func account(_ choice: ChatChoice, _ usage: UsageTally) -> JSONObject {
        [
            "usage": [
                "inputTokens": .count(promptTokens),
                "outputTokens": .count(usage.completionTokens),
                "totalTokens": .count(promptTokens + usage.completionTokens),
                "cacheReadInputTokens": .count(usage.cachedTokens), "cacheWriteInputTokens": 0,
            ],
            "metrics": ["latencyMs": milliseconds],
            "performanceConfig": ["latency": usage.latency],
        ]
    }

    private func stopReason(_ choice: ChatChoice) throws(APIError) -> JSONValue {
        switch try choice.finishReason() {
        case "length": "max_tokens"
        case "tool_calls": "tool_use"
        default: choice.summary?.stopText == nil ? "end_turn" : "stop_sequence"
        }
    }

    func complete(_ feed: PrimedFeed) async throws -> Response {
        var choice = ChatChoice(reader: reader)
        var usage = UsageTally()
        try await feed.forEach { item in
            switch item.event {
            case .admitted(let mode): usage.add(mode: mode)
            case .text(let text, let tokens): _ = choice.take(text, tokens)
            case .finished(let summary):
                _ = choice.finish(summary)
                usage.add(summary, isFirstChoice: true)
            }
        }
        var content: [JSONValue] = []
        if !choice.text.isEmpty || choice.calls.isEmpty {
            content.append(["text": .string(choice.text)])
        }
        for call in choice.calls {
            content.append([
                "toolUse": [
                    "toolUseId": .string(call.id), "name": .string(call.name),
                    "input": ConversationReader.arguments(call.arguments),
                ]
            ])
        }
        var answer: JSONObject = [
            "output": ["message": ["role": "assistant", "content": .array(content)]],
            "stopReason": try stopReason(choice),
        ]
        answer.merge(account(choice, usage)) { _, new in new }
        return Answer.json(.object(answer))
    }

    func stream(_ feed: PrimedFeed) -> Response {
        EventStreamAnswer.make(contentType: nil, latency: feed.mode) { sink in
            try await write(feed, into: sink)
        }
    }

    private func write(_ feed: PrimedFeed, into sink: BodySink) async throws {
        var choice = ChatChoice(reader: reader)
        var usage = UsageTally()
        var blocks = BlockWriter()
        func send(_ type: String, _ value: JSONValue) async throws {
            try await sink.write(EventStreamFraming.event(type, value.bytes()))
        }
        try await send("messageStart", ["role": "assistant"])
        try await feed.forEach { item in
            switch item.event {
            case .admitted(let mode): usage.add(mode: mode)
            case .text(let text, let tokens):
                for (type, value) in blocks.events(choice.take(text, tokens)) {
                    try await send(type, value)
                }
            case .finished(let summary):
                usage.add(summary, isFirstChoice: true)
                for (type, value) in blocks.events(choice.finish(summary)) + blocks.end() {
                    try await send(type, value)
                }
            }
        }
        try await send("messageStop", ["stopReason": try stopReason(choice)])
        try await send("metadata", .object(account(choice, usage)))
    }
}

/// Numbers the content blocks of a stream, and says where they begin and end.
private struct BlockWriter {
    private enum Block { case text, call }
    private var index = -1
    private var open: Block?

    mutating func events(_ pieces: [AnswerPiece]) -> [(String, JSONValue)] {
        var events: [(String, JSONValue)] = []
        for piece in pieces {
            switch piece {
            case .text(let text):
                if open != .text { events += begin(.text) }
                events.append(delta(["text": .string(text)]))
            case .callBegins(let id, let name):
                events += begin(.call)
                events.append(
                    (
                        "contentBlockStart",
                        [
                            "start": [
                                "toolUse": ["toolUseId": .string(id), "name": .string(name)]
                            ],
                            "contentBlockIndex": .count(index),
                        ]
                    ))
            case .callArguments(let text):
                events.append(delta(["toolUse": ["input": .string(text)]]))
            }
        }
        return events
    }

    private func delta(_ value: JSONValue) -> (String, JSONValue) {
        ("contentBlockDelta", ["delta": value, "contentBlockIndex": .count(index)])
    }

    private mutating func begin(_ block: Block) -> [(String, JSONValue)] {
        let events = end()
        index += 1
        open = block
        return events
    }

    mutating func end() -> [(String, JSONValue)] {
        guard open != nil else { return [] }
        open = nil
        return [("contentBlockStop", ["contentBlockIndex": .count(index)])]
    }
}

/// Answers as AWS' event streams.
enum EventStreamAnswer {
    /// `body` writes the messages; its errors become a last one.
    static func make(
        contentType: String?, latency: LatencyMode,
        _ body: @escaping @Sendable (BodySink) async throws -> Void
    ) -> Response {
        var headers: HTTPFields = [
            .contentType: "application/vnd.amazon.eventstream", .cacheControl: "no-cache",
            .performanceLatency: latency.rawValue, .accelBuffering: "no",
        ]
        if let contentType { headers[.bedrockContentType] = contentType }
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                let sink = BodySink(writer)
                do {
                    try await body(sink)
                } catch let error as APIError {
                    try await sink.write(exception(error))
                } catch let error as GenerationError {
                    try await sink.write(exception(APIError(error)))
                }
                try await writer.finish(nil)
            })
    }

    private static func exception(_ error: APIError) -> ByteBuffer {
        let name =
            switch error.kind {
            case .busy: "throttlingException"
            case .unavailable: "serviceUnavailableException"
            case .invalid: "validationException"
            case .failed: "internalServerException"
            default: "modelStreamErrorException"
            }
        let payload: JSONValue = ["message": .string(error.message)]
        return EventStreamFraming.exception(name, payload.bytes())
    }
}
