internal import KapokAccelerator
public import KapokModel

/// What a transformer block of a graph computes, as the accelerator's kernels take it: found in the
/// operations of the graph, so that a graph with another structure is refused instead of being
/// computed wrongly.
public struct DecoderBlock: Hashable, Sendable {
    /// Names of a block's tensors.
    public struct Names: Hashable, Sendable {
        /// Gains of the two norms.
        public var attentionNorm = ""
        public var feedForwardNorm = ""
        /// The matrices.
        public var query = ""
        public var key = ""
        public var value = ""
        public var output = ""
        public var gate = ""
        public var up = ""
        public var down = ""
        /// Biases and gains by head, where the block has them.
        public var queryBias: String?
        public var keyBias: String?
        public var valueBias: String?
        public var queryNorm: String?
        public var keyNorm: String?
    }

    /// Elements of the residual stream.
    public var width = 0
    /// Elements of the feed-forward layer.
    public var hidden = 0
    /// Query heads, and heads of keys and values.
    public var heads = 0
    public var keyValueHeads = 0
    /// Elements of a head.
    public var headWidth = 0
    /// The epsilon of each of its norms.
    public var epsilon: Float = 0
    /// How positions turn queries and keys; nil where they do not.
    public var rotation: RotaryEmbedding?
    /// Whether queries, keys and values have biases.
    public var hasBias = false
    /// Whether queries and keys are normalised by head.
    public var normalisesHeads = false

    /// The same block in the eyes of a compiler: what decides the shape of its kernels.
    public var shape: Shape {
        Shape(
            width: width, hidden: hidden, heads: heads, keyValueHeads: keyValueHeads,
            headWidth: headWidth, epsilon: epsilon, isRotated: rotation != nil, hasBias: hasBias,
            normalisesHeads: normalisesHeads)
    }

    /// What decides the shape of a block's kernels.
    public struct Shape: Hashable, Sendable {
        /// Elements of the residual stream and of the feed-forward layer (of one core).
        public var width: Int
        public var hidden: Int
        /// Query heads and heads of keys and values (of one core).
        public var heads: Int
        public var keyValueHeads: Int
        /// Elements of a head.
        public var headWidth: Int
        /// The epsilon of each norm.
        public var epsilon: Float
        /// Whether queries and keys are turned by position.
        public var isRotated: Bool
        /// Whether queries, keys and values have biases.
        public var hasBias: Bool
        /// Whether queries and keys are normalised by head.
        public var normalisesHeads: Bool
    }
}

/// A decoder as the accelerator's kernels take it.
public struct LoweredDecoder: Hashable, Sendable {
    /// The blocks, and the names of the tensors of each.
    public var blocks: [DecoderBlock] = []
    public var names: [DecoderBlock.Names] = []
    /// The table of embeddings, the gain of the last norm, and the output matrix.
    public var embedding: String
    public var finalNorm: String
    public var output: String
    /// The epsilon of the last norm.
    public var finalEpsilon: Float
    /// Elements of the residual stream.
    public var width: Int
    /// Rows of the output matrix.
    public var vocabulary: Int

    /// Finds embedding, blocks and head in a graph.
    ///
    /// - Throws: ``LoweringError`` for a graph that is put together in another way, or whose heads
    ///   are larger than the array.
    public init(_ graph: ModelGraph) throws(LoweringError) {
        var reader = GraphReader(graph)
        let start = try reader.next("the embedding", layer: nil)
        guard case .embedding(let table) = start.operation else {
            throw reader.refusal(start, "an embedding comes first")
        }
        embedding = table.name
        width = table.columns
        var stream = start.output
        var blocks: [DecoderBlock] = []
        var names: [DecoderBlock.Names] = []
        while let layer = reader.peek?.layer {
            var parser = BlockReader(reader: reader, layer: layer, stream: stream)
            try parser.read()
            reader = parser.reader
            stream = parser.stream
            blocks.append(parser.block)
            names.append(parser.names)
        }
        let norm = try reader.next("the last norm", layer: nil)
        guard case .normalise(let gain, let epsilon) = norm.operation, norm.inputs == [stream],
            gain.columns == table.columns
        else { throw reader.refusal(norm, "a norm of the whole row follows the last block") }
        let head = try reader.next("the output matrix", layer: nil)
        guard case .linear(let matrix, bias: nil) = head.operation, head.inputs == [norm.output],
            head.output == graph.output, reader.peek == nil
        else { throw reader.refusal(head, "an output matrix without bias ends the graph") }
        finalNorm = gain.name
        finalEpsilon = epsilon
        output = matrix.name
        vocabulary = matrix.rows
        self.blocks = blocks
        self.names = names
        guard let first = blocks.first, blocks.allSatisfy({ $0.sizes == first.sizes }) else {
            throw LoweringError(
                "a model of \(blocks.count) blocks",
                why: "all blocks have one shape, and there "
                    + "is at least one", remedy: "Serve it on the CPU")
        }
    }
}

