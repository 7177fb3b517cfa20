import CKernels

/// One sequence's part of a pass, as plain values.
struct SpanPlan {
    /// The first of its rows among the batch's tokens.
    var row: Int
    var count: Int
    /// The position of its first token.
    var start: Int
    /// Where its page table begins among the batch's.
    var firstPage: Int
    /// For how many of its last tokens a result is wanted.
    var wanted: Int
    /// The first of its rows among those with a result.
    var wantedRow: Int
    /// Segments of keys that its tokens attend to.
    var segments: Int
    /// The first of its partial results of attention, in floats.
    var partials: Int
}

/// One token of a pass.
struct RowPlan {
    var token: TokenID
    var position: Int
    /// Where its sequence's page table begins among the batch's.
    var firstPage: Int
    /// Its row among those with a result; -1 without one.
    var wantedRow: Int
}

/// Where a thread is in a pass.
struct Turn {
    let thread: Int
    /// The next phase.
    var phase: UInt32 = 0
}

/// One pass of a batch through the model, as each thread runs it: pointers and numbers alone, so
/// that nothing is counted by reference on the way. All memory belongs to the executor.
///
/// A pass is a row of phases, each cut into pieces that whoever is free takes (see `kapok_team`).
/// With few tokens phases last microseconds, so every thread that takes a piece of a product then
/// normalises and packs all rows for itself: a block has five phases.
struct ForwardPass {
    let shape: PassShape
    let layers: UnsafePointer<PackedLayer>
    let output: PackedMatrix
    let outputNorm: UnsafePointer<Float>
    let frequencies: UnsafePointer<Float>
    let embeddingType: WeightType
    let embedding: UnsafeRawBufferPointer
    let cache: UnsafeMutableRawPointer
    let pageBytes: Int
    let team: OpaquePointer
    let threads: Int
    let buffers: PassBuffers
    let scratch: UnsafePointer<ThreadScratch>

    // The batch.
    let rows: UnsafeBufferPointer<RowPlan>
    let pages: UnsafePointer<PageID>
    let spans: UnsafeBufferPointer<SpanPlan>
    let wantedCount: Int
    /// Whether attention is split over segments of keys, and writes keys and values itself.
    let splitsKeys: Bool
    /// Partial results of attention, where it is split.
    let partials: UnsafeMutablePointer<Float>
    /// Logits, or nil where final hidden states are wanted.
    let logits: UnsafeMutablePointer<Float>?

    /// The most phases of a pass through so many blocks.
    static func phases(layers: Int) -> Int { layers * 10 + 4 }

    /// What thread `thread` does of the pass.
    func run(thread: Int) {
        var turn = Turn(thread: thread)
        embed(&turn)
        for index in 0..<(shape.layers - 1) {
            attend(index, isTrimmed: false, &turn)
            feedForward(index, x: buffers.x, rows: rows.count, &turn)
        }
        // Behind the last block's keys and values only rows with a result count.
        let isTrimmed = wantedCount < rows.count
        attend(shape.layers - 1, isTrimmed: isTrimmed, &turn)
        if wantedCount == 0 { return }
        let x = isTrimmed ? buffers.wanted : buffers.x
        feedForward(shape.layers - 1, x: x, rows: wantedCount, &turn)
        finish(x, &turn)
    }

    // MARK: Sharing work

    /// A phase: calls `body` with ranges that together are 0 ..< `count`. Three quarters go in one
    /// piece a thread, so that memory is read in long runs; the rest in pieces of `grain`, so that
    /// all end together.
    @inline(__always)
    func share(_ count: Int, grain: Int, _ turn: inout Turn, _ body: (Int, Int) -> Void) {
        defer { turn.phase += 1 }
        if threads == 1 {
            if count > 0 { body(0, count) }
            return
        }
        let length = count * 3 / 4 / threads / grain * grain
        let large = length > 0 ? threads : 0
        let small = (count - large * length + grain - 1) / grain
        eachPiece(of: large + small, turn) { piece in
            if piece < large {
                body(piece * length, (piece + 1) * length)
            } else {
                let begin = large * length + (piece - large) * grain
                body(begin, min(begin + grain, count))
            }
        }
    }

