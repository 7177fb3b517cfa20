/// A chunk of the caches of some pairs, in SBUF. Tile `t` of the full tiles has the keys `p * n +
/// t` of the chunk in partition `p`, `n` being the number of full tiles; a last tile has the rest.
struct CacheChunk<Element: MatrixElement> {
    /// Pairs.
    let pairs: Int
    /// Tiles of keys, with a last one that is not full.
    let tiles: Int
    /// Keys of a last tile that is not full, or 0.
    let rest: Int

    private let tileRows: Int
    private let fullTiles: Int
    /// Keys: headSize x pairs x keys.
    private let keyTile: Tile<SBUF, Element>
    /// Values of full tiles: partitions x pairs x tiles x headSize.
    private let fullValues: Tile<SBUF, Element>?
    /// Values of the rest: keys x pairs x headSize.
    private let restValues: Tile<SBUF, Element>?

    /// Loads the chunk.
    ///
    /// - Parameters:
    ///   - keys: pairs x headSize x length.
    ///   - values: pairs x length x headSize.
    ///   - span: the positions.
    init(k: KernelBuilder, keys: Tensor<Element>, values: Tensor<Element>, span: TileSpan) {
        let headSize = keys.shape[1]
        tileRows = k.machine.tensorRows
        pairs = keys.shape[0]
        fullTiles = span.count / tileRows
        rest = span.count % tileRows
        tiles = fullTiles + (rest > 0 ? 1 : 0)
        keyTile = k.sbuf("keys", [headSize, pairs, span.count], Element.self)
        k.load(into: keyTile, from: keys[.all, .all, span].permuted([1, 0, 2]))
        let fullEnd = span.start + fullTiles * tileRows
        if fullTiles > 0 {
            let tile = k.sbuf("values", [tileRows, pairs, fullTiles, headSize], Element.self)
            let rows = values[.all, span.start..<fullEnd]
            k.gpsimd.load(
                into: tile, from: rows.split(1, inner: fullTiles).permuted([1, 0, 2, 3]))
            fullValues = tile
        } else {
            fullValues = nil
        }
        if rest > 0 {
            let tile = k.sbuf("valuesRest", [rest, pairs, headSize], Element.self)
            k.gpsimd.load(
                into: tile, from: values[.all, fullEnd..<(fullEnd + rest)].permuted([1, 0, 2]))
            restValues = tile
        } else {
            restValues = nil
        }
    }

    /// Keys of a tile.
    func count(_ tile: Int) -> Int { tile < fullTiles ? tileRows : rest }

    /// headSize x keys of a tile.
    func keys(_ pair: Int, _ tile: Int) -> Tile<SBUF, Element> {
        let end = fullTiles * tileRows
        guard tile < fullTiles else { return keyTile[.all, pair, end...] }
        return keyTile[.all, pair, .every(fullTiles, in: tile..<end)]
    }

    /// keys x headSize of a tile.
    func values(_ pair: Int, _ tile: Int) -> Tile<SBUF, Element> {
        if tile < fullTiles, let fullValues { return fullValues[.all, pair, tile] }
        guard let restValues else { preconditionFailure("the chunk has no tile \(tile)") }
        return restValues[.all, pair]
    }
}
