/// The numbers that shape a decoder of the Llama family.
public struct ModelConfiguration: Hashable, Sendable {
    /// GGUF's `general.architecture`: llama, qwen2, qwen3, mistral3 and so on.
    public var architecture: String
    /// A name for people.
    public var name: String
    /// How many transformer blocks.
    public var layers: Int
    /// Elements of the residual stream.
    public var width: Int
    /// Elements of the feed-forward layer.
    public var feedForwardWidth: Int
    /// Query heads.
    public var heads: Int
    /// Key and value heads; `heads` is a multiple of it.
    public var keyValueHeads: Int
    /// Elements of a head.
    public var headWidth: Int
    /// Tokens in the vocabulary.
    public var vocabularySize: Int
    /// The longest context that the model was trained for, in tokens.
    public var contextLength: Int
    /// The epsilon of RMS normalisation.
    public var normEpsilon: Float
    /// How positions turn queries and keys.
    public var rope: RotaryEmbedding
    /// Whether the output matrix is the embedding matrix.
    public var tiesEmbeddings: Bool
    /// Whether queries, keys and values have biases (Qwen2).
    public var hasAttentionBias: Bool
    /// Whether queries and keys are normalised by head (Qwen3).
    public var normalisesQueriesAndKeys: Bool
    /// The blocks, from 0, whose queries and keys are not turned by position (SmolLM3 leaves out
    /// every fourth); empty for all others.
    public var layersWithoutRotation: Set<Int>

    /// A configuration from its parts.
    public init(
        architecture: String, name: String, layers: Int, width: Int, feedForwardWidth: Int,
        heads: Int, keyValueHeads: Int, headWidth: Int, vocabularySize: Int, contextLength: Int,
        normEpsilon: Float, rope: RotaryEmbedding, tiesEmbeddings: Bool,
        hasAttentionBias: Bool = false, normalisesQueriesAndKeys: Bool = false,
        layersWithoutRotation: Set<Int> = []
    ) {
        self.architecture = architecture
        self.name = name
        self.layers = layers
        self.width = width
        self.feedForwardWidth = feedForwardWidth
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headWidth = headWidth
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.rope = rope
        self.tiesEmbeddings = tiesEmbeddings
        self.hasAttentionBias = hasAttentionBias
        self.normalisesQueriesAndKeys = normalisesQueriesAndKeys
        self.layersWithoutRotation = layersWithoutRotation
    }
}

/// Rotary position embedding (Su et al., arXiv 2104.09864).
public struct RotaryEmbedding: Hashable, Sendable {
    /// Which elements of a head turn together.
    public enum Pairing: Sendable {
        /// 2i and 2i + 1: Llama's files in GGUF.
        case adjacent
        /// i and i + half of the head: NeoX, Qwen; Llama's files in safetensors.
        case halves
    }
    /// Which elements turn together.
    public var pairing: Pairing
    /// How many of a head's elements turn, from the first on.
    public var rotatedWidth: Int
    /// Radians per position of each pair, scaling (linear, Llama 3's, YaRN, factors from the file)
    /// included; `rotatedWidth / 2` of them.
    public var frequencies: [Float]
    /// What sines and cosines are multiplied by (YaRN's attention factor); 1 for the others.
    public var magnitude: Float

    /// A rotation from its parts.
    public init(pairing: Pairing, rotatedWidth: Int, frequencies: [Float], magnitude: Float = 1) {
        self.pairing = pairing
        self.rotatedWidth = rotatedWidth
        self.frequencies = frequencies
        self.magnitude = magnitude
    }
}
