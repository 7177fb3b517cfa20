import CKernels

/// A batch as plain values: tokens, positions, page tables, and how attention is shared.
struct BatchPlan {
    private var tokens: [TokenID] = []
    private var positions: [Int] = []
    private var pages: [PageID] = []
    private var spans: [SpanPlan] = []

    var tokenCount: Int { tokens.count }
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
        tokens.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
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
                    row: tokens.count, count: count, start: span.start, firstPage: pages.count,
                    wanted: span.logits, wantedRow: wantedCount, segments: segments,
                    partials: partialFloats))
            tokens += span.tokens
            positions += span.start...last
            pages += span.pages.prefix(last / KVPage.tokens + 1)
            wantedCount += span.logits
            isSplittable = isSplittable && count <= shape.tileTokens
            partialFloats +=
                segments * shape.keyValueHeads * shape.partialFloats(rows: count * shape.group)
        }
        splitsKeys =
            isSplittable && tokens.count <= Self.splitTokens && partialFloats <= Self.partialLimit
        if !splitsKeys { partialFloats = 0 }
    }

    /// Calls `body` with the tokens, their positions, the page tables and the spans.
    func withPointers(
        _ body: (
            UnsafePointer<TokenID>, UnsafePointer<Int>, UnsafePointer<PageID>,
            UnsafeBufferPointer<SpanPlan>
        ) -> Void
    ) {
        tokens.withUnsafeBufferPointer { tokens in
            positions.withUnsafeBufferPointer { positions in
                pages.withUnsafeBufferPointer { pages in
                    spans.withUnsafeBufferPointer { spans in
                        // A batch has tokens: that was checked.
                        guard let tokens = tokens.baseAddress,
                            let positions = positions.baseAddress, let pages = pages.baseAddress
                        else { return }
                        body(tokens, positions, pages, spans)
                    }
                }
            }
        }
    }
}
