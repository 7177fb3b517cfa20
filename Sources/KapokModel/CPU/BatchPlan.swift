import CKernels

/// A batch as plain values: tokens, positions, page tables, and how attention is shared.
struct BatchPlan {
    private var rows: [RowPlan] = []
    private var pages: [PageID] = []
    private var spans: [SpanPlan] = []

    var tokenCount: Int { rows.count }
    private(set) var wantedCount = 0
    /// Whether attention is split over segments of keys.
    private(set) var splitsKeys = false
    /// Floats for the partial results of a split attention.
    private(set) var partialFloats = 0

    /// Up to so many tokens attention is split: more of them give all threads work anyway.
    private static let splitTokens = 16
    /// The most floats that partial results may take, 64 MiB.
    private static let partialLimit = 16 << 20

    /// Takes a batch that has been checked.
    mutating func take(
        _ batch: StepBatch, shape: PassShape, threads: Int
    ) throws(CPUModelError) {
        rows.removeAll(keepingCapacity: true)
        pages.removeAll(keepingCapacity: true)
        spans.removeAll(keepingCapacity: true)
        wantedCount = 0
        partialFloats = 0
        var isSplittable = true
        for span in batch.spans {
            let count = span.tokens.count
            let last = span.start + count - 1
            let segments = last / Int(KAPOK_ATTENTION_SEGMENT) + 1
            spans.append(
                SpanPlan(
                    row: rows.count, count: count, start: span.start, firstPage: pages.count,
                    wanted: span.logits, wantedRow: wantedCount, segments: segments,
                    partials: partialFloats))
            for (offset, token) in span.tokens.enumerated() {
                let place = offset - (count - span.logits)
                rows.append(
                    RowPlan(
                        token: token, position: span.start + offset, firstPage: pages.count,
                        wantedRow: place >= 0 ? wantedCount + place : -1))
            }
            pages += span.pages.prefix(last / KVPage.tokens + 1)
            wantedCount += span.logits
            isSplittable = isSplittable && count <= shape.tileTokens
            partialFloats +=
                segments * shape.keyValueHeads * shape.partialFloats(rows: count * shape.group)
        }
        splitsKeys =
            isSplittable && rows.count <= Self.splitTokens && partialFloats <= Self.partialLimit
        if !splitsKeys { partialFloats = 0 }
    }

    /// Calls `body` with the tokens, the page tables and the spans.
    func withPointers(
        _ body: (
            UnsafeBufferPointer<RowPlan>, UnsafePointer<PageID>, UnsafeBufferPointer<SpanPlan>
        ) -> Void
    ) {
        rows.withUnsafeBufferPointer { rows in
            pages.withUnsafeBufferPointer { pages in
                spans.withUnsafeBufferPointer { spans in
                    // A batch has pages: that was checked.
                    guard let pages = pages.baseAddress else { return }
                    body(rows, pages, spans)
                }
            }
        }
    }
}
