/// A gated feed-forward layer on its way, for some hundred tokens at a time.
///
/// The first two products are computed transposed, hidden units x tokens: weights are stationary as
/// they lie in HBM, tokens move. So a tile of hidden units is the stationary operand of the last
/// product as it is, and hidden units never leave SBUF. SiLU is taken on the way out of PSUM by the
/// scalar engine, the product with `up` by the vector engine; both hide behind the tensor engine,
/// which is busy all the time.
///
/// Weights are read once for each block of tokens. A block is up to 512 tokens, the columns of a
/// moving matrix: then the weights of 128 x 512 multiply for 213 ns (BF16) and need about 50 to
/// arrive for one product. Rows of a weight matrix move in packets of 0.5 to 1 KiB, and all of them
/// through one queue, in the order in which they are needed.
struct GatedFeedForward<Element: MatrixElement> {
    let k: KernelBuilder
    /// tokens x model, and so is the result.
    let x: Tensor<Element>
    /// model x hidden, and so is `up`.
    let gate: Tensor<Element>
    let up: Tensor<Element>
    /// hidden x model.
    let down: Tensor<Element>
    let result: Tensor<Element>

    /// Tiles of 128 rows that one transfer of a weight matrix brings: half a MiB in BF16.
    private static var transferTiles: Int { 4 }

    private var tileRows: Int { k.machine.tensorRows }
    private var elementBytes: Int { Element.elementType.byteCount }
    private var modelTiles: [TileSpan] { TileSpan.pieces(of: gate.shape[0], by: tileRows) }
    private var hiddenTiles: Int { (gate.shape[1] + tileRows - 1) / tileRows }

    /// Tokens of a block: a multiple of a tile, so that they and their hidden units take half of
    /// SBUF at most.
    private var blockTokens: Int {
        let bytes = (modelTiles.count + hiddenTiles) * elementBytes
        let tiles = k.machine.sbufBytesPerPartition / 2 / bytes / tileRows
        return max(1, min(k.machine.movingColumns / tileRows, tiles)) * tileRows
    }

    /// Hidden units whose weights are loaded together: a multiple of a tile, in an eighth of SBUF.
    private var blockUnits: Int {
        let bytes = modelTiles.count * elementBytes
        let tiles = k.machine.sbufBytesPerPartition / 8 / bytes / tileRows
        return max(1, min(k.machine.movingColumns / tileRows, tiles)) * tileRows
    }

    func build() {
        k.loop("tokens", over: x.shape[0], by: blockTokens) { tokens in
            let columns = load(tokens)
            var units: [Tile<SBUF, Element>] = []
            k.loop("hidden", over: gate.shape[1], by: blockUnits) { block in
                units += hiddenUnits(block, of: columns)
            }
            k.loop("model", over: down.shape[1], by: k.machine.movingColumns) { block in
                project(units, tokens, block)
            }
        }
    }

    /// Some tokens as columns: a tile for each 128 elements of the model.
    private func load(_ tokens: TileSpan) -> [Tile<SBUF, Element>] {
        modelTiles.map { rows in
            let tile = k.sbuf("columns", [rows.count, tokens.count], Element.self)
            TransposedLoad(k: k).load(into: tile, from: x[tokens, rows])
            return tile
        }
    }

    // MARK: Gate and up

    /// `silu(x gate) * (x up)` of some units, transposed: a tile for each 128 of them.
    private func hiddenUnits(
        _ block: TileSpan, of columns: [Tile<SBUF, Element>]
    ) -> [Tile<SBUF, Element>] {
        let shape = [tileRows, modelTiles.count, block.count]
        let gates = k.sbuf("gates", shape, Element.self)
        let ups = k.sbuf("ups", shape, Element.self)
        load(gate, block, into: gates)
        load(up, block, into: ups)
        var units: [Tile<SBUF, Element>] = []
        k.loop("unit", TileSpan.pieces(of: block.count, by: tileRows)) { unit in
            units.append(hiddenUnits(gates[.all, .all, unit], ups[.all, .all, unit], columns))
        }
        return units
    }

    /// Some columns of a weight matrix, by several transfers: the tensor engine begins when the
    /// first has arrived.
    private func load(
        _ weights: Tensor<Element>, _ block: TileSpan, into tile: Tile<SBUF, Element>,
        file: StaticString = #fileID, line: Int = #line
    ) {
        let pieces = TileSpan.pieces(of: modelTiles.count, by: Self.transferTiles)
        for (rows, tiles) in zip(
            TileSpan.pieces(of: weights.shape[0], by: Self.transferTiles * tileRows), pieces)
        {
            RowTiles(rows: rows.count, tileRows: tileRows).load(
                k, into: tile[.all, tiles], from: weights[rows, block], file: file, line: line)
        }
    }

    private func hiddenUnits(
        _ gates: Tile<SBUF, Element>, _ ups: Tile<SBUF, Element>,
        _ columns: [Tile<SBUF, Element>]
    ) -> Tile<SBUF, Element> {
        let shape = [gates.shape[2], columns[0].elementsPerPartition]
        let gateSum = k.psum("gateSum", shape)
        let upSum = k.psum("upSum", shape)
        accumulate(gates, columns, into: gateSum)
        accumulate(ups, columns, into: upSum)
        let opened = k.sbuf("opened", shape, FP32.self)
        let units = k.sbuf("units", shape, Element.self)
        k.scalar.activation(.silu, into: opened, gateSum)
        k.vector.multiply(into: units, upSum, opened)
        return units
    }

    private func accumulate(
        _ weights: Tile<SBUF, Element>, _ columns: [Tile<SBUF, Element>],
        into sum: Tile<PSUM, FP32>
    ) {
        for (index, moving) in columns.enumerated() {
            k.tensor.matmul(
                into: sum, stationary: weights[..<moving.partitionCount, index], moving: moving,
                accumulate: index > 0)
        }
    }

    // MARK: Down

    /// Some columns of the result.
    private func project(
        _ units: [Tile<SBUF, Element>], _ tokens: TileSpan, _ block: TileSpan
    ) {
        let tokenTiles = TileSpan.pieces(of: tokens.count, by: tileRows)
        let sums = tokenTiles.map { k.psum("sum", [$0.count, block.count]) }
        k.loop("chunk", over: down.shape[0], by: Self.transferTiles * tileRows) { chunk in
            let tiles = TileSpan.pieces(of: chunk.count, by: tileRows)
            let weights = k.sbuf("downs", [tileRows, tiles.count, block.count], Element.self)
            RowTiles(rows: chunk.count, tileRows: tileRows)
                .load(k, into: weights, from: down[chunk, block])
            for token in tokenTiles {
                for tile in tiles {
                    k.tensor.matmul(
                        into: sums[token.index],
                        stationary: units[chunk.start / tileRows + tile.index][.all, token],
                        moving: weights[..<tile.count, tile.index],
                        accumulate: chunk.index > 0 || tile.index > 0)
                }
            }
        }
        for (token, sum) in zip(tokens.pieces(by: tileRows), sums) {
            let output = k.sbuf("output", [token.count, block.count], Element.self)
            k.vector.copy(into: output, sum)
            k.scalar.store(into: result[token, block], from: output)
        }
    }
}
