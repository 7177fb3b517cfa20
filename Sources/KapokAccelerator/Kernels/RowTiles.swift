/// Rows of a matrix in HBM as tiles in SBUF: row `t * tileRows + p` lies in partition `p` of tile
/// `t`. All full tiles move with one transfer, a last one that is not full with another.
struct RowTiles: Sendable {
    /// Tiles that are full.
    let fullTiles: Int
    /// Rows of a full tile.
    let tileRows: Int
    /// Rows of the last tile when it is not full, else 0.
    let rest: Int

    /// - Parameter rows: rows of the matrix.
    init(rows: Int, tileRows: Int) {
        self.tileRows = tileRows
        fullTiles = rows / tileRows
        rest = rows % tileRows
    }

    init(_ tiles: [TileSpan], tileRows: Int) {
        self.init(rows: tiles.reduce(0) { $0 + $1.count }, tileRows: tileRows)
    }

    private var fullRows: Int { fullTiles * tileRows }

    /// Rows of tile `index`.
    func count(_ index: Int) -> Int { index < fullTiles ? tileRows : rest }

    /// Reads the rows of `matrix` into `tile` (partitions x tiles x columns).
    func load<Element: TileElement>(
        _ trigger: some DMATrigger, into tile: Tile<SBUF, Element>, from matrix: Tensor<Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        if fullTiles > 0 {
            trigger.load(
                into: tile[..<tileRows, ..<fullTiles], from: full(matrix), file: file, line: line)
        }
        if rest > 0 {
            trigger.load(
                into: tile[..<rest, fullTiles], from: matrix[fullRows...], file: file, line: line)
        }
    }

    /// Writes `tile` (partitions x tiles x columns) to the rows of `matrix`.
    func store<Element: TileElement>(
        _ trigger: some DMATrigger, into matrix: Tensor<Element>, from tile: Tile<SBUF, Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        if fullTiles > 0 {
            trigger.store(
                into: full(matrix), from: tile[..<tileRows, ..<fullTiles], file: file, line: line)
        }
        if rest > 0 {
            trigger.store(
                into: matrix[fullRows...], from: tile[..<rest, fullTiles], file: file, line: line)
        }
    }

    private func full<Element: TileElement>(_ matrix: Tensor<Element>) -> Tensor<Element> {
        let order = [1, 0] + Array(2...matrix.shape.count)
        return matrix[..<fullRows].split(0, inner: tileRows).permuted(order)
    }
}
