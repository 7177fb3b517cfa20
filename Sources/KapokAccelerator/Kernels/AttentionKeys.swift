/// The keys and values of one head, block by block, as the tensor engine wants them: keys
/// transposed, values with a column of ones.
///
/// When all blocks fit into SBUF beside those of the next head, each is loaded once for all queries
/// of all heads that share it. Otherwise they stream, once for each block of queries.
struct KeyValueStream<Element: MatrixElement> {
    private let k: KernelBuilder
    private let keys: Tensor<Element>
    private let values: Tensor<Element>
    private let blocks: [TileSpan]
    private let isResident: Bool
    private let isElementMajor: Bool
    /// The blocks that were loaded: all of them by index, or only the last one.
    private var loaded: [Int: KeyValueBlock<Element>] = [:]

    /// - Parameters:
    ///   - keys: sequence x headSize, and so are `values`.
    ///   - isElementMajor: whether keys are headSize x sequence instead.
    init(
        k: KernelBuilder, keys: Tensor<Element>, values: Tensor<Element>,
        isElementMajor: Bool = false
    ) {
        self.isElementMajor = isElementMajor
        self.k = k
        self.keys = keys
        self.values = values
        let columns = k.machine.movingColumns
        blocks = TileSpan.pieces(of: values.shape[0], by: columns)
        let size = Element.elementType.byteCount
        let tiles = columns / k.machine.tensorRows
        let blockBytes = (columns + tiles * (values.shape[1] + 1)) * size
        isResident = blocks.count * blockBytes <= k.machine.sbufBytesPerPartition * 3 / 8
    }

    /// Some keys, at most a tile of them, and their values.
    mutating func tile(_ span: TileSpan) -> KeyValueTile<Element> {
        let columns = k.machine.movingColumns
        let index = span.start / columns
        let block = block(index)
        let first = span.start - index * columns
        let place = first / k.machine.tensorRows
        return KeyValueTile(
            keys: block.keys[.all, first..<(first + span.count)],
            values: block.values[..<span.count, place])
    }

    /// The block of that number, loaded if need be.
    mutating func block(_ index: Int) -> KeyValueBlock<Element> {
        if let known = loaded[index] { return known }
        let block = load(blocks[index])
        if !isResident { loaded = [:] }
        loaded[index] = block
        return block
    }

    private func load(_ span: TileSpan) -> KeyValueBlock<Element> {
        let headSize = values.shape[1]
        let rows = k.machine.tensorRows
        let keyTile = k.sbuf("keys", [headSize, span.size], Element.self)
        let valueTile = k.sbuf("values", [rows, span.size / rows, headSize + 1], Element.self)
        if isElementMajor {
            k.load(into: keyTile[.all, ..<span.count], from: keys[.all, span])
        } else {
            TransposedLoad(k: k).load(into: keyTile[.all, ..<span.count], from: keys[span])
        }
        RowTiles(rows: span.count, tileRows: rows)
            .load(k.gpsimd, into: valueTile[.all, .all, ..<headSize], from: values[span])
        k.vector.memset(valueTile[.all, .all, headSize...], to: 1)
        return KeyValueBlock(keys: keyTile, values: valueTile)
    }
}

/// Keys (headSize x keys) and values (partitions x tiles x headSize + 1) of a block: as many keys
/// as a moving matrix has columns.
struct KeyValueBlock<Element: MatrixElement> {
    let keys: Tile<SBUF, Element>
    let values: Tile<SBUF, Element>
}

/// Keys (headSize x keys) and values (keys x headSize + 1) of a tile of keys.
struct KeyValueTile<Element: MatrixElement> {
    let keys: Tile<SBUF, Element>
    let values: Tile<SBUF, Element>
}
