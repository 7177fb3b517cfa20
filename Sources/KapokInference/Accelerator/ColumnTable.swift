internal import KapokAccelerator

/// A table in SBUF with a column for each token: element `t * 128 + p` of a token lies in partition
/// `p` of tile `t`.
///
/// So it is the moving operand of a product with weights as they come, whose result has the same
/// form: from norm to norm nothing is transposed. The last elements of a width that is no multiple
/// of 128 lie in a tile of their own.
struct ColumnTable<Element: TileElement> {
    /// Elements of a token.
    let rows: Int
    /// Tokens.
    let tokens: Int
    /// Full tiles: 128 x tiles x tokens.
    let full: Tile<SBUF, Element>?
    /// The last elements: elements x tokens.
    let rest: Tile<SBUF, Element>?

    private let tileRows: Int

    /// A table that nothing is written to yet. It belongs to the calling line.
    init(
        _ k: KernelBuilder, _ name: String, rows: Int, tokens: Int, file: StaticString = #fileID,
        line: Int = #line
    ) {
        self.rows = rows
        self.tokens = tokens
        tileRows = k.machine.tensorRows
        let (tiles, extra) = (rows / tileRows, rows % tileRows)
        full =
            tiles == 0
            ? nil
            : k.sbuf(
                name, [tileRows, tiles, tokens], Element.self, file: file, line: line)
        rest =
            extra == 0
            ? nil : k.sbuf("\(name)Rest", [extra, tokens], Element.self, file: file, line: line)
    }

    /// All tiles.
    var tiles: Int { (rows + tileRows - 1) / tileRows }

    /// Elements x tokens of a tile.
    func tile(_ index: Int) -> Tile<SBUF, Element> {
        if let full, index < full.shape[1] { return full[.all, index] }
        guard let rest else { preconditionFailure("a table has no tile \(index)") }
        return rest
    }

    /// Groups of tiles that one instruction can work on: as many full ones as have `elements`
    /// elements in a partition together, and the last one by itself.
    func groups(elements: Int) -> [TileGroup] {
        let full = rows / tileRows
        var groups = TileSpan.pieces(of: full, by: max(1, elements / tokens)).map {
            TileGroup(first: $0.start, count: $0.count, rows: tileRows)
        }
        if full < tiles { groups.append(TileGroup(first: full, count: 1, rows: rows % tileRows)) }
        return groups
    }

    /// The tiles of a group: rows x tiles x tokens.
    func tiles(_ group: TileGroup) -> Tile<SBUF, Element> {
        if let full, group.first < full.shape[1] { return full[.all, group.range] }
        return tile(group.first).split(1, inner: tokens)
    }

    /// Reads some tokens of `tensor` (elements x tokens).
    ///
    /// - Parameters:
    ///   - trigger: moves the full tiles.
    ///   - other: moves the last one, so that one does not wait for the other's descriptors.
    func load(
        _ trigger: some DMATrigger, rest other: some DMATrigger, from tensor: Tensor<Element>
    ) {
        let even = rows / tileRows * tileRows
        if let full {
            trigger.load(
                into: full,
                from: tensor[..<even].split(0, inner: tileRows).permuted([1, 0, 2]))
        }
        if let rest { other.load(into: rest, from: tensor[even...]) }
    }

    /// Writes it to some tokens of `tensor` (elements x tokens), by triggers as for loading.
    func store(
        _ trigger: some DMATrigger, rest other: some DMATrigger, into tensor: Tensor<Element>
    ) {
        let even = rows / tileRows * tileRows
        if let full {
            trigger.store(
                into: tensor[..<even].split(0, inner: tileRows).permuted([1, 0, 2]),
                from: full)
        }
        if let rest { other.store(into: tensor[even...], from: rest) }
    }
}

/// Consecutive tiles of a table.
struct TileGroup: Hashable, Sendable {
    /// The first of them.
    let first: Int
    /// How many.
    let count: Int
    /// Partitions in use.
    let rows: Int

    /// Their numbers.
    var range: Range<Int> { first..<(first + count) }
}
