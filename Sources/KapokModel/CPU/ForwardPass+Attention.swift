import CKernels

/// Attention over the cache's pages, shared among threads.
extension ForwardPass {
    /// Where keys and values of one layer and head lie for `span`.
    private func attention(_ span: SpanPlan, _ layer: Int, head: Int) -> kapok_attention {
        kapok_attention(
            cache: UnsafePointer(cache.assumingMemoryBound(to: UInt8.self)),
            page_bytes: pageBytes,
            head_offset: (layer * shape.keyValueHeads + head) * shape.headBytes,
            pages: pages + span.firstPage, head_width: shape.headWidth, group: shape.group)
    }

    // MARK: Keys and values

    /// A phase: writes the keys and values of all tokens into their pages. In the last block it
    /// also copies the rows with a result together.
    func storeKeysValues(
        _ layer: UnsafePointer<PackedLayer>, _ index: Int, isTrimmed: Bool, _ turn: inout Turn
    ) {
        let thread = turn.thread
        shareRows(rows.count, &turn) { row in
            for head in 0..<shape.keyValueHeads { storeKeyValue(layer, index, row, head, thread) }
            let wanted = rows[row].wantedRow
            if isTrimmed && wanted >= 0 {
                (buffers.wanted + wanted * shape.width).update(
                    from: buffers.x + row * shape.width, count: shape.width)
            }
        }
    }

    private func storeKeyValue(
        _ layer: UnsafePointer<PackedLayer>, _ index: Int, _ row: Int, _ head: Int, _ thread: Int
    ) {
        let width = shape.headWidth
        let projected = buffers.projected + row * shape.projectedWidth
        let key = scratch[thread].head
        key.update(from: projected + (shape.heads + head) * width, count: width)
        turn(key, norm: layer.pointee.keyNorm, layer, row)
        let position = rows[row].position
        let page =
            cache + Int(pages[rows[row].firstPage + position / KVPage.tokens]) * pageBytes
        kapok_store_key_value(
            page + (index * shape.keyValueHeads + head) * shape.headBytes,
            position % KVPage.tokens, key,
            projected + (shape.heads + shape.keyValueHeads + head) * width, width)
    }

    /// Normalises a head where the model does, and turns it by its position.
    @inline(__always)
    private func turn(
        _ head: UnsafeMutablePointer<Float>, norm: UnsafePointer<Float>?,
        _ layer: UnsafePointer<PackedLayer>, _ row: Int
    ) {
        if let norm { kapok_rms_norm(head, head, norm, shape.headWidth, shape.epsilon) }
        if layer.pointee.rotates {
            kapok_rotate(
                head, buffers.turns + row * 2 * shape.pairs, shape.pairs, shape.turnsHalves)
        }
    }

    /// The queries of `count` tokens from row `row` on that go with one key and value head.
    private func gatherQueries(
        _ layer: UnsafePointer<PackedLayer>, row: Int, count: Int, head: Int, _ thread: Int
    ) {
        let width = shape.headWidth
        let group = shape.group
        let queries = scratch[thread].queries
        for token in 0..<count {
            let from =
                buffers.projected + (row + token) * shape.projectedWidth + head * group * width
            let to = queries + token * group * width
            to.update(from: from, count: group * width)
            for member in 0..<group {
                turn(to + member * width, norm: layer.pointee.queryNorm, layer, row + token)
            }
        }
        kapok_scale(queries, shape.queryScale, count * group * width)
    }

    // MARK: Whole rows

    /// A phase: attention of all tokens, or of those with a result, each tile of tokens over all
    /// its keys.
    func attendTiles(
        _ layer: UnsafePointer<PackedLayer>, _ index: Int, isTrimmed: Bool, _ turn: inout Turn
    ) {
        var count = 0
        for span in spans { count += tiles(span, isTrimmed) * shape.keyValueHeads }
        // Each thread takes pieces of ever higher numbers.
        var number = 0
        var begin = 0
        let thread = turn.thread
        eachPiece(of: count, turn) { piece in
            while piece >= begin + tiles(spans[number], isTrimmed) * shape.keyValueHeads {
                begin += tiles(spans[number], isTrimmed) * shape.keyValueHeads
                number += 1
            }
            let (tile, head) = (piece - begin).quotientAndRemainder(
                dividingBy: shape.keyValueHeads)
            // Late tiles have the most keys: they come first, so that all threads end together.
            attendTile(
                layer, index, spans[number], head: head,
                tile: tiles(spans[number], isTrimmed) - 1 - tile, isTrimmed: isTrimmed, thread)
        }
        turn.phase += 1
    }

    private func tiles(_ span: SpanPlan, _ isTrimmed: Bool) -> Int {
        ((isTrimmed ? span.wanted : span.count) + shape.tileTokens - 1) / shape.tileTokens
    }

