import KapokModel
import OrderedCollections

/// The output of a response as it grows: messages and calls, with the events that tell of them.
struct ResponseItems: Sendable {
    /// An event without its number.
    struct Event: Sendable {
        var type: String
        var members: JSONObject
    }

    private enum Open: Sendable {
        case message(id: String, text: String, probabilities: [JSONValue])
        case call(id: String, callID: String, name: String, arguments: String)
    }

    /// The items that are complete.
    private(set) var output: [JSONValue] = []
    private var open: Open?
    private var reader: AnswerReader
    private var reason: FinishReason?
    private let tokenizer: any Tokenizer
    private let wantsProbabilities: Bool

    init(reader: AnswerReader, tokenizer: any Tokenizer, wantsProbabilities: Bool) {
        self.reader = reader
        self.tokenizer = tokenizer
        self.wantsProbabilities = wantsProbabilities
    }

    /// How it ended, or the error that the end was.
    func status() throws(APIError) -> ResponseDocument.Status {
        guard let reason else { throw APIError(.failed, "the answer has no end") }
        return try reason.openAI() == "length" ? .incomplete : .completed
    }

    mutating func take(_ text: String, _ tokens: [TokenReport]) -> [Event] {
        let probabilities =
            wantsProbabilities
            ? tokens.map { TokenProbabilities.chat($0, tokenizer) } : []
        return events(reader.read(text), probabilities)
    }

    mutating func finish(_ summary: GenerationSummary) -> [Event] {
        reason = summary.reason
        var result = events(reader.finish(), [])
        // A response has at least one item, be it an empty message.
        if output.isEmpty, open == nil { result += beginMessage() }
        return result + close(isWhole: summary.reason == .stop)
    }

    private var place: JSONObject { ["output_index": .count(output.count)] }

    private mutating func events(
        _ pieces: [AnswerPiece], _ probabilities: [JSONValue]
    ) -> [Event] {
        var left = probabilities
        var result: [Event] = []
        for piece in pieces {
            switch piece {
            case .text(let more):
                if case .message = open {} else { result += close() + beginMessage() }
                result.append(delta(more, left))
                left = []
            case .callBegins(let id, let name): result += close() + beginCall(id, name)
            case .callArguments(let more): result += argumentsDelta(more)
            }
        }
        return result
    }

    // MARK: Messages

    private mutating func beginMessage() -> [Event] {
        let id = APICall.makeID("msg_")
        open = .message(id: id, text: "", probabilities: [])
        let item: JSONValue = [
            "id": .string(id), "type": "message", "status": "in_progress", "role": "assistant",
            "content": [],
        ]
        var part = place
        part["item_id"] = .string(id)
        part["content_index"] = 0
        part["part"] = Self.part("", [])
        return [
            Event(type: "response.output_item.added", members: with(["item": item])),
            Event(type: "response.content_part.added", members: part),
        ]
    }

    private static func part(_ text: String, _ probabilities: [JSONValue]) -> JSONValue {
        [
            "type": "output_text", "text": .string(text), "annotations": [],
            "logprobs": .array(probabilities),
        ]
    }

    private mutating func delta(_ more: String, _ probabilities: [JSONValue]) -> Event {
        guard case .message(let id, let text, let known) = open else {
            preconditionFailure("text belongs to a message")
        }
        open = .message(id: id, text: text + more, probabilities: known + probabilities)
        return Event(
            type: "response.output_text.delta",
            members: with([
                "item_id": .string(id), "content_index": 0, "delta": .string(more),
                "logprobs": .array(probabilities),
            ]))
    }

    // MARK: Calls

    private static func call(
        _ id: String, _ callID: String, _ name: String, _ arguments: String, _ status: String
    ) -> JSONValue {
        [
            "id": .string(id), "type": "function_call", "status": .string(status),
            "call_id": .string(callID), "name": .string(name), "arguments": .string(arguments),
        ]
    }

    private mutating func beginCall(_ callID: String, _ name: String) -> [Event] {
        let id = APICall.makeID("fc_")
        open = .call(id: id, callID: callID, name: name, arguments: "")
        return [
            Event(
                type: "response.output_item.added",
                members: with(["item": Self.call(id, callID, name, "", "in_progress")]))
        ]
    }

    private mutating func argumentsDelta(_ more: String) -> [Event] {
        guard case .call(let id, let callID, let name, let arguments) = open else { return [] }
        open = .call(id: id, callID: callID, name: name, arguments: arguments + more)
        return [
            Event(
                type: "response.function_call_arguments.delta",
                members: with(["item_id": .string(id), "delta": .string(more)]))
        ]
    }

    // MARK: Ends

    private func with(_ members: JSONObject) -> JSONObject {
        place.merging(members) { _, new in new }
    }

    /// Ends the open item. A message that was cut off is `incomplete`.
    private mutating func close(isWhole: Bool = true) -> [Event] {
        guard let item = open else { return [] }
        let status = isWhole ? "completed" : "incomplete"
        var events: [Event] = []
        let value: JSONValue
        switch item {
        case .message(let id, let text, let probabilities):
            let part = Self.part(text, probabilities)
            value = [
                "id": .string(id), "type": "message", "status": .string(status),
                "role": "assistant", "content": [part],
            ]
            events = [
                Event(
                    type: "response.output_text.done",
                    members: with([
                        "item_id": .string(id), "content_index": 0, "text": .string(text),
                        "logprobs": .array(probabilities),
                    ])),
                Event(
                    type: "response.content_part.done",
                    members: with(["item_id": .string(id), "content_index": 0, "part": part])),
            ]
        case .call(let id, let callID, let name, let arguments):
            value = Self.call(id, callID, name, arguments, status)
            events = [
                Event(
                    type: "response.function_call_arguments.done",
                    members: with([
                        "item_id": .string(id), "name": .string(name),
                        "arguments": .string(arguments),
                    ]))
            ]
        }
        events.append(
            Event(type: "response.output_item.done", members: with(["item": value])))
        output.append(value)
        open = nil
        return events
    }
}
