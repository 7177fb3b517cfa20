import KapokModel
import KapokWorld

/// Pages of requests: taking, sharing, making known, giving up.
extension Scheduler {
    /// Pages for so many positions.
    func pagesNeeded(_ positions: Int) -> Int {
        (positions + KVPage.tokens - 1) / KVPage.tokens
    }

    /// The hash of a request's page and all before it; all its tokens must be known.
    mutating func chainHash(_ slot: Int, _ page: Int) -> UInt64 {
        while self[slot].hashes.count <= page {
            let next = self[slot].hashes.count
            let hash = pool.cache.hash(
                self[slot].tokens(ofPage: next), after: self[slot].hashes.last)
            self[slot].hashes.append(hash)
        }
        return self[slot].hashes[page]
    }

    /// The known page with the tokens of a request's page; `parent` is the page before it.
    mutating func knownPage(_ slot: Int, _ page: Int, parent: PageID) -> PageID? {
        let hash = chainHash(slot, page)
        return pool.cache.find(
            hash: hash, tokens: self[slot].tokens(ofPage: page), parent: parent)
    }

    /// Whether a request stands at the beginning of a page whose predecessors are all known, so
    /// that the page may be found rather than computed.
    private func isAtKnownEdge(_ slot: Int) -> Bool {
        let sequence = self[slot]
        return !sequence.isChainBroken && sequence.computed == sequence.published * KVPage.tokens
            && sequence.published < sequence.shareablePages
    }

    /// Takes over pages that others have computed, from where a request stands.
    mutating func extendFromCache(_ slot: Int) {
        while isAtKnownEdge(slot) {
            let page = self[slot].published
            let parent = page == 0 ? PageLinks.none : self[slot].pages[page - 1]
            guard let known = knownPage(slot, page, parent: parent) else { return }
            if configuration.defect != .shareWithoutHolding || pool.references[Int(known)] == 0 {
                pool.retain(known)
            }
            if page < self[slot].pages.count {
                pool.release(self[slot].pages[page])
                self[slot].pages[page] = known
            } else {
                self[slot].pages.append(known)
            }
            self[slot].published += 1
            self[slot].computed += KVPage.tokens
        }
    }

    /// Counts what a request found in the cache, when it goes on from there: prompt positions that
    /// were never computed or pulled for it before.
    mutating func accountCached(_ slot: Int) {
        let fresh = min(self[slot].computed, self[slot].promptCount) - self[slot].accounted
        if fresh > 0 {
            self[slot].account.cachedTokens += fresh
            totals.cachedTokens += UInt64(fresh)
        }
        self[slot].accounted = max(self[slot].accounted, self[slot].computed)
    }

    /// Whether the next page of a request is on its way for somebody else: waiting for it is
    /// quicker than computing it beside.
    mutating func awaitsOther(_ slot: Int) -> Bool {
        guard !coming.isEmpty, isAtKnownEdge(slot) else { return false }
        return coming.contains(chainHash(slot, self[slot].published))
    }

    /// Tells others that the pages up to position `end` are on their way; gives the hashes.
    mutating func announce(_ slot: Int, upTo end: Int, into hashes: inout [UInt64]) {
        guard self[slot].usesPrefixCache, !self[slot].isChainBroken else { return }
        let first = self[slot].published
        let last = min(end, self[slot].tokens.count) / KVPage.tokens
        guard first < last else { return }
        for page in first..<last {
            let hash = chainHash(slot, page)
            if coming.insert(hash).inserted { hashes.append(hash) }
        }
    }

    /// Makes a request's full pages known, up to position `end`. Where an equal page is known
    /// already, that one is used and the own one given back.
    mutating func publish(_ slot: Int, upTo end: Int) {
        guard self[slot].usesPrefixCache, !self[slot].isChainBroken else { return }
        while self[slot].published < end / KVPage.tokens {
            let page = self[slot].published
            let own = self[slot].pages[page]
            let parent = page == 0 ? PageLinks.none : self[slot].pages[page - 1]
            let hash = chainHash(slot, page)
            let result = pool.publish(
                own, hash: hash, tokens: self[slot].tokens(ofPage: page), parent: parent)
            switch result {
            case .published: break
            case .duplicate(let known):
                pool.retain(known)
                pool.release(own)
                self[slot].pages[page] = known
            case .collision:
                self[slot].isChainBroken = true
                return
            }
            self[slot].published += 1
        }
    }

    /// Sees to it that a request has pages for `positions` positions, from what is available.
    mutating func takePages(_ slot: Int, for positions: Int) -> Bool {
        while self[slot].pages.count < pagesNeeded(positions) {
            guard let page = pool.allocate() else { return false }
            self[slot].pages.append(page)
        }
        return true
    }

    /// The same, setting others back where that is allowed.
    mutating func obtainPages(_ slot: Int, for positions: Int) -> Bool {
        while !takePages(slot, for: positions) {
            guard let victim = victim(for: slot) else { return false }
            preempt(victim)
        }
        return true
    }

    // MARK: Preemption

    /// Who gives up its pages for a request: the newest standard one, else the newest optimised
    /// one; never the oldest of all, so that it gets done. The oldest may take from anybody, an
    /// optimised one from standard ones and from newer optimised ones, a standard one from newer
    /// standard ones; but only the oldest from those that waited longer than patience lasts.
    func victim(for slot: Int) -> Int? {
        if configuration.defect == .preemptOldest, let oldest = active.first, oldest != slot,
            self[slot].phase == .running,
            self[oldest].phase == .running, !self[oldest].isInStep
        {
            return oldest
        }
        let isOldest = active.first == slot
        let (order, mode) = (self[slot].order, self[slot].mode)
        for wanted in [LatencyMode.standard, .optimized] {
            for place in stride(from: active.count - 1, to: 0, by: -1) {
                let other = active[place]
                guard other != slot, self[other].mode == wanted, canGiveUp(other) else {
                    continue
                }
                let mayTake =
                    isOldest
                    || (!self[other].isProtected
                        && (mode == .optimized && wanted == .standard
                            || mode == wanted && self[other].order > order))
                if mayTake { return other }
            }
        }
        return nil
    }

    /// Pages that a step writes to, and pages that were promised to others, stay.
    private func canGiveUp(_ slot: Int) -> Bool {
        self[slot].isReady && !self[slot].prefillOnly && !self[slot].pages.isEmpty
    }

    /// Sets a request back: its pages go, its tokens stay, and it stands in line again.
    mutating func preempt(_ slot: Int) {
        pool.release(self[slot].pages)
        self[slot].pages = []
        self[slot].computed = 0
        self[slot].published = 0
        self[slot].isChainBroken = false
        self[slot].lastStep = 0
        self[slot].account.preemptions += 1
        totals.preemptions += 1
        deactivate(slot)
        self[slot].phase = .waiting
        if configuration.defect == .repeatAfterPreemption, self[slot].generated > 0 {
            self[slot].tokens.removeLast()
            self[slot].hashes.removeAll()
        }
        joinLine(slot)
    }
}
