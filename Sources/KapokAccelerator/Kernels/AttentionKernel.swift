internal import KapokWorld

/// Attention of all positions of a sequence to each other, as in prefill: `softmax(q k^T / sqrt(d))
/// v`, with a causal mask and grouped heads (several query heads share a head of keys and values).
///
/// Nothing of the size sequence x sequence leaves the core: scores go from the tensor engine to the
/// scalar engine and back, 128 keys x 512 queries at a time, and blocks that the mask removes
/// altogether are never computed. The variants differ in which of keys and queries lie in the
/// partitions, see ``TransposedAttention`` and ``OnlineAttention``.
struct AttentionKernel: LibraryKernel {
    let name = "attention"
    let summary = "attention over whole sequences (prefill): causal mask, grouped heads"
    let parameters = [
        KernelParameterDefinition("batch", 1, 1...1024, "the number of sequences"),
        KernelParameterDefinition("heads", 4, 1...256, "the number of query heads"),
        KernelParameterDefinition("kvHeads", 1, 1...256, "the number of key and value heads"),
        KernelParameterDefinition("sequence", 4096, 1...131_072, "the length of a sequence"),
        KernelParameterDefinition("headSize", 128, 1...128, "the elements of a head"),
        KernelParameterDefinition(
            "causal", 1, 0...1, "1: positions see only themselves and earlier ones"),
        KernelParameterDefinition(
            "elementMajor", 0, 0...1, "1: heads of queries and keys are headSize x sequence"),
    ]
    let variants = [
        KernelVariant("online", "queries in partitions, running maximum: scores of any size"),
        KernelVariant(
            "transposed",
            "twice as fast, keys in partitions, no maximum: scaled scores must be below 80"),
    ]
    let elementTypes: [ElementType] = [.bf16, .fp32]

    /// Blocks of 128 keys x 512 queries in one trace at most.
    private static let maximumBlocks = 1 << 20

    func problem(with arguments: KernelArguments) -> String? {
        let heads = arguments["heads"]
        guard heads % arguments["kvHeads"] == 0 else {
            return "\(heads) query heads cannot share \(arguments["kvHeads"]) key heads evenly"
        }
        let sequence = arguments["sequence"]
        let blocks =
            arguments["batch"] * heads * ((sequence + 127) / 128) * ((sequence + 511) / 512)
        guard blocks > Self.maximumBlocks else { return nil }
        return "\(blocks) blocks of scores, but a trace takes at most \(Self.maximumBlocks)"
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let shape = AttentionShape(arguments)
        let type = arguments.type
        return [
            TensorDeclaration(name: "q", shape: shape.queries, type: type, role: .input),
            TensorDeclaration(name: "k", shape: shape.keys, type: type, role: .input),
            TensorDeclaration(name: "v", shape: shape.values, type: type, role: .input),
            TensorDeclaration(name: "result", shape: shape.results, type: type, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let shape = AttentionShape(arguments)
        let tensors = AttentionTensors(
            q: k.input("q", shape.queries, type), k: k.input("k", shape.keys, type),
            v: k.input("v", shape.values, type), result: k.output("result", shape.results, type),
            isElementMajor: shape.isElementMajor)
        switch arguments.variant {
        case "online": OnlineAttention(k: k, shape: shape, tensors: tensors).build()
        default: TransposedAttention(k: k, shape: shape, tensors: tensors).build()
        }
    }

    /// Queries and keys in -2 to 2 give scaled scores of a spread of about 1.3, so that no single
    /// key decides a result, and below `4 sqrt(headSize)` in magnitude.
    func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float] {
        let limit: Float = input.name == "v" ? 1 : 2
        return stream.uniform(-limit, limit, count: input.elementCount)
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let shape = AttentionShape(arguments)
        let (q, k, v) = (inputs["q"] ?? [], inputs["k"] ?? [], inputs["v"] ?? [])
        let size = shape.headSize
        // From one element of a row to the next, and from row to row.
        let (inner, outer) = shape.isElementMajor ? (shape.sequence, 1) : (1, size)
        var result: [Double] = []
        for row in 0..<(q.count / size) {
            let position = row % shape.sequence
            let head = row / shape.sequence / shape.group
            let keys = shape.isCausal ? position + 1 : shape.sequence
            let first = head * shape.sequence * size
            let query = (row - position) * size + position * outer
            let scores = (0..<keys).map { key in
                var sum = 0.0
                for index in 0..<size {
                    sum += q[query + index * inner] * k[first + key * outer + index * inner]
                }
                return shape.scale * sum
            }
            result += AttentionReference.mean(of: v, from: first, size: size, weightedBy: scores)
        }
        return ["result": result]
    }

    /// A result is a mean of values in -1 to 1. Rounding its weights to the type moves it by up to
    /// twice the type's error; FP32 sums over the head (of products up to 4) and over the keys move
    /// it by their number of roundings; rounding it costs once more.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        let size = Double(arguments["headSize"])
        let sums = 4 * size * size.squareRoot() + Double(arguments["sequence"])
        return ErrorBound(
            absolute: 2 * arguments.type.roundingError
                + 2 * (sums + 16) * ElementType.fp32.roundingError,
            relative: arguments.type.roundingError)
    }
}

/// The sizes of an attention.
struct AttentionShape: Sendable {
    let batch: Int
    let heads: Int
    let keyValueHeads: Int
    let sequence: Int
    let headSize: Int
    let isCausal: Bool
    /// Whether heads of queries and keys are elements x positions.
    let isElementMajor: Bool

    init(_ arguments: KernelArguments) {
        batch = arguments["batch"]
        heads = arguments["heads"]
        keyValueHeads = arguments["kvHeads"]
        sequence = arguments["sequence"]
        headSize = arguments["headSize"]
        isCausal = arguments["causal"] == 1
        isElementMajor = arguments["elementMajor"] == 1
    }

    /// The shapes of queries and keys, and of results and values.
    var queries: [Int] { [batch, heads] + head }
    var keys: [Int] { [batch, keyValueHeads] + head }
    var results: [Int] { [batch, heads, sequence, headSize] }
    var values: [Int] { [batch, keyValueHeads, sequence, headSize] }
    private var head: [Int] { isElementMajor ? [headSize, sequence] : [sequence, headSize] }
    /// Query heads that share a head of keys and values.
    var group: Int { heads / keyValueHeads }
    /// What scores are multiplied by.
    var scale: Double { 1 / Double(headSize).squareRoot() }
}

/// The tensors of an attention, each [batch, heads, sequence, headSize]; those of queries and keys
/// [batch, heads, headSize, sequence] when they are element-major, as projections can make them:
/// then nothing is transposed.
struct AttentionTensors<Element: MatrixElement> {
    let q: Tensor<Element>
    let k: Tensor<Element>
    let v: Tensor<Element>
    let result: Tensor<Element>
    let isElementMajor: Bool

    /// Brings some queries of a head to `tile`, headSize x queries.
    func load(
        _ k: KernelBuilder, into tile: Tile<SBUF, Element>, queries: TileSpan, batch: Int, head: Int
    ) {
        if isElementMajor {
            k.load(into: tile, from: q[batch, head, .all, queries])
        } else {
            TransposedLoad(k: k).load(into: tile, from: q[batch, head, queries])
        }
    }
}