extension LoweredDecoder {
    /// Refuses types that not all kernels have, and machines that they are not cut for.
    func check(_ type: ElementType, on machine: Machine) throws(LoweringError) {
        guard [.bf16, .fp32].contains(type) else {
            throw LoweringError(
                "kernels of type \(type.name)", why: "attention has BF16 and FP32",
                remedy: "Choose one of these")
        }
        let sizes = [
            machine.partitions, machine.tensorRows, machine.stationaryColumns,
            machine.movingColumns,
        ]
        guard sizes == [128, 128, 128, 512] else {
            throw LoweringError(
                "a machine of \(sizes[0]) partitions whose array has \(sizes[1]) rows and takes "
                    + "\(sizes[2]) and \(sizes[3]) columns",
                why: "the kernels are cut for 128 partitions, 128 rows, 128 and 512 columns",
                remedy: "Describe a machine of these sizes; clocks and memory may differ")
        }
    }
}

extension DecoderBlock {
    /// All sizes, without what a rotation differs in.
    fileprivate var sizes: Shape {
        var sizes = shape
        sizes.isRotated = true
        return sizes
    }
}

/// The operations of a graph one by one.
private struct GraphReader {
    let graph: ModelGraph
    private var place = 0

    init(_ graph: ModelGraph) { self.graph = graph }

    var peek: ModelGraph.Node? { place < graph.nodes.count ? graph.nodes[place] : nil }

    mutating func next(_ what: String, layer: Int?) throws(LoweringError) -> ModelGraph.Node {
        guard let node = peek, node.layer == layer else {
            throw LoweringError(
                "a graph without \(what)\(layer.map { " in block \($0)" } ?? "")",
                why: "kernels are made for decoders of the Llama family",
                remedy: "Serve the model on the CPU")
        }
        place += 1
        return node
    }

    func refusal(_ node: ModelGraph.Node, _ rule: String) -> LoweringError {
        LoweringError(
            "operation \(graph.values[node.output].name)", why: "in the kernels \(rule)",
            remedy: "Serve the model on the CPU")
    }
}

/// The operations of one block.
private struct BlockReader {
    var reader: GraphReader
    let layer: Int
    var stream: ModelGraph.ValueID
    var block = DecoderBlock()
    var names = DecoderBlock.Names()

    init(reader: GraphReader, layer: Int, stream: ModelGraph.ValueID) {
        self.reader = reader
        self.layer = layer
        self.stream = stream
    }

    mutating func read() throws(LoweringError) {
        let normed = try norm("a norm before attention", columns: nil, of: stream)
        names.attentionNorm = normed.gain
        block.width = normed.columns
        block.epsilon = normed.epsilon
        let attended = try attention(normed.output)
        stream = try add(stream, attended)
        let second = try norm("a norm before the feed-forward", columns: block.width, of: stream)
        names.feedForwardNorm = second.gain
        stream = try add(stream, try feedForward(second.output))
        try check()
    }

