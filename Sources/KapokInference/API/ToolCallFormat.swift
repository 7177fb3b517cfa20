import KapokModel

/// How a model writes calls of tools, and how it is told of tools.
struct ToolCallFormat: Hashable, Sendable {
    /// The forms that are read.
    enum Dialect: Hashable, Sendable {
        /// Hermes, Qwen 2.5 and 3: `<tool_call>{"name": …, "arguments": …}</tool_call>`.
        case tagged
        /// Llama 3.1 and later: `{"name": …, "parameters": …}` as the whole answer.
        case bare
        /// Mistral: `[{"name": …, "arguments": …}]` behind a control token, which is no text.
        case list
    }

    var dialect: Dialect
    /// Whether the model's template tells of tools; where it does not, or in a form that is not
    /// read here, a system message does.
    var isTemplates: Bool

    /// The format that a chat template is written for.
    init(template: String) {
        // Words that stand in the templates of the model families.
        let otherForms = ["<function=", "<arg_key>", "tool▁call", "<|tool_call|>", "[ARGS]"]
        let isKnown =
            template.contains("tools") && !otherForms.contains(where: template.contains)
        if isKnown, template.contains("[TOOL_CALLS]") {
            self.init(dialect: .list, isTemplates: true)
        } else if isKnown, template.contains("<tool_call>") {
            self.init(dialect: .tagged, isTemplates: true)
        } else if isKnown, template.contains("\"parameters\":"), template.contains("ipython") {
            self.init(dialect: .bare, isTemplates: true)
        } else {
            self.init(dialect: .tagged, isTemplates: false)
        }
    }

    /// A format from its parts.
    init(dialect: Dialect, isTemplates: Bool) {
        self.dialect = dialect
        self.isTemplates = isTemplates
    }

    /// The word before the arguments.
    private var argumentsKey: String { dialect == .bare ? "parameters" : "arguments" }

    /// The most calls of an answer that must call.
    static let maximumCalls = 8

    /// Holds a text to calls of `tools`.
    func constraint(_ tools: [OfferedTool], allowsSeveral: Bool) -> TextConstraint {
        let calls = tools.map { tool in
            ToolCallConstraint.Call(
                prefix: "{\"name\": \"\(tool.name)\", \"\(argumentsKey)\": ",
                arguments: tool.parameters, suffix: "}")
        }
        let (opening, separator, closing) =
            switch dialect {
            case .tagged:
                ("<tool_call>\n", "\n</tool_call>\n<tool_call>\n", "\n</tool_call>")
            case .bare: ("", "; ", "")
            case .list: ("[", ", ", "]")
            }
        return .toolCalls(
            ToolCallConstraint(
                opening: opening, calls: calls, separator: separator, closing: closing,
                maximumCalls: allowsSeveral ? Self.maximumCalls : 1))
    }

    // MARK: Models whose template knows no tools

    /// What the system message says of tools.
    private static func instruction(_ tools: [OfferedTool]) -> String {
        let list = tools.map { $0.document.text(.python()) }.joined(separator: "\n")
        return """
            You can call functions. Their signatures are within <tools></tools>, one a line:
            <tools>
            \(list)
            </tools>
            To call a function, answer with a JSON object with its name and its arguments within \
            <tool_call></tool_call>:
            <tool_call>
            {"name": "NAME", "arguments": {"ARGUMENT": "VALUE"}}
            </tool_call>
            """
    }

    /// The conversation for a template that knows no tools: they are told in the system message,
    /// calls and results are text.
    func spelledOut(_ turns: [ConversationTurn], tools: [OfferedTool]) -> [ConversationTurn] {
        var turns = turns.map(Self.spelledOut)
        guard !tools.isEmpty else { return turns }
        let text = Self.instruction(tools)
        if turns.first?.role == .system {
            turns[0].text += "\n\n" + text
        } else {
            turns.insert(ConversationTurn(role: .system, text: text), at: 0)
        }
        return turns
    }

    private static func spelledOut(_ turn: ConversationTurn) -> ConversationTurn {
        var turn = turn
        let calls = turn.calls.map { call in
            let value: JSONValue = ["name": .string(call.name), "arguments": call.arguments]
            return "<tool_call>\n\(value.text(.python()))\n</tool_call>"
        }
        if !calls.isEmpty {
            turn.text = ([turn.text] + calls).filter { !$0.isEmpty }.joined(separator: "\n")
            turn.calls = []
        }
        if turn.role == .tool {
            turn.role = .user
            turn.text = "<tool_response>\n\(turn.text)\n</tool_response>"
        }
        return turn
    }
}
