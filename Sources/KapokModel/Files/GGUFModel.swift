/// Reads a language model out of GGUF files: keys to a configuration, tensors to weights.
struct GGUFModel {
    private let first: GGUFFile
    private let keys: GGUFMetadata
    private let architecture: ModelArchitecture
    private var path: String { first.file.path }

    /// The files of a model, the first one first: only that one's metadata counts.
    private let files: [GGUFFile]

    init(_ files: [GGUFFile]) throws(ModelFileError) {
        guard let first = files.first else { preconditionFailure("a model has a file") }
        self.files = files
        self.first = first
        keys = first.values
        let key = "general.architecture"
        guard let name = try keys.text(key) else {
            throw ModelFileError(
                .missing, path: first.file.path, place: "key '\(key)'", "is not in the file",
                remedy: "it is no language model, or the file of a vocabulary or adapter alone")
        }
        guard let known = ModelArchitecture.known.first(where: { $0.gguf == name }) else {
            let names = ModelArchitecture.known.map(\.gguf).joined(separator: ", ")
            throw ModelFileError(
                .unsupported, path: first.file.path, place: "key '\(key)'",
                "the architecture '\(name)'; Kapok computes \(names)")
        }
        architecture = known
    }

    /// The model as a whole.
    func model() throws(ModelFileError) -> LanguageModelFile {
        try refuseExperts()
        var assembly = WeightAssembly(table: try table(), names: .gguf)
        let configuration = try configuration(&assembly)
        let weights = try assembly.weights(configuration)
        try assembly.table.refuseUnused(architecture: architecture.gguf) { name in
            // Frequencies that the keys give as well.
            name.hasSuffix("attn_rot_embd") || name.hasSuffix("rotary_emb.inv_freq")
        }
        let vocabulary = try GGUFTokenizer(keys, path: path).description(
            vocabularySize: configuration.vocabularySize)
        return LanguageModelFile(
            configuration: configuration, weights: weights, vocabulary: vocabulary,
            chatTemplate: try keys.text("tokenizer.chat_template"))
    }

    // MARK: Keys

    private func name(_ key: String) -> String { "\(architecture.gguf).\(key)" }

    private func required(_ key: String) throws(ModelFileError) -> Int {
        guard let value = try keys.uniform(name(key)) else { throw missing(name(key)) }
        return value
    }

    private func missing(_ key: String) -> ModelFileError {
        ModelFileError(
            .missing, path: path, place: "key '\(key)'", "is not in the file",
            remedy: "convert the model again with a current converter")
    }

    private func refuseExperts() throws(ModelFileError) {
        guard let experts = try keys.integer(name("expert_count")), experts > 0 else { return }
        throw ModelFileError(
            .unsupported, path: path, place: "key '\(name("expert_count"))'",
            "a mixture of \(experts) experts; Kapok computes dense models only")
    }

    private func configuration(
        _ assembly: inout WeightAssembly
    ) throws(ModelFileError) -> ModelConfiguration {
        let heads = try required("attention.head_count")
        let width = try required("embedding_length")
        let layers = try required("block_count")
        guard heads > 0, layers > 0, layers <= 1024 else {
            throw ModelFileError(
                .malformed, path: path, place: "key '\(name("block_count"))'",
                "\(layers) blocks and \(heads) heads")
        }
        let headWidth = try keys.integer(name("attention.key_length")) ?? width / heads
        let valueWidth = try keys.integer(name("attention.value_length")) ?? headWidth
        guard headWidth == valueWidth else {
            throw ModelFileError(
                .unsupported, path: path, place: "key '\(name("attention.value_length"))'",
                "values of \(valueWidth) elements beside keys of \(headWidth)")
        }
        let epsilonKey = name("attention.layer_norm_rms_epsilon")
        guard let epsilon = try keys.number(epsilonKey) else { throw missing(epsilonKey) }
        let traits = assembly.traits(tiesEmbeddings: nil)
        let configuration = ModelConfiguration(
            architecture: architecture.gguf,
            name: try keys.text("general.name") ?? architecture.gguf, layers: layers,
            width: width, feedForwardWidth: try required("feed_forward_length"), heads: heads,
            keyValueHeads: try keys.uniform(name("attention.head_count_kv")) ?? heads,
            headWidth: headWidth, vocabularySize: try assembly.vocabularySize(),
            contextLength: try contextLength(), normEpsilon: Float(epsilon),
            rope: try rotation(headWidth: headWidth, &assembly.table),
            tiesEmbeddings: traits.tiesEmbeddings, hasAttentionBias: traits.hasAttentionBias,
            normalisesQueriesAndKeys: traits.normalisesQueriesAndKeys,
            layersWithoutRotation: architecture.unrotated(layers: layers))
        try ConfigurationBounds(path: path).check(configuration)
        return configuration
    }

