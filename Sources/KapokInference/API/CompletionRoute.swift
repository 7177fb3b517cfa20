import HTTPTypes
import Hummingbird
import KapokModel
import OrderedCollections

/// `POST /v1/completions`.
enum CompletionRoute {
    static func answer(_ call: APICall) async throws -> Response {
        let request = try CompletionRequest(call)
        try call.model.check(name: request.model)
        for prompt in request.prompts {
            try call.model.prompts.check(
                prompt.tokens,
                newTokens: request.generates ? request.generation.maximumNewTokens : 0,
                parameter: "prompt")
        }
        let requests =
            request.generates
            ? request.prompts.flatMap {
                request.generation.requests(
                    prompt: $0.tokens, tenant: call.tenant, timeout: call.limits.requestSeconds)
            } : []
        let feed = try await PrimedFeed(call.start(requests))
        let writer = CompletionWriter(call: call, request: request)
        return request.generation.streams ? writer.stream(feed) : try await writer.complete(feed)
    }
}

/// Writes completions, at once or as they grow. Choices are numbered prompt by prompt.
private struct CompletionWriter: Sendable {
    let call: APICall
    let request: CompletionRequest
    let id = APICall.makeID("cmpl-")

    private struct Choice {
        var text: String
        var reports: [TokenReport] = []
        var reason: FinishReason?
        /// Where the next token begins, in characters.
        var offset: Int
    }

    private var generation: GenerationFields { request.generation }
    private var tokenizer: any Tokenizer { call.model.service.tokenizer }
    private var wantsProbabilities: Bool { generation.logProbabilities != nil }

    private func choices() -> [Choice] {
        request.prompts.flatMap { prompt in
            let text = request.echoes ? prompt.text : ""
            return Array(
                repeating: Choice(
                    text: text, reason: request.generates ? nil : .length,
                    offset: text.unicodeScalars.count),
                count: generation.choices)
        }
    }

    private func beginning() -> UsageTally {
        var usage = UsageTally()
        for prompt in request.prompts { usage.add(prompt: prompt.tokens.count) }
        if !request.generates { usage.add(mode: generation.mode) }
        return usage
    }

    private func document(_ usage: UsageTally) -> JSONObject {
        [
            "id": .string(id), "object": "text_completion", "created": .count(call.created),
            "model": .string(call.model.service.modelName),
            "system_fingerprint": .string(call.model.fingerprint),
            "service_tier": usage.serviceTier, "latency": usage.latency,
        ]
    }

    func complete(_ feed: PrimedFeed) async throws -> Response {
        var choices = choices()
        var usage = beginning()
        try await feed.forEach { item in
            switch item.event {
            case .admitted(let mode): usage.add(mode: mode)
            case .text(let text, let tokens):
                choices[item.index].text += text
                choices[item.index].reports += tokens
            case .finished(let summary):
                choices[item.index].reason = summary.reason
                usage.add(summary, isFirstChoice: item.index % generation.choices == 0)
            }
        }
        var values: [JSONValue] = []
        for index in choices.indices {
            guard let reason = choices[index].reason else {
                throw APIError(.failed, "the answer has no end")
            }
            values.append([
                "index": .count(index), "text": .string(choices[index].text),
                "logprobs": TokenProbabilities.completion(
                    choices[index].reports, wanted: wantsProbabilities,
                    offset: &choices[index].offset, tokenizer),
                "finish_reason": .string(try reason.openAI()),
            ])
        }
        var answer = document(usage)
        answer["choices"] = .array(values)
        answer["usage"] = usage.completionUsage
        return Answer.json(.object(answer), headers: [.performanceLatency: usage.latencyText])
    }

    func stream(_ feed: PrimedFeed) -> Response {
        Answer.events(headers: [.performanceLatency: feed.mode.rawValue]) { events in
            do {
                try await write(feed, into: &events)
            } catch let error as APIError {
                try await events.send(error.openAI)
            } catch let error as GenerationError {
                try await events.send(APIError(error).openAI)
            }
            try await events.done()
        }
    }

    private func write(_ feed: PrimedFeed, into events: inout EventWriter) async throws {
        var choices = choices()
        var usage = beginning()
        var writer = events
        if request.echoes {
            for index in choices.indices {
                let reason = try choices[index].reason?.openAI()
                writer.add(chunk(index, choices[index].text, .null, reason, usage))
            }
            try await writer.flush()
        }
        try await feed.forEach { item in
            let index = item.index
            switch item.event {
            case .admitted(let mode): usage.add(mode: mode)
            case .text(let text, let tokens):
                let probabilities = TokenProbabilities.completion(
                    tokens, wanted: wantsProbabilities, offset: &choices[index].offset, tokenizer)
                try await writer.send(chunk(index, text, probabilities, nil, usage))
            case .finished(let summary):
                usage.add(summary, isFirstChoice: index % generation.choices == 0)
                let reason = try summary.reason.openAI()
                try await writer.send(chunk(index, "", .null, reason, usage))
            }
        }
        if generation.includesUsage {
            var last = document(usage)
            last["choices"] = []
            last["usage"] = usage.completionUsage
            try await writer.send(.object(last))
        }
        events = writer
    }

    private func chunk(
        _ index: Int, _ text: String, _ probabilities: JSONValue, _ reason: String?,
        _ usage: UsageTally
    ) -> JSONValue {
        var value = document(usage)
        value["choices"] = [
            [
                "index": .count(index), "text": .string(text), "logprobs": probabilities,
                "finish_reason": .optional(reason),
            ]
        ]
        if generation.includesUsage { value["usage"] = .null }
        return .object(value)
    }
}