    private mutating func attention(
        _ x: ModelGraph.ValueID
    ) throws(LoweringError) -> ModelGraph.ValueID {
        let query = try linear("queries", of: x)
        let key = try linear("keys", of: x)
        let value = try linear("values", of: x)
        (names.query, names.queryBias) = (query.weight.name, query.bias)
        (names.key, names.keyBias) = (key.weight.name, key.bias)
        (names.value, names.valueBias) = (value.weight.name, value.bias)
        let biases = [query.bias, key.bias, value.bias].count { $0 != nil }
        guard biases == 0 || biases == 3 else {
            throw reader.refusal(query.node, "queries, keys and values have biases, or none has")
        }
        block.hasBias = biases == 3
        var (q, k) = (query.node.output, key.node.output)
        if case .normalise(let gain, _)? = reader.peek?.operation {
            let ofQuery = try norm("a norm of queries", columns: gain.columns, of: q)
            let ofKey = try norm("a norm of keys", columns: gain.columns, of: k)
            (names.queryNorm, names.keyNorm) = (ofQuery.gain, ofKey.gain)
            (q, k) = (ofQuery.output, ofKey.output)
            block.normalisesHeads = true
            block.headWidth = gain.columns
        }
        if case .rotate(let rotation, _)? = reader.peek?.operation {
            let first = try reader.next("a rotation of queries", layer: layer)
            let second = try reader.next("a rotation of keys", layer: layer)
            guard first.inputs == [q], second.inputs == [k], first.operation == second.operation
            else { throw reader.refusal(first, "queries and keys are turned alike") }
            (q, k) = (first.output, second.output)
            block.rotation = rotation
        }
        let mix = try reader.next("attention", layer: layer)
        guard
            case .attention(let heads, let keyValueHeads, let headWidth, let scale) =
                mix.operation, mix.inputs == [q, k, value.node.output],
            query.weight.rows == heads * headWidth, key.weight.rows == keyValueHeads * headWidth,
            value.weight.rows == key.weight.rows
        else { throw reader.refusal(mix, "attention of queries, keys and values follows") }
        guard abs(scale * Float(headWidth).squareRoot() - 1) < 1e-5 else {
            throw reader.refusal(mix, "scores are divided by the root of the head's width")
        }
        guard !block.normalisesHeads || block.headWidth == headWidth else {
            throw reader.refusal(mix, "queries and keys are normalised head by head")
        }
        (block.heads, block.keyValueHeads, block.headWidth) = (heads, keyValueHeads, headWidth)
        let output = try linear("the output of attention", of: mix.output)
        guard output.bias == nil else {
            throw reader.refusal(output.node, "the output of attention has no bias")
        }
        names.output = output.weight.name
        return output.node.output
    }

    private mutating func feedForward(
        _ x: ModelGraph.ValueID
    ) throws(LoweringError) -> ModelGraph.ValueID {
        let gate = try linear("the gate", of: x)
        let up = try linear("the up matrix", of: x)
        let product = try reader.next("the product of gate and up", layer: layer)
        guard case .gatedSiLU = product.operation,
            product.inputs == [gate.node.output, up.node.output]
        else { throw reader.refusal(product, "a gate with SiLU multiplies the up matrix' result") }
        let down = try linear("the down matrix", of: product.output)
        guard [gate.bias, up.bias, down.bias].allSatisfy({ $0 == nil }) else {
            throw reader.refusal(down.node, "the feed-forward layer has no biases")
        }
        block.hidden = gate.weight.rows
        (names.gate, names.up, names.down) = (gate.weight.name, up.weight.name, down.weight.name)
        return down.node.output
    }

    private mutating func add(
        _ a: ModelGraph.ValueID, _ b: ModelGraph.ValueID
    ) throws(LoweringError) -> ModelGraph.ValueID {
        let node = try reader.next("an addition", layer: layer)
        guard case .add = node.operation, node.inputs == [a, b] else {
            throw reader.refusal(node, "results are added to the stream")
        }
        return node.output
    }

    private mutating func linear(
        _ what: String, of x: ModelGraph.ValueID
    ) throws(LoweringError) -> (node: ModelGraph.Node, weight: ModelGraph.Weight, bias: String?) {
        let node = try reader.next(what, layer: layer)
        guard case .linear(let weight, let bias) = node.operation, node.inputs == [x] else {
            throw reader.refusal(node, "\(what) are a product with a matrix")
        }
        return (node, weight, bias?.name)
    }

    private mutating func norm(
        _ what: String, columns: Int?, of x: ModelGraph.ValueID
    ) throws(LoweringError) -> (
        gain: String, columns: Int, epsilon: Float, output: ModelGraph.ValueID
    ) {
        let node = try reader.next(what, layer: layer)
        guard case .normalise(let gain, let epsilon) = node.operation, node.inputs == [x],
            gain.columns == columns ?? gain.columns, columns == nil || epsilon == block.epsilon
        else { throw reader.refusal(node, "\(what) has the epsilon and the width of the others") }
        return (gain.name, gain.columns, epsilon, node.output)
    }

    private func check() throws(LoweringError) {
        guard (1...128).contains(block.headWidth) else {
            throw LoweringError(
                "heads of \(block.headWidth) elements",
                why: "a head lies in the 128 rows of the systolic array",
                remedy: "Serve the model on the CPU")
        }
        guard block.keyValueHeads > 0, block.heads % block.keyValueHeads == 0,
            block.heads / block.keyValueHeads <= 128
        else {
            throw LoweringError(
                "\(block.heads) query heads and \(block.keyValueHeads) of keys and values",
                why: "up to 128 query heads share one head of keys, all the same number",
                remedy: "Serve the model on the CPU")
        }
    }
}
