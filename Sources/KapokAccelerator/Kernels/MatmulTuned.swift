extension MatrixProduct {
    /// The fast one. The tensor engine never waits because
    ///
    /// - K is summed up in PSUM from beginning to end: nothing is added anywhere else;
    /// - eight tiles of rows are in work at a time, one for each PSUM bank. K advances in chunks,
    ///   and inside a chunk each bank has its turn; so the banks finish one after the other, and
    ///   each is emptied while the others are still at work;
    /// - transfers are large: a chunk of left tiles is 16 KiB a partition in rows of 8 tiles. That
    ///   keeps descriptors, 600 ns for each transfer, out of the way;
    /// - right tiles of all K stay in SBUF for all rows when they fit, else they stream as well:
    ///   then a chunk moves 8 tiles of rows and 4 of columns for 8 multiplications of 512 columns
    ///   each.
    func tuned() {
        let chunk = chunkTiles
        let isResident = rightBytes <= k.machine.sbufBytesPerPartition * 5 / 8
        k.loop("n", over: n, by: tileN) { columns in
            var right: [OperandChunk<Element>] = []
            k.loop("mGroup", over: m, by: k.machine.psumBanks * tileM) { group in
                let rowTiles = group.pieces(by: tileM)
                let sums = rowTiles.map { k.psum("sum", [$0.count, columns.count]) }
                k.loop("kChunk", over: depth, by: chunk * tileK) { inner in
                    if group.index == 0 || !isResident {
                        let loaded = load(rhs, inner, columns, name: "right")
                        if isResident { right.append(loaded) } else { right = [loaded] }
                    }
                    let left = load(lhsT, inner, group, name: "left")
                    k.loop("m", rowTiles) { rows in
                        let sum = sums[rows.index]
                        multiply(left, right[isResident ? inner.index : 0], rows, inner, into: sum)
                        if inner.isLast { store(sum, rows, columns) }
                    }
                }
            }
        }
    }

    /// Tiles of K in a chunk: as many as fill 16 KiB a partition with 8 tiles of left columns.
    private var chunkTiles: Int {
        max(1, 16_384 / (k.machine.psumBanks * tileM * Element.elementType.byteCount))
    }

    /// Bytes a partition of the right tiles of all K.
    private var rightBytes: Int {
        (depth + tileK - 1) / tileK * tileN * Element.elementType.byteCount
    }

    /// Loads tiles of K and some columns of an operand with one transfer; a last one that is not
    /// full gets its own. Tiles and transfers belong to the calling line: left and right ones do
    /// not share buffers.
    private func load(
        _ operand: Tensor<Element>, _ inner: TileSpan, _ columns: TileSpan, name: String,
        file: StaticString = #fileID, line: Int = #line
    ) -> OperandChunk<Element> {
        let full = inner.count / tileK
        let rest = inner.count % tileK
        var chunk = OperandChunk<Element>()
        if full > 0 {
            let tile = k.sbuf(
                name, [tileK, full, columns.count], Element.self, file: file, line: line)
            let rows = inner.start..<(inner.start + full * tileK)
            k.load(
                into: tile,
                from: operand[rows, columns].split(0, inner: tileK).permuted([1, 0, 2]), file: file,
                line: line)
            for index in 0..<full { chunk.tiles.append(tile[.all, index]) }
        }
        if rest > 0 {
            let tile = k.sbuf(
                "\(name)Edge", [rest, columns.count], Element.self, file: file, line: line)
            let start = inner.start + full * tileK
            k.load(
                into: tile, from: operand[start..<(start + rest), columns], file: file, line: line)
            chunk.tiles.append(tile)
        }
        return chunk
    }

    private func multiply(
        _ left: OperandChunk<Element>, _ right: OperandChunk<Element>, _ rows: TileSpan,
        _ inner: TileSpan, into sum: Tile<PSUM, FP32>
    ) {
        let start = rows.index * tileM
        for (index, moving) in right.tiles.enumerated() {
            k.tensor.matmul(
                into: sum, stationary: left.tiles[index][.all, start..<(start + rows.count)],
                moving: moving, accumulate: inner.index > 0 || index > 0)
        }
    }

    /// The scalar engine triggers the stores: they wait for results, and would hold up the loads in
    /// the queue of the sync engine.
    private func store(_ sum: Tile<PSUM, FP32>, _ rows: TileSpan, _ columns: TileSpan) {
        let tile = k.sbuf("tile", [rows.count, columns.count], Result.self)
        k.vector.copy(into: tile, sum)
        k.scalar.store(into: result[rows, columns], from: tile)
    }
}

/// Some tiles of an operand that follow each other along K.
private struct OperandChunk<Element: MatrixElement> {
    var tiles: [Tile<SBUF, Element>] = []
}
