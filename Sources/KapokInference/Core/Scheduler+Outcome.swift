import KapokModel
import KapokWorld

/// What came of a step.
extension Scheduler {
    mutating func finishStep(
        _ role: ExecutorRole, _ outcome: StepOutcome,
        _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        guard let index = executors.firstIndex(where: { $0.role == role }),
            executors[index].isBusy, executors[index].number == outcome.number
        else { preconditionFailure("an outcome belongs to the step that is on its way") }
        executors[index].isBusy = false
        for hash in executors[index].hashes { coming.remove(hash) }
        executors[index].hashes.removeAll(keepingCapacity: true)
        let slots = executors[index].slots
        if outcome.entries.isEmpty {
            totals.failedSteps += 1
            for slot in slots {
                self[slot].isInStep = false
                finish(slot, self[slot].ending ?? .failed, &effects)
            }
            return
        }
        precondition(outcome.entries.count == slots.count, "each entry has an outcome")
        for (slot, entry) in zip(slots, outcome.entries) {
            let isThere = slotByID[entry.request] == slot
            precondition(isThere || configuration.defect == .freeWhileRunning)
            if isThere { advance(slot, entry, &effects) }
        }
        adaptMixedBudget(index)
    }

    /// Moves a request on by what a step brought.
    private mutating func advance(
        _ slot: Int, _ outcome: EntryOutcome, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        self[slot].isInStep = false
        let new = outcome.tokens.count
        guard !self[slot].stepSamples || new > 0 || outcome.finish != nil else {
            // The driver let go of the request, so nothing is known to be in its pages.
            finish(slot, self[slot].ending ?? .failed, &effects)
            return
        }
        precondition(self[slot].stepSamples || new == 0, "a token that was not asked for")
        precondition(new <= outcome.drafted + 1, "more tokens than drafts allow")
        let accepted = max(0, new - 1)
        let kept = configuration.defect == .keepRejectedDrafts ? outcome.drafted : accepted
        let before = self[slot].accounted
        self[slot].tokens.append(contentsOf: outcome.tokens)
        self[slot].computed += self[slot].stepTokens + kept
        self[slot].accounted = max(before, self[slot].computed)
        let prompt = min(self[slot].accounted, self[slot].promptCount)
        if prompt > before { totals.computedPromptTokens += UInt64(prompt - before) }
        self[slot].account.generatedTokens += new
        self[slot].account.draftedTokens += outcome.drafted
        self[slot].account.acceptedTokens += min(accepted, outcome.drafted)
        totals.generatedTokens += UInt64(new)
        totals.draftedTokens += UInt64(outcome.drafted)
        totals.acceptedTokens += UInt64(min(accepted, outcome.drafted))
        tenants.charge(
            self[slot].tenant, cost: UInt64(new) * TenantTable.generatedTokenCost)
        learn(slot, drafted: outcome.drafted, accepted: accepted)
        let known = min(self[slot].computed, self[slot].tokens.count)
        publish(slot, upTo: known)
        let isLong =
            !self[slot].prefillOnly && self[slot].generated >= self[slot].maximumNewTokens
        if let reason = outcome.finish ?? (isLong ? .length : self[slot].ending) {
            finish(slot, reason, &effects)
        } else if self[slot].prefillOnly {
            reportPrefill(slot, &effects)
        }
    }

    /// Says how far a prompt is that is computed for others.
    mutating func reportPrefill(
        _ slot: Int, _ effects: inout EffectBuffer<SchedulerEffect>
    ) {
        accountCached(slot)
        let sequence = self[slot]
        let early = configuration.defect == .announceEarly ? KVPage.tokens : 0
        if sequence.computed + early >= sequence.promptCount {
            deactivate(slot)
            self[slot].phase = .held
            effects.append(.prefilled(sequence.id, pages: sequence.pages))
            return
        }
        // A page that is not full may yet be exchanged for an equal one.
        let full = sequence.computed / KVPage.tokens
        guard full > 0 else { return }
        effects.append(
            .prefillProgress(
                sequence.id, tokens: full * KVPage.tokens, pages: Array(sequence.pages[..<full])))
    }

    /// Lets steps with decoding sequences last about as long as they should: fewer prompt tokens
    /// when they take longer, more when there is time left and they were all used.
    private mutating func adaptMixedBudget(_ index: Int) {
        let executor = executors[index]
        guard let target = configuration.mixedStepTarget, executor.hasDecode,
            executor.prefillTokens > 0
        else { return }
        let lasted = max(1, (now - executor.began).nanoseconds)
        let budget = executor.mixedBudget
        let isUsed = executor.prefillTokens + KVPage.tokens > budget
        guard lasted > target.nanoseconds || isUsed else { return }
        // In thousandths, and at most halved or raised by a quarter at a time.
        let ratio = min(1_250, max(500, target.nanoseconds / max(1, lasted / 1_000)))
        let wanted = budget * Int(ratio) / 1_000
        let least = min(KVPage.tokens, configuration.prefillTokensPerStep)
        executors[index].mixedBudget = min(
            max(wanted, least), configuration.prefillTokensPerStep)
    }
}
