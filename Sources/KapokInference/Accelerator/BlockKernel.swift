internal import KapokAccelerator
internal import KapokModel

/// A part of a transformer block that one kernel computes.
struct BlockStages: OptionSet, Hashable, Sendable {
    let rawValue: Int
    /// The output matrix of attention, and the stream.
    static let output = BlockStages(rawValue: 1)
    /// Norm, gated feed-forward layer, and the stream.
    static let feedForward = BlockStages(rawValue: 2)
    /// Norm, queries, keys and values, turned by position.
    static let projections = BlockStages(rawValue: 4)
}

/// Everything in a decoder but attention itself, for prompts and for single tokens alike: a kernel
/// of consecutive stages. On one core, that is all from one attention to the next: what follows
/// attention in a block, and what comes before it in the next. The stream stays in SBUF, and
/// weights, which depend on nothing, arrive while earlier stages are at work.
///
/// Activations lie in columns (``ColumnTable``), weights are stationary. The gain of a norm is part
/// of the matrices behind it. A sum over the elements of a token is one over partitions: a product
/// with ones gives it to all of them. A rotation exchanges partitions: that is a product, too, with
/// a matrix of 1 and -1 that serves both ways of pairing.
struct BlockKernel: TypedKernel {
    /// The block (one core's share of it). With ``BlockStages/projections`` after other stages, two
    /// blocks take part, and what is said of heads is said of the second.
    var shape: DecoderBlock.Shape
    /// What is computed.
    var stages: BlockStages
    /// Tokens: positions of a prompt, or one of each sequence.
    var tokens: Int
    /// Whether tokens are each of another sequence: then queries and what attention gives have a
    /// row for each (else, a matrix for each head).
    var isDecoding: Bool
    /// Whether results are added to the stream here; otherwise they are a core's part of a sum.
    var addsStream = true

    /// Tokens that are worked on together, at most: the columns of a moving matrix.
    private static let blockTokens = 512

    /// The kernel's name in tables.
    var name: String {
        var parts: [String] = []
        if stages.contains(.output) { parts.append("output") }
        if stages.contains(.feedForward) { parts.append("feed-forward") }
        if stages.contains(.projections) { parts.append("qkv") }
        return parts.joined(separator: "+")
    }

    var parameters: [KernelParameter] {
        [
            KernelParameter("tokens", "\(tokens)"), KernelParameter("width", "\(shape.width)"),
            KernelParameter("heads", "\(shape.heads)"),
            KernelParameter("keyValueHeads", "\(shape.keyValueHeads)"),
            KernelParameter("headWidth", "\(shape.headWidth)"),
            KernelParameter("hidden", "\(shape.hidden)"),
        ]
    }

    func build<Element: MatrixElement>(_ k: KernelBuilder, _ type: Element.Type) {
        let layouts = layouts(elementBytes: Element.elementType.byteCount)
        let block = blockTokens(
            sbuf: k.machine.sbufBytesPerPartition, elementBytes: Element.elementType.byteCount)
        let weights = layouts.values.reduce(0) { sum, layout in
            sum + layout.tiles * layout.outputs * Element.elementType.byteCount
        }
        // Loaded once when they fit beside the tables of a block of tokens, else once for each.
        let tables = block * tilesPerToken * Element.elementType.byteCount
        let isResident = weights + tables <= k.machine.sbufBytesPerPartition * 9 / 10
        let part = BlockTrace<Element>(
            k: k, kernel: self, layouts: layouts, blockTokens: block, isResident: isResident)
        part.preload()
        k.loop("tokens", over: tokens, by: block) { span in part.build(span) }
    }

    /// Tokens that are worked on together: as many as leave room for weights, in blocks of one
    /// size.
    private func blockTokens(sbuf: Int, elementBytes: Int) -> Int {
        let fitting = sbuf * 13 / 20 / (tilesPerToken * elementBytes) / 128 * 128
        let most = max(128, min(Self.blockTokens, fitting))
        let blocks = (tokens + most - 1) / most
        return min(most, (tokens + 128 * blocks - 1) / (128 * blocks) * 128)
    }

    /// Elements in a partition that a token has at the same time, at most: in the stage that needs
    /// most.
    private var tilesPerToken: Int {
        func tiles(_ elements: Int) -> Int { (elements + 127) / 128 }
        let stream = tiles(shape.width)
        // The stream before and after, its norm and its squares, and what is between.
        var most = 4 * stream
        if stages.contains(.feedForward) { most = 4 * stream + tiles(shape.hidden) }
        if stages.contains(.output) {
            most = max(most, 2 * stream + 2 * tiles(shape.heads * shape.headWidth))
        }
        // Some tiles of heads on their way, in FP32.
        if stages.contains(.projections) { most = max(most, 3 * stream + 16) }
        return most
    }
}

