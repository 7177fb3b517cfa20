import KapokModel
import KapokWorld

/// Which requests are taken, and whose turn it is.
extension Scheduler {
    mutating func submit(
        _ request: ScheduledRequest, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        precondition(!request.prompt.isEmpty, "a prompt has at least one token")
        precondition(request.prefillOnly || request.maximumNewTokens >= 1, "nothing to generate")
        precondition(slotByID[request.id] == nil, "a request's id is its own")
        if let reason = refusal(of: request) {
            totals.refused += 1
            effects.append(.refused(request.id, reason))
            return
        }
        let tenant = tenants.index(of: request.tenant)
        let reserved = request.prompt.count + (request.prefillOnly ? 0 : request.maximumNewTokens)
        let mode = servedMode(request.mode, tenant: tenant, tokens: reserved)
        let new = request.prefillOnly ? 0 : request.maximumNewTokens
        var sequence = ScheduledSequence(
            id: request.id, order: nextOrder, tenant: tenant, mode: mode,
            prefillOnly: request.prefillOnly, usesPrefixCache: request.usesPrefixCache,
            speculates: request.speculates, maximumNewTokens: new, deadline: request.deadline,
            tokens: request.prompt, promptCount: request.prompt.count)
        nextOrder += 1
        sequence.account.mode = mode
        sequence.tokens.reserveCapacity(request.prompt.count + min(new, 256))
        tenants.begin(tenant, mode: mode)
        if mode == .optimized {
            liveOptimized += 1
            sequence.reservedTokens = reserved
            sequence.reservedWindow = tenants[tenant].window
            tenants[tenant].windowTokens += reserved
        }
        let slot = place(sequence)
        slotByID[request.id] = slot
        joinLine(slot)
        totals.admitted += 1
        if let deadline = request.deadline { expect(deadline) }
        effects.append(.admitted(request.id, mode: mode))
    }

    private func refusal(of request: ScheduledRequest) -> RefusalReason? {
        if isDraining { return .draining }
        let (sum, overflow) = request.prompt.count.addingReportingOverflow(
            request.prefillOnly ? 0 : request.maximumNewTokens)
        let limit = configuration.longestRequest
        if overflow || sum > limit {
            return .tooLong(tokens: overflow ? .max : sum, limit: limit)
        }
        if tenants.live(request.tenant) >= configuration.tenantLimit {
            return .tenantLimit(limit: configuration.tenantLimit)
        }
        if waiting >= configuration.queueLimit {
            return .queueFull(limit: configuration.queueLimit)
        }
        return nil
    }

    /// The mode in which a request is served: over a quota it is a standard one.
    private mutating func servedMode(
        _ mode: LatencyMode, tenant: Int, tokens: Int
    ) -> LatencyMode {
        guard mode == .optimized else { return .standard }
        let window = now.nanoseconds / max(1, configuration.optimizedWindow.nanoseconds)
        if tenants[tenant].window != window {
            tenants[tenant].window = window
            tenants[tenant].windowTokens = 0
        }
        if configuration.defect == .ignoreQuota { return .optimized }
        let limit = configuration.optimizedTenantLimit ?? configuration.optimizedLimit
        guard liveOptimized < configuration.optimizedLimit,
            tenants[tenant].liveOptimized < limit
        else { return .standard }
        if let quota = configuration.optimizedTokensPerWindow,
            tenants[tenant].windowTokens + tokens > quota
        {
            return .standard
        }
        return .optimized
    }

    private mutating func place(_ sequence: ScheduledSequence) -> Int {
        if let slot = freeSlots.popLast() {
            sequences[slot] = sequence
            return slot
        }
        sequences.append(sequence)
        return sequences.count - 1
    }

    // MARK: Lines

    /// Puts a request into its tenant's line.
    mutating func joinLine(_ slot: Int) {
        waiting += 1
        let (tenant, mode) = (self[slot].tenant, self[slot].mode)
        let line = tenants[tenant].line(mode)
        var place = line.count
        while place > 0, self[line[place - 1]].order > self[slot].order { place -= 1 }
        tenants.enqueue(slot, tenant: tenant, mode: mode, at: place)
    }

    /// Takes a request out of its tenant's line.
    mutating func leaveLine(_ slot: Int) {
        waiting -= 1
        tenants.dequeue(slot, tenant: self[slot].tenant, mode: self[slot].mode)
    }

    /// Notes since when the first request of each line is first. If one that was set back comes
    /// before it again, it keeps the time for which it has been waiting.
    mutating func noteFirsts() {
        guard waiting > 0 else { return }
        for tenant in tenants.tenants.indices where tenants[tenant].live > 0 {
            for slot in [tenants[tenant].standard.first, tenants[tenant].optimized.first] {
                if let slot, self[slot].firstSince == nil { self[slot].firstSince = now }
            }
        }
    }

