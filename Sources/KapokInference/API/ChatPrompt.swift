import Foundation
import KapokModel
import OrderedCollections

/// Writes a conversation as the model was trained to read it: with the model's own template.
struct ChatPrompt: Sendable {
    /// What models without a template get: ChatML (OpenAI, 2023).
    static let usualTemplate = """
        {% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' \
        + message['content'] + '<|im_end|>\\n' }}{% endfor %}\
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
        """

    private let template: Result<ChatTemplate, TemplateError>
    private let beginningOfText: String?
    private let endOfText: String?
    /// How the model writes calls.
    let format: ToolCallFormat

    init(service: any GenerationService) {
        let source = service.chatTemplate ?? Self.usualTemplate
        let tokenizer = service.tokenizer
        template = Result { () throws(TemplateError) in try ChatTemplate(source) }
        beginningOfText = tokenizer.beginningOfText.map { tokenizer.piece(of: $0) }
        endOfText = tokenizer.endOfText.map { tokenizer.piece(of: $0) }
        format = ToolCallFormat(template: source)
    }

    /// The rendered text. Texts of messages are taken literally where `literal` says how.
    func text(
        _ turns: [ConversationTurn], tools: [OfferedTool], extra: JSONObject,
        addsGenerationPrompt: Bool, literal: (String) -> String
    ) throws(APIError) -> String {
        let template: ChatTemplate
        switch self.template {
        case .success(let known): template = known
        case .failure(let error):
            throw APIError(
                .failed,
                "the model's chat template cannot be used: \(error). Completions work, "
                    + "with a prompt that has the model's own form")
        }
        let turns = format.isTemplates ? turns : format.spelledOut(turns, tools: tools)
        do throws(TemplateError) {
            return try template.renderChat(
                messages: turns.map { Self.message($0, literal) },
                tools: tools.isEmpty || !format.isTemplates ? nil : tools.map(\.document),
                addGenerationPrompt: addsGenerationPrompt, beginningOfText: beginningOfText,
                endOfText: endOfText, extra: extra, time: Self.now())
        } catch {
            throw APIError(.invalid, "\(error)", parameter: "messages")
        }
    }

    /// A message in OpenAI's form.
    private static func message(
        _ turn: ConversationTurn, _ literal: (String) -> String
    ) -> JSONValue {
        var message: JSONObject = [
            "role": .string(turn.role.rawValue), "content": .string(literal(turn.text)),
        ]
        if let name = turn.name { message["name"] = .string(literal(name)) }
        if let id = turn.callID { message["tool_call_id"] = .string(literal(id)) }
        if !turn.calls.isEmpty {
            message["tool_calls"] = .array(
                turn.calls.map { call in
                    [
                        "id": .string(literal(call.id)), "type": "function",
                        "function": [
                            "name": .string(literal(call.name)), "arguments": call.arguments,
                        ],
                    ]
                })
        }
        return .object(message)
    }

    private static func now() -> CivilTime? {
        CivilTime(secondsSince1970: Int64(Date().timeIntervalSince1970))
    }
}