/// A block's kernel on its way.
struct BlockTrace<Element: MatrixElement> {
    let k: KernelBuilder
    let kernel: BlockKernel
    /// Tokens that are worked on together.
    let blockTokens: Int
    let weights: [BlockMatrix: WeightStream<Element>]
    let constants: Constants
    private let x: Tensor<Element>?
    private let result: Tensor<Element>?
    let mix: Tensor<Element>?
    let heads: HeadTensors?

    /// Tiles that all blocks of tokens use.
    struct Constants {
        /// Ones in all places.
        let ones: Tile<SBUF, Element>
        /// For transposing.
        let identity: Tile<SBUF, Element>?
        /// What queries and keys need.
        let heads: HeadConstants?
    }

    /// See ``headConstants(_:_:)``.
    struct HeadConstants {
        /// Exchanges the elements of pairs: `-b, a`.
        let turn: Tile<SBUF, Element>?
        /// Ones where row and column belong to one head.
        let sameHead: Tile<SBUF, Element>?
        /// Gains by head: one column.
        let queryGain: Tile<SBUF, FP32>?
        let keyGain: Tile<SBUF, FP32>?
        /// Biases: a column for each tile of heads.
        let queryBias: Tile<SBUF, FP32>?
        let keyBias: Tile<SBUF, FP32>?
        /// The bias of values in all partitions.
        let valueBias: Tile<SBUF, FP32>?
    }

    /// What the projections read and write.
    struct HeadTensors {
        /// Cosines and sines of each position, for every head of a tile: rows x 2 x tokens.
        let angles: Tensor<FP32>?
        /// Queries: (heads x headWidth) x tokens, or tokens x (heads x headWidth).
        let q: Tensor<Element>
        /// Keys: (heads x headWidth) x tokens.
        let keys: Tensor<Element>
        /// Values: heads x tokens x headWidth.
        let values: Tensor<Element>
    }

    init(
        k: KernelBuilder, kernel: BlockKernel, layouts: [BlockMatrix: MatrixLayout],
        blockTokens: Int, isResident: Bool
    ) {
        self.k = k
        self.kernel = kernel
        self.blockTokens = blockTokens
        let shape = kernel.shape
        let readsStream = kernel.addsStream || kernel.stages != .output
        x = readsStream ? k.input("x", [shape.width, kernel.tokens], Element.self) : nil
        let hasResult = !kernel.stages.isDisjoint(with: [.output, .feedForward])
        result =
            hasResult ? k.output("result", [shape.width, kernel.tokens], Element.self) : nil
        let inner = shape.heads * shape.headWidth
        let mixShape =
            kernel.isDecoding
            ? [kernel.tokens, inner] : [shape.heads, kernel.tokens, shape.headWidth]
        mix = kernel.stages.contains(.output) ? k.input("mix", mixShape, Element.self) : nil
        var weights: [BlockMatrix: WeightStream<Element>] = [:]
        for matrix in BlockMatrix.allCases {
            guard let layout = layouts[matrix] else { continue }
            weights[matrix] = WeightStream(
                k: k, name: matrix.rawValue, layout: layout, isResident: isResident)
        }
        self.weights = weights
        let projects = kernel.stages.contains(.projections)
        heads = projects ? Self.headTensors(k, kernel) : nil
        let ones = k.sbuf("ones", [k.machine.tensorRows, k.machine.tensorRows], Element.self)
        k.vector.memset(ones, to: 1)
        let transposes = kernel.stages.contains(.output) || (projects && kernel.isDecoding)
        constants = Constants(
            ones: ones, identity: transposes ? k.identity(of: Element.self) : nil,
            heads: projects ? Self.headConstants(k, kernel) : nil)
    }

    /// A stream of weights that the kernel's stages have.
    func stream(_ matrix: BlockMatrix) -> WeightStream<Element> {
        guard let stream = weights[matrix] else {
            preconditionFailure("the kernel has no matrix \(matrix)")
        }
        return stream
    }

    /// Asks for all weights that stay, in the order of their use: they depend on nothing, and their
    /// places are never anything else's.
    func preload() {
        for pair in [[BlockMatrix.output], [.gate, .up], [.down], [.key], [.value], [.query]] {
            let streams = pair.compactMap { weights[$0] }
            let chunks = streams.map(\.layout.chunks.count).max() ?? 0
            for index in 0..<chunks {
                for stream in streams { stream.preload(index) }
            }
        }
    }

    /// All stages for some tokens.
    func build(_ span: TileSpan) {
        var stream = ColumnTable<Element>(
            k, "stream", rows: kernel.shape.width, tokens: span.count)
        if let x { stream.load(k.scalar, rest: k.gpsimd, from: x[.all, span]) }
        if kernel.stages.contains(.output) {
            stream = project(.output, mixed(span), add: stream)
        }
        if kernel.stages.contains(.feedForward) { stream = feedForward(stream) }
        if let result { stream.store(k.scalar, rest: k.gpsimd, into: result[.all, span]) }
        if kernel.stages.contains(.projections) { projectHeads(stream, span) }
    }

