/// Attention with keys in the partitions.
///
/// The tensor engine computes scores transposed, keys x queries, so that their exponentials are the
/// stationary operand of the product with the values as they are: nothing is transposed on the way.
/// Values have a column of ones, which sums up the weights in the same product, and one division
/// ends a row. So a block of 128 keys x 512 queries costs
///
/// - the scalar engine 512 exponentials (427 ns at 1.2 GHz), read from three banks at a time;
/// - the tensor engine 512 columns for the scores and 4 x 129 for the values (428 ns in BF16);
/// - the vector engine nothing but the division at the end, the gpsimd engine only the triangles on
///   the diagonal.
///
/// Two engines are busy nearly all the time, and the vector engine, which would need 533 ns only to
/// find maxima in the other layout, stays out of it. The price: a row's maximum would be one across
/// partitions, so none is subtracted. Exponentials of scores up to 80 and sums of them fit FP32 and
/// BF16, and softmax does not depend on their scale; sequences with larger scores need
/// ``OnlineAttention``.
///
/// PSUM: two groups of three banks for scores, one or two for the sums of four tiles of queries,
/// and one for transposing queries and keys where the DMA engines cannot.
struct TransposedAttention<Element: MatrixElement> {
    let k: KernelBuilder
    let shape: AttentionShape
    let tensors: AttentionTensors<Element>

    /// Banks of a group of scores: two groups and the sums fill PSUM.
    private static var groupBanks: Int { 3 }

    /// Tiles of queries that share a tile of sums, which fits into a bank: all four, or two when a
    /// head fills the array.
    private var tilesPerSum: Int {
        let tiles = blockQueries / tileRows
        return tiles * (shape.headSize + 1) <= blockQueries ? tiles : tiles / 2
    }

    /// Queries of a block: the columns of a bank.
    private var blockQueries: Int { k.machine.movingColumns }
    /// Keys, and queries, of a tile: what the array holds.
    private var tileRows: Int { k.machine.tensorRows }

    func build() {
        k.loop("batch", 0..<shape.batch) { batch in
            k.loop("kvHead", 0..<shape.keyValueHeads) { keyHead in
                var keys = KeyValueStream(
                    k: k, keys: tensors.k[batch, keyHead], values: tensors.v[batch, keyHead],
                    isElementMajor: shape.isElementMajor)
                k.loop("head", 0..<shape.group) { member in
                    let head = keyHead * shape.group + member
                    k.loop("queries", over: shape.sequence, by: blockQueries) { queries in
                        attend(
                            batch, head, tensors.result[batch, head, queries],
                            queries, &keys)
                    }
                }
            }
        }
    }

    /// One block of queries, against all keys that it sees.
    private func attend(
        _ batch: Int, _ head: Int, _ result: Tensor<Element>, _ queries: TileSpan,
        _ keys: inout KeyValueStream<Element>
    ) {
        let transposed = k.sbuf("queries", [shape.headSize, blockQueries], Element.self)
        tensors.load(
            k, into: transposed[.all, ..<queries.count], queries: queries, batch: batch, head: head)
        let tiles = TileSpan.pieces(of: queries.count, by: tileRows)
        var sums: [Tile<PSUM, FP32>] = []
        for _ in TileSpan.pieces(of: tiles.count, by: tilesPerSum) {
            sums.append(k.psum("sums", [tileRows, tilesPerSum, shape.headSize + 1]))
        }
        let plan = ScorePlan(
            queries: queries, sequence: shape.sequence, isCausal: shape.isCausal,
            tileKeys: tileRows, bankColumns: blockQueries, banks: Self.groupBanks)
        var isStarted = [Bool](repeating: false, count: tiles.count)
        k.loop("keys", 0..<plan.groups.count) { index in
            let group = plan.groups[index]
            let loaded = group.pieces.map { keys.tile($0.keys) }
            let weights = weights(of: group, loaded, transposed)
            for tile in tiles {
                add(group, loaded, weights, tile, to: sums, isStarted: isStarted[tile.index])
                isStarted[tile.index] = true
            }
        }
        finish(sums, tiles, result)
    }

