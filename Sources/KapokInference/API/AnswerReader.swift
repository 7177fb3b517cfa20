/// A part of an answer.
enum AnswerPiece: Hashable, Sendable {
    /// More text.
    case text(String)
    /// The model begins to call a tool.
    case callBegins(id: String, name: String)
    /// More of the arguments of the call that began last, as JSON text.
    case callArguments(String)

    /// Whether a call begins with it.
    var beginsCall: Bool { if case .callBegins = self { true } else { false } }
}

/// Tells text from calls in what a model writes, as it comes.
struct AnswerReader: Sendable {
    private var tools: ToolCallReader?

    /// A reader of plain answers.
    static var text: AnswerReader { AnswerReader(tools: nil) }

    /// A reader of answers that may call `tools`.
    static func calls(of tools: [OfferedTool], in dialect: ToolCallFormat.Dialect) -> AnswerReader {
        AnswerReader(tools: ToolCallReader(dialect: dialect, names: Set(tools.map(\.name))))
    }

    /// What more text comes to.
    mutating func read(_ text: String) -> [AnswerPiece] {
        guard tools != nil else { return text.isEmpty ? [] : [.text(text)] }
        return tools?.read(text) ?? []
    }

    /// What is left at the end.
    mutating func finish() -> [AnswerPiece] { tools?.finish() ?? [] }
}
