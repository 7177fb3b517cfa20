/// Which type each tensor of a model gets.
public struct QuantizationPlan: Hashable, Sendable {
    /// A mixture of types as people name it: `q4_0`, `q4_k_m`.
    public struct Mixture: Hashable, Sendable {
        /// The type of most matrices.
        public var type: WeightType
        /// Whether the matrices that suffer most get Q6_K: llama.cpp's `_M` beside its `_S`.
        public var raisesSensitive: Bool

        /// A mixture from its parts.
        public init(type: WeightType, raisesSensitive: Bool = false) {
            self.type = type
            self.raisesSensitive = raisesSensitive
        }

        /// The mixture of that name: a type, or `q4_k_m` and `q5_k_m`; nil for others.
        public init?(name: String) {
            switch name.uppercased() {
            case "Q4_K_M": self.init(type: .q4_K, raisesSensitive: true)
            case "Q5_K_M": self.init(type: .q5_K, raisesSensitive: true)
            default:
                guard let type = WeightType(name: name) else { return nil }
                self.init(type: type)
            }
        }

        /// The number that GGUF's `general.file_type` has for it (llama.h, `enum llama_ftype`).
        public var fileType: UInt32 {
            switch type {
            case .f32: 0
            case .f16: 1
            case .q4_0: 2
            case .q4_1: 3
            case .q8_0: 7
            case .q5_0: 8
            case .q5_1: 9
            case .q4_K: raisesSensitive ? 15 : 14
            case .q5_K: raisesSensitive ? 17 : 16
            case .q6_K: 18
            case .bf16: 32
            }
        }
    }

    /// The types of matrices.
    public var mixture: Mixture
    /// The type of the embedding, and of the output matrix; nil for the usual one: Q6_K, as what
    /// comes out of them is not averaged any more, and the mixture's own where that is no less.
    public var embedding: WeightType?
    /// How many blocks the model has.
    public var layers: Int

    /// A plan for a model of `layers` blocks.
    public init(mixture: Mixture, embedding: WeightType? = nil, layers: Int) {
        self.mixture = mixture
        self.embedding = embedding
        self.layers = layers
    }

    /// The type for a tensor, the one that its rows are whole blocks of.
    /// - Parameters:
    ///   - name: in GGUF's manner.
    ///   - dimensions: its sizes, that of a row first.
    public func type(name: String, dimensions: [Int], tiesEmbeddings: Bool) -> WeightType {
        // Vectors are small, and everything depends on them.
        guard dimensions.count > 1, name.hasSuffix(".weight"), !name.contains("norm") else {
            return .f32
        }
        return wanted(name, tiesEmbeddings: tiesEmbeddings).fitting(columns: dimensions[0])
    }

    private func wanted(_ name: String, tiesEmbeddings: Bool) -> WeightType {
        let isOutput = name == "output.weight" || name == "token_embd.weight" && tiesEmbeddings
        if isOutput || name == "token_embd.weight", let embedding { return embedding }
        if isOutput {
            switch mixture.type {
            case .f32, .f16, .bf16, .q8_0: return mixture.type
            default: return .q6_K
            }
        }
        let parts = name.split(separator: ".")
        guard mixture.raisesSensitive, parts.count == 4, let layer = Int(parts[1]),
            parts[2] == "attn_v" || parts[2] == "ffn_down"
        else { return mixture.type }
        // The first and last eighth of the blocks and every third between, as in llama.cpp's
        // llama-quant.cpp (`use_more_bits`).
        let eighth = layers / 8
        let isRaised =
            layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
        return isRaised ? .q6_K : mixture.type
    }
}
