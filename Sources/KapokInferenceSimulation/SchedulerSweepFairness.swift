import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

/// The bounds of `docs/scheduler.md`: who may be served before whom, and how often.
extension SchedulerSweepWorld {
    /// A step's size and make-up.
    mutating func judgeShape(_ step: Step, _ now: Instant) {
        let configuration = parameters.configuration
        let decodeLimit = decodeLimit(step.executor)
        var prefill = 0
        var total = 0
        var standard = 0
        var optimized = 0
        for entry in step.entries {
            let request = requests[index(entry.request)]
            total += entry.count + entry.drafts
            let isDecode = entry.samples && entry.count <= decodeLimit && step.executor != .prefill
            if !isDecode {
                prefill += entry.count
            } else if request.mode == .optimized {
                optimized += 1
            } else {
                standard += 1
            }
            if let deadline = request.client.request.deadline, deadline <= now {
                report("a step began with request \(request.id.number) after its deadline")
            }
        }
        if standard + optimized > 0, prefill > configuration.prefillTokensPerStep {
            report("a step takes \(prefill) prompt tokens beside decoding sequences")
        }
        if optimized > 0, standard > configuration.sequencesBesideOptimized {
            report("\(standard) standard sequences decode beside an optimised one")
        }
        if total > configuration.maximumStepTokens { report("a step has \(total) tokens") }
        if step.entries.isEmpty { report("a step without entries") }
        if Set(step.entries.map(\.request)).count != step.entries.count {
            report("a request twice in a step")
        }
    }

    /// How many tokens a decoding sequence may have in a step.
    private func decodeLimit(_ role: ExecutorRole) -> Int {
        let configuration = parameters.configuration
        return role == .both
            ? 1 : min(configuration.shortPrefill, configuration.prefillTokensPerStep)
    }

    // MARK: Turns

    /// Nobody whose turn was due may have been passed by, and the oldest is never set back.
    mutating func judgeTurns(before: SchedulerSnapshot, _ now: Instant) {
        var started: [(index: Int, since: Instant)] = []
        var setBack: [Int] = []
        let oldest = live.first { isActive($0, below: .max) }
        for index in live {
            let phase = scheduler.phase(of: requests[index].id)
            let former = requests[index].phase
            if let former, former != .waiting, phase == .waiting {
                setBack.append(index)
                requests[index].missedDecodes = 0
            }
            if former == nil || former == .waiting, phase != .waiting {
                let since = requests[index].firstSince ?? now
                requests[index].firstSince = since
                started.append((index, since))
            }
            requests[index].phase = phase
        }
        if let oldest, setBack.contains(oldest),
            !live.contains(where: { isActive($0, below: oldest) })
        {
            report("the oldest request \(oldest) was set back")
        }
        updateLines(now)
        let snapshot = scheduler.snapshot
        // Places of those that were set back were not free when somebody began for whom they were.
        let freed = setBack.count { requests[$0].mode == .standard }
        let hasPlace =
            snapshot.standard.running + freed < parameters.configuration.maximumDecodeSequences
        let patience = parameters.configuration.patience
        // Somebody began and was set back at once, for the oldest: it had its turn.
        let hidden = snapshot.totals.preemptions - before.totals.preemptions
        guard hidden == UInt64(setBack.count) else { return }
        for (index, since) in started {
            for other in lineHeads() where !setBack.contains(other) {
                guard requests[other].mode == .optimized || hasPlace,
                    let first = requests[other].firstSince, first + patience <= now
                else { continue }
                if since + patience > now || first < since {
                    report(
                        "request \(index) (\(requests[index].mode), first since \(since)) began "
                            + "before \(other) (\(requests[other].mode), first since \(first)), "
                            + "whose turn was due at \(now)")
                }
            }
        }
    }

    private func isActive(_ index: Int, below limit: Int) -> Bool {
        guard index < limit, let phase = requests[index].phase else { return false }
        return phase != .waiting && phase != .held
    }

    /// The first waiting request of each tenant and mode.
    private func lineHeads() -> [Int] {
        var heads: [Int] = []
        for index in live where requests[index].phase == .waiting {
            let (tenant, mode) = (requests[index].client.request.tenant, requests[index].mode)
            let isFirst = !heads.contains {
                requests[$0].client.request.tenant == tenant && requests[$0].mode == mode
            }
            if isFirst { heads.append(index) }
        }
        return heads
    }

    /// Notes since when each first one is first.
    private mutating func updateLines(_ now: Instant) {
        for index in lineHeads() where requests[index].firstSince == nil {
            requests[index].firstSince = now
        }
    }

    // MARK: Gaps

    /// Counts the steps that go without a request that is ready, before `step` begins.
    mutating func judgeGaps(_ step: Step) {
        let configuration = parameters.configuration
        let decodeLimit = decodeLimit(step.executor)
        let members = Set(step.entries.map(\.request))
        let hasPrefill = step.entries.contains { !$0.samples || $0.count > decodeLimit }
        let bound =
            (configuration.maximumDecodeSequences - 1) / configuration.sequencesBesideOptimized + 1
        var isOldest = true
        for index in live {
            guard requests[index].phase == .running else { continue }
            defer { isOldest = false }
            let id = requests[index].id
            guard !members.contains(id) else {
                requests[index].missedDecodes = 0
                requests[index].missedPrefills = 0
                continue
            }
            guard requests[index].executor == nil, let progress = scheduler.progress(of: id),
                let pages = scheduler.pages(of: id)
            else { continue }
            let left = progress.tokens - progress.computed
            let isDecode = left <= decodeLimit && !requests[index].client.request.prefillOnly
            if left == 1, isDecode, step.executor != .prefill,
                pages.count * KVPage.tokens >= progress.tokens
            {
                requests[index].missedDecodes += 1
                if requests[index].missedDecodes > bound {
                    report("request \(index) was left out of \(bound + 1) decode steps")
                }
            }
            if !isOldest { requests[index].missedPrefills = 0 }
            guard isOldest, hasPrefill, !isDecode, step.executor != .decode,
                pages.count * KVPage.tokens > progress.computed
            else { continue }
            if sharesPrompt(index, step) {
                requests[index].missedPrefills = 0
                continue
            }
            requests[index].missedPrefills += 1
            if requests[index].missedPrefills > configuration.oldestPrefillTurn {
                report("the oldest prompt, of request \(index), does not get on")
            }
        }
    }

    /// Whether somebody in a step computes what a request waits for.
    private func sharesPrompt(_ index: Int, _ step: Step) -> Bool {
        // Hashes that meet make requests wait for pages that they cannot use.
        guard parameters.configuration.hashBits == 64 else { return true }
        let tokens = requests[index].tokens.prefix(KVPage.tokens)
        let others =
            step.entries.map(\.request)
            + executors.flatMap {
                $0.step?.entries.map(\.request) ?? []
            }
            + pulls.compactMap { pull in pull.map { requests[$0.request].id } }
        return others.contains {
            requests[Int($0.number)].tokens.prefix(KVPage.tokens) == tokens
        }
    }
}
