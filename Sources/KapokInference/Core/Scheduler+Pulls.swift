import KapokModel
import KapokWorld

/// Prompts whose pages come from a prefill role.
extension Scheduler {
    /// A pull that has not been answered.
    struct Pull {
        var id: RequestID
        /// The pages it writes to, which begin at position `from`, for positions up to `tokens`.
        var pages: [PageID]
        var from: Int
        var tokens: Int
        /// When it is abandoned.
        var limit: Instant
        /// Hashes of the pages that it completes.
        var hashes: [UInt64]
        /// Nobody waits for it any more; its pages stay reserved until it is answered.
        var isAbandoned = false
    }

    /// Positions of a request that a prefill role could compute: all of the prompt but its last
    /// token.
    private func pullEnd(_ slot: Int) -> Int {
        min(self[slot].promptCount, self[slot].tokens.count - 1)
    }

    /// Whether enough of a request's prompt is to be computed for a pull to pay.
    func wantsPull(_ slot: Int) -> Bool {
        guard let threshold = configuration.pullThreshold, !self[slot].prefillOnly,
            !self[slot].computesItself
        else { return false }
        return pullEnd(slot) - self[slot].computed >= max(1, threshold)
    }

    /// Starts pulls, the oldest request's first.
    mutating func startPulls(_ effects: inout EffectBuffer<SchedulerEffect>) {
        guard configuration.pullThreshold != nil else { return }
        var running = 0
        for pull in pullsOnTheirWay where !pull.isAbandoned { running += 1 }
        var place = 0
        while place < active.count {
            let slot = active[place]
            place += 1
            guard self[slot].phase == .awaitingPull else { continue }
            extendFromCache(slot)
            guard wantsPull(slot) else {
                self[slot].phase = .running
                continue
            }
            guard running < configuration.maximumPulls, !awaitsOther(slot),
                obtainPages(slot, for: pullEnd(slot))
            else { continue }
            // Setting others back may have moved the request to another place.
            place = (active.firstIndex(of: slot) ?? place) + 1
            startPull(slot, &effects)
            running += 1
        }
    }

    private mutating func startPull(
        _ slot: Int, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        let from = self[slot].computed
        precondition(from.isMultiple(of: KVPage.tokens), "a pull begins with a page")
        var pull = Pull(
            id: self[slot].id, pages: Array(self[slot].pages[(from / KVPage.tokens)...]),
            from: from, tokens: pullEnd(slot), limit: now + configuration.pullTimeLimit,
            hashes: [])
        announce(slot, upTo: pull.tokens, into: &pull.hashes)
        accountCached(slot)
        self[slot].phase = .pulling
        expect(pull.limit)
        effects.append(.pull(pull.id, from: from, tokens: pull.tokens, pages: pull.pages))
        pullsOnTheirWay.append(pull)
    }

    /// Goes on with what a pull brought.
    mutating func finishPull(
        _ id: RequestID, tokens: Int, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        guard let index = pullsOnTheirWay.firstIndex(where: { $0.id == id }) else { return }
        let pull = pullsOnTheirWay.remove(at: index)
        if pull.isAbandoned {
            pool.release(pull.pages)
            return
        }
        for hash in pull.hashes { coming.remove(hash) }
        guard let slot = slotByID[id] else {
            preconditionFailure("a pull that is not abandoned has a request")
        }
        let reached =
            configuration.defect == .trustPulls
            ? pull.tokens : max(pull.from, min(tokens, pull.tokens))
        if reached < pull.tokens {
            self[slot].computesItself = true
            totals.failedPulls += 1
        }
        let fresh = reached - max(pull.from, self[slot].accounted)
        if fresh > 0 {
            self[slot].account.pulledTokens += fresh
            totals.pulledTokens += UInt64(fresh)
        }
        self[slot].computed = reached
        self[slot].accounted = max(self[slot].accounted, reached)
        self[slot].phase = .running
        publish(slot, upTo: reached)
    }

    /// Gives a request's pull up. Something may still write to its pages, so they stay reserved
    /// until the pull is answered, and the request goes on with others.
    mutating func abandonPull(
        of slot: Int, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        let id = self[slot].id
        guard let index = pullsOnTheirWay.firstIndex(where: { $0.id == id && !$0.isAbandoned })
        else { preconditionFailure("a request that pulls has a pull") }
        for hash in pullsOnTheirWay[index].hashes { coming.remove(hash) }
        pullsOnTheirWay[index].hashes = []
        pullsOnTheirWay[index].isAbandoned = true
        let kept = pullsOnTheirWay[index].from / KVPage.tokens
        if configuration.defect == .freeWhilePulling {
            pool.release(pullsOnTheirWay[index].pages)
            pullsOnTheirWay.remove(at: index)
        }
        self[slot].pages.removeSubrange(kept...)
        self[slot].phase = .running
        self[slot].computesItself = true
        totals.failedPulls += 1
        effects.append(.abandonPull(id))
    }
}
