import CKernels

/// Products of packed weights with packed activations, shared among threads.
extension ForwardPass {
    /// Rows of tokens that go through a piece of weights together: their activations stay in the
    /// second cache.
    private static let tokenBlock = 128

    // MARK: Inputs

    /// Normalises and packs `rows` rows. When they are many, threads share them and meet.
    func normalised(
        _ x: UnsafePointer<Float>, rows: Int, weights: UnsafePointer<Float>,
        forms: ActivationForms, _ thread: Int
    ) -> PackedActivations {
        prepared(rows: rows, thread) { row, to in
            let normalised = scratch[thread].row
            kapok_rms_norm(normalised, x + row * shape.width, weights, shape.width, shape.epsilon)
            to.pack(normalised, columns: shape.width, row: row, forms: forms)
        }
    }

    /// Packs `rows` rows of `width` floats.
    func packed(
        _ x: UnsafePointer<Float>, width: Int, rows: Int, forms: ActivationForms, _ thread: Int
    ) -> PackedActivations {
        prepared(rows: rows, thread) { row, to in
            to.pack(x + row * width, columns: width, row: row, forms: forms)
        }
    }

    /// Prepares each of `rows` rows: all of them for itself, or with the others.
    @inline(__always)
    func prepared(
        rows: Int, _ thread: Int, _ prepare: (Int, PackedActivations) -> Void
    ) -> PackedActivations {
        if rows <= Self.redundantRows {
            for row in 0..<rows { prepare(row, scratch[thread].activations) }
            return scratch[thread].activations
        }
        shareRows(rows, thread) { row in prepare(row, buffers.activations) }
        barrier()
        return buffers.activations
    }

    // MARK: Products

    /// Calls `body` with tiles (groups of weight rows, token rows) that cover everything once.
    @inline(__always)
    func shareTiles(
        groups: Int, rows: Int, _ thread: Int, _ body: (Range<Int>, Range<Int>) -> Void
    ) {
        let blocks = (rows + Self.tokenBlock - 1) / Self.tokenBlock
        if blocks == 1 {
            // Kernels take two groups at once.
            let grain = max(2, groups / (threads * 16) * 2)
            share(groups, grain: grain, thread) { body($0..<$1, 0..<rows) }
            return
        }
        let chunks = (groups + 3) / 4
        share(blocks * chunks, grain: 1, thread) { begin, end in
            for item in begin..<end {
                let (block, chunk) = item.quotientAndRemainder(dividingBy: chunks)
                body(
                    (chunk * 4)..<min(chunk * 4 + 4, groups),
                    (rows * block / blocks)..<(rows * (block + 1) / blocks))
            }
        }
    }

    /// y[row][...] of groups `groups` of `matrix` for token rows `rows`; `y` is where the first of
    /// these rows would have its first output.
    @inline(__always)
    func multiply(
        _ matrix: PackedMatrix, _ input: PackedActivations, _ groups: Range<Int>,
        _ rows: Range<Int>, to y: UnsafeMutablePointer<Float>, _ stride: Int
    ) {
        kapok_linear(
            matrix.type, matrix.columns, matrix.weights, groups.lowerBound * 16,
            min(groups.upperBound * 16, matrix.rows), input.row(rows.lowerBound, for: matrix),
            rows.count, y, stride)
    }

    /// Queries, keys and values, biases added.
    func multiplyQueriesKeysValues(
        _ layer: UnsafePointer<PackedLayer>, _ input: PackedActivations, _ thread: Int
    ) {
        let query = layer.pointee.query.groups
        let key = query + layer.pointee.key.groups
        let value = key + layer.pointee.value.groups
        let keyColumn = layer.pointee.query.rows
        let valueColumn = keyColumn + layer.pointee.key.rows
        shareTiles(groups: value, rows: tokenCount, thread) { groups, rows in
            project(layer, layer.pointee.query, from: 0, column: 0, input, groups, rows)
            project(layer, layer.pointee.key, from: query, column: keyColumn, input, groups, rows)
            project(layer, layer.pointee.value, from: key, column: valueColumn, input, groups, rows)
        }
    }

    /// What of `matrix`, whose groups are numbered from `from` on, lies in `groups`.
    private func project(
        _ layer: UnsafePointer<PackedLayer>, _ matrix: PackedMatrix, from: Int, column: Int,
        _ input: PackedActivations, _ groups: Range<Int>, _ rows: Range<Int>
    ) {
        let begin = max(groups.lowerBound - from, 0)
        let end = min(groups.upperBound - from, matrix.groups)
        guard begin < end else { return }
        let stride = shape.projectedWidth
        let y = buffers.projected + rows.lowerBound * stride + column
        multiply(matrix, input, begin..<end, rows, to: y, stride)
        guard let bias = layer.pointee.bias else { return }
        let count = min(end * 16, matrix.rows) - begin * 16
        for row in 0..<rows.count {
            kapok_add(y + row * stride + begin * 16, bias + column + begin * 16, count)
        }
    }

    /// Adds the product to the residual stream.
    func multiplyAdding(
        _ matrix: PackedMatrix, _ input: PackedActivations, rows: Int,
        to x: UnsafeMutablePointer<Float>, _ thread: Int
    ) {
        let tile = scratch[thread].tile
        shareTiles(groups: matrix.groups, rows: rows, thread) { groups, rows in
            eachPart(of: groups, rows: rows.count) { part in
                let begin = part.lowerBound * 16
                let count = min(part.upperBound * 16, matrix.rows) - begin
                multiply(matrix, input, part, rows, to: tile - begin, count)
                for row in 0..<rows.count {
                    kapok_add(
                        x + (rows.lowerBound + row) * shape.width + begin, tile + row * count,
                        count)
                }
            }
        }
    }

    /// silu(gate) * up.
    func multiplyGated(
        _ layer: UnsafePointer<PackedLayer>, _ input: PackedActivations, rows: Int, _ thread: Int
    ) {
        let gate = layer.pointee.gate
        let up = layer.pointee.up
        let tile = scratch[thread].tile
        let secondTile = scratch[thread].secondTile
        shareTiles(groups: gate.groups, rows: rows, thread) { groups, rows in
            eachPart(of: groups, rows: rows.count) { part in
                let begin = part.lowerBound * 16
                let count = min(part.upperBound * 16, gate.rows) - begin
                multiply(gate, input, part, rows, to: tile - begin, count)
                multiply(up, input, part, rows, to: secondTile - begin, count)
                for row in 0..<rows.count {
                    kapok_silu_product(
                        buffers.hidden + (rows.lowerBound + row) * shape.feedForward + begin,
                        tile + row * count, secondTile + row * count, count)
                }
            }
        }
    }

    /// Parts of `groups` whose products with `rows` rows fit in a tile.
    @inline(__always)
    private func eachPart(of groups: Range<Int>, rows: Int, _ body: (Range<Int>) -> Void) {
        let most = max(1, ThreadScratch.tileFloats / (16 * rows))
        var begin = groups.lowerBound
        while begin < groups.upperBound {
            let end = min(begin + most, groups.upperBound)
            body(begin..<end)
            begin = end
        }
    }
}
