/// The architectures that Kapok computes, and what sets them apart.
struct ModelArchitecture {
    /// GGUF's `general.architecture`.
    var gguf: String
    /// The class in config.json's `architectures`; nil where transformers has none.
    var transformers: String?
    /// How GGUF files pair the elements that turn together. (Files of transformers pair halves.)
    var ggufPairing: RotaryEmbedding.Pairing
    /// Which blocks do not turn queries and keys: every so many-th, counted from 1.
    var unrotatedStep: Int?

    /// All of them; the pairings are those of llama.cpp's `llama_model_rope_type`.
    static let known = [
        ModelArchitecture(
            gguf: "llama", transformers: "LlamaForCausalLM", ggufPairing: .adjacent),
        ModelArchitecture(
            gguf: "mistral", transformers: "MistralForCausalLM", ggufPairing: .adjacent),
        ModelArchitecture(
            gguf: "mistral3", transformers: "Ministral3ForCausalLM", ggufPairing: .adjacent),
        ModelArchitecture(gguf: "internlm2", ggufPairing: .adjacent),
        ModelArchitecture(gguf: "qwen2", transformers: "Qwen2ForCausalLM", ggufPairing: .halves),
        ModelArchitecture(gguf: "qwen3", transformers: "Qwen3ForCausalLM", ggufPairing: .halves),
        ModelArchitecture(
            gguf: "smollm3", transformers: "SmolLM3ForCausalLM", ggufPairing: .adjacent,
            unrotatedStep: 4),
    ]

    /// The blocks without rotation among `layers`.
    func unrotated(layers: Int) -> Set<Int> {
        guard let step = unrotatedStep else { return [] }
        return Set((0..<layers).filter { ($0 + 1) % step == 0 })
    }
}

/// Bounds on what a configuration may say: far above any model, far below what overflows.
struct ConfigurationBounds {
    let path: String

    /// Checks what the tensors' shapes do not: bounds, and what divides what.
    func check(_ configuration: ModelConfiguration) throws(ModelFileError) {
        let ranges: [(String, Int, ClosedRange<Int>)] = [
            ("blocks", configuration.layers, 1...1024),
            ("elements of the residual stream", configuration.width, 1...(1 << 20)),
            ("elements of the feed-forward layer", configuration.feedForwardWidth, 1...(1 << 22)),
            ("heads", configuration.heads, 1...4096),
            ("key-value heads", configuration.keyValueHeads, 1...4096),
            ("elements of a head", configuration.headWidth, 2...4096),
            ("tokens of the vocabulary", configuration.vocabularySize, 1...(1 << 24)),
            ("tokens of context", configuration.contextLength, 1...(1 << 30)),
            ("rotated elements of a head", configuration.rope.rotatedWidth, 2...4096),
        ]
        for (what, value, range) in ranges where !range.contains(value) {
            throw malformed(
                "\(value) \(what); \(range.lowerBound) to \(range.upperBound) are allowed")
        }
        guard configuration.heads % configuration.keyValueHeads == 0 else {
            throw malformed(
                "\(configuration.heads) heads are no multiple of "
                    + "\(configuration.keyValueHeads) key-value heads")
        }
        guard configuration.rope.rotatedWidth % 2 == 0,
            configuration.rope.rotatedWidth <= configuration.headWidth
        else {
            throw malformed(
                "\(configuration.rope.rotatedWidth) rotated elements of a head of "
                    + "\(configuration.headWidth)")
        }
        guard configuration.normEpsilon.isFinite, configuration.normEpsilon >= 0,
            configuration.rope.frequencies.allSatisfy(\.isFinite),
            configuration.rope.magnitude.isFinite
        else { throw malformed("the epsilon of norms or the rotary embedding is not finite") }
    }

    private func malformed(_ problem: String) -> ModelFileError {
        ModelFileError(.malformed, path: path, place: "configuration", problem)
    }
}
