public import OrderedCollections

/// A chat template in Jinja's language, as models carry it (`tokenizer.chat_template` in GGUF,
/// `chat_template` in `tokenizer_config.json`), set up as the transformers library does: blocks
/// swallow their line (`trim_blocks`, `lstrip_blocks`), nothing is escaped for HTML, `tojson`
/// writes JSON as Python does, and `raise_exception` and `strftime_now` exist.
///
/// Templates come with models from anywhere: they see the values that they are given and nothing
/// else, and their work is bounded.
public struct ChatTemplate: Sendable {
    /// The template's text.
    public let source: String
    private let body: [TemplateStatement]

    /// Reads a template. Whatever of Jinja is not supported is refused here, not while rendering.
    /// - Throws: what is wrong, with line and column.
    public init(_ source: String) throws(TemplateError) {
        self.source = source
        guard source.utf8.count <= TemplateLimits.source else {
            throw TemplateError(
                .limit, line: 1, column: 1,
                "the template has \(source.utf8.count) bytes; at most "
                    + "\(TemplateLimits.source) are read")
        }
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: source))
        self.body = try parser.parse()
    }

    /// The text that the template makes of `context`.
    /// - Parameter time: the time that `strftime_now` tells.
    public func render(
        _ context: JSONObject, time: CivilTime? = nil
    ) throws(TemplateError) -> String {
        var renderer = TemplateRenderer(context: context, time: time)
        return try renderer.render(body)
    }

    /// The prompt for a conversation.
    /// - Parameters:
    ///   - messages: objects with `role` and `content`, in OpenAI's form.
    ///   - tools: functions in OpenAI's form; nil when there are none.
    ///   - addGenerationPrompt: whether the text ends with the beginning of the model's answer.
    ///   - beginningOfText: the text of the token that begins a text (`bos_token`).
    ///   - endOfText: the text of the token that ends a text (`eos_token`).
    ///   - extra: further variables ("chat_template_kwargs"), such as `enable_thinking`.
    ///   - time: the time that `strftime_now` tells.
    public func renderChat(
        messages: [JSONValue], tools: [JSONValue]?, addGenerationPrompt: Bool,
        beginningOfText: String?, endOfText: String?, extra: JSONObject = [:],
        time: CivilTime? = nil
    ) throws(TemplateError) -> String {
        var context = extra
        context["messages"] = .array(messages)
        context["tools"] = tools.map { .array($0) } ?? .null
        if context["documents"] == nil { context["documents"] = .null }
        context["add_generation_prompt"] = .bool(addGenerationPrompt)
        context["bos_token"] = .string(beginningOfText ?? "")
        context["eos_token"] = .string(endOfText ?? "")
        return try render(context, time: time)
    }
}
