import CKernels

/// A model whose weights lie in memory as the kernels read them; immutable, shared by executors.
public final class CPUModel: Sendable {
    /// The model's shape.
    public let configuration: ModelConfiguration
    /// The weights.
    let weights: CPUWeights

    /// Packs the weights of `file` with all threads. The file's own bytes stay mapped: embeddings
    /// are read from them row by row.
    /// - Throws: `CPUModelError.unsupported` for shapes that the kernels do not compute,
    ///   `CPUModelError.outOfMemory`.
    public init(_ file: LanguageModelFile, threads: ThreadPool) throws(CPUModelError) {
        configuration = file.configuration
        try Self.check(file.configuration)
        weights = try CPUWeights(file, threads: threads)
    }

    private static func check(_ shape: ModelConfiguration) throws(CPUModelError) {
        guard shape.layers > 0, shape.width > 0, shape.feedForwardWidth > 0,
            shape.vocabularySize > 0, shape.contextLength > 0
        else { throw .unsupported("a dimension is 0") }
        guard ForwardPass.phases(layers: shape.layers) <= KAPOK_TEAM_PHASES else {
            throw .unsupported("\(shape.layers) blocks are too many")
        }
        guard (32...256).contains(shape.headWidth), shape.headWidth % 8 == 0 else {
            throw .unsupported(
                "heads of \(shape.headWidth) elements; they must have 32 to 256, a multiple of 8")
        }
        guard shape.heads > 0, shape.keyValueHeads > 0, shape.heads % shape.keyValueHeads == 0
        else {
            throw .unsupported(
                "\(shape.heads) query heads are no multiple of \(shape.keyValueHeads) key heads")
        }
        let rotated = shape.rope.rotatedWidth
        guard rotated >= 0, rotated <= shape.headWidth, rotated % 2 == 0,
            shape.rope.frequencies.count == rotated / 2
        else {
            throw .unsupported(
                "rotary embedding of \(rotated) of \(shape.headWidth) elements with "
                    + "\(shape.rope.frequencies.count) frequencies")
        }
    }
}

/// The packed weights and what keeps them alive.
final class CPUWeights: @unchecked Sendable {
    /// One for each block.
    let layers: UnsafeMutablePointer<PackedLayer>
    let layerCount: Int
    /// After the last block.
    let outputNorm: UnsafePointer<Float>
    /// From the last hidden state to logits.
    let output: PackedMatrix
    /// Token embeddings as the file has them.
    let embedding: WeightTensor
    /// Radians per position.
    let frequencies: UnsafePointer<Float>
    private let memory: MappedMemory

    init(_ file: LanguageModelFile, threads: ThreadPool) throws(CPUModelError) {
        let shape = file.configuration
        guard file.weights.layers.count == shape.layers else {
            throw .unsupported(
                "\(file.weights.layers.count) blocks of weights for \(shape.layers) blocks")
        }
        embedding = file.weights.embedding
        guard embedding.rows == shape.vocabularySize, embedding.columns == shape.width,
            let rowBytes = embedding.type.bytes(elements: shape.width),
            embedding.bytes.count == rowBytes * shape.vocabularySize
        else {
            throw .unsupported(
                "the embedding is \(embedding.rows) x \(embedding.columns), not "
                    + "\(shape.vocabularySize) x \(shape.width)")
        }
        var counting = WeightPacking(base: nil)
        _ = try Self.lay(file, &counting)
        memory = try MappedMemory(bytes: counting.bytes, for: "the model's weights")
        var placing = WeightPacking(base: memory.base)
        let parts = try Self.lay(file, &placing)
        WeightPacking.run(placing.jobs, on: threads)
        layerCount = shape.layers
        layers = .allocate(capacity: shape.layers)
        layers.initialize(from: parts.layers, count: shape.layers)
        outputNorm = parts.outputNorm
        output = parts.output
        frequencies = parts.frequencies
    }

    deinit { layers.deallocate() }

    /// Everything but the embedding.
    private struct Parts {
        var layers: [PackedLayer]
        var outputNorm: UnsafePointer<Float>
        var output: PackedMatrix
        var frequencies: UnsafePointer<Float>
    }

    private static func lay(
        _ file: LanguageModelFile, _ packing: inout WeightPacking
    ) throws(CPUModelError) -> Parts {
        let shape = file.configuration
        var layers: [PackedLayer] = []
        for (index, layer) in file.weights.layers.enumerated() {
            layers.append(
                try lay(
                    layer, shape, rotates: !shape.layersWithoutRotation.contains(index), &packing))
        }
        let frequencies = packing.floats(shape.rope.frequencies)
        return Parts(
            layers: layers,
            outputNorm: try packing.vector([file.weights.outputNorm], counts: [shape.width]),
            output: try packing.matrix(
                file.weights.output, rows: shape.vocabularySize, columns: shape.width),
            frequencies: frequencies)
    }

    private static func lay(
        _ layer: LayerWeights, _ shape: ModelConfiguration, rotates: Bool,
        _ packing: inout WeightPacking
    ) throws(CPUModelError) -> PackedLayer {
        let width = shape.width
        let queries = shape.heads * shape.headWidth
        let keys = shape.keyValueHeads * shape.headWidth
        var bias: UnsafePointer<Float>?
        if let query = layer.queryBias, let key = layer.keyBias, let value = layer.valueBias {
            bias = try packing.vector([query, key, value], counts: [queries, keys, keys])
        } else if layer.queryBias != nil || layer.keyBias != nil || layer.valueBias != nil {
            throw .unsupported("some of the biases of query, key and value, but not all")
        }
        func headNorm(_ tensor: WeightTensor?) throws(CPUModelError) -> UnsafePointer<Float>? {
            guard let tensor else { return nil }
            return try packing.vector([tensor], counts: [shape.headWidth])
        }
        return PackedLayer(
            attentionNorm: try packing.vector([layer.attentionNorm], counts: [width]),
            query: try packing.matrix(layer.query, rows: queries, columns: width),
            key: try packing.matrix(layer.key, rows: keys, columns: width),
            value: try packing.matrix(layer.value, rows: keys, columns: width),
            bias: bias,
            queryNorm: try headNorm(layer.queryNorm),
            keyNorm: try headNorm(layer.keyNorm),
            output: try packing.matrix(layer.output, rows: width, columns: queries),
            feedForwardNorm: try packing.vector([layer.feedForwardNorm], counts: [width]),
            gate: try packing.matrix(layer.gate, rows: shape.feedForwardWidth, columns: width),
            up: try packing.matrix(layer.up, rows: shape.feedForwardWidth, columns: width),
            down: try packing.matrix(layer.down, rows: width, columns: shape.feedForwardWidth),
            rotates: rotates)
    }
}
