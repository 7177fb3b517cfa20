import KapokModel
import OrderedCollections

/// What OpenAI's endpoints have in common: how text is made of a prompt.
struct GenerationFields: Sendable {
    var sampling = SamplingOptions()
    var stop: [String] = []
    var ignoresEnd = false
    /// How many choices of each prompt.
    var choices = 1
    /// How many alternatives to give for each token; nil for no log probabilities.
    var logProbabilities: Int?
    var maximumNewTokens: Int?
    var mode = LatencyMode.standard
    var speculates: Bool?
    var constraint: TextConstraint?
    var streams = false
    /// Whether a stream ends with what was used.
    var includesUsage = false
    var usesPrefixCache = true

    /// Nothing asked for: sampling as OpenAI has it, temperature 1.
    init() { sampling.temperature = 1 }

    /// Reads what is in the body and in the headers, `header` by lower-case name.
    init(
        _ fields: RequestFields, limits: APILimits, vocabulary: Int, header: (String) -> String?
    ) throws(APIError) {
        self.init()
        try readSampling(fields)
        sampling.logitBias = try Self.logitBias(fields, limits: limits, vocabulary: vocabulary)
        stop = try fields.strings("stop", limit: limits.stops, bytes: limits.stopBytes)
        ignoresEnd = try fields.bool("ignore_eos") ?? false
        choices = try fields.integer("n", in: 1...limits.choices) ?? 1
        let choices = choices
        try fields.refuse(
            "best_of", "not offered: ask for n choices and take the one you like",
            unless: { $0.integerValue == choices })
        constraint = try Self.structure(fields)
        try Self.refuseOthers(fields)
        mode = try Self.mode(fields, header: header)
        speculates = try fields.bool("speculate")
        usesPrefixCache = try fields.bool("cache_prompt") ?? true
        streams = try fields.bool("stream") ?? false
        if let options = try fields.fields("stream_options") {
            guard streams else {
                throw .invalid("stream_options", "only allowed when stream is true")
            }
            includesUsage = try options.bool("include_usage") ?? false
        }
    }

    private mutating func readSampling(_ fields: RequestFields) throws(APIError) {
        func float(
            _ key: String, _ bounds: ClosedRange<Double>, or usual: Float
        ) throws(APIError) -> Float {
            Float(try fields.number(key, in: bounds) ?? Double(usual))
        }
        sampling.temperature = try float("temperature", 0...2, or: sampling.temperature)
        sampling.topP = try float("top_p", 0...1, or: sampling.topP)
        // -1 is vLLM's word for all.
        sampling.topK = max(0, try fields.integer("top_k", in: -1...1_000_000) ?? sampling.topK)
        sampling.minP = try float("min_p", 0...1, or: sampling.minP)
        sampling.presencePenalty = try float("presence_penalty", -2...2, or: 0)
        sampling.frequencyPenalty = try float("frequency_penalty", -2...2, or: 0)
        sampling.repetitionPenalty = try float("repetition_penalty", 0.01...10, or: 1)
        sampling.seed = try fields.integer("seed", in: .min ... .max).map {
            UInt64(bitPattern: Int64($0))
        }
    }

    /// vLLM's ways to say what the text must conform to: `structured_outputs` and the older
    /// `guided_…` members.
    private static func structure(_ fields: RequestFields) throws(APIError) -> TextConstraint? {
        let holder = try fields.fields("structured_outputs")
        let prefix = holder == nil ? "guided_" : ""
        let members = holder ?? fields
        if let value = members["\(prefix)json"] {
            if let text = value.stringValue {
                guard let schema = try? JSONValue(parsing: text) else {
                    throw .invalid(members.name("\(prefix)json"), "not the text of a JSON schema")
                }
                return .jsonSchema(schema)
            }
            return .jsonSchema(value)
        }
        if let pattern = try members.string("\(prefix)regex") { return .regularExpression(pattern) }
        let choices = try members.strings("\(prefix)choice", limit: 1024, bytes: 4096)
        if !choices.isEmpty { return .choice(choices) }
        try members.refuse("\(prefix)grammar", "grammars are not offered: use a schema or a regex")
        return nil
    }

    /// Members of vLLM that would change the text and are not offered.
    private static func refuseOthers(_ fields: RequestFields) throws(APIError) {
        for key in ["min_tokens", "stop_token_ids", "bad_words", "prompt_logprobs"] {
            try fields.refuse(
                key, "not offered",
                unless: { $0.integerValue == 0 || $0.arrayValue?.isEmpty == true })
        }
        try fields.refuse(
            "use_beam_search", "not offered: ask for n choices", unless: { $0 == false })
    }

    private static func logitBias(
        _ fields: RequestFields, limits: APILimits, vocabulary: Int
    ) throws(APIError) -> [TokenID: Float] {
        guard let biases = try fields.fields("logit_bias") else { return [:] }
        guard biases.object.count <= limits.biases else {
            throw .invalid("logit_bias", "at most \(limits.biases) tokens can be biased")
        }
        var result: [TokenID: Float] = [:]
        for key in biases.object.keys {
            guard let token = TokenID(key), token >= 0, Int(token) < vocabulary else {
                throw .invalid(
                    biases.name(key), "keys are token numbers from 0 to \(vocabulary - 1)")
            }
            result[token] = Float(try biases.number(key, in: -100...100) ?? 0)
        }
        return result
    }

    /// The latency mode: `latency` or Bedrock's `performanceConfig` in the body, Bedrock's header,
    /// or OpenAI's `service_tier`.
    static func mode(
        _ fields: RequestFields, header: (String) -> String?
    ) throws(APIError) -> LatencyMode {
        for key in ["performance_config", "performanceConfig"] {
            if let configuration = try fields.fields(key),
                let text = try configuration.string("latency")
            {
                return try mode(named: text, configuration.name("latency"))
            }
        }
        if let text = try fields.string("latency") { return try mode(named: text, "latency") }
        if let text = header(latencyHeader) { return try mode(named: text, latencyHeader) }
        switch try fields.string("service_tier") {
        case nil, "auto", "default", "standard", "flex", "scale": return .standard
        case "priority": return .optimized
        case .some(let other):
            throw .invalid(
                "service_tier", "'\(other)' is none of auto, default, flex, priority",
                code: "invalid_value")
        }
    }

    /// Bedrock's header of `InvokeModel`, in and out.
    static let latencyHeader = "x-amzn-bedrock-performanceconfig-latency"

    static func mode(named text: String, _ parameter: String) throws(APIError) -> LatencyMode {
        guard let mode = LatencyMode(rawValue: text) else {
            throw .invalid(
                parameter, "'\(text)' is neither 'standard' nor 'optimized'", code: "invalid_value")
        }
        return mode
    }

    /// The engine's requests for one prompt: one for each choice. With a seed each choice has a
    /// seed of its own, and the first one the given.
    func requests(
        prompt: [TokenID], tenant: UInt32, timeout: Double?
    ) -> [GenerationRequest] {
        (0..<choices).map { choice in
            var request = GenerationRequest(prompt: prompt)
            request.maximumNewTokens = maximumNewTokens
            request.sampling = sampling
            request.sampling.seed = sampling.seed.map { $0 &+ UInt64(choice) }
            request.stop = stop
            request.ignoresEnd = ignoresEnd
            request.logProbabilities = logProbabilities
            request.constraint = constraint
            request.mode = mode
            request.speculates = speculates
            request.tenant = tenant
            request.timeoutSeconds = timeout
            request.usesPrefixCache = usesPrefixCache
            return request
        }
    }
}