    /// The stream of all tokens.
    func load() -> ColumnTable<Element> {
        let stream = ColumnTable<Element>(
            k, "stream", rows: kernel.shape.width, tokens: kernel.tokens)
        if let x { stream.load(k.scalar, rest: k.gpsimd, from: x) }
        return stream
    }

    // MARK: Norm

    /// `x / sqrt(mean(x^2) + epsilon)` of each token.
    func normalise(_ x: ColumnTable<Element>) -> ColumnTable<Element> {
        let groups = x.groups(elements: k.machine.movingColumns)
        let sum = k.psum("squareSum", [k.machine.tensorRows, x.tokens])
        let squares = ColumnTable<Element>(k, "squares", rows: x.rows, tokens: x.tokens)
        for group in groups {
            k.scalar.activation(.square, into: squares.tiles(group), x.tiles(group))
        }
        for index in 0..<x.tiles {
            let tile = squares.tile(index)
            k.tensor.matmul(
                into: sum, stationary: constants.ones[..<tile.partitionCount], moving: tile,
                accumulate: index > 0)
        }
        let scale = k.sbuf("scale", [k.machine.tensorRows, x.tokens], FP32.self)
        k.scalar.activation(
            .rsqrt, into: scale, sum, scale: .value(1 / Float(x.rows)),
            bias: .value(kernel.shape.epsilon))
        let normal = ColumnTable<Element>(k, "normal", rows: x.rows, tokens: x.tokens)
        for group in groups {
            let scales = scale[..<group.rows].repeatedOutside(group.count)
            if group.first % 2 == 1 {
                k.gpsimd.tensorTensor(
                    .multiply, into: normal.tiles(group), x.tiles(group), scales)
            } else {
                k.vector.multiply(into: normal.tiles(group), x.tiles(group), scales)
            }
        }
        return normal
    }

    // MARK: Products

    /// `weights x` of some tiles of outputs that lie in one chunk: outputs x tiles x tokens in one
    /// bank of PSUM.
    ///
    /// - Parameters:
    ///   - outputs: from the first of the chunk on.
    ///   - rows: outputs of a tile.
    func product(
        _ chunk: WeightChunk<Element>, _ x: ColumnTable<Element>, outputs: Range<Int>, rows: Int,
        _ name: String, file: StaticString = #fileID, line: Int = #line
    ) -> Tile<PSUM, FP32> {
        let count = (outputs.count + rows - 1) / rows
        let height = min(rows, outputs.count)
        let sum = k.psum(name, [height, count, x.tokens], file: file, line: line)
        for tile in 0..<count {
            let first = outputs.lowerBound + tile * rows
            let part = first..<min(first + rows, outputs.upperBound)
            for index in 0..<x.tiles {
                k.tensor.matmul(
                    into: sum[.all, tile], stationary: chunk.tile(index, part),
                    moving: x.tile(index), accumulate: index > 0, file: file, line: line)
            }
        }
        return sum
    }

    /// Adds `matrix x` to the stream, or gives it alone where parts of several cores are summed up
    /// later.
    func project(
        _ matrix: BlockMatrix, _ x: ColumnTable<Element>, add stream: ColumnTable<Element>
    ) -> ColumnTable<Element> {
        let weights = self.stream(matrix)
        let result = ColumnTable<Element>(
            k, "sum", rows: stream.rows, tokens: stream.tokens)
        k.loop("chunk", weights.layout.chunks) { span in
            let chunk = weights.chunk(span)
            for group in groups(of: span, tokens: x.tokens) {
                let sum = product(
                    chunk, x, outputs: group.outputs(in: span), rows: k.machine.tensorRows,
                    "projected")
                if kernel.addsStream {
                    k.vector.add(into: result.tiles(group), sum, stream.tiles(group))
                } else if group.first % 2 == 0 {
                    k.vector.copy(into: result.tiles(group), sum)
                } else {
                    k.scalar.copy(into: result.tiles(group), sum)
                }
            }
        }
        return result
    }

    /// Tiles of 128 outputs of a chunk in groups that fill one bank of PSUM; one that is not full
    /// by itself.
    func groups(of span: TileSpan, tokens: Int) -> [TileGroup] {
        let rows = k.machine.tensorRows
        let first = span.start / rows
        let full = span.count / rows
        var groups = TileSpan.pieces(of: full, by: max(1, k.machine.movingColumns / tokens)).map {
            TileGroup(first: first + $0.start, count: $0.count, rows: rows)
        }
        if span.count % rows > 0 {
            groups.append(TileGroup(first: first + full, count: 1, rows: span.count % rows))
        }
        return groups
    }
}

extension TileGroup {
    /// Its elements, counted from the start of a chunk of 128s.
    func outputs(in span: TileSpan) -> Range<Int> {
        let start = first * 128 - span.start
        return start..<(start + (rows < 128 ? rows : count * 128))
    }
}