    /// The context, no longer than what plain attention computes as the model means it.
    private func contextLength() throws(ModelFileError) -> Int {
        var length = try required("context_length")
        if let window = try keys.integer(name("attention.sliding_window")), window > 0 {
            length = min(length, window)
        }
        // Ministral 3 scales queries by position, but only from the original context on.
        if let scale = try keys.number(name("attention.temperature_scale")), scale != 0 {
            let original = try keys.integer(name("rope.scaling.original_context_length"))
            length = min(length, max(1, original ?? length) - 1)
        }
        return length
    }

    private func rotation(
        headWidth: Int, _ table: inout WeightTable
    ) throws(ModelFileError) -> RotaryEmbedding {
        let width = try keys.integer(name("rope.dimension_count")) ?? headWidth
        guard width >= 2, width % 2 == 0, width <= min(headWidth, 4096) else {
            throw ModelFileError(
                .malformed, path: path, place: "key '\(name("rope.dimension_count"))'",
                "\(width) rotated elements of heads of \(headWidth)")
        }
        let base = try keys.number(name("rope.freq_base")) ?? 10_000
        let (scaling, magnitude) = try scaling(width: width, &table)
        return RotaryEmbedding(
            pairing: architecture.ggufPairing, rotatedWidth: width,
            frequencies: scaling.frequencies(base: base, width: width),
            magnitude: Float(magnitude))
    }

    private func scaling(
        width: Int, _ table: inout WeightTable
    ) throws(ModelFileError) -> (RotaryScaling, magnitude: Double) {
        let typeKey = name("rope.scaling.type")
        let type = try keys.text(typeKey) ?? "linear"
        // The older key came before the newer one had a type.
        var factor = try keys.number(name("rope.scaling.factor")) ?? 0
        if factor == 0 { factor = try keys.number(name("rope.scale_linear")) ?? 0 }
        if factor == 0 || type == "none" { factor = 1 }
        let attention = try keys.number(name("rope.scaling.attn_factor")) ?? 1
        switch type {
        case "none", "linear":
            if table.has("rope_freqs.weight") {
                let tensor = try table.vector("rope_freqs.weight", count: width / 2)
                return (.divisors(tensor.floats(), factor: factor), attention)
            }
            return (factor == 1 ? .none : .linear(factor: factor), attention)
        case "yarn":
            let contextKey = name("rope.scaling.original_context_length")
            let original = try keys.integer(contextKey)
            let context = if let original { original } else { try required("context_length") }
            var yarn = RotaryScaling.YaRN(factor: factor, originalContext: Double(context))
            yarn.betaFast = try keys.number(name("rope.scaling.yarn_beta_fast")) ?? yarn.betaFast
            yarn.betaSlow = try keys.number(name("rope.scaling.yarn_beta_slow")) ?? yarn.betaSlow
            yarn.extrapolation = try keys.number(name("rope.scaling.yarn_ext_factor")) ?? 1
            guard yarn.extrapolation != 0 else { return (.linear(factor: factor), attention) }
            var magnitude = RotaryScaling.yarnMagnitude(factor: factor)
            if let all = try keys.number(name("rope.scaling.yarn_log_multiplier")), all != 0 {
                magnitude /= RotaryScaling.yarnMagnitude(factor: factor, multiplier: all)
            }
            return (.yarn(yarn), magnitude * attention)
        default:
            throw ModelFileError(
                .unsupported, path: path, place: "key '\(typeKey)'",
                "rotary scaling '\(type)'; Kapok computes none, linear and yarn")
        }
    }

    // MARK: Tensors

    private func table() throws(ModelFileError) -> WeightTable {
        var entries: [String: WeightTable.Entry] = [:]
        for file in files {
            for tensor in file.tensors {
                let entry = WeightTable.Entry(
                    path: file.file.path, type: tensor.type,
                    typeName: WeightType.name(ofNumber: tensor.typeNumber),
                    shape: Array(tensor.dimensions.reversed()),
                    bytes: UnsafeRawBufferPointer(rebasing: file.file.bytes[tensor.range]),
                    owner: file.file)
                guard entries.updateValue(entry, forKey: tensor.name) == nil else {
                    throw ModelFileError(
                        .malformed, path: file.file.path, place: "tensor '\(tensor.name)'",
                        "is in two of the model's files")
                }
            }
        }
        return WeightTable(path: path, entries: entries)
    }
}
