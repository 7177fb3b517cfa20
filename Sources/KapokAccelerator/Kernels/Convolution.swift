/// A two-dimensional convolution on its way.
///
/// Input channels lie in partitions. For each tap of the filter the tensor engine multiplies its
/// weights (inputs x outputs) with the image shifted by the tap, and all taps and input channels
/// are summed up in one PSUM bank: nothing is gathered into a matrix first, the shift is only where
/// the access pattern begins, and the stride is the pattern's stride.
///
/// - A strip of rows is loaded with its margin of zeros, so that every tap is a full rectangle.
/// - Few input channels (colours) would leave most of the array idle. Then a strip is loaded once
///   for each column of the filter, shifted, into partitions of its own, and one multiplication
///   covers a whole row of the filter.
/// - Filters come as they lie in HBM, with outputs in partitions, and are transposed once by the
///   tensor engine; they stay in SBUF for all images.
/// - Small images are taken together: a multiplication has up to 512 columns, and its time is not
///   less than that of 64.
/// - Bias is added on the way out of PSUM, by the vector and the scalar engine in turns.
///
/// The tensor engine is busy all the time when there are 128 channels and taps enough: 3 x 3 on 128
/// channels take 9 x 213 ns for 512 results, and their transfers about half of that.
struct Convolution<Element: MatrixElement> {
    let k: KernelBuilder
    let shape: ConvolutionShape
    /// batch x inputs x height x width.
    let x: Tensor<Element>
    /// outputs x inputs x kernelHeight x kernelWidth.
    let weights: Tensor<Element>
    /// outputs x 1.
    let bias: Tensor<Element>
    /// batch x outputs x rows x columns.
    let result: Tensor<Element>

    private var tileChannels: Int { ConvolutionTiling.tileChannels }
    private var inputTiles: [TileSpan] { TileSpan.pieces(of: shape.inputs, by: tileChannels) }
    private var tiling: ConvolutionTiling {
        ConvolutionTiling(shape, elementBytes: Element.elementType.byteCount)
    }

    /// Columns of the filter that lie in partitions, and the multiplications for one tile of input
    /// channels.
    private var foldedColumns: Int { tiling.foldsColumns ? shape.kernelWidth : 1 }
    private var steps: Int { shape.taps / foldedColumns }

    func build() {
        let tiling = tiling
        k.loop("outputs", over: shape.outputs, by: tiling.outputTiles * tileChannels) { outputs in
            let filters = outputs.pieces(by: tileChannels).map(load)
            k.loop("images", over: shape.batch, by: tiling.images) { images in
                k.loop("columns", over: shape.resultWidth, by: tiling.columns) { columns in
                    k.loop("rows", over: shape.resultHeight, by: tiling.stripRows) { rows in
                        let place = Place(images: images, rows: rows, columns: columns)
                        let strips = inputTiles.map { load($0, place) }
                        for filter in filters {
                            convolve(strips, filter, place, pieceRows: tiling.pieceRows)
                        }
                    }
                }
            }
        }
    }

    /// A strip of the result.
    private struct Place {
        let images: TileSpan
        let rows: TileSpan
        let columns: TileSpan
    }

    // MARK: Filters

    /// The weights of a tile of output channels.
    private struct Filter {
        let outputs: TileSpan
        let bias: Tile<SBUF, Element>
        /// For each tile of input channels: (folded columns and inputs) x steps x outputs.
        let tiles: [Tile<SBUF, Element>]
    }

    private func load(_ outputs: TileSpan) -> Filter {
        let biasTile = k.sbuf("bias", [outputs.count, 1], Element.self)
        k.load(into: biasTile, from: bias[outputs])
        return Filter(
            outputs: outputs, bias: biasTile,
            tiles: inputTiles.map { inputs in transposed(weights[outputs, inputs]) })
    }

    /// (folded columns and inputs) x steps x outputs, from outputs x inputs x rows x columns of the
    /// filter.
    private func transposed(_ weights: Tensor<Element>) -> Tile<SBUF, Element> {
        let (outputs, inputs) = (weights.shape[0], weights.shape[1])
        let staged = k.sbuf("staged", weights.shape, Element.self)
        let rows = foldedColumns * inputs
        let filter = k.sbuf("filter", [rows, steps, outputs], Element.self)
        k.load(into: staged, from: weights)
        let identity = k.identity(of: Element.self)
        let bankSteps = k.machine.psumBankBytes / (outputs * Element.elementType.byteCount)
        k.loop("steps", over: steps, by: bankSteps) { some in
            let flipped = k.psum("flipped", [rows, some.count, outputs], Element.self)
            for place in 0..<some.count {
                let tap = (some.start + place) * foldedColumns
                let (row, column) = (tap / shape.kernelWidth, tap % shape.kernelWidth)
                let taps = staged[.all, .all, row, column..<(column + foldedColumns)]
                k.tensor.transpose(
                    into: flipped[.all, place], taps.permuted([2, 1]), identity: identity)
            }
            k.vector.copy(into: filter[.all, some], flipped)
        }
        return filter
    }

