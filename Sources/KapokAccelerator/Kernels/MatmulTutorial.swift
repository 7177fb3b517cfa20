extension MatrixProduct {
    /// Step v2: for each tile of the result, all tiles of both operands along K are loaded, and
    /// accumulated in one PSUM bank. Each operand is read once for each tile of the other: the
    /// transfers, not the tensor engine, set the pace.
    func tileByTile() {
        k.loop("m", over: m, by: tileM) { rows in
            k.loop("n", over: n, by: tileN) { columns in
                let sum = k.psum("sum", [rows.count, columns.count])
                k.loop("k", over: depth, by: tileK) { inner in
                    let left = k.sbuf("left", [inner.count, rows.count], Element.self)
                    let right = k.sbuf("right", [inner.count, columns.count], Element.self)
                    k.load(into: left, from: lhsT[inner, rows])
                    k.load(into: right, from: rhs[inner, columns])
                    k.tensor.matmul(
                        into: sum, stationary: left, moving: right, accumulate: inner.index > 0)
                }
                storeTile(sum, rows, columns)
            }
        }
    }

    /// Step v3: the left tiles are loaded once for each row of tiles, the right ones once for each
    /// tile of the result.
    func withHoistedLoads() {
        k.loop("m", over: m, by: tileM) { rows in
            let left = loadTiles(of: lhsT, rows, name: "left")
            k.loop("n", over: n, by: tileN) { columns in
                let right = loadTiles(of: rhs, columns, name: "right")
                storeTile(multiply(left, right, rows, columns), rows, columns)
            }
        }
    }

    /// Step v4: the result in blocks of 2 x 2 tiles, so that each loaded tile serves two.
    func inSmallBlocks() {
        k.loop("mBlock", over: m, by: 2 * tileM) { rowBlock in
            let rowTiles = rowBlock.pieces(by: tileM)
            let left = rowTiles.map { loadTiles(of: lhsT, $0, name: "left") }
            k.loop("nBlock", over: n, by: 2 * tileN) { columnBlock in
                let columnTiles = columnBlock.pieces(by: tileN)
                let right = columnTiles.map { loadTiles(of: rhs, $0, name: "right") }
                k.loop("m", rowTiles) { rows in
                    k.loop("n", columnTiles) { columns in
                        let sum = multiply(
                            left[rows.index], right[columns.index], rows, columns)
                        storeTile(sum, rows, columns)
                    }
                }
            }
        }
    }

    /// Step v5: blocks in all three dimensions, of 16 x 2 tiles of the result and 8 tiles of K. The
    /// partial sums of a block of K are added up in SBUF, for all rows of two tiles of columns; two
    /// tiles are packed side by side for a longer transfer.
    func inBlocksOfAllDimensions() {
        k.loop("nBlock", over: n, by: 2 * tileN) { columnBlock in
            let columnTiles = columnBlock.pieces(by: tileN)
            let results = clearedResults(columnTiles)
            k.loop("kBlock", over: depth, by: 8 * tileK) { depthBlock in
                let right = loadWideTiles(depthBlock, columnBlock)
                k.loop("mBlock", over: m, by: 16 * tileM) { rowBlock in
                    let left = loadSlicedTiles(depthBlock, rowBlock)
                    accumulate(left, right, rowBlock, columnTiles, into: results)
                }
            }
            storePacked(results, columnBlock)
        }
    }

    // MARK: Steps v2 to v4

    /// All tiles along K of some columns of an operand, each by a transfer of its own. Tiles and
    /// transfers belong to the calling line.
    private func loadTiles(
        of operand: Tensor<Element>, _ columns: TileSpan, name: String,
        file: StaticString = #fileID, line: Int = #line
    ) -> [Tile<SBUF, Element>] {
        var tiles: [Tile<SBUF, Element>] = []
        k.loop("load \(name)", over: depth, by: tileK) { inner in
            let tile = k.sbuf(
                name, [inner.count, columns.count], Element.self, file: file, line: line)
            k.load(into: tile, from: operand[inner, columns], file: file, line: line)
            tiles.append(tile)
        }
        return tiles
    }

    /// One tile of the result in PSUM, from all tiles along K.
    private func multiply(
        _ left: [Tile<SBUF, Element>], _ right: [Tile<SBUF, Element>], _ rows: TileSpan,
        _ columns: TileSpan
    ) -> Tile<PSUM, FP32> {
        let sum = k.psum("sum", [rows.count, columns.count])
        k.loop("k", 0..<left.count) { index in
            k.tensor.matmul(
                into: sum, stationary: left[index], moving: right[index], accumulate: index > 0)
        }
        return sum
    }

    private func storeTile(_ sum: Tile<PSUM, FP32>, _ rows: TileSpan, _ columns: TileSpan) {
        let tile = k.sbuf("tile", [rows.count, columns.count], Result.self)
        k.vector.copy(into: tile, sum)
        k.store(into: result[rows, columns], from: tile)
    }

    // MARK: Step v5

    /// For each tile of rows, for each of the block's tiles of columns: the sum so far, zero.
    private func clearedResults(_ columnTiles: [TileSpan]) -> [[Tile<SBUF, FP32>]] {
        var results: [[Tile<SBUF, FP32>]] = []
        k.loop("clear", over: m, by: tileM) { rows in
            results.append(
                columnTiles.map { columns in
                    let tile = k.sbuf("sum", [rows.count, columns.count], FP32.self)
                    k.vector.memset(tile, to: 0)
                    return tile
                })
        }
        return results
    }

    /// The right tiles of a block of K, each as wide as the block.
    private func loadWideTiles(
        _ depthBlock: TileSpan, _ columnBlock: TileSpan
    ) -> [Tile<SBUF, Element>] {
        depthBlock.pieces(by: tileK).map { inner in
            let tile = k.sbuf("right", [inner.count, columnBlock.count], Element.self)
            k.load(into: tile, from: rhs[inner, columnBlock])
            return tile
        }
    }

    /// The left tiles of a block, each in slices of four tiles of rows: a slice can be replaced as
    /// soon as it was used.
    private func loadSlicedTiles(
        _ depthBlock: TileSpan, _ rowBlock: TileSpan
    ) -> [[Tile<SBUF, Element>]] {
        let slices = rowBlock.pieces(by: 4 * tileM)
        return depthBlock.pieces(by: tileK).map { inner in
            slices.map { slice in
                let tile = k.sbuf("left", [inner.count, slice.count], Element.self)
                k.load(into: tile, from: lhsT[inner, slice])
                return tile
            }
        }
    }

    private func accumulate(
        _ left: [[Tile<SBUF, Element>]], _ right: [Tile<SBUF, Element>], _ rowBlock: TileSpan,
        _ columnTiles: [TileSpan], into results: [[Tile<SBUF, FP32>]]
    ) {
        k.loop("n", columnTiles) { columns in
            let offset = columns.index * tileN
            let slice = offset..<(offset + columns.count)
            k.loop("m", rowBlock.pieces(by: tileM)) { rows in
                let sum = k.psum("partial", [rows.count, columns.count])
                let start = rows.index % 4 * tileM
                k.loop("k", 0..<left.count) { index in
                    k.tensor.matmul(
                        into: sum,
                        stationary: left[index][rows.index / 4][.all, start..<(start + rows.count)],
                        moving: right[index][.all, slice], accumulate: index > 0)
                }
                let total = results[rows.start / tileM][columns.index]
                k.vector.add(into: total, total, sum)
            }
        }
    }

    private func storePacked(_ results: [[Tile<SBUF, FP32>]], _ columnBlock: TileSpan) {
        k.loop("store", over: m, by: tileM) { rows in
            let packed = k.sbuf("packed", [rows.count, columnBlock.count], Result.self)
            for (index, tile) in results[rows.index].enumerated() {
                let offset = index * tileN
                let end = offset + tile.elementsPerPartition
                k.vector.copy(into: packed[.all, offset..<end], tile)
            }
            k.store(into: result[rows, columnBlock], from: packed)
        }
    }
}
