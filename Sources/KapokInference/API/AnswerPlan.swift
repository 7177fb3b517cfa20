import KapokModel
import OrderedCollections

/// How a conversation is answered: the prompt, what the text is held to, and how it is read.
struct AnswerPlan: Sendable {
    let prompt: [TokenID]
    let constraint: TextConstraint?
    let reader: AnswerReader

    /// A plan for a conversation with tools.
    /// - Parameter templateExtras: variables that the client gives to the model's template.
    init(
        turns: [ConversationTurn], tools: [OfferedTool], choice: ToolChoice,
        allowsParallelCalls: Bool, constraint: TextConstraint?, templateExtras: JSONObject = [:],
        model: ServedModel
    ) throws(APIError) {
        let shown = choice == .none ? [] : tools
        let format = model.chat.format
        let text = try model.chat.text(
            turns, tools: shown, extra: templateExtras, addsGenerationPrompt: true,
            literal: model.prompts.literal)
        prompt = model.prompts.tokens(ofRendered: text)
        reader = shown.isEmpty ? .text : .calls(of: shown, in: format.dialect)
        switch choice {
        case .auto, .none: self.constraint = constraint
        case .named(let name):
            self.constraint = format.constraint(
                tools.filter { $0.name == name }, allowsSeveral: false)
        case .required:
            self.constraint = format.constraint(tools, allowsSeveral: allowsParallelCalls)
        }
    }
}