    private func attendTile(
        _ layer: UnsafePointer<PackedLayer>, _ index: Int, _ span: SpanPlan, head: Int, tile: Int,
        isTrimmed: Bool, _ thread: Int
    ) {
        let skipping = isTrimmed ? span.count - span.wanted : 0
        let first = skipping + tile * shape.tileTokens
        let count = min(shape.tileTokens, span.count - first)
        let own = scratch[thread]
        gatherQueries(layer, row: span.row + first, count: count, head: head, thread)
        var place = attention(span, index, head: head)
        let rows = count * shape.group
        let position = span.start + first
        let segments = (position + count - 1) / Int(KAPOK_ATTENTION_SEGMENT) + 1
        kapok_attention_segment(
            &place, own.queries, rows, position, 0, own.state, own.attention)
        for segment in 1..<max(segments, 1) {
            kapok_attention_segment(
                &place, own.queries, rows, position, segment, own.segmentState, own.attention)
            kapok_attention_merge(own.state, own.segmentState, rows, shape.headWidth)
        }
        let outputRow = isTrimmed ? span.wantedRow + first - skipping : span.row + first
        for row in 0..<rows {
            let (token, member) = row.quotientAndRemainder(dividingBy: shape.group)
            kapok_attention_finish(
                buffers.attended + (outputRow + token) * shape.queryWidth
                    + (head * shape.group + member) * shape.headWidth,
                own.state, row, shape.headWidth)
        }
    }

    // MARK: Split over segments of keys

    /// A phase: attention of all tokens with each segment of keys by itself. Who has the segment
    /// that a token is in writes its key and value first: nobody else reads them.
    func attendSegments(
        _ layer: UnsafePointer<PackedLayer>, _ index: Int, _ turn: inout Turn
    ) {
        var count = 0
        for span in spans { count += span.segments * shape.keyValueHeads }
        var number = 0
        var begin = 0
        let thread = turn.thread
        eachPiece(of: count, turn) { piece in
            while piece >= begin + spans[number].segments * shape.keyValueHeads {
                begin += spans[number].segments * shape.keyValueHeads
                number += 1
            }
            let (segment, head) = (piece - begin).quotientAndRemainder(
                dividingBy: shape.keyValueHeads)
            attendSegment(layer, index, spans[number], head: head, segment: segment, thread)
        }
        turn.phase += 1
    }

    private func attendSegment(
        _ layer: UnsafePointer<PackedLayer>, _ index: Int, _ span: SpanPlan, head: Int,
        segment: Int, _ thread: Int
    ) {
        for offset in 0..<span.count
        where (span.start + offset) / Int(KAPOK_ATTENTION_SEGMENT) == segment {
            storeKeyValue(layer, index, span.row + offset, head, thread)
        }
        gatherQueries(layer, row: span.row, count: span.count, head: head, thread)
        var place = attention(span, index, head: head)
        kapok_attention_segment(
            &place, scratch[thread].queries, span.count * shape.group, span.start, segment,
            partial(span, head: head, segment: segment), scratch[thread].attention)
    }

    /// Where the partial results of a span's segment and head are.
    private func partial(_ span: SpanPlan, head: Int, segment: Int) -> kapok_attention_state {
        let rows = span.count * shape.group
        let number = head * span.segments + segment
        return kapok_attention_state(
            at: partials + span.partials + number * shape.partialFloats(rows: rows), rows: rows,
            stride: shape.valueStride)
    }

    // MARK: Results

    /// Merges the segments of one token, in order.
    func join(
        _ span: SpanPlan, token: Int, to output: UnsafeMutablePointer<Float>, _ thread: Int
    ) {
        let group = shape.group
        for head in 0..<shape.keyValueHeads {
            let to = output + head * group * shape.headWidth
            let first = partial(span, head: head, segment: 0)
            if span.segments == 1 {
                for member in 0..<group {
                    kapok_attention_finish(
                        to + member * shape.headWidth, first, token * group + member,
                        shape.headWidth)
                }
                continue
            }
            let joined = scratch[thread].state
            let row = token * group
            joined.largest.update(from: first.largest + row, count: group)
            joined.sum.update(from: first.sum + row, count: group)
            joined.values.update(
                from: first.values + row * shape.valueStride, count: group * shape.valueStride)
            for segment in 1..<span.segments {
                let next = partial(span, head: head, segment: segment)
                kapok_attention_merge(
                    joined,
                    kapok_attention_state(
                        largest: next.largest + row, sum: next.sum + row,
                        values: next.values + row * shape.valueStride), group, shape.headWidth)
            }
            for member in 0..<group {
                kapok_attention_finish(
                    to + member * shape.headWidth, joined, member, shape.headWidth)
            }
        }
    }
}
