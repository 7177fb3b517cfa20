import CKernels

/// The input of a product: rows that are packed when the first piece of it is taken, or were
/// before.
struct ProductInput {
    enum Source {
        /// Rows of the residual stream, to be normalised with these weights.
        case normalised(UnsafePointer<Float>, UnsafePointer<Float>)
        /// Rows of so many floats.
        case rows(UnsafePointer<Float>, Int)
        /// The results of attention over segments of keys.
        case segments
    }

    let source: Source
    let rows: Int
    let forms: ActivationForms
    let activations: PackedActivations
    var isPacked: Bool
}

/// Products of packed weights with packed activations, shared among threads.
extension ForwardPass {
    /// Rows of tokens that go through a piece of weights together: their activations stay in the
    /// second cache.
    private static var tokenBlock: Int { 128 }
    /// Up to so many rows every thread prepares for itself.
    static var redundantRows: Int { 4 }

    // MARK: Inputs

    /// The input of a product. When its rows are many, they are packed in a phase of their own.
    func input(
        _ source: ProductInput.Source, rows: Int, forms: ActivationForms, _ turn: inout Turn
    ) -> ProductInput {
        if rows <= Self.redundantRows {
            return ProductInput(
                source: source, rows: rows, forms: forms,
                activations: scratch[turn.thread].activations, isPacked: false)
        }
        let input = ProductInput(
            source: source, rows: rows, forms: forms, activations: buffers.activations,
            isPacked: true)
        let thread = turn.thread
        shareRows(rows, &turn) { row in pack(input, row: row, thread) }
        return input
    }

    private func pack(_ input: ProductInput, row: Int, _ thread: Int) {
        let own = scratch[thread].row
        switch input.source {
        case .normalised(let x, let weights):
            kapok_rms_norm(own, x + row * shape.width, weights, shape.width, shape.epsilon)
            input.activations.pack(own, columns: shape.width, row: row, forms: input.forms)
        case .rows(let x, let width):
            input.activations.pack(x + row * width, columns: width, row: row, forms: input.forms)
        case .segments:
            for span in spans where row >= span.row && row < span.row + span.count {
                join(span, token: row - span.row, to: own, thread)
            }
            input.activations.pack(own, columns: shape.queryWidth, row: row, forms: input.forms)
        }
    }

    // MARK: Products

    /// A phase: calls `body` with tiles (groups of weight rows, token rows) that cover everything.
    @inline(__always)
    func shareTiles(
        groups: Int, _ input: inout ProductInput, _ turn: inout Turn,
        _ body: (Range<Int>, Range<Int>) -> Void
    ) {
        let rows = input.rows
        let blocks = (rows + Self.tokenBlock - 1) / Self.tokenBlock
        let thread = turn.thread
        if blocks == 1 {
            // Kernels take two groups at once.
            let grain = max(2, groups / (threads * 16) * 2)
            share(groups, grain: grain, &turn) { begin, end in
                if !input.isPacked {
                    for row in 0..<rows { pack(input, row: row, thread) }
                    input.isPacked = true
                }
                body(begin..<end, 0..<rows)
            }
            return
        }
        let chunks = (groups + 3) / 4
        share(blocks * chunks, grain: 1, &turn) { begin, end in
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
        _ layer: UnsafePointer<PackedLayer>, _ input: inout ProductInput, _ turn: inout Turn
    ) {
        let query = layer.pointee.query.groups
        let key = query + layer.pointee.key.groups
        let value = key + layer.pointee.value.groups
        let keyColumn = layer.pointee.query.rows
        let valueColumn = keyColumn + layer.pointee.key.rows
        let packed = input.activations
        shareTiles(groups: value, &input, &turn) { groups, rows in
            project(layer, layer.pointee.query, from: 0, column: 0, packed, groups, rows)
            project(layer, layer.pointee.key, from: query, column: keyColumn, packed, groups, rows)
            project(
                layer, layer.pointee.value, from: key, column: valueColumn, packed, groups, rows)
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
        _ matrix: PackedMatrix, _ input: inout ProductInput, to x: UnsafeMutablePointer<Float>,
        _ turn: inout Turn
    ) {
        let tile = scratch[turn.thread].tile
        let packed = input.activations
        shareTiles(groups: matrix.groups, &input, &turn) { groups, rows in
            eachPart(of: groups, rows: rows.count) { part in
                let begin = part.lowerBound * 16
                let count = min(part.upperBound * 16, matrix.rows) - begin
                multiply(matrix, packed, part, rows, to: tile - begin, count)
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
        _ layer: UnsafePointer<PackedLayer>, _ input: inout ProductInput, _ turn: inout Turn
    ) {
        let gate = layer.pointee.gate
        let up = layer.pointee.up
        let tile = scratch[turn.thread].tile
        let secondTile = scratch[turn.thread].secondTile
        let packed = input.activations
        shareTiles(groups: gate.groups, &input, &turn) { groups, rows in
            eachPart(of: groups, rows: rows.count) { part in
                let begin = part.lowerBound * 16
                let count = min(part.upperBound * 16, gate.rows) - begin
                multiply(gate, packed, part, rows, to: tile - begin, count)
                multiply(up, packed, part, rows, to: secondTile - begin, count)
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
