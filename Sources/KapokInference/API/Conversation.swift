import KapokModel
import OrderedCollections

/// One message of a conversation, whatever dialect it came in.
struct ConversationTurn: Hashable, Sendable {
    /// Whose message it is.
    enum Role: String, Sendable {
        case system, user, assistant, tool
    }

    /// A call that the model made earlier.
    struct Call: Hashable, Sendable {
        var id: String
        var name: String
        /// An object, as templates expect it; a text where the client's is no JSON.
        var arguments: JSONValue
    }

    var role: Role
    var text: String
    /// Calls of an assistant's message.
    var calls: [Call] = []
    /// The call that a tool's message answers.
    var callID: String?
    /// The name that came with it.
    var name: String?
}

/// A function that the model may call.
struct OfferedTool: Hashable, Sendable {
    var name: String
    var description: String?
    /// JSON Schema of its arguments.
    var parameters: JSONValue

    /// OpenAI's form, which is what chat templates expect.
    var document: JSONValue {
        var function: JSONObject = ["name": .string(name)]
        if let description { function["description"] = .string(description) }
        function["parameters"] = parameters
        return ["type": "function", "function": .object(function)]
    }

    /// What a name may be (OpenAI API reference, "tools"; Bedrock's pattern is the same).
    static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

/// Whether the model calls a tool.
enum ToolChoice: Hashable, Sendable {
    /// As it likes.
    case auto
    /// It does not.
    case none
    /// It calls at least one.
    case required
    /// It calls this one.
    case named(String)
}

/// Reads OpenAI's messages.
enum ConversationReader {
    /// The messages of a chat request.
    static func turns(
        _ fields: RequestFields, limits: APILimits
    ) throws(APIError) -> [ConversationTurn] {
        _ = try fields.required("messages")
        let values = try fields.array("messages", limit: limits.messages) ?? []
        guard !values.isEmpty else {
            throw .invalid("messages", "there must be at least one message")
        }
        var turns: [ConversationTurn] = []
        for (index, value) in values.enumerated() {
            turns.append(try turn(RequestFields(value, path: "messages[\(index)]")))
        }
        return turns
    }

    private static func turn(_ fields: RequestFields) throws(APIError) -> ConversationTurn {
        let roleName = try fields.requiredString("role")
        let role: ConversationTurn.Role
        switch roleName {
        case "system", "developer": role = .system
        case "user": role = .user
        case "assistant": role = .assistant
        case "tool", "function": role = .tool
        default:
            throw .invalid(
                fields.name("role"),
                "'\(roleName)' is none of system, developer, user, assistant, tool",
                code: "invalid_value")
        }
        var turn = ConversationTurn(role: role, text: "")
        turn.name = try fields.string("name")
        if role == .assistant { turn.calls = try calls(fields) }
        turn.callID = try fields.string("tool_call_id")
        if let content = fields["content"] {
            turn.text = try text(content, path: fields.name("content"))
        } else if role != .assistant || (turn.calls.isEmpty && !fields.has("refusal")) {
            throw APIError(
                .invalid, "\(fields.name("content")): this field is required",
                parameter: fields.name("content"), code: "missing_required_parameter")
        }
        return turn
    }

    /// A text, or text parts put together.
    static func text(_ content: JSONValue, path: String) throws(APIError) -> String {
        if case .string(let text) = content { return text }
        guard case .array(let parts) = content else {
            throw .invalid(
                path, "expected a string or an array of parts, found \(content.kindDescription)",
                code: "invalid_type")
        }
        var texts: [String] = []
        for (index, part) in parts.enumerated() {
            let fields = try RequestFields(part, path: "\(path)[\(index)]")
            let type = try fields.requiredString("type")
            switch type {
            case "text", "input_text", "output_text":
                texts.append(try fields.requiredString("text"))
            case "refusal": texts.append(try fields.requiredString("refusal"))
            case "image_url", "input_image", "input_audio", "file", "input_file", "video_url":
                throw .unsupported(
                    fields.name("type"), "this model reads text only; '\(type)' is not offered")
            default:
                throw .invalid(
                    fields.name("type"), "'\(type)' is no kind of part; there is 'text'",
                    code: "invalid_value")
            }
        }
        return texts.joined(separator: "\n")
    }

