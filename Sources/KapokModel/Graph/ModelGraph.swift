/// A decoder as a flat list of operations: what every backend computes, however it does it.
///
/// Values are tables with a row for each token of a sequence; tokens follow one another, each sees
/// itself and those before it. Operations come in an order in which they can be carried out.
public struct ModelGraph: Hashable, Sendable {
    /// The number of a value in `values`.
    public typealias ValueID = Int

    /// A table that an operation makes: a row of `columns` numbers for each token.
    public struct Value: Hashable, Sendable {
        /// Its name, after the operation: "blk.3.attn_q".
        public var name: String
        /// Numbers for each token.
        public var columns: Int
    }

    /// A tensor of the model, by the name that `WeightTensor.name` has.
    public struct Weight: Hashable, Sendable {
        /// The name in GGUF's manner.
        public var name: String
        /// Outputs; 1 for a vector.
        public var rows: Int
        /// Inputs, or the elements of a vector.
        public var columns: Int
    }

    /// What can be done with values. Inputs are in the order given.
    public enum Operation: Hashable, Sendable {
        /// Each token's row of a matrix. No input.
        case embedding(Weight)
        /// x / sqrt(mean(x * x) + epsilon) * gain, for every `gain.columns` columns on their own:
        /// the whole row, or each head. Input: x.
        case normalise(gain: Weight, epsilon: Float)
        /// The rows of a matrix times x, plus a bias. Input: x.
        case linear(Weight, bias: Weight?)
        /// Turns pairs of elements of each head by the token's position, from 0. Input: x.
        case rotate(RotaryEmbedding, headWidth: Int)
        /// softmax(q * k * scale) * v over the tokens up to the own one, head by head; query head
        /// `h` belongs to key-value head `h / (heads / keyValueHeads)`. Inputs: q, k, v.
        case attention(heads: Int, keyValueHeads: Int, headWidth: Int, scale: Float)
        /// g / (1 + exp(-g)) * u, element by element. Inputs: g, u.
        case gatedSiLU
        /// a + b. Inputs: a, b.
        case add
    }

    /// One operation and what it works on.
    public struct Node: Hashable, Sendable {
        /// What is done.
        public var operation: Operation
        /// The values that it reads.
        public var inputs: [ValueID]
        /// The value that it makes.
        public var output: ValueID
        /// The transformer block that it belongs to, from 0; nil before and after them.
        public var layer: Int?
    }

    /// All values; each is made by exactly one node.
    public private(set) var values: [Value] = []
    /// All operations, in order.
    public private(set) var nodes: [Node] = []
    /// The value that holds the logits: a row of the vocabulary for each token.
    public private(set) var output: ValueID = 0

    /// The graph of a model.
    public init(_ configuration: ModelConfiguration) {
        let c = configuration
        var stream = append(
            "token_embd",
            .embedding(Weight(name: "token_embd.weight", rows: c.vocabularySize, columns: c.width)),
            [], columns: c.width, layer: nil)
        for layer in 0..<c.layers {
            let attended = attention(stream, layer, c)
            stream = append(
                "blk.\(layer).attn_residual", .add, [stream, attended], columns: c.width,
                layer: layer)
            let fed = feedForward(stream, layer, c)
            stream = append(
                "blk.\(layer).ffn_residual", .add, [stream, fed], columns: c.width, layer: layer)
        }
        let normed = append(
            "output_norm",
            .normalise(
                gain: Weight(name: "output_norm.weight", rows: 1, columns: c.width),
                epsilon: c.normEpsilon),
            [stream], columns: c.width, layer: nil)
        let matrix = c.tiesEmbeddings ? "token_embd.weight" : "output.weight"
        output = append(
            "output",
            .linear(Weight(name: matrix, rows: c.vocabularySize, columns: c.width), bias: nil),
            [normed], columns: c.vocabularySize, layer: nil)
    }

    private mutating func append(
        _ name: String, _ operation: Operation, _ inputs: [ValueID], columns: Int, layer: Int?
    ) -> ValueID {
        values.append(Value(name: name, columns: columns))
        nodes.append(
            Node(operation: operation, inputs: inputs, output: values.count - 1, layer: layer))
        return values.count - 1
    }