    // MARK: Images

    /// The input of a strip of the result, for one tile of channels: (folded columns and channels)
    /// x images x rows x columns, with zeros where it reaches beyond the image.
    private func load(_ inputs: TileSpan, _ place: Place) -> Tile<SBUF, Element> {
        let rows = Reach(place.rows, taps: shape.kernelHeight, shape, extent: shape.height)
        let columns = (0..<foldedColumns).map { shift in
            Reach(
                place.columns, taps: foldedColumns == 1 ? shape.kernelWidth : 1, shift: shift,
                shape, extent: shape.width)
        }
        let strip = k.sbuf(
            "strip",
            [foldedColumns * inputs.count, place.images.count, rows.count, columns[0].count],
            Element.self)
        for margin in Reach.margins([rows]) {
            k.vector.memset(strip[.all, .all, margin, .all], to: 0)
        }
        guard !rows.inside.isEmpty else { return strip }
        for margin in Reach.margins(columns) {
            k.vector.memset(strip[.all, .all, rows.inside, margin], to: 0)
        }
        for (shift, columns) in columns.enumerated() where !columns.inside.isEmpty {
            let partitions = (shift * inputs.count)..<((shift + 1) * inputs.count)
            let part = x[place.images, inputs, rows.source, columns.source]
            k.load(
                into: strip[partitions, .all, rows.inside, columns.inside],
                from: part.permuted([1, 0, 2, 3]))
        }
        return strip
    }

    /// What a strip needs of one dimension of the image.
    private struct Reach {
        /// Elements with the margins.
        let count: Int
        /// Those that lie in the image, counted in the strip and in the image.
        let inside: Range<Int>
        let source: Range<Int>

        /// - Parameter shift: the first tap.
        init(
            _ span: TileSpan, taps: Int, shift: Int = 0, _ shape: ConvolutionShape, extent: Int
        ) {
            count = (span.count - 1) * shape.stride + taps
            let first = span.start * shape.stride - shape.padding + shift
            let start = min(max(0, first), extent)
            source = start..<max(start, min(extent, first + count))
            inside =
                source.isEmpty ? 0..<0 : (source.lowerBound - first)..<(source.upperBound - first)
        }

        /// What is not in the image for all of `reaches`, which have the same length: before, and
        /// behind.
        static func margins(_ reaches: [Reach]) -> [Range<Int>] {
            let count = reaches[0].count
            let start = reaches.map { $0.inside.lowerBound }.max() ?? 0
            let end = max(start, reaches.map { $0.inside.upperBound }.min() ?? count)
            return [0..<start, end..<count].filter { !$0.isEmpty }
        }
    }

    // MARK: Products

    private func convolve(
        _ strips: [Tile<SBUF, Element>], _ filter: Filter, _ place: Place, pieceRows: Int
    ) {
        let outputs = filter.outputs.count
        let output = k.sbuf(
            "output", [outputs, place.images.count, place.rows.count, place.columns.count],
            Element.self)
        k.loop("piece", over: place.rows.count, by: pieceRows) { piece in
            let sum = k.psum(
                "sum", [outputs, place.images.count, piece.count, place.columns.count])
            for (index, strip) in strips.enumerated() {
                for step in 0..<steps {
                    k.tensor.matmul(
                        into: sum, stationary: filter.tiles[index][.all, step],
                        moving: shifted(strip, piece, place.columns.count, step * foldedColumns),
                        accumulate: index > 0 || step > 0)
                }
            }
            let target = output[.all, .all, piece, .all]
            if piece.index % 2 == 0 {
                k.scalar.activation(.identity, into: target, sum, bias: .column(filter.bias))
            } else {
                k.vector.add(into: target, sum, scalar: .column(filter.bias))
            }
        }
        k.gpsimd.store(
            into: result[place.images, filter.outputs, place.rows, place.columns]
                .permuted([1, 0, 2, 3]),
            from: output)
    }

    /// What a tap of the filter (and those that are folded) sees of a strip: channels x images x
    /// rows x columns of the piece.
    private func shifted(
        _ strip: Tile<SBUF, Element>, _ piece: TileSpan, _ columns: Int, _ tap: Int
    ) -> Tile<SBUF, Element> {
        func every(_ start: Int, _ count: Int) -> StridedSlice {
            .every(shape.stride, in: start..<(start + (count - 1) * shape.stride + 1))
        }
        return strip[
            .all, .all, every(piece.start * shape.stride + tap / shape.kernelWidth, piece.count),
            every(tap % shape.kernelWidth, columns)]
    }
}