    /// The exponentials of a group's scores, zero where the mask is.
    private func weights(
        of group: ScorePlan.Group, _ loaded: [KeyValueTile<Element>],
        _ queries: Tile<SBUF, Element>
    ) -> Tile<SBUF, Element> {
        let columns = Self.groupBanks * blockQueries
        let scores = k.psum("scores", [tileRows, columns])[..<group.keyCount]
        let weights = k.sbuf("weights", [tileRows, columns], Element.self)[..<group.keyCount]
        for (piece, tile) in zip(group.pieces, loaded) {
            k.tensor.matmul(
                into: scores[.all, piece.column..<(piece.column + piece.width)],
                stationary: tile.keys,
                moving: queries[.all, piece.firstQuery..<(piece.firstQuery + piece.width)])
        }
        for range in group.columns {
            k.scalar.activation(
                .exp, into: weights[.all, range], scores[.all, range],
                scale: .value(Float(shape.scale)))
        }
        for piece in group.pieces where piece.isDiagonal {
            let width = min(tileRows, piece.width)
            let triangle = weights[.all, piece.column..<(piece.column + width)]
            k.gpsimd.affineSelect(
                into: triangle, triangle, base: 0, perPartition: -1, perElement: 1, .greaterEqual,
                otherwise: 0)
        }
        return weights
    }

    /// Adds the group's weighted values to the sums of one tile of queries.
    private func add(
        _ group: ScorePlan.Group, _ loaded: [KeyValueTile<Element>],
        _ weights: Tile<SBUF, Element>, _ tile: TileSpan, to sums: [Tile<PSUM, FP32>],
        isStarted: Bool
    ) {
        var isStarted = isStarted
        for (piece, keyTile) in zip(group.pieces, loaded) where piece.firstQuery <= tile.start {
            let first = piece.column + tile.start - piece.firstQuery
            k.tensor.matmul(
                into: row(of: sums, tile), stationary: weights[.all, first..<(first + tile.count)],
                moving: keyTile.values, accumulate: isStarted)
            isStarted = true
        }
    }

    /// Weighted sums and, in the last column, the sums of weights of one tile of queries.
    private func row(of sums: [Tile<PSUM, FP32>], _ tile: TileSpan) -> Tile<PSUM, FP32> {
        sums[tile.index / tilesPerSum][..<tile.count, tile.index % tilesPerSum]
    }

    /// Divides by the sums of weights and stores. PSUM is emptied first, one copy for each bank:
    /// the next block waits for it.
    private func finish(
        _ sums: [Tile<PSUM, FP32>], _ tiles: [TileSpan], _ result: Tensor<Element>
    ) {
        let count = blockQueries / tileRows
        let summed = k.sbuf("summed", [tileRows, count, shape.headSize + 1], FP32.self)
        let output = k.sbuf("output", [tileRows, count, shape.headSize], Element.self)
        for (index, sum) in sums.enumerated() {
            let first = index * tilesPerSum
            let members = tiles[first..<min(first + tilesPerSum, tiles.count)]
            let full = members.count { $0.count == tileRows }
            if full > 0 {
                k.vector.copy(into: summed[.all, first..<(first + full)], sum[.all, ..<full])
            }
            if full < members.count {
                let rows = tiles[first + full].count
                k.vector.copy(into: summed[..<rows, first + full], sum[..<rows, full])
            }
        }
        for tile in tiles {
            let row = summed[..<tile.count, tile.index]
            k.vector.tensorScalar(
                into: output[..<tile.count, tile.index], row[.all, ..<shape.headSize], .divide,
                .column(row[.all, shape.headSize...]))
        }
        RowTiles(tiles, tileRows: tileRows).store(k, into: result, from: output)
    }
}
