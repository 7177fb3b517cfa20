internal import KapokAccelerator

/// The rows of the embedding that tokens chose, turned into the columns of the stream. (Which rows
/// these are is a transfer with indirect addresses in a real program; here they lie together.)
struct EmbeddingKernel: TypedKernel {
    /// Elements of a row, and rows.
    var width: Int
    var tokens: Int

    let name = "embedding"

    func build<Element: MatrixElement>(_ k: KernelBuilder, _ type: Element.Type) {
        let rows = k.input("rows", [tokens, width], type)
        let result = k.output("result", [width, tokens], type)
        let identity = k.identity(of: type)
        k.loop("tokens", over: tokens, by: k.machine.partitions) { span in
            let tile = k.sbuf("tile", [span.count, width], type)
            k.load(into: tile, from: rows[span])
            let columns = ColumnTable<Element>(k, "columns", rows: width, tokens: span.count)
            for piece in TileSpan.pieces(of: width, by: k.machine.tensorRows) {
                let flipped = k.psum("flipped", [piece.count, span.count], type)
                k.tensor.transpose(into: flipped, tile[.all, piece], identity: identity)
                k.vector.copy(into: columns.tile(piece.index), flipped)
            }
            columns.store(k.sync, rest: k.scalar, into: result[.all, span])
        }
    }
}

/// The last norm and the output matrix: logits of some tokens, a row for each. Weights move and
/// tokens are stationary, so that a row of logits is one long run in HBM; up to 128 tokens.
struct HeadKernel: TypedKernel {
    /// Elements of the stream.
    var width: Int
    /// Logits: rows of the output matrix (of one core).
    var vocabulary: Int
    /// Tokens.
    var tokens: Int
    /// The epsilon of the norm.
    var epsilon: Float

    let name = "head"

    /// Logits that are stored together.
    private static let storedChunks = 4

    func layout(elementBytes: Int) -> MatrixLayout {
        MatrixLayout(
            inputs: width, outputs: vocabulary, multiple: 128, maximum: 512,
            elementBytes: elementBytes)
    }

    func build<Element: MatrixElement>(_ k: KernelBuilder, _ type: Element.Type) {
        // A block's norm, without its stages.
        let shape = DecoderBlock.Shape(
            width: width, hidden: 0, heads: 0, keyValueHeads: 0, headWidth: 1, epsilon: epsilon,
            isRotated: false, hasBias: false, normalisesHeads: false)
        let norm = BlockTrace<Element>(
            k: k, kernel: BlockKernel(shape: shape, stages: [], tokens: tokens, isDecoding: true),
            layouts: [:], blockTokens: tokens, isResident: false)
        let logits = k.output("logits", [tokens, vocabulary], FP32.self)
        let weights = WeightStream<Element>(
            k: k, name: "weights",
            layout: layout(elementBytes: Element.elementType.byteCount), isResident: false)
        let x = norm.normalise(norm.load())
        var pack: (tile: Tile<SBUF, FP32>, start: Int)?
        k.loop("chunk", weights.layout.chunks) { span in
            let chunk = weights.chunk(span)
            let sum = k.psum("sum", [tokens, span.count])
            for index in 0..<x.tiles {
                k.tensor.matmul(
                    into: sum, stationary: x.tile(index),
                    moving: chunk.tile(index, 0..<span.count), accumulate: index > 0)
            }
            let open =
                pack
                ?? (
                    k.sbuf(
                        "pack", [tokens, Self.storedChunks * weights.layout.chunk], FP32.self),
                    span.start
                )
            let first = span.start - open.start
            if span.index % 2 == 0 {
                k.vector.copy(into: open.tile[.all, first..<(first + span.count)], sum)
            } else {
                k.scalar.copy(into: open.tile[.all, first..<(first + span.count)], sum)
            }
            let end = span.start + span.count
            let isFull = span.isLast || span.index % Self.storedChunks == Self.storedChunks - 1
            pack = isFull ? nil : open
            guard isFull else { return }
            k.gpsimd.store(
                into: logits[.all, open.start..<end], from: open.tile[.all, ..<(end - open.start)])
        }
    }
}

/// One core's part of a sum over cores: it adds up some rows of what all cores computed, and the
/// stream, and gives them to all.
///
/// Each core has its own rows, so that the whole is a reduce-scatter and an all-gather in one pass
/// over HBM (the mesh form of an all-reduce). The tensor engine adds: the identity times each part,
/// summed up in PSUM.
struct AllReduceKernel: TypedKernel {
    /// Rows of this core.
    var rows: Int
    /// Tokens.
    var tokens: Int
    /// Cores.
    var cores: Int

    let name = "all-reduce"

    func build<Element: MatrixElement>(_ k: KernelBuilder, _ type: Element.Type) {
        let parts = k.input("parts", [cores, rows, tokens], type)
        let stream = k.input("x", [rows, tokens], type)
        let result = k.output("result", [cores, rows, tokens], type)
        let identity = k.identity(of: type)
        k.loop("rows", over: rows, by: k.machine.partitions) { row in
            k.loop("tokens", over: tokens, by: k.machine.movingColumns) { span in
                let loaded = k.sbuf("parts", [row.count, cores, span.count], type)
                let old = k.sbuf("stream", [row.count, span.count], type)
                k.load(into: loaded, from: parts[.all, row, span].permuted([1, 0, 2]))
                k.scalar.load(into: old, from: stream[row, span])
                let sum = k.psum("sum", [row.count, span.count])
                for core in 0..<cores {
                    k.tensor.matmul(
                        into: sum, stationary: identity[..<row.count, ..<row.count],
                        moving: loaded[.all, core], accumulate: core > 0)
                }
                let new = k.sbuf("new", [row.count, span.count], type)
                k.vector.add(into: new, sum, old)
                for core in 0..<cores {
                    let target = result[core, row, span]
                    if core % 2 == 0 {
                        k.sync.store(into: target, from: new)
                    } else {
                        k.scalar.store(into: target, from: new)
                    }
                }
            }
        }
    }
}
