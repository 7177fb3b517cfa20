import KapokModel
import OrderedCollections

/// A request of Bedrock's `Converse` and `ConverseStream` (Amazon Bedrock API reference).
struct ConverseRequest: Sendable {
    var turns: [ConversationTurn]
    var tools: [OfferedTool]
    var choice: ToolChoice
    var generation: GenerationFields

    /// Members without effect here: `guardrailConfig` is refused, `requestMetadata` and
    /// `additionalModelResponseFieldPaths` are accepted. `additionalModelRequestFields` takes what
    /// OpenAI's endpoints take: `top_k`, `seed`, `min_p` and so on.
    init(_ call: APICall) throws(APIError) {
        let fields = call.fields
        let vocabulary = call.model.service.configuration.vocabularySize
        let more = try fields.fields("additionalModelRequestFields")
        var generation = try GenerationFields(
            more ?? RequestFields([:]), limits: call.limits, vocabulary: vocabulary,
            header: call.header)
        try Self.read(fields, into: &generation, limits: call.limits)
        self.generation = generation
        turns = try Self.turns(fields, limits: call.limits)
        let configuration = try fields.fields("toolConfig")
        tools =
            try configuration.map { (fields) throws(APIError) in
                try Self.tools(fields, limits: call.limits)
            } ?? []
        choice = try Self.choice(configuration, tools: tools)
        try fields.refuse("guardrailConfig", "guardrails are not offered")
        try fields.refuse("promptVariables", "stored prompts are not offered")
    }

    private static func read(
        _ fields: RequestFields, into generation: inout GenerationFields, limits: APILimits
    ) throws(APIError) {
        generation.streams = false
        generation.choices = 1
        if let inference = try fields.fields("inferenceConfig") {
            generation.maximumNewTokens = try inference.integer(
                "maxTokens", in: 1...Int(Int32.max))
            if let value = try inference.number("temperature", in: 0...2) {
                generation.sampling.temperature = Float(value)
            }
            if let value = try inference.number("topP", in: 0...1) {
                generation.sampling.topP = Float(value)
            }
            let stops = try inference.strings(
                "stopSequences", limit: limits.stops, bytes: limits.stopBytes)
            if !stops.isEmpty { generation.stop = stops }
        }
        if let configuration = try fields.fields("performanceConfig"),
            let text = try configuration.string("latency")
        {
            generation.mode = try GenerationFields.mode(
                named: text, configuration.name("latency"))
        } else if let tier = try fields.fields("serviceTier") {
            let type = try tier.requiredString("type")
            generation.mode = type == "priority" ? .optimized : .standard
        }
        generation.constraint = try format(fields) ?? generation.constraint
    }

    /// `outputConfig.textFormat`: a JSON schema, as text.
    private static func format(_ fields: RequestFields) throws(APIError) -> TextConstraint? {
        guard let output = try fields.fields("outputConfig"),
            let format = try output.fields("textFormat")
        else { return nil }
        let type = try format.requiredString("type")
        guard type == "json_schema" else {
            throw .invalid(format.name("type"), "'\(type)' is not 'json_schema'")
        }
        guard let structure = try format.fields("structure"),
            let definition = try structure.fields("jsonSchema")
        else { throw .invalid(format.name("structure"), "jsonSchema is required") }
        let text = try definition.requiredString("schema")
        guard let schema = try? JSONValue(parsing: text), schema.objectValue != nil else {
            throw .invalid(definition.name("schema"), "not the text of a JSON schema")
        }
        return .jsonSchema(schema)
    }

    // MARK: Messages

    /// The conversation: `system`, then `messages`; their tool results are turns of their own.
    private static func turns(
        _ fields: RequestFields, limits: APILimits
    ) throws(APIError) -> [ConversationTurn] {
        var turns: [ConversationTurn] = []
        var system: [String] = []
        for (index, value) in (try fields.array("system", limit: 64) ?? []).enumerated() {
            let block = try RequestFields(value, path: "system[\(index)]")
            if let text = try block.string("text") { system.append(text) }
        }
        if !system.isEmpty {
            turns.append(ConversationTurn(role: .system, text: system.joined(separator: "\n")))
        }
        _ = try fields.required("messages")
        let messages = try fields.array("messages", limit: limits.messages) ?? []
        guard !messages.isEmpty else { throw .invalid("messages", "there must be at least one") }
        for (index, value) in messages.enumerated() {
            let message = try RequestFields(value, path: "messages[\(index)]")
            let role = try message.requiredString("role")
            guard role == "user" || role == "assistant" else {
                throw .invalid(message.name("role"), "'\(role)' is neither user nor assistant")
            }
            _ = try message.required("content")
            try append(message, isUser: role == "user", to: &turns)
        }
        return turns
    }