    /// Takes pieces as long as there are any, then waits until all are done.
    @inline(__always)
    func eachPiece(of count: Int, _ turn: Turn, _ body: (Int) -> Void) {
        var done = 0
        while true {
            let piece = Int(kapok_team_claim(team, turn.phase))
            if piece >= count { break }
            body(piece)
            done += 1
        }
        kapok_team_finish(team, turn.phase, UInt32(done), UInt32(count))
    }

    /// A phase of `count` rows, each by itself.
    @inline(__always)
    func shareRows(_ count: Int, _ turn: inout Turn, _ body: (Int) -> Void) {
        share(count, grain: 4, &turn) { begin, end in
            for row in begin..<end { body(row) }
        }
    }

    // MARK: The parts

    private func embed(_ turn: inout Turn) {
        let rowBytes = embedding.count / shape.vocabulary
        shareRows(rows.count, &turn) { row in
            let begin = Int(rows[row].token) * rowBytes
            embeddingType.dequantize(
                UnsafeRawBufferPointer(rebasing: embedding[begin..<(begin + rowBytes)]),
                into: UnsafeMutableBufferPointer(
                    start: buffers.x + row * shape.width, count: shape.width))
            kapok_rotation(
                buffers.turns + row * 2 * shape.pairs, frequencies, shape.pairs,
                rows[row].position, shape.magnitude)
        }
    }

    private func attend(_ index: Int, isTrimmed: Bool, _ turn: inout Turn) {
        let layer = layers + index
        var normalised = input(
            .normalised(buffers.x, layer.pointee.attentionNorm), rows: rows.count,
            forms: ActivationForms(layer.pointee.query, layer.pointee.key, layer.pointee.value),
            &turn)
        multiplyQueriesKeysValues(layer, &normalised, &turn)
        if splitsKeys && !isTrimmed {
            attendSegments(layer, index, &turn)
        } else {
            storeKeysValues(layer, index, isTrimmed: isTrimmed, &turn)
            if wantedCount == 0 && isTrimmed { return }
            attendTiles(layer, index, isTrimmed: isTrimmed, &turn)
        }
        let count = isTrimmed ? wantedCount : rows.count
        var attended = input(
            splitsKeys && !isTrimmed ? .segments : .rows(buffers.attended, shape.queryWidth),
            rows: count, forms: ActivationForms(layer.pointee.output), &turn)
        multiplyAdding(
            layer.pointee.output, &attended, to: isTrimmed ? buffers.wanted : buffers.x, &turn)
    }

    private func feedForward(
        _ index: Int, x: UnsafeMutablePointer<Float>, rows: Int, _ turn: inout Turn
    ) {
        let layer = layers + index
        var normalised = input(
            .normalised(x, layer.pointee.feedForwardNorm), rows: rows,
            forms: ActivationForms(layer.pointee.gate, layer.pointee.up), &turn)
        multiplyGated(layer, &normalised, &turn)
        var hidden = input(
            .rows(buffers.hidden, shape.feedForward), rows: rows,
            forms: ActivationForms(layer.pointee.down), &turn)
        multiplyAdding(layer.pointee.down, &hidden, to: x, &turn)
    }

    private func finish(_ x: UnsafeMutablePointer<Float>, _ turn: inout Turn) {
        guard let logits else {
            shareRows(wantedCount, &turn) { row in
                let state = x + row * shape.width
                kapok_rms_norm(state, state, outputNorm, shape.width, shape.epsilon)
            }
            return
        }
        var normalised = input(
            .normalised(x, outputNorm), rows: wantedCount, forms: ActivationForms(output), &turn)
        let stride = shape.vocabulary
        let packed = normalised.activations
        shareTiles(groups: output.groups, &normalised, &turn) { groups, rows in
            multiply(
                output, packed, groups, rows,
                to: logits + rows.lowerBound * stride, stride)
        }
    }
}
