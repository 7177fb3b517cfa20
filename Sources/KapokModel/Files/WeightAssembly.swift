/// How a format names the tensors of a decoder.
struct WeightNames {
    var embedding: String
    var outputNorm: String
    var output: String
    /// Before the number of a block: "blk.".
    var layer: String
    var attentionNorm: String
    var query: String
    var key: String
    var value: String
    var queryNorm: String
    var keyNorm: String
    var attentionOutput: String
    var feedForwardNorm: String
    var gate: String
    var up: String
    var down: String

    /// GGUF's names (gguf-py, constants.py, `TENSOR_NAMES`).
    static let gguf = WeightNames(
        embedding: "token_embd", outputNorm: "output_norm", output: "output", layer: "blk.",
        attentionNorm: "attn_norm", query: "attn_q", key: "attn_k", value: "attn_v",
        queryNorm: "attn_q_norm", keyNorm: "attn_k_norm", attentionOutput: "attn_output",
        feedForwardNorm: "ffn_norm", gate: "ffn_gate", up: "ffn_up", down: "ffn_down")

    /// The names of Hugging Face transformers' Llama, Mistral, Qwen2, Qwen3 and SmolLM3.
    static let transformers = WeightNames(
        embedding: "model.embed_tokens", outputNorm: "model.norm", output: "lm_head",
        layer: "model.layers.", attentionNorm: "input_layernorm", query: "self_attn.q_proj",
        key: "self_attn.k_proj", value: "self_attn.v_proj", queryNorm: "self_attn.q_norm",
        keyNorm: "self_attn.k_norm", attentionOutput: "self_attn.o_proj",
        feedForwardNorm: "post_attention_layernorm", gate: "mlp.gate_proj", up: "mlp.up_proj",
        down: "mlp.down_proj")
}

/// Puts a decoder together from a table of tensors, checking every shape.
struct WeightAssembly {
    /// What `weights` found beside them.
    struct Traits {
        var tiesEmbeddings: Bool
        var hasAttentionBias: Bool
        var normalisesQueriesAndKeys: Bool
    }

    var table: WeightTable
    let names: WeightNames

    /// How many rows the embedding has: the size of the vocabulary.
    func vocabularySize() throws(ModelFileError) -> Int {
        try table.shape(names.embedding + ".weight").first ?? 0
    }

    /// Whether a block has biases of attention and norms of queries and keys, told by the first.
    func traits(tiesEmbeddings: Bool?) -> Traits {
        func has(_ name: String, _ kind: String) -> Bool {
            table.has("\(names.layer)0.\(name).\(kind)")
        }
        return Traits(
            tiesEmbeddings: tiesEmbeddings ?? !table.has(names.output + ".weight"),
            hasAttentionBias: has(names.query, "bias"),
            normalisesQueriesAndKeys: has(names.queryNorm, "weight"))
    }

    /// All weights of `configuration`.
    mutating func weights(
        _ configuration: ModelConfiguration
    ) throws(ModelFileError) -> ModelWeights {
        let vocabulary = configuration.vocabularySize
        let width = configuration.width
        let embedding = try table.matrix(
            names.embedding + ".weight", rows: vocabulary, columns: width,
            title: "token_embd.weight")
        let output =
            configuration.tiesEmbeddings
            ? embedding
            : try table.matrix(
                names.output + ".weight", rows: vocabulary, columns: width, title: "output.weight")
        let outputNorm = try table.vector(
            names.outputNorm + ".weight", count: width, title: "output_norm.weight")
        var layers: [LayerWeights] = []
        layers.reserveCapacity(configuration.layers)
        for index in 0..<configuration.layers {
            layers.append(try layer(index, configuration))
        }
        return ModelWeights(
            embedding: embedding, layers: layers, outputNorm: outputNorm, output: output)
    }

    private mutating func layer(
        _ index: Int, _ configuration: ModelConfiguration
    ) throws(ModelFileError) -> LayerWeights {
        let prefix = "\(names.layer)\(index)."
        let width = configuration.width
        let queries = configuration.heads * configuration.headWidth
        let keys = configuration.keyValueHeads * configuration.headWidth
        let wide = configuration.feedForwardWidth
        func title(_ name: String, _ kind: String = "weight") -> String {
            "blk.\(index).\(name).\(kind)"
        }
        func full(_ name: String, _ kind: String = "weight") -> String {
            prefix + name + ".\(kind)"
        }
        let gguf = WeightNames.gguf
        var layer = LayerWeights(
            attentionNorm: try table.vector(
                full(names.attentionNorm), count: width, title: title(gguf.attentionNorm)),
            query: try table.matrix(
                full(names.query), rows: queries, columns: width, title: title(gguf.query)),
            key: try table.matrix(
                full(names.key), rows: keys, columns: width, title: title(gguf.key)),
            value: try table.matrix(
                full(names.value), rows: keys, columns: width, title: title(gguf.value)),
            output: try table.matrix(
                full(names.attentionOutput), rows: width, columns: queries,
                title: title(gguf.attentionOutput)),
            feedForwardNorm: try table.vector(
                full(names.feedForwardNorm), count: width, title: title(gguf.feedForwardNorm)),
            gate: try table.matrix(
                full(names.gate), rows: wide, columns: width, title: title(gguf.gate)),
            up: try table.matrix(
                full(names.up), rows: wide, columns: width, title: title(gguf.up)),
            down: try table.matrix(
                full(names.down), rows: width, columns: wide, title: title(gguf.down)))
        if configuration.hasAttentionBias {
            layer.queryBias = try table.vector(
                full(names.query, "bias"), count: queries, title: title(gguf.query, "bias"))
            layer.keyBias = try table.vector(
                full(names.key, "bias"), count: keys, title: title(gguf.key, "bias"))
            layer.valueBias = try table.vector(
                full(names.value, "bias"), count: keys, title: title(gguf.value, "bias"))
        }
        if configuration.normalisesQueriesAndKeys {
            layer.queryNorm = try table.vector(
                full(names.queryNorm), count: configuration.headWidth,
                title: title(gguf.queryNorm))
            layer.keyNorm = try table.vector(
                full(names.keyNorm), count: configuration.headWidth, title: title(gguf.keyNorm))
        }
        return layer
    }
}