    private mutating func linear(
        _ name: String, _ input: ValueID, rows: Int, hasBias: Bool = false, layer: Int
    ) -> ValueID {
        let full = "blk.\(layer).\(name)"
        let weight = Weight(name: full + ".weight", rows: rows, columns: values[input].columns)
        let bias = hasBias ? Weight(name: full + ".bias", rows: 1, columns: rows) : nil
        return append(full, .linear(weight, bias: bias), [input], columns: rows, layer: layer)
    }

    private mutating func norm(
        _ name: String, _ input: ValueID, group: Int, _ epsilon: Float, layer: Int
    ) -> ValueID {
        let full = "blk.\(layer).\(name)"
        let gain = Weight(name: full + ".weight", rows: 1, columns: group)
        return append(
            full, .normalise(gain: gain, epsilon: epsilon), [input],
            columns: values[input].columns, layer: layer)
    }

    private mutating func attention(
        _ stream: ValueID, _ layer: Int, _ c: ModelConfiguration
    ) -> ValueID {
        let bias = c.hasAttentionBias
        let x = norm("attn_norm", stream, group: c.width, c.normEpsilon, layer: layer)
        let keyRows = c.keyValueHeads * c.headWidth
        var q = linear("attn_q", x, rows: c.heads * c.headWidth, hasBias: bias, layer: layer)
        var k = linear("attn_k", x, rows: keyRows, hasBias: bias, layer: layer)
        let v = linear("attn_v", x, rows: keyRows, hasBias: bias, layer: layer)
        if c.normalisesQueriesAndKeys {
            q = norm("attn_q_norm", q, group: c.headWidth, c.normEpsilon, layer: layer)
            k = norm("attn_k_norm", k, group: c.headWidth, c.normEpsilon, layer: layer)
        }
        if !c.layersWithoutRotation.contains(layer) {
            let turn = Operation.rotate(c.rope, headWidth: c.headWidth)
            q = append(
                "blk.\(layer).attn_q_rotated", turn, [q], columns: values[q].columns, layer: layer)
            k = append(
                "blk.\(layer).attn_k_rotated", turn, [k], columns: values[k].columns, layer: layer)
        }
        let mixed = append(
            "blk.\(layer).attn_mix",
            .attention(
                heads: c.heads, keyValueHeads: c.keyValueHeads, headWidth: c.headWidth,
                scale: 1 / Float(c.headWidth).squareRoot()),
            [q, k, v], columns: c.heads * c.headWidth, layer: layer)
        return linear("attn_output", mixed, rows: c.width, layer: layer)
    }

    private mutating func feedForward(
        _ stream: ValueID, _ layer: Int, _ c: ModelConfiguration
    ) -> ValueID {
        let x = norm("ffn_norm", stream, group: c.width, c.normEpsilon, layer: layer)
        let gate = linear("ffn_gate", x, rows: c.feedForwardWidth, layer: layer)
        let up = linear("ffn_up", x, rows: c.feedForwardWidth, layer: layer)
        let product = append(
            "blk.\(layer).ffn_product", .gatedSiLU, [gate, up], columns: c.feedForwardWidth,
            layer: layer)
        return linear("ffn_down", product, rows: c.width, layer: layer)
    }

    /// Multiplications with weights for each token, all tokens' logits included.
    public var multiplicationsPerToken: Int {
        nodes.reduce(0) { sum, node in
            guard case .linear(let weight, _) = node.operation else { return sum }
            return sum + weight.rows * weight.columns
        }
    }
}

extension ModelWeights {
    /// All tensors by the names that a graph has for them.
    public var byName: [String: WeightTensor] {
        var all = [embedding, outputNorm, output]
        for layer in layers {
            all += [
                layer.attentionNorm, layer.query, layer.key, layer.value, layer.output,
                layer.feedForwardNorm, layer.gate, layer.up, layer.down,
            ]
            all += [layer.queryBias, layer.keyBias, layer.valueBias].compactMap(\.self)
            all += [layer.queryNorm, layer.keyNorm].compactMap(\.self)
        }
        return Dictionary(all.map { ($0.name, $0) }) { first, _ in first }
    }
}
