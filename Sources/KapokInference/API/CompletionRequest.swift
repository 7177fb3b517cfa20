import KapokModel
import OrderedCollections

/// A request of `POST /v1/completions` (OpenAI API reference, "Create completion"), with vLLM's
/// extensions.
struct CompletionRequest: Sendable {
    /// A prompt as it was given.
    struct Prompt: Sendable {
        var tokens: [TokenID]
        /// The text for `echo`.
        var text: String
    }

    /// OpenAI's own number of tokens, where none is given.
    static let usualNewTokens = 16

    var model: String?
    var prompts: [Prompt]
    /// Whether answers begin with their prompts.
    var echoes: Bool
    /// Whether anything is generated at all: `max_tokens` may be 0 together with `echo`.
    var generates: Bool
    var generation: GenerationFields

    init(_ call: APICall) throws(APIError) {
        let fields = call.fields
        let limits = call.limits
        let vocabulary = call.model.service.configuration.vocabularySize
        model = try fields.string("model")
        echoes = try fields.bool("echo") ?? false
        generation = try GenerationFields(
            fields, limits: limits, vocabulary: vocabulary, header: call.header)
        let newTokens = try fields.integer("max_tokens", in: 0...Int(Int32.max))
        generates = newTokens != 0
        guard generates || echoes else {
            throw .invalid("max_tokens", "0 is only allowed together with echo")
        }
        generation.maximumNewTokens = newTokens ?? Self.usualNewTokens
        // A number here; `true` asks for the chosen tokens alone.
        if case .some(.bool(let wanted)) = fields["logprobs"] {
            generation.logProbabilities = wanted ? 0 : nil
        } else {
            generation.logProbabilities = try fields.integer(
                "logprobs", in: 0...limits.alternatives)
        }
        if echoes, generation.logProbabilities != nil {
            throw .unsupported(
                "logprobs", "the prompt's log probabilities are not offered: leave echo or this")
        }
        generation.constraint =
            try ChatRequest.format(fields, "response_format") ?? generation.constraint
        try fields.refuse(
            "suffix", "filling in between is not offered", unless: { $0.stringValue == "" })
        prompts = try Self.prompts(fields, "prompt", limits: limits, model: call.model)
        guard prompts.count * generation.choices <= limits.generations else {
            throw .invalid(
                "prompt",
                "prompts times n is \(prompts.count * generation.choices), more than "
                    + "\(limits.generations)")
        }
    }

    /// A text, texts, tokens or arrays of tokens.
    static func prompts(
        _ fields: RequestFields, _ key: String, limits: APILimits, model: ServedModel
    ) throws(APIError) -> [Prompt] {
        let value = try fields.required(key)
        let path = fields.name(key)
        switch value {
        case .string(let text):
            return [Prompt(tokens: model.prompts.tokens(of: text), text: text)]
        case .array(let values):
            guard let first = values.first else { throw .invalid(path, "there is no prompt") }
            if first.integerValue != nil {
                return [try tokens(values, path, model)]
            }
            guard values.count <= limits.prompts else {
                throw .invalid(path, "at most \(limits.prompts) prompts are taken in one request")
            }
            var prompts: [Prompt] = []
            for (index, value) in values.enumerated() {
                switch value {
                case .string(let text):
                    prompts.append(Prompt(tokens: model.prompts.tokens(of: text), text: text))
                case .array(let numbers):
                    prompts.append(try tokens(numbers, "\(path)[\(index)]", model))
                default:
                    throw .invalid(
                        "\(path)[\(index)]",
                        "expected a string or an array of tokens, found \(value.kindDescription)")
                }
            }
            return prompts
        default:
            throw .invalid(
                path,
                "expected a string, strings, tokens or arrays of tokens, found "
                    + value.kindDescription, code: "invalid_type")
        }
    }

    /// A prompt of token numbers.
    static func tokens(
        _ values: [JSONValue], _ path: String, _ model: ServedModel
    ) throws(APIError) -> Prompt {
        let vocabulary = model.service.configuration.vocabularySize
        var tokens: [TokenID] = []
        tokens.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            guard let number = value.integerValue, (0..<vocabulary).contains(number) else {
                throw .invalid(
                    "\(path)[\(index)]", "expected a token number from 0 to \(vocabulary - 1)")
            }
            tokens.append(TokenID(number))
        }
        return Prompt(tokens: tokens, text: model.text(of: tokens))
    }
}

extension ServedModel {
    /// What tokens stand for; control tokens by their spelling, broken characters replaced.
    func text(of tokens: [TokenID]) -> String {
        var bytes: [UInt8] = []
        for token in tokens {
            if service.tokenizer.isControl(token) {
                bytes += Array(service.tokenizer.piece(of: token).utf8)
            } else {
                bytes += service.tokenizer.bytes(of: token)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
