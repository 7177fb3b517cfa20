internal import KapokWorld

/// Attention of one new position of each sequence to all that are cached, as in decoding.
///
/// Keys are cached transposed, [headSize, length], and values as they are, [length, headSize]: then
/// both are operands of the tensor engine as they come, in long runs of HBM. See
/// ``DecodeAttention``.
struct AttentionDecodeKernel: LibraryKernel {
    let name = "attention-decode"
    let summary = "attention of one query a sequence to a cache of keys and values, grouped heads"
    let parameters = [
        KernelParameterDefinition("batch", 8, 1...1024, "the number of sequences"),
        KernelParameterDefinition("heads", 32, 1...256, "the number of query heads"),
        KernelParameterDefinition("kvHeads", 8, 1...256, "the number of key and value heads"),
        KernelParameterDefinition("length", 4096, 1...131_072, "the cached positions"),
        KernelParameterDefinition("headSize", 128, 1...128, "the elements of a head"),
    ]
    let variants = [
        KernelVariant("tuned", "keys in partitions, exact maxima, chunks that fill the DMA engines")
    ]
    let elementTypes: [ElementType] = [.bf16, .fp32, .fp16]

    /// Query heads of one head of keys at most: they are columns of one tile.
    private static let maximumGroup = 128
    /// Tiles of 128 keys in one trace at most.
    private static let maximumTiles = 1 << 20

    func problem(with arguments: KernelArguments) -> String? {
        let (heads, keyHeads) = (arguments["heads"], arguments["kvHeads"])
        if heads % keyHeads != 0 {
            return "\(heads) query heads cannot share \(keyHeads) key heads evenly"
        }
        if heads / keyHeads > Self.maximumGroup {
            return "\(heads / keyHeads) query heads share a key head, at most "
                + "\(Self.maximumGroup) may"
        }
        let tiles = arguments["batch"] * keyHeads * ((arguments["length"] + 127) / 128)
        guard tiles > Self.maximumTiles else { return nil }
        return "\(tiles) tiles of keys, but a trace takes at most \(Self.maximumTiles)"
    }

    func tensors(_ arguments: KernelArguments) -> [TensorDeclaration] {
        let type = arguments.type
        let (batch, size) = (arguments["batch"], arguments["headSize"])
        let (keyHeads, length) = (arguments["kvHeads"], arguments["length"])
        let queries = [batch, arguments["heads"], size]
        return [
            TensorDeclaration(name: "q", shape: queries, type: type, role: .input),
            TensorDeclaration(
                name: "kT", shape: [batch, keyHeads, size, length], type: type, role: .input),
            TensorDeclaration(
                name: "v", shape: [batch, keyHeads, length, size], type: type, role: .input),
            TensorDeclaration(name: "result", shape: queries, type: type, role: .output),
        ]
    }

    func build<Element: MatrixElement>(
        _ k: KernelBuilder, _ arguments: KernelArguments, _ type: Element.Type
    ) {
        let shapes = tensors(arguments).map(\.shape)
        let q = k.input("q", shapes[0], type)
        let keys = k.input("kT", shapes[1], type)
        let values = k.input("v", shapes[2], type)
        let result = k.output("result", shapes[3], type)
        DecodeAttention(
            k: k, group: arguments["heads"] / arguments["kvHeads"], q: q.merged(0),
            keys: keys.merged(0), values: values.merged(0), result: result.merged(0)
        ).build()
    }

    /// As for attention over whole sequences: no single key decides a result.
    func values(
        for input: TensorDeclaration, _ arguments: KernelArguments, from stream: inout RandomStream
    ) -> [Float] {
        let limit: Float = input.name == "v" ? 1 : 2
        return stream.uniform(-limit, limit, count: input.elementCount)
    }

    func reference(
        _ inputs: [String: [Double]], _ arguments: KernelArguments
    ) -> [String: [Double]] {
        let (q, keys, v) = (inputs["q"] ?? [], inputs["kT"] ?? [], inputs["v"] ?? [])
        let (size, length) = (arguments["headSize"], arguments["length"])
        let group = arguments["heads"] / arguments["kvHeads"]
        let scale = 1 / Double(size).squareRoot()
        var result: [Double] = []
        for row in 0..<(q.count / size) {
            let first = row / group * size * length
            var scores = [Double](repeating: 0, count: length)
            for index in 0..<size {
                let factor = scale * q[row * size + index]
                for key in 0..<length {
                    scores[key] += factor * keys[first + index * length + key]
                }
            }
            result += AttentionReference.mean(of: v, from: first, size: size, weightedBy: scores)
        }
        return ["result": result]
    }

    /// As for attention over whole sequences: a mean of values in -1 to 1 with rounded weights,
    /// FP32 sums over the head and the cache, and rounding of the result.
    func bound(_ arguments: KernelArguments) -> ErrorBound {
        let size = Double(arguments["headSize"])
        let sums = 4 * size * size.squareRoot() + Double(arguments["length"])
        return ErrorBound(
            absolute: 2 * arguments.type.roundingError
                + 2 * (sums + 32) * ElementType.fp32.roundingError,
            relative: arguments.type.roundingError)
    }
}
