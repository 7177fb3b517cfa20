extension MatrixProduct {
    /// The fast one. The tensor engine never waits because
    ///
    /// - K is summed up in PSUM from beginning to end: nothing is added anywhere else;
    /// - eight tiles of rows are in work at a time, one for each PSUM bank. K advances in chunks,
    ///   and inside a chunk each bank has its turn; so the banks finish one after the other, and
    ///   each is emptied while the others are still at work;
    /// - transfers are large: a chunk of left tiles is 16 KiB a partition in rows of 8 tiles, and
    ///   results are stored by fours. That keeps descriptors, 600 ns for each transfer, out of the
    ///   way. Short contractions take smaller chunks, for the first product waits for the first
    ///   chunk;
    /// - right tiles of all K stay in SBUF for all rows when they fit, else they stream as well:
    ///   then a chunk moves 8 tiles of rows and 4 of columns for 8 multiplications of 512 columns
    ///   each. With no more than eight tiles of rows, the left ones stay.
    func tuned() {
        let groupRows = k.machine.psumBanks * tileM
        let holdsLeft = m <= groupRows && isResident(width: m)
        let holdsRight = !holdsLeft && isResident(width: tileN)
        var left: [OperandChunk<Element>] = []
        k.loop("n", over: n, by: tileN) { columns in
            var right: [OperandChunk<Element>] = []
            k.loop("mGroup", over: m, by: groupRows) { group in
                let rowTiles = group.pieces(by: tileM)
                let sums = rowTiles.map { k.psum("sum", [$0.count, columns.count]) }
                var output = ResultPack<Result>()
                k.loop("kChunk", over: depth, by: chunkTiles * tileK) { inner in
                    if !holdsLeft || columns.index == 0 {
                        let chunk = load(lhsT, inner, group, name: "left")
                        if holdsLeft { left.append(chunk) } else { left = [chunk] }
                    }
                    if !holdsRight || group.index == 0 {
                        let chunk = load(rhs, inner, columns, name: "right")
                        if holdsRight { right.append(chunk) } else { right = [chunk] }
                    }
                    k.loop("m", rowTiles) { rows in
                        multiply(
                            left[holdsLeft ? inner.index : 0],
                            right[holdsRight ? inner.index : 0], rows, inner,
                            into: sums[rows.index])
                        if inner.isLast {
                            store(sums[rows.index], rows, columns, of: group, &output)
                        }
                    }
                }
            }
        }
    }

    /// Tiles of K in a chunk: as many as fill 16 KiB a partition with 8 tiles of left columns, but
    /// at least eight chunks in all.
    private var chunkTiles: Int {
        let full = 16_384 / (k.machine.psumBanks * tileM * Element.elementType.byteCount)
        return max(1, min(full, depthTiles / 8))
    }

    private var depthTiles: Int { (depth + tileK - 1) / tileK }

    /// Whether `width` columns of all K leave enough of SBUF for the chunks of the other operand.
    private func isResident(width: Int) -> Bool {
        depthTiles * width * Element.elementType.byteCount
            <= k.machine.sbufBytesPerPartition * 5 / 8
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

    /// Copies a sum to SBUF and stores it: four full tiles of rows with one transfer, others by
    /// themselves. The scalar engine triggers the stores: they wait for results, and would hold up
    /// the loads in the queue of the sync engine.
    private func store(
        _ sum: Tile<PSUM, FP32>, _ rows: TileSpan, _ columns: TileSpan, of group: TileSpan,
        _ output: inout ResultPack<Result>
    ) {
        let place = rows.index % ResultPack<Result>.tiles
        let first = rows.start - place * tileM
        let end = first + ResultPack<Result>.tiles * tileM
        guard end <= group.start + group.count else {
            let tile = k.sbuf("tile", [rows.count, columns.count], Result.self)
            copy(sum, into: tile, rows)
            k.scalar.store(into: result[rows, columns], from: tile)
            return
        }
        let shape = [tileM, ResultPack<Result>.tiles, columns.count]
        let pack = output.tile ?? k.sbuf("pack", shape, Result.self)
        copy(sum, into: pack[.all, place], rows)
        let isFull = place == ResultPack<Result>.tiles - 1
        output.tile = isFull ? nil : pack
        guard isFull else { return }
        let target = result[first..<end, columns].split(0, inner: tileM).permuted([1, 0, 2])
        k.scalar.store(into: target, from: pack)
    }

    /// Vector and scalar engine take turns: a short contraction is over faster than one of them can
    /// empty the banks.
    private func copy(
        _ sum: Tile<PSUM, FP32>, into tile: Tile<SBUF, Result>, _ rows: TileSpan
    ) {
        if rows.index % 2 == 0 {
            k.vector.copy(into: tile, sum)
        } else {
            k.scalar.copy(into: tile, sum)
        }
    }
}

/// Some tiles of an operand that follow each other along K.
private struct OperandChunk<Element: MatrixElement> {
    var tiles: [Tile<SBUF, Element>] = []
}

/// Tiles of the result that are stored together.
private struct ResultPack<Element: MatrixElement> {
    /// How many.
    static var tiles: Int { 4 }
    /// The one that is being filled.
    var tile: Tile<SBUF, Element>?
}
