import KapokModel
import KapokWorld

/// What goes into a step.
extension Scheduler {
    /// What a step has room for.
    private struct Room {
        var prefill: Int
        var drafts: Int
        /// Tokens of last parts of prompts, for an executor that decodes only.
        var short: Int
    }

    /// Gives an idle executor a step, if anything can go on.
    mutating func runStep(
        _ index: Int, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        collect(executors[index].role)
        for slot in candidates.complete { reportPrefill(slot, &effects) }
        let hasOptimized = !candidates.optimizedDecode.isEmpty
        var entries: [StepEntry] = []
        entries.reserveCapacity(
            candidates.optimizedDecode.count + candidates.standardDecode.count
                + min(candidates.prefill.count, 8))
        executors[index].slots.removeAll(keepingCapacity: true)
        executors[index].number += 1
        var room = Room(
            prefill: 0, drafts: configuration.draftTokensPerStep,
            short: configuration.prefillTokensPerStep)
        noteNewcomers(index)
        for slot in candidates.optimizedDecode { addDecode(slot, index, &room, &entries) }
        let places =
            hasOptimized
            ? configuration.sequencesBesideOptimized : configuration.maximumDecodeSequences
        orderStandard(places: places)
        let most = entries.count + places
        for slot in candidates.standardDecode where entries.count < most {
            addDecode(slot, index, &room, &entries)
        }
        executors[index].hasDecode = !entries.isEmpty
        room.prefill = prefillRoom(index, hasOptimized: hasOptimized)
        let whole = room.prefill
        if !candidates.prefill.isEmpty {
            orderPrefill(index)
            for slot in candidates.prefill {
                guard room.prefill > 0 else { break }
                addPrefill(slot, index, whole: whole, &room, &entries)
            }
        }
        executors[index].prefillTokens = whole - room.prefill
        guard !entries.isEmpty else {
            executors[index].number -= 1
            return
        }
        executors[index].isBusy = true
        executors[index].began = now
        totals.steps += 1
        effects.append(
            .run(
                Step(
                    executor: executors[index].role, number: executors[index].number,
                    entries: entries)))
    }

    /// Sorts the requests that can go on by what an executor does with them.
    private mutating func collect(_ role: ExecutorRole) {
        candidates.removeAll()
        let limit =
            role == .both ? 1 : min(configuration.shortPrefill, configuration.prefillTokensPerStep)
        for slot in active where self[slot].isReady {
            if self[slot].remaining > 1 { extendFromCache(slot) }
            if self[slot].remaining == 0 {
                candidates.complete.append(slot)
                continue
            }
            let isDecode =
                !self[slot].prefillOnly
                && self[slot].remaining <= limit
            if isDecode {
                guard role != .prefill else { continue }
                if self[slot].mode == .optimized {
                    candidates.optimizedDecode.append(slot)
                } else {
                    candidates.standardDecode.append(slot)
                }
            } else if role != .decode {
                candidates.prefill.append(slot)
            }
        }
    }

    /// Lets requests that decode for the first time begin as if they had been in the last step.
    private mutating func noteNewcomers(_ index: Int) {
        guard executors[index].role != .prefill else { return }
        for slot in candidates.standardDecode where self[slot].lastStep == 0 {
            self[slot].lastStep = executors[index].number - 1
        }
    }

    /// Lets the standard sequences that have waited longest go first when not all may decode.
    private mutating func orderStandard(places: Int) {
        guard candidates.standardDecode.count > places, configuration.defect != .skipRotation
        else { return }
        var list = candidates.standardDecode
        candidates.standardDecode = []
        list.sort { (self[$0].lastStep, self[$0].order) < (self[$1].lastStep, self[$1].order) }
        candidates.standardDecode = list
    }

    /// How many prompt tokens a step may take beside what decodes in it.
    private func prefillRoom(_ index: Int, hasOptimized: Bool) -> Int {
        guard executors[index].hasDecode else { return configuration.prefillTokensAlone }
        let mixed = executors[index].mixedBudget
        return hasOptimized ? min(mixed, configuration.prefillTokensBesideOptimized) : mixed
    }

