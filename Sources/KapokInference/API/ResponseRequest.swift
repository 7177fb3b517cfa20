import KapokModel
import OrderedCollections

/// A request of `POST /v1/responses` (OpenAI API reference, "Create a model response"). Nothing is
/// kept: each request brings its whole conversation.
struct ResponseRequest: Sendable {
    var model: String?
    var turns: [ConversationTurn]
    var tools: [OfferedTool]
    var choice: ToolChoice
    var allowsParallelCalls: Bool
    var generation: GenerationFields
    /// Members that the answer repeats, as the client gave them.
    var repeated: JSONObject

    /// Accepted without effect: `store` (answers say false), `metadata` (repeated), `user`,
    /// `reasoning`, `truncation`, `max_tool_calls`, `prompt_cache_key`, `safety_identifier`.
    init(_ call: APICall) throws(APIError) {
        let fields = call.fields
        let limits = call.limits
        model = try fields.string("model")
        tools = try ConversationReader.tools(fields, nested: false, limits: limits)
        choice = try ConversationReader.choice(fields, tools: tools)
        allowsParallelCalls = try fields.bool("parallel_tool_calls") ?? true
        generation = try GenerationFields(
            fields, limits: limits, vocabulary: call.model.service.configuration.vocabularySize,
            header: call.header)
        generation.choices = 1
        generation.maximumNewTokens = try fields.integer(
            "max_output_tokens", in: 1...Int(Int32.max))
        let text = try fields.fields("text")
        if let text {
            generation.constraint =
                try ChatRequest.format(text, "format") ?? generation.constraint
        }
        let included = try fields.array("include", limit: 32) ?? []
        let alternatives = try fields.integer("top_logprobs", in: 0...limits.alternatives)
        if included.contains("message.output_text.logprobs") || alternatives != nil {
            generation.logProbabilities = alternatives ?? 0
        }
        turns = try Self.turns(fields, limits: limits)
        repeated = Self.repeated(fields, generation, tools)
        try Self.refuseOthers(fields)
    }

    private static func refuseOthers(_ fields: RequestFields) throws(APIError) {
        try fields.refuse(
            "previous_response_id",
            "responses are not kept here: send the whole conversation as input")
        try fields.refuse(
            "conversation", "conversations are not kept here: send the whole of it as input")
        try fields.refuse(
            "background", "responses are not kept here, so none can be made in the background",
            unless: { $0 == false })
        try fields.refuse("prompt", "stored prompts are not offered: send instructions and input")
    }

    private static func repeated(
        _ fields: RequestFields, _ generation: GenerationFields, _ tools: [OfferedTool]
    ) -> JSONObject {
        [
            "instructions": fields["instructions"] ?? .null,
            "max_output_tokens": fields["max_output_tokens"] ?? .null,
            "metadata": fields["metadata"] ?? [:],
            "parallel_tool_calls": fields["parallel_tool_calls"] ?? true,
            "previous_response_id": nil, "reasoning": ["effort": nil, "summary": nil],
            "store": false, "temperature": .number(Double(generation.sampling.temperature)),
            "text": fields["text"] ?? ["format": ["type": "text"]],
            "tool_choice": fields["tool_choice"] ?? "auto",
            "tools": fields["tools"] ?? [],
            "top_p": .number(Double(generation.sampling.topP)), "truncation": "disabled",
            "user": fields["user"] ?? .null,
        ]
    }

    // MARK: Input

    private static func turns(
        _ fields: RequestFields, limits: APILimits
    ) throws(APIError) -> [ConversationTurn] {
        var turns: [ConversationTurn] = []
        if let instructions = try fields.string("instructions") {
            turns.append(ConversationTurn(role: .system, text: instructions))
        }
        let input = try fields.required("input")
        if case .string(let text) = input {
            turns.append(ConversationTurn(role: .user, text: text))
            return turns
        }
        let items = try fields.array("input", limit: limits.messages) ?? []
        guard !items.isEmpty else { throw .invalid("input", "there must be at least one item") }
        for (index, value) in items.enumerated() {
            try append(try RequestFields(value, path: "input[\(index)]"), to: &turns)
        }
        return turns
    }

    private static func append(
        _ item: RequestFields, to turns: inout [ConversationTurn]
    ) throws(APIError) {
        let type = try item.string("type") ?? "message"
        switch type {
        case "message":
            let roleName = try item.requiredString("role")
            let role: ConversationTurn.Role
            switch roleName {
            case "system", "developer": role = .system
            case "user": role = .user
            case "assistant": role = .assistant
            default:
                throw .invalid(
                    item.name("role"),
                    "'\(roleName)' is none of system, developer, user, assistant",
                    code: "invalid_value")
            }
            let text = try ConversationReader.text(
                try item.required("content"), path: item.name("content"))
            turns.append(ConversationTurn(role: role, text: text))
        case "function_call":
            let call = ConversationTurn.Call(
                id: try item.requiredString("call_id"), name: try item.requiredString("name"),
                arguments: ConversationReader.arguments(try item.requiredString("arguments")))
            // Calls of one answer are one message again.
            if turns.last?.role == .assistant {
                turns[turns.count - 1].calls.append(call)
            } else {
                turns.append(ConversationTurn(role: .assistant, text: "", calls: [call]))
            }
        case "function_call_output":
            let text = try ConversationReader.text(
                try item.required("output"), path: item.name("output"))
            var turn = ConversationTurn(role: .tool, text: text)
            turn.callID = try item.requiredString("call_id")
            turns.append(turn)
        case "reasoning": break
        default:
            throw .unsupported(
                item.name("type"),
                "there are message, function_call and function_call_output, not '\(type)'")
        }
    }
}