    private static func append(
        _ message: RequestFields, isUser: Bool, to turns: inout [ConversationTurn]
    ) throws(APIError) {
        var texts: [String] = []
        var calls: [ConversationTurn.Call] = []
        for (index, value) in (try message.array("content", limit: 1024) ?? []).enumerated() {
            let block = try RequestFields(value, path: "\(message.name("content"))[\(index)]")
            if let text = try block.string("text") {
                texts.append(text)
            } else if let use = try block.fields("toolUse") {
                calls.append(
                    ConversationTurn.Call(
                        id: try use.requiredString("toolUseId"),
                        name: try use.requiredString("name"), arguments: use["input"] ?? [:]))
            } else if let result = try block.fields("toolResult") {
                turns.append(try Self.result(result))
            } else if !block.has("cachePoint") {
                let kind = block.object.keys.first ?? "nothing"
                throw .unsupported(
                    block.path, "there are text, toolUse and toolResult, not '\(kind)'")
            }
        }
        guard !texts.isEmpty || !calls.isEmpty else { return }
        turns.append(
            ConversationTurn(
                role: isUser ? .user : .assistant, text: texts.joined(separator: "\n"),
                calls: calls))
    }

    private static func result(_ fields: RequestFields) throws(APIError) -> ConversationTurn {
        var texts: [String] = []
        for (index, value) in (try fields.array("content", limit: 1024) ?? []).enumerated() {
            let block = try RequestFields(value, path: "\(fields.name("content"))[\(index)]")
            if let text = try block.string("text") {
                texts.append(text)
            } else if let value = block["json"] {
                texts.append(value.text())
            } else {
                throw .unsupported(block.path, "a tool's result is text or json")
            }
        }
        var turn = ConversationTurn(role: .tool, text: texts.joined(separator: "\n"))
        turn.callID = try fields.requiredString("toolUseId")
        return turn
    }

    // MARK: Tools

    private static func tools(
        _ fields: RequestFields, limits: APILimits
    ) throws(APIError) -> [OfferedTool] {
        var tools: [OfferedTool] = []
        for (index, value) in (try fields.array("tools", limit: limits.tools) ?? []).enumerated() {
            let entry = try RequestFields(value, path: "\(fields.name("tools"))[\(index)]")
            if entry.has("cachePoint") { continue }
            guard let tool = try entry.fields("toolSpec") else {
                throw .unsupported(entry.path, "only toolSpec is offered")
            }
            let name = try tool.requiredString("name")
            guard OfferedTool.isName(name), !tools.contains(where: { $0.name == name }) else {
                throw .invalid(
                    tool.name("name"), "1 to 64 letters, digits, '_' and '-', each name once")
            }
            guard let schema = try tool.fields("inputSchema"),
                let json = try schema.fields("json")
            else { throw .invalid(tool.name("inputSchema"), "json is required") }
            tools.append(
                OfferedTool(
                    name: name, description: try tool.string("description"),
                    parameters: .object(json.object)))
        }
        return tools
    }

    private static func choice(
        _ fields: RequestFields?, tools: [OfferedTool]
    ) throws(APIError) -> ToolChoice {
        guard let fields, let choice = try fields.fields("toolChoice") else { return .auto }
        guard !tools.isEmpty else {
            throw .invalid(choice.path, "only allowed when there are tools")
        }
        if choice.has("any") { return .required }
        guard let tool = try choice.fields("tool") else { return .auto }
        let name = try tool.requiredString("name")
        guard tools.contains(where: { $0.name == name }) else {
            throw .invalid(tool.name("name"), "there is no tool '\(name)'")
        }
        return .named(name)
    }
}
