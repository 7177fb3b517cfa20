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

/// One pass of a batch through the model, as each thread runs it: pointers and numbers alone, so
/// that nothing is counted by reference on the way. All memory belongs to the executor.
///
/// A pass of few tokens is bound by barriers as much as by memory, so every thread then normalises and
/// packs all rows for itself rather than wait for the others; a block takes five barriers.
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
    let tokens: UnsafePointer<TokenID>
    let positions: UnsafePointer<Int>
    let pages: UnsafePointer<PageID>
    let spans: UnsafeBufferPointer<SpanPlan>
    let tokenCount: Int
    let wantedCount: Int
    /// Whether attention is split over segments of keys, and writes keys and values itself.
    let splitsKeys: Bool
    /// Partial results of attention, where it is split.
    let partials: UnsafeMutablePointer<Float>
    /// Logits, or nil where final hidden states are wanted.
    let logits: UnsafeMutablePointer<Float>?

    /// Up to so many rows every thread prepares for itself.
    static let redundantRows = 4

    /// What thread `thread` does of the pass.
    func run(thread: Int) {
        embed(thread)
        barrier()
        for index in 0..<(shape.layers - 1) {
            attend(index, isTrimmed: false, thread)
            feedForward(index, x: buffers.x, rows: tokenCount, thread)
        }
        // Behind the last block's keys and values only rows with a result count.
        let isTrimmed = wantedCount < tokenCount
        attend(shape.layers - 1, isTrimmed: isTrimmed, thread)
        if wantedCount == 0 { return }
        let x = isTrimmed ? buffers.wanted : buffers.x
        feedForward(shape.layers - 1, x: x, rows: wantedCount, thread)
        finish(x, thread)
    }

    // MARK: Sharing work

    func barrier() { kapok_team_barrier(team) }

    /// Calls `body` with ranges that together are 0 ..< `count`, on whichever thread is free. Three
    /// quarters are dealt out beforehand, so that memory is read in long runs and each thread finds
    /// in its caches what it read before; the rest goes in pieces of `grain` to who comes first.
    @inline(__always)
    func share(_ count: Int, grain: Int, _ thread: Int, _ body: (Int, Int) -> Void) {
        if threads == 1 {
            if count > 0 { body(0, count) }
            return
        }
        let own = count * 3 / 4 / threads / grain * grain
        if own > 0 { body(thread * own, (thread + 1) * own) }
        while true {
            let begin = own * threads + Int(kapok_team_next(team)) * grain
            if begin >= count { return }
            body(begin, min(begin + grain, count))
        }
    }

    /// Every row by itself, dealt out evenly.
    @inline(__always)
    func shareRows(_ count: Int, _ thread: Int, _ body: (Int) -> Void) {
        for row in (count * thread / threads)..<(count * (thread + 1) / threads) { body(row) }
    }

    // MARK: The parts

    private func embed(_ thread: Int) {
        let rowBytes = embedding.count / shape.vocabulary
        shareRows(tokenCount, thread) { row in
            let begin = Int(tokens[row]) * rowBytes
            embeddingType.dequantize(
                UnsafeRawBufferPointer(rebasing: embedding[begin..<(begin + rowBytes)]),
                into: UnsafeMutableBufferPointer(
                    start: buffers.x + row * shape.width, count: shape.width))
            kapok_rotation(
                buffers.turns + row * 2 * shape.pairs, frequencies, shape.pairs, positions[row],
                shape.magnitude)
        }
    }

    private func attend(_ index: Int, isTrimmed: Bool, _ thread: Int) {
        let layer = layers + index
        let input = normalised(
            buffers.x, rows: tokenCount, weights: layer.pointee.attentionNorm,
            forms: ActivationForms(layer.pointee.query, layer.pointee.key, layer.pointee.value),
            thread)
        multiplyQueriesKeysValues(layer, input, thread)
        barrier()
        let isSplit = splitsKeys && !isTrimmed
        if !isSplit {
            storeKeysValues(layer, index, thread)
            barrier()
        }
        if isTrimmed {
            if wantedCount == 0 { return }
            gatherWanted(thread)
        }
        if isSplit {
            attendSegments(layer, index, thread)
        } else {
            attendTiles(layer, index, isTrimmed: isTrimmed, thread)
        }
        barrier()
        let rows = isTrimmed ? wantedCount : tokenCount
        let attended = packedAttention(
            rows: rows, isSplit: isSplit, forms: ActivationForms(layer.pointee.output), thread)
        multiplyAdding(
            layer.pointee.output, attended, rows: rows,
            to: isTrimmed ? buffers.wanted : buffers.x, thread)
        barrier()
    }

    private func feedForward(
        _ index: Int, x: UnsafeMutablePointer<Float>, rows: Int, _ thread: Int
    ) {
        let layer = layers + index
        let input = normalised(
            x, rows: rows, weights: layer.pointee.feedForwardNorm,
            forms: ActivationForms(layer.pointee.gate, layer.pointee.up), thread)
        multiplyGated(layer, input, rows: rows, thread)
        barrier()
        let hidden = packed(
            buffers.hidden, width: shape.feedForward, rows: rows,
            forms: ActivationForms(layer.pointee.down), thread)
        multiplyAdding(layer.pointee.down, hidden, rows: rows, to: x, thread)
        barrier()
    }

    private func finish(_ x: UnsafeMutablePointer<Float>, _ thread: Int) {
        guard let logits else {
            shareRows(wantedCount, thread) { row in
                let state = x + row * shape.width
                kapok_rms_norm(state, state, outputNorm, shape.width, shape.epsilon)
            }
            return
        }
        let input = normalised(
            x, rows: wantedCount, weights: outputNorm, forms: ActivationForms(output), thread)
        let stride = shape.vocabulary
        shareTiles(groups: output.groups, rows: wantedCount, thread) { groups, rows in
            multiply(output, input, groups, rows, to: logits + rows.lowerBound * stride, stride)
        }
    }

    /// Copies the residual stream of the rows that have a result together.
    private func gatherWanted(_ thread: Int) {
        let width = shape.width
        for span in spans where span.wanted > 0 {
            let from = buffers.x + (span.row + span.count - span.wanted) * width
            let to = buffers.wanted + span.wantedRow * width
            shareRows(span.wanted, thread) { row in
                (to + row * width).update(from: from + row * width, count: width)
            }
        }
    }
}
