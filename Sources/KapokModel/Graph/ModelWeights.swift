/// Where a tensor's bytes lie: in a mapped file or in memory that `owner` keeps.
public struct WeightTensor: @unchecked Sendable {
    /// The tensor's name in GGUF's manner: `blk.3.ffn_down.weight`.
    public var name: String
    /// How its numbers are stored.
    public var type: WeightType
    /// Elements of a row: what one output of a matrix is computed from. Rows lie one after another.
    public var columns: Int
    /// Rows: a matrix' outputs. 1 for a vector.
    public var rows: Int
    /// The bytes, row by row, as GGUF has them; valid as long as the owner lives.
    public var bytes: UnsafeRawBufferPointer
    /// Keeps the bytes alive.
    public var owner: AnyObject

    /// A tensor over bytes that `owner` keeps; there must be `type.bytes(elements: columns) *
    /// rows`.
    public init(
        name: String, type: WeightType, columns: Int, rows: Int, bytes: UnsafeRawBufferPointer,
        owner: AnyObject
    ) {
        self.name = name
        self.type = type
        self.columns = columns
        self.rows = rows
        self.bytes = bytes
        self.owner = owner
    }
}

/// The weights of one transformer block. Shapes are `rows x columns`.
public struct LayerWeights: Sendable {
    /// Before attention: `width`.
    public var attentionNorm: WeightTensor
    /// `heads * headWidth x width`.
    public var query: WeightTensor
    /// `keyValueHeads * headWidth x width`.
    public var key: WeightTensor
    /// `keyValueHeads * headWidth x width`.
    public var value: WeightTensor
    /// Biases of query, key, value where the model has them.
    public var queryBias: WeightTensor?
    public var keyBias: WeightTensor?
    public var valueBias: WeightTensor?
    /// Norms of each head of query and key (`headWidth`) where the model has them.
    public var queryNorm: WeightTensor?
    public var keyNorm: WeightTensor?
    /// `width x heads * headWidth`.
    public var output: WeightTensor
    /// Before the feed-forward layer: `width`.
    public var feedForwardNorm: WeightTensor
    /// `feedForwardWidth x width`.
    public var gate: WeightTensor
    /// `feedForwardWidth x width`.
    public var up: WeightTensor
    /// `width x feedForwardWidth`.
    public var down: WeightTensor

    /// A block without biases and head norms.
    public init(
        attentionNorm: WeightTensor, query: WeightTensor, key: WeightTensor, value: WeightTensor,
        output: WeightTensor, feedForwardNorm: WeightTensor, gate: WeightTensor, up: WeightTensor,
        down: WeightTensor
    ) {
        self.attentionNorm = attentionNorm
        self.query = query
        self.key = key
        self.value = value
        self.output = output
        self.feedForwardNorm = feedForwardNorm
        self.gate = gate
        self.up = up
        self.down = down
    }
}

/// All weights of a decoder.
public struct ModelWeights: Sendable {
    /// `vocabularySize x width`.
    public var embedding: WeightTensor
    public var layers: [LayerWeights]
    /// After the last block: `width`.
    public var outputNorm: WeightTensor
    /// `vocabularySize x width`; the embedding again where the model ties them.
    public var output: WeightTensor

    /// Weights from their parts.
    public init(
        embedding: WeightTensor, layers: [LayerWeights], outputNorm: WeightTensor,
        output: WeightTensor
    ) {
        self.embedding = embedding
        self.layers = layers
        self.outputNorm = outputNorm
        self.output = output
    }
}