    /// Orders prompts: latency-optimised ones first, then by what is left of them, so that a short
    /// one does not wait for a long one; but in some steps the oldest goes first, so that a long
    /// one is not overtaken for ever.
    private mutating func orderPrefill(_ index: Int) {
        var list = candidates.prefill
        candidates.prefill = []
        list.sort { a, b in
            let (a, b) = (self[a], self[b])
            if a.mode != b.mode { return a.mode == .optimized }
            return (a.remaining, a.order) < (b.remaining, b.order)
        }
        executors[index].prefillTurns += 1
        let turns = UInt64(configuration.oldestPrefillTurn)
        if executors[index].prefillTurns % turns == 0, configuration.defect != .starveStandard {
            var oldest = 0
            for place in list.indices where self[list[place]].order < self[list[oldest]].order {
                oldest = place
            }
            list.insert(list.remove(at: oldest), at: 0)
        }
        candidates.prefill = list
    }

    // MARK: Entries

    private mutating func addDecode(
        _ slot: Int, _ index: Int, _ room: inout Room, _ entries: inout [StepEntry]
    ) {
        // It may have been set back for one before it.
        guard self[slot].isReady else { return }
        let count = self[slot].remaining
        guard count == 1 || count <= room.short else { return }
        guard obtainPages(slot, for: self[slot].tokens.count) else { return }
        if count > 1 { room.short -= count }
        var drafts = min(wantedDrafts(slot), room.drafts)
        while drafts > 0, !takePages(slot, for: self[slot].tokens.count + drafts) { drafts -= 1 }
        room.drafts -= drafts
        add(slot, index, count: count, drafts: drafts, &entries)
    }

    private mutating func addPrefill(
        _ slot: Int, _ index: Int, whole: Int, _ room: inout Room, _ entries: inout [StepEntry]
    ) {
        guard self[slot].isReady else { return }
        if awaitsOther(slot) { return }
        let (start, remaining) = (self[slot].computed, self[slot].remaining)
        var count = min(remaining, room.prefill)
        if count < remaining {
            // Parts end with pages, so that others can use all of what was computed.
            let end = (start + count) / KVPage.tokens * KVPage.tokens
            if end > start { count = end - start } else if room.prefill < whole { return }
        }
        guard obtainPages(slot, for: start + 1) else { return }
        // The rest of its pages is taken as far as they are available, and from nobody.
        if !takePages(slot, for: start + count) {
            count = self[slot].pages.count * KVPage.tokens - start
        }
        room.prefill -= count
        add(slot, index, count: count, drafts: 0, &entries)
        let end = start + count
        var hashes: [UInt64] = []
        swap(&hashes, &executors[index].hashes)
        announce(slot, upTo: end, into: &hashes)
        swap(&hashes, &executors[index].hashes)
        if configuration.defect == .shareBeforeComputed { publish(slot, upTo: end) }
    }

    private mutating func add(
        _ slot: Int, _ index: Int, count: Int, drafts: Int, _ entries: inout [StepEntry]
    ) {
        let samples = !self[slot].prefillOnly && count == self[slot].remaining
        accountCached(slot)
        self[slot].isInStep = true
        self[slot].stepTokens = count
        self[slot].stepSamples = samples
        if executors[index].role != .prefill { self[slot].lastStep = executors[index].number }
        executors[index].slots.append(slot)
        entries.append(
            StepEntry(
                request: self[slot].id, start: self[slot].computed, count: count, drafts: drafts,
                samples: samples, pages: self[slot].pages))
    }

    // MARK: Drafts

    /// How many steps pass between two attempts when no draft was right for a while.
    private static let draftPause = 16

    /// How many drafts are worth trying.
    private mutating func wantedDrafts(_ slot: Int) -> Int {
        guard self[slot].speculates, configuration.maximumDrafts > 0 else { return 0 }
        if self[slot].draftLimit == 0 {
            self[slot].stepsWithoutDrafts += 1
            guard self[slot].stepsWithoutDrafts >= Self.draftPause else { return 0 }
            self[slot].stepsWithoutDrafts = 0
        }
        // The token after the last draft is generated too, and must be wanted.
        let wanted = self[slot].maximumNewTokens - self[slot].generated - 1
        return max(0, min(configuration.maximumDrafts, max(1, self[slot].draftLimit), wanted))
    }

    /// Learns from what became of drafts: all right, try more; else, little more than were right.
    mutating func learn(_ slot: Int, drafted: Int, accepted: Int) {
        guard drafted > 0 else { return }
        if accepted == drafted {
            let more = max(2, self[slot].draftLimit * 2)
            self[slot].draftLimit = min(configuration.maximumDrafts, more)
        } else if accepted == 0 {
            self[slot].draftLimit /= 2
        } else {
            self[slot].draftLimit = min(self[slot].draftLimit, accepted + 1)
        }
    }
}
