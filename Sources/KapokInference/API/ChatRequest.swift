import KapokModel
import OrderedCollections

/// A request of `POST /v1/chat/completions` (OpenAI API reference, "Create chat completion"), with
/// vLLM's extensions.
struct ChatRequest: Sendable {
    var model: String?
    var turns: [ConversationTurn]
    var tools: [OfferedTool]
    var choice: ToolChoice
    /// Whether the model may call several tools in one answer.
    var allowsParallelCalls: Bool
    var generation: GenerationFields
    /// Variables for the template (vLLM's `chat_template_kwargs`), such as `enable_thinking`.
    var templateExtras: JSONObject

    /// Members that OpenAI has and that change nothing here: `user`, `store`, `metadata`,
    /// `reasoning_effort`, `prediction`, `verbosity`, `prompt_cache_key`, `safety_identifier`.
    init(_ call: APICall) throws(APIError) {
        let fields = call.fields
        let limits = call.limits
        model = try fields.string("model")
        turns = try ConversationReader.turns(fields, limits: limits)
        tools = try ConversationReader.tools(fields, nested: true, limits: limits)
        choice = try ConversationReader.choice(fields, tools: tools)
        allowsParallelCalls = try fields.bool("parallel_tool_calls") ?? true
        templateExtras = try fields.fields("chat_template_kwargs")?.object ?? [:]
        generation = try GenerationFields(
            fields, limits: limits, vocabulary: call.model.service.configuration.vocabularySize,
            header: call.header)
        let newTokens = 1...Int(Int32.max)
        let older = try fields.integer("max_tokens", in: newTokens)
        generation.maximumNewTokens =
            try fields.integer("max_completion_tokens", in: newTokens) ?? older
        generation.constraint =
            try Self.format(fields, "response_format") ?? generation.constraint
        try readProbabilities(fields, limits: limits)
        try Self.refuseOthers(fields)
    }

    private mutating func readProbabilities(
        _ fields: RequestFields, limits: APILimits
    ) throws(APIError) {
        let wanted = try fields.bool("logprobs") ?? false
        let alternatives = try fields.integer("top_logprobs", in: 0...limits.alternatives)
        if alternatives != nil, !wanted {
            throw .invalid("top_logprobs", "only allowed when logprobs is true")
        }
        generation.logProbabilities = wanted ? alternatives ?? 0 : nil
    }

    private static func refuseOthers(_ fields: RequestFields) throws(APIError) {
        try fields.refuse(
            "functions", "the older form of tools is not offered: use tools",
            unless: { $0.arrayValue?.isEmpty == true })
        try fields.refuse("audio", "this model writes text only")
        try fields.refuse("web_search_options", "there is no web search here")
        try fields.refuse(
            "modalities", "this model writes text only", unless: { $0 == ["text"] })
    }

    /// What `response_format` holds the text to.
    static func format(
        _ fields: RequestFields, _ key: String
    ) throws(APIError) -> TextConstraint? {
        guard let format = try fields.fields(key) else { return nil }
        let type = try format.requiredString("type")
        switch type {
        case "text": return nil
        case "json_object": return .jsonObject
        case "json_schema":
            // Chat has the schema under `json_schema`, responses have it beside the type.
            let holder = try format.fields("json_schema") ?? format
            let schema = try holder.required("schema")
            _ = try RequestFields(schema, path: holder.name("schema"))
            return .jsonSchema(schema)
        default:
            throw .invalid(
                format.name("type"), "'\(type)' is none of text, json_object, json_schema",
                code: "invalid_value")
        }
    }
}