    private static func calls(
        _ fields: RequestFields
    ) throws(APIError) -> [ConversationTurn.Call] {
        var calls: [ConversationTurn.Call] = []
        let values = try fields.array("tool_calls", limit: 128) ?? []
        for (index, value) in values.enumerated() {
            let call = try RequestFields(value, path: "\(fields.name("tool_calls"))[\(index)]")
            guard let function = try call.fields("function") else {
                throw APIError(
                    .invalid, "\(call.name("function")): this field is required",
                    parameter: call.name("function"), code: "missing_required_parameter")
            }
            calls.append(
                ConversationTurn.Call(
                    id: try call.string("id") ?? "",
                    name: try function.requiredString("name"),
                    arguments: arguments(try function.string("arguments") ?? "{}")))
        }
        return calls
    }

    /// Arguments that a client hands back are an object again, unless they never were one.
    static func arguments(_ text: String) -> JSONValue {
        (try? JSONValue(parsing: text.isEmpty ? "{}" : text)) ?? .string(text)
    }

    /// The tools of a request in the form of chat (`nested`: members under `function`) or of
    /// responses.
    static func tools(
        _ fields: RequestFields, nested: Bool, limits: APILimits
    ) throws(APIError) -> [OfferedTool] {
        var tools: [OfferedTool] = []
        for (index, value) in (try fields.array("tools", limit: limits.tools) ?? []).enumerated() {
            let entry = try RequestFields(value, path: "\(fields.name("tools"))[\(index)]")
            let type = try entry.string("type") ?? "function"
            guard type == "function" else {
                throw .unsupported(
                    entry.name("type"), "only tools of type 'function' are offered, not '\(type)'")
            }
            let function = nested ? try entry.fields("function") : entry
            guard let function else {
                throw APIError(
                    .invalid, "\(entry.name("function")): this field is required",
                    parameter: entry.name("function"), code: "missing_required_parameter")
            }
            let name = try function.requiredString("name")
            guard OfferedTool.isName(name) else {
                throw .invalid(
                    function.name("name"), "1 to 64 letters, digits, '_' and '-'",
                    code: "invalid_value")
            }
            guard !tools.contains(where: { $0.name == name }) else {
                throw .invalid(function.name("name"), "there is another tool '\(name)'")
            }
            tools.append(
                OfferedTool(
                    name: name, description: try function.string("description"),
                    parameters: try function.fields("parameters").map { .object($0.object) }
                        ?? ["type": "object", "properties": [:]]))
        }
        return tools
    }

    /// The choice of a request, checked against its tools.
    static func choice(
        _ fields: RequestFields, tools: [OfferedTool]
    ) throws(APIError) -> ToolChoice {
        guard let value = fields["tool_choice"] else { return .auto }
        let path = fields.name("tool_choice")
        var choice = ToolChoice.auto
        switch value {
        case .string("auto"): return .auto
        case .string("none"): return .none
        case .string("required"): choice = .required
        case .object(let object):
            let entry = RequestFields(object, path: path)
            let name =
                if let function = try entry.fields("function") {
                    try function.requiredString("name")
                } else { try entry.requiredString("name") }
            guard tools.contains(where: { $0.name == name }) else {
                throw .invalid(path, "there is no tool '\(name)'", code: "invalid_value")
            }
            choice = .named(name)
        default:
            throw .invalid(
                path, "expected 'auto', 'none', 'required' or a function", code: "invalid_value")
        }
        guard !tools.isEmpty else {
            throw .invalid(path, "only allowed when there are tools", code: "invalid_value")
        }
        return choice
    }
}
