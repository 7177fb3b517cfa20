/// Attention of one query a sequence on its way.
///
/// The cache is read once, and that is the bound: everything else has to stay behind the DMA
/// engines. A *pair* is a sequence and one of its heads of keys; the query heads that share it are
/// columns. Small operands are the moving ones, so a tile of 128 keys costs the tensor engine 64
/// cycles for its scores (keys in partitions) and 64 for its values (heads in columns), a third of
/// the 178 ns that its 64 KiB in BF16 take to arrive.
///
/// - Keys are dealt to partitions in runs: partition `p` has keys `p * n` to `p * n + n - 1` of a
///   chunk. Values of a partition then follow each other in HBM and arrive in long packets; for
///   the keys it is only a stride in SBUF.
/// - Maxima are exact. Those of a partition come from one reduction, the rest from a transposed
///   tile; the product of ones and a diagonal matrix brings them back to all partitions, and
///   another product with ones brings the sums of weights. So scores, maxima and sums have the
///   same layout, and no partition ever needs a scalar of its own.
/// - Short caches are taken several pairs at a time, long ones in chunks: what chunks sum up is
///   scaled to a common maximum, as in flash decoding.
struct DecodeAttention<Element: MatrixElement> {
    let k: KernelBuilder
    /// Query heads of a pair.
    let group: Int
    /// Queries, and the result: (pairs * group) x headSize.
    let q: Tensor<Element>
    /// Keys: pairs x headSize x length.
    let keys: Tensor<Element>
    /// Values: pairs x length x headSize.
    let values: Tensor<Element>
    let result: Tensor<Element>

    /// Below every score, and small enough for its exponential to be zero.
    private static var masked: Float { -1e30 }

    private var tileRows: Int { k.machine.tensorRows }
    private var headSize: Int { q.shape[1] }
    private var length: Int { values.shape[1] }
    private var scale: Float { Float(1 / Double(headSize).squareRoot()) }

    /// Tiles of keys that are in work at the same time: what an eighth of SBUF holds (loads run
    /// ahead by the rest), and not more than one bank has scores.
    private var stepTiles: Int {
        let bytes = 2 * tileRows * Element.elementType.byteCount
        return max(
            1, min(k.machine.movingColumns / group, k.machine.sbufBytesPerPartition / 8 / bytes))
    }

    private struct Constants {
        let identity: Tile<SBUF, Element>
        let exactIdentity: Tile<SBUF, FP32>
        let ones: Tile<SBUF, Element>
        let exactOnes: Tile<SBUF, FP32>
    }

    func build() {
        let constants = Constants(
            identity: k.identity(of: Element.self), exactIdentity: k.identity(of: FP32.self),
            ones: k.sbuf("ones", [tileRows, tileRows], Element.self),
            exactOnes: k.sbuf("exactOnes", [tileRows, tileRows], FP32.self))
        k.vector.memset(constants.ones, to: 1)
        k.vector.memset(constants.exactOnes, to: 1)
        let chunkTiles = min(stepTiles, (length + tileRows - 1) / tileRows)
        let pairs = max(1, min(stepTiles / chunkTiles, k.machine.stationaryColumns / group))
        k.loop("pairs", over: keys.shape[0], by: pairs) { pairs in
            attend(pairs, chunkTiles: chunkTiles, constants)
        }
    }

    /// What some chunks gave: weighted sums of values, sums of weights (both headSize x columns)
    /// and maxima (all partitions x columns).
    private struct Partial {
        var sums: Tile<SBUF, FP32>
        var weights: Tile<SBUF, FP32>
        var maxima: Tile<SBUF, FP32>
    }

    /// Some pairs: all of their cache.
    private func attend(_ pairs: TileSpan, chunkTiles: Int, _ constants: Constants) {
        let columns = pairs.count * group
        let rows = (pairs.start * group)..<(pairs.start * group + columns)
        let queries = k.sbuf("queries", [headSize, columns], Element.self)
        TransposedLoad(k: k).load(into: queries, from: q[rows])
        var partial: Partial?
        k.loop("chunk", over: length, by: chunkTiles * tileRows) { span in
            let chunk = CacheChunk(
                k: k, keys: keys[pairs], values: values[pairs], span: span)
            partial = attend(chunk, queries, after: partial, constants)
        }
        guard let partial else { return }
        let mean = k.sbuf("mean", [headSize, columns], Element.self)
        k.vector.tensorTensor(.divide, into: mean, partial.sums, partial.weights)
        let flipped = k.psum("flippedMean", [columns, headSize], Element.self)
        k.tensor.transpose(into: flipped, mean, identity: constants.identity)
        let output = k.sbuf("output", [columns, headSize], Element.self)
        k.vector.copy(into: output, flipped)
        k.store(into: result[rows], from: output)
    }

