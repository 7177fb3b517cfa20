import HTTPTypes
import Hummingbird
import KapokModel
import OrderedCollections

/// `POST /v1/responses`.
enum ResponseRoute {
    static func answer(_ call: APICall) async throws -> Response {
        let request = try ResponseRequest(call)
        try call.model.check(name: request.model)
        let plan = try AnswerPlan(
            turns: request.turns, tools: request.tools, choice: request.choice,
            allowsParallelCalls: request.allowsParallelCalls,
            constraint: request.generation.constraint, model: call.model)
        var generation = request.generation
        generation.constraint = plan.constraint
        try call.model.prompts.check(
            plan.prompt, newTokens: generation.maximumNewTokens, parameter: "input")
        let feed = try await PrimedFeed(
            call.start(
                generation.requests(
                    prompt: plan.prompt, tenant: call.tenant,
                    timeout: call.limits.requestSeconds)))
        var document = ResponseDocument(call: call, repeated: request.repeated, mode: feed.mode)
        document.usage.add(prompt: plan.prompt.count)
        let items = ResponseItems(
            reader: plan.reader, tokenizer: call.model.service.tokenizer,
            wantsProbabilities: generation.logProbabilities != nil)
        return generation.streams
            ? stream(feed, document, items) : try await complete(feed, document, items)
    }

    /// What is not kept cannot be fetched.
    static func notKept(_ id: String) -> APIError {
        APIError(
            .notFound, "There is no response '\(id)': responses are not kept here.",
            code: "not_found")
    }

    private static func complete(
        _ feed: PrimedFeed, _ document: ResponseDocument, _ items: ResponseItems
    ) async throws -> Response {
        var document = document
        var items = items
        try await feed.forEach { item in
            switch item.event {
            case .admitted(let mode): document.usage.add(mode: mode)
            case .text(let text, let tokens): _ = items.take(text, tokens)
            case .finished(let summary):
                _ = items.finish(summary)
                document.usage.add(summary, isFirstChoice: true)
            }
        }
        let status = try items.status()
        return Answer.json(
            document.value(status: status, output: items.output, isOver: true),
            headers: [.performanceLatency: document.usage.latencyText])
    }

    /// Events in the order of the API reference, "Streaming events".
    private static func stream(
        _ feed: PrimedFeed, _ document: ResponseDocument, _ items: ResponseItems
    ) -> Response {
        Answer.events(headers: [.performanceLatency: feed.mode.rawValue]) { events in
            var writer = ResponseEventWriter(events)
            var document = document
            var items = items
            do {
                for type in ["response.created", "response.in_progress"] {
                    try await writer.send(
                        type,
                        ["response": document.value(status: .inProgress, output: [], isOver: false)]
                    )
                }
                try await feed.forEach { item in
                    switch item.event {
                    case .admitted(let mode): document.usage.add(mode: mode)
                    case .text(let text, let tokens):
                        for event in items.take(text, tokens) { try await writer.send(event) }
                    case .finished(let summary):
                        document.usage.add(summary, isFirstChoice: true)
                        for event in items.finish(summary) { try await writer.send(event) }
                    }
                }
                let status = try items.status()
                try await writer.send(
                    status == .completed ? "response.completed" : "response.incomplete",
                    ["response": document.value(status: status, output: items.output, isOver: true)]
                )
            } catch let error as APIError {
                try await writer.fail(error, document, items.output)
            } catch let error as GenerationError {
                try await writer.fail(APIError(error), document, items.output)
            }
            events = writer.events
        }
    }
}

/// Numbers the events of a response.
private struct ResponseEventWriter {
    var events: EventWriter
    private var number = 0

    init(_ events: EventWriter) { self.events = events }

    mutating func send(_ type: String, _ members: JSONObject) async throws {
        var value: JSONObject = ["type": .string(type), "sequence_number": .count(number)]
        value.merge(members) { _, new in new }
        number += 1
        try await events.send(.object(value), event: type)
    }

    mutating func send(_ event: ResponseItems.Event) async throws {
        try await send(event.type, event.members)
    }

    /// The last event of a response that failed.
    mutating func fail(
        _ error: APIError, _ document: ResponseDocument, _ output: [JSONValue]
    ) async throws {
        var value = document.value(status: .failed, output: output, isOver: true)
        if case .object(var object) = value {
            object["error"] = [
                "code": error.kind == .busy ? "rate_limit_exceeded" : "server_error",
                "message": .string(error.message),
            ]
            value = .object(object)
        }
        try await send("response.failed", ["response": value])
    }
}

/// The response object around its output.
struct ResponseDocument: Sendable {
    enum Status: String, Sendable {
        case inProgress = "in_progress"
        case completed, incomplete, failed
    }

    let call: APICall
    let repeated: JSONObject
    var usage = UsageTally()
    let id = APICall.makeID("resp_")

    init(call: APICall, repeated: JSONObject, mode: LatencyMode) {
        self.call = call
        self.repeated = repeated
        usage.add(mode: mode)
    }

    func value(status: Status, output: [JSONValue], isOver: Bool) -> JSONValue {
        var value: JSONObject = [
            "id": .string(id), "object": "response", "created_at": .count(call.created),
            "status": .string(status.rawValue), "background": false, "error": nil,
            "incomplete_details": status == .incomplete
                ? ["reason": "max_output_tokens"] : .null,
            "model": .string(call.model.service.modelName), "output": .array(output),
            "service_tier": usage.serviceTier, "latency": usage.latency,
            "usage": isOver ? usage.responseUsage : .null,
        ]
        value.merge(repeated) { _, new in new }
        return .object(value)
    }
}
