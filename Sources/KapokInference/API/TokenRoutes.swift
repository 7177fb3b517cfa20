import Hummingbird
import KapokModel
import OrderedCollections

/// `POST /tokenize` and `POST /detokenize`, as vLLM has them.
enum TokenRoutes {
    /// The tokens of `prompt`, or of `messages` as the template writes them.
    static func tokenize(_ call: APICall) throws(APIError) -> Response {
        let fields = call.fields
        let model = call.model
        try model.check(name: try fields.string("model"))
        let tokens: [TokenID]
        if fields.has("messages") {
            let turns = try ConversationReader.turns(fields, limits: call.limits)
            let tools = try ConversationReader.tools(fields, nested: true, limits: call.limits)
            tokens = try AnswerPlan(
                turns: turns, tools: tools, choice: .auto, allowsParallelCalls: true,
                constraint: nil, model: model
            ).prompt
        } else {
            let text = try fields.requiredString("prompt")
            tokens = model.prompts.tokens(
                of: text, addsBeginning: try fields.bool("add_special_tokens") ?? true)
        }
        var answer: JSONObject = [
            "count": .count(tokens.count), "max_model_len": .count(model.service.contextLimit),
            "tokens": .array(tokens.map { .integer(Int64($0)) }),
        ]
        if try fields.bool("return_token_strs") ?? false {
            answer["token_strs"] = .array(
                tokens.map { .string(model.service.tokenizer.piece(of: $0)) })
        }
        return Answer.json(.object(answer))
    }

    /// The text of `tokens`.
    static func detokenize(_ call: APICall) throws(APIError) -> Response {
        let fields = call.fields
        try call.model.check(name: try fields.string("model"))
        _ = try fields.required("tokens")
        let values = try fields.array("tokens", limit: 1 << 20) ?? []
        let prompt = try CompletionRequest.tokens(values, "tokens", call.model)
        return Answer.json(["prompt": .string(prompt.text)])
    }
}
