/// Reads a model's shape from a `config.json` as Hugging Face transformers writes it.
struct TransformersConfiguration {
    let path: String
    let document: JSONValue
    let architecture: ModelArchitecture

    init(path: String, document: JSONValue) throws(ModelFileError) {
        self.path = path
        self.document = document
        let name = document["architectures"]?[0]?.stringValue ?? ""
        guard let known = ModelArchitecture.known.first(where: { $0.transformers == name }) else {
            let names = ModelArchitecture.known.compactMap(\.transformers).joined(separator: ", ")
            throw ModelFileError(
                .unsupported, path: path, place: "key 'architectures'",
                "'\(name)'; Kapok computes \(names)")
        }
        architecture = known
        for key in ["num_local_experts", "num_experts", "n_routed_experts"] {
            if let experts = document[key]?.integerValue, experts > 0 {
                throw Self.unsupported(
                    path, key, "a mixture of \(experts) experts; Kapok computes dense models only")
            }
        }
        if let quantisation = document["quantization_config"], !quantisation.isNull {
            throw Self.unsupported(
                path, "quantization_config",
                "a quantised safetensors model "
                    + "(\(quantisation["quant_method"]?.stringValue ?? "of unknown kind")); Kapok "
                    + "reads F32, F16 and BF16")
        }
        let activation = document["hidden_act"]?.stringValue ?? "silu"
        guard activation == "silu" else {
            throw Self.unsupported(path, "hidden_act", "'\(activation)'; Kapok computes silu")
        }
    }

    private static func unsupported(
        _ path: String, _ key: String, _ problem: String
    ) -> ModelFileError {
        ModelFileError(.unsupported, path: path, place: "key '\(key)'", problem)
    }

    /// A positive whole number.
    private func integer(_ key: String) throws(ModelFileError) -> Int? {
        guard let value = document[key], !value.isNull else { return nil }
        guard let number = value.integerValue, number > 0, number < 1 << 31 else {
            throw ModelFileError(
                .malformed, path: path, place: "key '\(key)'",
                "must be a positive whole number but is \(value.text())")
        }
        return number
    }

    private func required(_ key: String) throws(ModelFileError) -> Int {
        guard let value = try integer(key) else {
            throw ModelFileError(.missing, path: path, place: "key '\(key)'", "is not in the file")
        }
        return value
    }

    /// The configuration, with what the tensors tell.
    func configuration(
        name: String, _ traits: WeightAssembly.Traits
    ) throws(ModelFileError) -> ModelConfiguration {
        let heads = try required("num_attention_heads")
        let width = try required("hidden_size")
        let layers = try required("num_hidden_layers")
        let headWidth = try integer("head_dim") ?? (width / heads)
        let configuration = ModelConfiguration(
            architecture: architecture.gguf, name: name, layers: layers, width: width,
            feedForwardWidth: try required("intermediate_size"), heads: heads,
            keyValueHeads: try integer("num_key_value_heads") ?? heads, headWidth: headWidth,
            vocabularySize: try required("vocab_size"), contextLength: try contextLength(),
            normEpsilon: Float(document["rms_norm_eps"]?.doubleValue ?? 1e-6),
            rope: try rotation(headWidth: headWidth), tiesEmbeddings: traits.tiesEmbeddings,
            hasAttentionBias: traits.hasAttentionBias,
            normalisesQueriesAndKeys: traits.normalisesQueriesAndKeys,
            layersWithoutRotation: unrotated(layers: layers))
        try ConfigurationBounds(path: path).check(configuration)
        return configuration
    }

    private func unrotated(layers: Int) -> Set<Int> {
        guard architecture.unrotatedStep != nil else { return [] }
        guard let turned = document["no_rope_layers"]?.arrayValue else {
            return architecture.unrotated(layers: min(layers, 1024))
        }
        // In spite of the name, 1 means that a block does turn.
        return Set(turned.indices.filter { turned[$0].integerValue == 0 })
    }

    // MARK: Positions

    /// Scaling as newer files (`rope_parameters`) or older ones (`rope_scaling`) say it.
    private var scalingDocument: JSONValue {
        for key in ["rope_parameters", "rope_scaling"] {
            if let value = document[key], !value.isNull { return value }
        }
        return [:]
    }

