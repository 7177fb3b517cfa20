/// Reads the rows of a matrix in HBM as columns of a tile: operands of the tensor engine have the
/// contraction dimension in the partitions, and it is often the fast dimension in HBM.
///
/// Rows of 128 elements are transposed by the DMA engines on their way (16 at a time; what is left
/// of an edge moves element by element). Other rows are loaded as they are, and transposed by the
/// tensor engine.
struct TransposedLoad<Element: MatrixElement> {
    let k: KernelBuilder

    /// `tile` (columns x rows) = `matrix^T` (rows x columns): up to 512 rows, the elements of one
    /// bank in the type with the largest elements.
    func load(into tile: Tile<SBUF, Element>, from matrix: Tensor<Element>) {
        let rows = matrix.shape[0]
        guard matrix.shape[1] == k.machine.partitions, Element.elementType.byteCount > 1 else {
            return loadThroughTensorEngine(into: tile, from: matrix)
        }
        let even = rows - rows % DMAQueue.transposeRows
        if even > 0 {
            k.loadTransposed(into: tile[.all, ..<even], from: matrix[..<even])
        }
        if even < rows {
            k.load(into: tile[.all, even...], from: matrix[even...].permuted([1, 0]))
        }
    }

    private func loadThroughTensorEngine(
        into tile: Tile<SBUF, Element>, from matrix: Tensor<Element>
    ) {
        let tileRows = k.machine.tensorRows
        let (rows, columns) = (matrix.shape[0], matrix.shape[1])
        let pieces = TileSpan.pieces(of: rows, by: tileRows)
        let staged = k.sbuf("staged", [tileRows, pieces.count, columns], Element.self)
        RowTiles(rows: rows, tileRows: tileRows).load(k, into: staged, from: matrix)
        let identity = k.identity(of: Element.self)
        let flipped = k.psum("flipped", [columns, rows], Element.self)
        for piece in pieces {
            k.tensor.transpose(
                into: flipped[.all, piece], staged[..<piece.count, piece.index],
                identity: identity)
        }
        k.vector.copy(into: tile, flipped)
    }
}
