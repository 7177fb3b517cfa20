/// How a convolution is cut: a *strip* of result rows (of several images when they are small) is
/// what transfers bring, a *piece* of it what one PSUM bank holds.
struct ConvolutionTiling: Sendable {
    /// Rows of the array and columns of a moving matrix: input channels of a tile, results of a
    /// piece.
    static let tileChannels = 128
    static let bankResults = 512
    /// Bytes of a partition that the filters of all resident output channels take at most, and the
    /// same for the input rows of a single result row.
    private static let maximumFilterBytes = 49_152
    private static let maximumRowBytes = 49_152
    /// What a strip of input takes if it can be cut that far.
    private static let stripBytes = 24_576
    /// Products of tiles in one trace at most.
    private static let maximumProducts = 1 << 21

    /// Images of a strip.
    let images: Int
    /// Result rows of a strip, a multiple of those of a piece.
    let stripRows: Int
    /// Result rows of a piece.
    let pieceRows: Int
    /// Result columns of a strip and of a piece.
    let columns: Int
    /// Whether the taps of a filter's row lie in partitions beside each other, with the channels.
    let foldsColumns: Bool
    /// Tiles of output channels whose filters are resident together.
    let outputTiles: Int

    init(_ shape: ConvolutionShape, elementBytes: Int) {
        columns = min(shape.resultWidth, Self.bankResults)
        foldsColumns = shape.inputs * shape.kernelWidth <= Self.tileChannels
        let inputTiles = Self.tiles(shape.inputs, Self.tileChannels)
        let rowBytes = Self.rowBytes(shape, elementBytes)
        let inputRows = Self.stripBytes / rowBytes
        let rows = max(1, (inputRows - shape.kernelHeight) / shape.stride + 1)
        pieceRows = min(rows, shape.resultHeight, Self.bankResults / columns)
        stripRows = min(rows / pieceRows, Self.tiles(shape.resultHeight, pieceRows)) * pieceRows
        let results = shape.resultHeight * shape.resultWidth
        let imageBytes = shape.paddedHeight * rowBytes
        images =
            stripRows >= shape.resultHeight && results <= Self.bankResults
            ? max(1, min(shape.batch, Self.bankResults / results, Self.stripBytes / imageBytes)) : 1
        let filterBytes =
            inputTiles * shape.taps * min(shape.outputs, Self.tileChannels) * elementBytes
        outputTiles = max(1, Self.maximumFilterBytes / filterBytes)
    }

    /// Bytes of a partition that one row of input takes in a strip.
    private static func rowBytes(_ shape: ConvolutionShape, _ elementBytes: Int) -> Int {
        let columns = min(shape.resultWidth, bankResults)
        let width = (columns - 1) * shape.stride + shape.kernelWidth
        return tiles(shape.inputs, tileChannels) * width * elementBytes
    }

    /// What is too large about a convolution; nil when nothing is.
    static func problem(with shape: ConvolutionShape, elementBytes: Int) -> String? {
        let inputTiles = tiles(shape.inputs, tileChannels)
        let filterBytes = inputTiles * shape.taps * tileChannels * elementBytes
        if filterBytes > maximumFilterBytes {
            return "filters of \(shape.inputs) channels and \(shape.taps) taps take \(filterBytes) "
                + "bytes a partition, at most \(maximumFilterBytes) may be resident"
        }
        let rowBytes = rowBytes(shape, elementBytes) * shape.kernelHeight
        if rowBytes > maximumRowBytes {
            return "the input of one result row takes \(rowBytes) bytes a partition, at most "
                + "\(maximumRowBytes) may"
        }
        let tiling = ConvolutionTiling(shape, elementBytes: elementBytes)
        let pieces =
            tiles(shape.batch, tiling.images) * tiles(shape.resultHeight, tiling.pieceRows)
            * tiles(shape.resultWidth, tiling.columns)
        let products = pieces * inputTiles * shape.taps * tiles(shape.outputs, tileChannels)
        guard products > maximumProducts else { return nil }
        return "\(products) products of tiles, but a trace takes at most \(maximumProducts)"
    }

    private static func tiles(_ extent: Int, _ size: Int) -> Int { (extent + size - 1) / size }
}