    /// The context, no longer than what plain attention computes as the model means it.
    private func contextLength() throws(ModelFileError) -> Int {
        var length = try required("max_position_embeddings")
        let scaling = scalingDocument
        let original = scaling["original_max_position_embeddings"]?.doubleValue
        if scalingType == "yarn", let original, let factor = scaling["factor"]?.doubleValue,
            let longer = Int(exactly: (original * factor).rounded())
        {
            length = max(length, longer)
        }
        let usesWindow = document["use_sliding_window"]?.boolValue ?? true
        if usesWindow, let window = try integer("sliding_window") { length = min(length, window) }
        // Ministral 3 scales queries by position, but only from the original context on.
        if let beta = scaling["llama_4_scaling_beta"]?.doubleValue, beta != 0, let original,
            let limit = Int(exactly: original)
        {
            length = min(length, limit)
        }
        return length
    }

    private var scalingType: String {
        let scaling = scalingDocument
        return scaling["rope_type"]?.stringValue ?? scaling["type"]?.stringValue ?? "default"
    }

    private func rotation(headWidth: Int) throws(ModelFileError) -> RotaryEmbedding {
        let scaling = scalingDocument
        let partial =
            scaling["partial_rotary_factor"]?.doubleValue
            ?? document["partial_rotary_factor"]?.doubleValue ?? 1
        guard headWidth <= 4096, partial > 0, partial <= 1 else {
            throw Self.unsupported(
                path, "head_dim", "heads of \(headWidth), of which \(partial) turn")
        }
        let width = Int(Double(headWidth) * partial)
        let base =
            scaling["rope_theta"]?.doubleValue ?? document["rope_theta"]?.doubleValue ?? 10_000
        let (kind, magnitude) = try self.scaling()
        return RotaryEmbedding(
            pairing: .halves, rotatedWidth: width,
            frequencies: kind.frequencies(base: base, width: width), magnitude: Float(magnitude))
    }

    private func scaling() throws(ModelFileError) -> (RotaryScaling, magnitude: Double) {
        let scaling = scalingDocument
        func number(_ key: String) throws(ModelFileError) -> Double {
            guard let value = scaling[key]?.doubleValue else {
                throw ModelFileError(
                    .missing, path: path, place: "key 'rope_scaling.\(key)'",
                    "is not in the file")
            }
            return value
        }
        switch scalingType {
        // Dynamic scaling begins beyond the trained context, which is where Kapok ends.
        case "default", "dynamic": return (.none, 1)
        case "linear": return (.linear(factor: try number("factor")), 1)
        case "llama3":
            return (
                .llama3(
                    factor: try number("factor"), lowFactor: try number("low_freq_factor"),
                    highFactor: try number("high_freq_factor"),
                    originalContext: try number("original_max_position_embeddings")), 1
            )
        case "yarn":
            let factor = try number("factor")
            let context =
                scaling["original_max_position_embeddings"]?.doubleValue
                ?? document["max_position_embeddings"]?.doubleValue ?? 0
            var yarn = RotaryScaling.YaRN(factor: factor, originalContext: context)
            yarn.betaFast = scaling["beta_fast"]?.doubleValue ?? yarn.betaFast
            yarn.betaSlow = scaling["beta_slow"]?.doubleValue ?? yarn.betaSlow
            yarn.truncates = scaling["truncate"]?.boolValue ?? true
            var magnitude = RotaryScaling.yarnMagnitude(factor: factor)
            if let one = scaling["mscale"]?.doubleValue, one != 0,
                let all = scaling["mscale_all_dim"]?.doubleValue, all != 0
            {
                magnitude =
                    RotaryScaling.yarnMagnitude(factor: factor, multiplier: one)
                    / RotaryScaling.yarnMagnitude(factor: factor, multiplier: all)
            }
            return (.yarn(yarn), scaling["attention_factor"]?.doubleValue ?? magnitude)
        default:
            throw Self.unsupported(
                path, "rope_scaling",
                "'\(scalingType)'; Kapok computes default, linear, dynamic, llama3 and yarn")
        }
    }
}
