import KapokModel
import OrderedCollections

/// One answer to a chat, as it grows.
struct ChatChoice: Sendable {
    /// A call that the model made.
    struct Call: Hashable, Sendable {
        var id: String
        var name: String
        var arguments: String
    }

    var reader: AnswerReader
    private(set) var text = ""
    private(set) var calls: [Call] = []
    private(set) var reports: [TokenReport] = []
    private(set) var summary: GenerationSummary?

    init(reader: AnswerReader) { self.reader = reader }

    /// Takes more text; tells what it comes to.
    mutating func take(_ text: String, _ reports: [TokenReport]) -> [AnswerPiece] {
        self.reports += reports
        let pieces = reader.read(text)
        keep(pieces)
        return pieces
    }

    /// Takes the end; tells what was held back.
    mutating func finish(_ summary: GenerationSummary) -> [AnswerPiece] {
        self.summary = summary
        let pieces = reader.finish()
        keep(pieces)
        return pieces
    }

    private mutating func keep(_ pieces: [AnswerPiece]) {
        for piece in pieces {
            switch piece {
            case .text(let more): text += more
            case .callBegins(let id, let name):
                calls.append(Call(id: id, name: name, arguments: ""))
            case .callArguments(let more):
                if !calls.isEmpty { calls[calls.count - 1].arguments += more }
            }
        }
    }

    /// OpenAI's reason, or the error that the end was.
    func finishReason() throws(APIError) -> String {
        guard let summary else { throw APIError(.failed, "the answer has no end") }
        let reason = try summary.reason.openAI()
        return reason == "stop" && !calls.isEmpty ? "tool_calls" : reason
    }

    /// The message of a complete answer.
    var message: JSONValue {
        var message: JSONObject = [
            "role": "assistant",
            "content": text.isEmpty && !calls.isEmpty ? .null : .string(text),
            "refusal": nil,
        ]
        if !calls.isEmpty {
            message["tool_calls"] = .array(
                calls.map { call in
                    [
                        "id": .string(call.id), "type": "function",
                        "function": [
                            "name": .string(call.name), "arguments": .string(call.arguments),
                        ],
                    ]
                })
        }
        return .object(message)
    }
}

extension FinishReason {
    /// OpenAI's word, or the error that it is.
    func openAI() throws(APIError) -> String {
        switch self {
        case .stop: return "stop"
        case .length: return "length"
        case .deadline:
            throw APIError(.timeout, "the request took longer than it may", code: "timeout")
        case .cancelled: throw APIError(.unavailable, "the request was cancelled by the server")
        case .failed: throw APIError(.failed, "the model failed in the middle of the answer")
        }
    }
}
