import KapokModel

/// A small model that proposes tokens for a larger one: each request has a sequence in its cache.
///
/// Its choices are greedy and only ever a proposal: the large model's own choice decides.
final class DraftModel {
    /// A request's place in the cache.
    private struct Place {
        var pages: [PageID]
        /// Positions whose keys and values are those of the request's tokens.
        var tokens: [TokenID]
        var lastUse: UInt64
    }

    private let executor: CPUExecutor
    private let vocabularySize: Int
    private let contextLimit: Int
    private let largestSpan: Int
    private var freePages: [PageID]
    private var places: [RequestID: Place] = [:]
    private var clock: UInt64 = 0

    /// A drafter over `executor`, whose cache has `pages` pages for it alone.
    init(executor: CPUExecutor, pages: Int, configuration: ModelConfiguration, largestSpan: Int) {
        self.executor = executor
        self.vocabularySize = configuration.vocabularySize
        self.contextLimit = min(configuration.contextLength, pages * KVPage.tokens)
        self.largestSpan = largestSpan
        freePages = (0..<PageID(pages)).reversed()
    }

    /// Up to `count` tokens that may follow the request's.
    func drafts(for request: ActiveRequest, count: Int) throws(CPUModelError) -> [TokenID] {
        let known = request.tokens
        guard known.count + count <= contextLimit else { return [] }
        clock += 1
        var place =
            places.removeValue(forKey: request.id)
            ?? Place(
                pages: [], tokens: [], lastUse: clock)
        place.lastUse = clock
        guard reserve(known.count + count, for: &place) else { return [] }
        defer { places[request.id] = place }
        // The last draft round may have gone another way than the text did.
        let shared = zip(place.tokens, known).prefix { $0 == $1 }.count
        place.tokens.removeSubrange(min(shared, known.count - 1)...)
        var drafts: [TokenID] = []
        while drafts.count < count {
            let all = known + drafts
            let part = all[place.tokens.count...].prefix(largestSpan)
            let isLast = place.tokens.count + part.count == all.count
            let span = StepBatch.Span(
                tokens: Array(part), start: place.tokens.count, pages: place.pages,
                logits: isLast ? 1 : 0)
            let logits = try executor.run(StepBatch(spans: [span]))
            place.tokens += part
            if isLast { drafts.append(TokenID(LogitArithmetic.indexOfMaximum(logits))) }
        }
        return drafts
    }

    /// Gives the place pages for so many positions; takes them from whoever was not asked for the
    /// longest time.
    private func reserve(_ positions: Int, for place: inout Place) -> Bool {
        let needed = (positions + KVPage.tokens - 1) / KVPage.tokens
        while place.pages.count < needed {
            if let page = freePages.popLast() {
                place.pages.append(page)
                continue
            }
            guard let oldest = places.min(by: { $0.value.lastUse < $1.value.lastUse }) else {
                freePages += place.pages
                return false
            }
            freePages += oldest.value.pages
            places.removeValue(forKey: oldest.key)
        }
        return true
    }
}