    // MARK: Turns

    /// Lets waiting requests begin, as many as there are places and pages for.
    mutating func activate(_ effects: inout EffectBuffer<SchedulerEffect>) {
        while waiting > 0, let slot = nextInLine() {
            guard hasRoom(for: slot) || makeRoom(for: slot) else { break }
            leaveLine(slot)
            begin(slot, &effects)
        }
        startPulls(&effects)
    }

    /// Whose turn it is among those for whom there is a place: whoever has been first in a line
    /// for longer than patience lasts; then latency-optimised requests, though not too many in a
    /// row; then the tenant that got least.
    private mutating func nextInLine() -> Int? {
        let hasStandard = activeStandard < configuration.maximumDecodeSequences
        if configuration.defect != .ignorePatience, configuration.defect != .starveStandard,
            let slot = longestFirst(hasStandard: hasStandard)
        {
            return slot
        }
        let standard = hasStandard ? tenants.next(.standard) : nil
        guard let optimized = tenants.next(.optimized) else { return standard }
        if let standard, optimizedInARow >= configuration.optimizedBurst,
            configuration.defect != .starveStandard
        {
            return standard
        }
        return optimized
    }

    /// The request that has been first in its line longest, if that is longer than patience lasts.
    private func longestFirst(hasStandard: Bool) -> Int? {
        var best: Int?
        var since = Instant(nanoseconds: .max)
        func consider(_ slot: Int) {
            guard let first = self[slot].firstSince, first + configuration.patience <= now,
                first < since
            else { return }
            best = slot
            since = first
        }
        for tenant in tenants.tenants.indices {
            if hasStandard, let slot = tenants[tenant].standard.first { consider(slot) }
            if let slot = tenants[tenant].optimized.first { consider(slot) }
        }
        return best
    }

    /// Whether there are pages for all that is known of a request beside what running ones still
    /// need for their prompts, and one more for each of those.
    private mutating func hasRoom(for slot: Int) -> Bool {
        // A prompt that is computed for others never gives pages back, so it needs all at once.
        guard !active.isEmpty || self[slot].prefillOnly else { return true }
        var promised = 0
        for other in active {
            let needed = pagesNeeded(self[other].tokens.count) - self[other].pages.count
            promised += max(0, needed) + 1
        }
        let all = pagesNeeded(self[slot].tokens.count)
        guard all - self[slot].shareablePages + promised <= pool.available else { return false }
        return pagesToTake(slot) + promised <= pool.available
    }

    /// Pages that a request would take from those that are available.
    private mutating func pagesToTake(_ slot: Int) -> Int {
        var shared = 0
        var parent = PageLinks.none
        for page in 0..<self[slot].shareablePages {
            guard let known = knownPage(slot, page, parent: parent) else { break }
            // Pages that nobody holds are counted as available, so they are taken from there.
            if pool.references[Int(known)] > 0 { shared += 1 }
            parent = known
        }
        return pagesNeeded(self[slot].tokens.count) - shared
    }

    /// Sets standard requests back until there is room for a latency-optimised one.
    private mutating func makeRoom(for slot: Int) -> Bool {
        guard self[slot].mode == .optimized else { return false }
        while let victim = victim(for: slot) {
            preempt(victim)
            if hasRoom(for: slot) { return true }
        }
        return hasRoom(for: slot)
    }

    /// Gives a request its place and what the prefix cache has of it.
    private mutating func begin(
        _ slot: Int, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        let mode = self[slot].mode
        optimizedInARow = mode == .optimized ? optimizedInARow + 1 : 0
        if mode == .standard { activeStandard += 1 } else { activeOptimized += 1 }
        var place = active.count
        let order = self[slot].order
        while place > 0, self[active[place - 1]].order > order { place -= 1 }
        active.insert(slot, at: place)
        self[slot].phase = .running
        let first = self[slot].firstSince ?? now
        self[slot].firstSince = first
        self[slot].isProtected =
            first + configuration.patience <= now && configuration.defect != .ignorePatience
        extendFromCache(slot)
        if !self[slot].isCharged {
            self[slot].isCharged = true
            let cost = self[slot].promptCount - self[slot].computed
            tenants.charge(self[slot].tenant, cost: UInt64(max(0, cost)))
        }
        if self[slot].prefillOnly {
            guard takePages(slot, for: self[slot].promptCount) else {
                preconditionFailure("there is room for a prompt that begins")
            }
        }
        if self[slot].prefillOnly, self[slot].computed == self[slot].promptCount {
            reportPrefill(slot, &effects)
        } else if wantsPull(slot) {
            self[slot].phase = .awaitingPull
        }
    }
}