    /// Some pairs, one chunk of their cache.
    private func attend(
        _ chunk: CacheChunk<Element>, _ queries: Tile<SBUF, Element>, after earlier: Partial?,
        _ constants: Constants
    ) -> Partial {
        let columns = queries.elementsPerPartition
        let scores = scores(chunk, queries)
        let maxima = maxima(of: scores, earlier?.maxima, constants)
        let shape = [tileRows, chunk.tiles, columns]
        let shifted = k.sbuf("shifted", shape, FP32.self)
        let weights = k.sbuf("weights", shape, Element.self)
        k.vector.subtract(into: shifted, scores, maxima.repeatedOutside(chunk.tiles))
        k.scalar.activation(.exp, into: weights, shifted, scale: .value(scale))
        let everywhere = k.psum("everywhere", [headSize, chunk.tiles, columns])
        k.tensor.matmul(
            into: everywhere, stationary: constants.ones[.all, ..<headSize], moving: weights)
        let totals = k.sbuf("totals", [headSize, columns], FP32.self)
        k.vector.reduce(.add, into: totals, everywhere.permuted([2, 1]))
        let sums = weightedValues(chunk, weights)
        return join(Partial(sums: sums, weights: totals, maxima: maxima), to: earlier)
    }

    /// Scores: keys in partitions, (tiles of keys) x (pairs and heads). Keys that a last tile does
    /// not have get a score whose weight is zero.
    private func scores(
        _ chunk: CacheChunk<Element>, _ queries: Tile<SBUF, Element>
    ) -> Tile<PSUM, FP32> {
        let scores = k.psum("scores", [tileRows, chunk.tiles, queries.elementsPerPartition])
        if chunk.rest > 0 { k.vector.memset(scores[.all, chunk.tiles - 1], to: Self.masked) }
        for pair in 0..<chunk.pairs {
            let heads = (pair * group)..<((pair + 1) * group)
            for tile in 0..<chunk.tiles {
                k.tensor.matmul(
                    into: scores[..<chunk.count(tile), tile, heads],
                    stationary: chunk.keys(pair, tile), moving: queries[.all, heads])
            }
        }
        return scores
    }

    /// Maxima of all columns over tiles and partitions, and those of earlier chunks, in all
    /// partitions.
    private func maxima(
        of scores: Tile<PSUM, FP32>, _ earlier: Tile<SBUF, FP32>?, _ constants: Constants
    ) -> Tile<SBUF, FP32> {
        let columns = scores.shape[2]
        let ofPartition = k.sbuf("ofPartition", [tileRows, columns], FP32.self)
        k.vector.reduce(.max, into: ofPartition, scores.permuted([2, 1]))
        let flipped = k.psum("flippedMaxima", [columns, tileRows])
        k.tensor.transpose(into: flipped, ofPartition, identity: constants.exactIdentity)
        let ofColumn = k.sbuf("ofColumn", [columns, 1], FP32.self)
        k.vector.reduce(.max, into: ofColumn, flipped)
        let diagonal = k.sbuf("diagonal", [columns, columns], FP32.self)
        k.vector.multiply(
            into: diagonal, constants.exactIdentity[..<columns, ..<columns], by: .column(ofColumn))
        let broadcast = k.psum("broadcast", [tileRows, columns])
        k.tensor.matmul(
            into: broadcast, stationary: constants.exactOnes[..<columns], moving: diagonal)
        let maxima = k.sbuf("maxima", [tileRows, columns], FP32.self)
        if let earlier {
            k.vector.maximum(into: maxima, broadcast, earlier)
        } else {
            k.vector.copy(into: maxima, broadcast)
        }
        return maxima
    }

    /// `values^T weights`: headSize x (pairs and heads).
    private func weightedValues(
        _ chunk: CacheChunk<Element>, _ weights: Tile<SBUF, Element>
    ) -> Tile<SBUF, FP32> {
        let product = k.psum("product", [headSize, weights.shape[2]])
        for pair in 0..<chunk.pairs {
            let heads = (pair * group)..<((pair + 1) * group)
            for tile in 0..<chunk.tiles {
                k.tensor.matmul(
                    into: product[.all, heads], stationary: chunk.values(pair, tile),
                    moving: weights[..<chunk.count(tile), tile, heads], accumulate: tile > 0)
            }
        }
        let sums = k.sbuf("sums", [headSize, weights.shape[2]], FP32.self)
        k.scalar.copy(into: sums, product)
        return sums
    }

    /// Adds what earlier chunks gave, scaled to the new maxima.
    private func join(_ partial: Partial, to earlier: Partial?) -> Partial {
        guard let earlier else { return partial }
        let columns = partial.maxima.elementsPerPartition
        let difference = k.sbuf("difference", [headSize, columns], FP32.self)
        let decay = k.sbuf("decay", [headSize, columns], FP32.self)
        k.vector.subtract(
            into: difference, earlier.maxima[..<headSize], partial.maxima[..<headSize])
        k.scalar.activation(.exp, into: decay, difference, scale: .value(scale))
        for (old, new) in [(earlier.sums, partial.sums), (earlier.weights, partial.weights)] {
            k.gpsimd.tensorTensor(.multiply, into: old, old, decay)
            k.gpsimd.tensorTensor(.add, into: new, new, old)
        }
        return partial
    }
}
