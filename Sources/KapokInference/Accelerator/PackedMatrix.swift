internal import KapokAccelerator

/// How a matrix lies in HBM: in the order in which its tiles are wanted in SBUF, so that a transfer
/// moves a long run of bytes for each partition.
///
/// Outputs are cut into chunks. Of each chunk, partition `p` has its inputs `p`, `p + 128`, ... one
/// after another, each with all outputs of the chunk. Inputs beyond the last full 128 follow at the
/// end, a row of all outputs for each.
struct MatrixLayout: Hashable, Sendable {
    /// Elements of what the matrix is multiplied with.
    let inputs: Int
    /// Elements of the result.
    let outputs: Int
    /// Outputs of a chunk; the last may have fewer.
    let chunk: Int
    /// Inputs of a tile: the rows of the array.
    let tileInputs: Int

    /// - Parameters:
    ///   - multiple: a chunk has a multiple of so many outputs,
    ///   - maximum: at most so many where one multiple is not more,
    ///   - partitionBytes: and about so many bytes in a partition.
    init(
        inputs: Int, outputs: Int, multiple: Int, maximum: Int = .max, elementBytes: Int,
        partitionBytes: Int = 4096, tileInputs: Int = 128
    ) {
        self.inputs = inputs
        self.outputs = outputs
        self.tileInputs = tileInputs
        let tiles = max(1, inputs / tileInputs)
        let fitting = min(maximum, partitionBytes / (tiles * elementBytes))
        chunk = max(1, fitting / multiple) * multiple
    }

    /// Tiles of 128 inputs, and inputs of a last tile that has fewer.
    var fullTiles: Int { inputs / tileInputs }
    var rest: Int { inputs % tileInputs }
    /// All tiles.
    var tiles: Int { fullTiles + (rest > 0 ? 1 : 0) }
    /// Elements of the packed matrix.
    var elementCount: Int { inputs * outputs }
    /// The chunks.
    var chunks: [TileSpan] { TileSpan.pieces(of: outputs, by: chunk) }

    /// Where the elements of a chunk's full tiles are.
    func range(of chunk: TileSpan) -> Range<Int> {
        let inputs = fullTiles * tileInputs
        return inputs * chunk.start..<inputs * (chunk.start + chunk.count)
    }
    /// Where the rows of the last inputs are.
    var restRange: Range<Int> { fullTiles * tileInputs * outputs..<elementCount }

    /// A matrix in that order.
    ///
    /// - Parameter element: the weight from an input to an output.
    func pack(_ element: (_ output: Int, _ input: Int) -> Float) -> [Float] {
        var packed: [Float] = []
        packed.reserveCapacity(elementCount)
        for chunk in chunks {
            for row in 0..<tileInputs {
                for tile in 0..<fullTiles {
                    for output in chunk.start..<(chunk.start + chunk.count) {
                        packed.append(element(output, tile * tileInputs + row))
                    }
                }
            }
        }
        for input in fullTiles * tileInputs..<inputs {
            for output in 0..<outputs { packed.append(element(output, input)) }
        }
        return packed
    }
}

/// A packed matrix in HBM whose chunks are brought to SBUF as a kernel asks for them.
final class WeightStream<Element: MatrixElement> {
    let layout: MatrixLayout
    private let k: KernelBuilder
    private let name: String
    private let tensor: Tensor<Element>
    /// Whether a chunk that was loaded stays for the next block of tokens.
    private let isResident: Bool
    private var chunks: [Int: Tile<SBUF, Element>] = [:]
    private var rests: [Int: Tile<SBUF, Element>] = [:]

    /// Bytes in a partition that a piece of the last rows may take.
    private static var restBytes: Int { 16_384 }

    init(
        k: KernelBuilder, name: String, layout: MatrixLayout, isResident: Bool
    ) {
        self.k = k
        self.name = name
        self.layout = layout
        self.isResident = isResident
        tensor = k.input(name, [layout.elementCount], Element.self)
    }

    /// The weights of a chunk.
    func chunk(_ span: TileSpan) -> WeightChunk<Element> {
        let full = layout.fullTiles == 0 ? nil : chunks[span.index] ?? loadFull(span)
        guard layout.rest > 0 else { return WeightChunk(full: full, rest: nil) }
        let piece = restPieces.first { $0.start + $0.count > span.start }
        guard let piece else { preconditionFailure("a chunk lies among the outputs") }
        let rest = rests[piece.index] ?? loadRest(piece)
        let start = span.start - piece.start
        return WeightChunk(full: full, rest: rest[.all, start..<(start + span.count)])
    }

    /// Loads chunk `index`, if there is one, before it is asked for: for streams that are resident.
    func preload(_ index: Int) {
        guard isResident, index < layout.chunks.count else { return }
        _ = chunk(layout.chunks[index])
    }

    private func loadFull(_ span: TileSpan) -> Tile<SBUF, Element> {
        let tile = k.sbuf(
            name, [layout.tileInputs, layout.fullTiles, span.count], Element.self)
        let rows = tensor[layout.range(of: span)].split(0, inner: layout.fullTiles * span.count)
        k.load(into: tile, from: rows)
        if !isResident { chunks = [:] }
        chunks[span.index] = tile
        return tile
    }

    /// Pieces of the last rows: whole chunks.
    private var restPieces: [TileSpan] {
        let outputs = Self.restBytes / Element.elementType.byteCount
        return TileSpan.pieces(
            of: layout.outputs, by: max(1, outputs / layout.chunk) * layout.chunk)
    }

    private func loadRest(_ span: TileSpan) -> Tile<SBUF, Element> {
        let tile = k.sbuf("\(name)Rest", [layout.rest, span.count], Element.self)
        let rows = tensor[layout.restRange].split(0, inner: layout.outputs)
        k.scalar.load(into: tile, from: rows[.all, span])
        if !isResident { rests = [:] }
        rests[span.index] = tile
        return tile
    }
}

/// A chunk of a matrix in SBUF.
struct WeightChunk<Element: MatrixElement> {
    /// Full tiles: 128 x tiles x outputs.
    let full: Tile<SBUF, Element>?
    /// The last inputs: inputs x outputs.
    let rest: Tile<SBUF, Element>?

    /// Inputs (partitions) x outputs of a tile of inputs.
    func tile(_ index: Int, _ outputs: Range<Int>) -> Tile<SBUF, Element> {
        if let full, index < full.shape[1] { return full[.all, index, outputs] }
        guard let rest else { preconditionFailure("a matrix has no tile \(index)") }
        return rest[.all, outputs]
    }
}
