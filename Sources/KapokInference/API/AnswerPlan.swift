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
        let text = try model.chat.text(
            turns, tools: choice == .none ? [] : tools, extra: templateExtras,
            addsGenerationPrompt: true, literal: model.prompts.literal)
        prompt = model.prompts.tokens(ofRendered: text)
        switch choice {
        case .auto, .none:
            self.constraint = constraint
            reader = .text
        case .named(let name):
            let tool = tools.first { $0.name == name }
            self.constraint = .jsonSchema(tool?.parameters ?? ["type": "object"])
            reader = .arguments(of: name)
        case .required:
            self.constraint = .jsonSchema(Self.callSchema(tools))
            reader = .callObject
        }
    }

    /// The schema of a call of one of `tools`: the name first, so that it can be told early.
    static func callSchema(_ tools: [OfferedTool]) -> JSONValue {
        let calls: [JSONValue] = tools.map { tool in
            [
                "type": "object",
                "properties": [
                    "name": ["const": .string(tool.name)], "arguments": tool.parameters,
                ],
                "required": ["name", "arguments"], "additionalProperties": false,
            ]
        }
        return calls.count == 1 ? calls[0] : ["anyOf": .array(calls)]
    }
}
