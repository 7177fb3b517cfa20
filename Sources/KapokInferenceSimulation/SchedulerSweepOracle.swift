import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

/// What must be true of each request.
extension SchedulerSweepWorld {
    mutating func admit(_ index: Int, _ mode: LatencyMode, _ now: Instant) {
        guard requests[index].state == .announced else {
            return report("request \(index) was answered twice")
        }
        requests[index].state = .live
        requests[index].mode = mode
        live.append(index)
        guard mode == .optimized else { return }
        if requests[index].client.request.mode != .optimized {
            report("request \(index) is served in a mode that it did not ask for")
        }
        let tenant = requests[index].client.request.tenant
        let optimized = live.filter { requests[$0].mode == .optimized }
        let own = optimized.count { requests[$0].client.request.tenant == tenant }
        let configuration = parameters.configuration
        if optimized.count > configuration.optimizedLimit
            || own > configuration.optimizedTenantLimit ?? configuration.optimizedLimit
        {
            report("request \(index) is served in optimised mode over the quota")
        }
    }

    mutating func refuse(_ index: Int, _ reason: RefusalReason) {
        guard requests[index].state == .announced else {
            return report("request \(index) was answered twice")
        }
        requests[index].state = .refused
        counts.refused += 1
        let request = requests[index].client.request
        let configuration = parameters.configuration
        let wanted = request.prompt.count + (request.prefillOnly ? 0 : request.maximumNewTokens)
        let isRight =
            switch reason {
            case .draining: isDraining
            case .tooLong: wanted > configuration.longestRequest
            case .tenantLimit:
                live.count { requests[$0].client.request.tenant == request.tenant }
                    >= configuration.tenantLimit
            case .queueFull: live.count >= configuration.queueLimit
            }
        if !isRight { report("request \(index) was refused for no reason: \(reason)") }
    }

    /// Judges a request's end: once, with no step on its way, and with the right text.
    mutating func finish(
        _ index: Int, _ reason: FinishReason, _ account: RequestAccount, _ now: Instant
    ) {
        guard requests[index].state == .live else {
            return report("request \(index) ended twice")
        }
        if requests[index].executor != nil {
            report("request \(index) ended while a step with it runs")
        }
        requests[index].state = .over
        requests[index].ending = reason
        live.removeAll { $0 == index }
        counts.preemptions += account.preemptions
        counts.sharedTokens += account.cachedTokens + account.pulledTokens
        if reason == .stop || reason == .length {
            counts.completed += 1
        } else {
            counts.others += 1
        }
        judgeText(index, reason, account)
        let request = requests[index].client.request
        switch reason {
        case .deadline:
            if request.deadline.map({ $0 > now }) ?? true {
                report("request \(index) ended before its deadline for it")
            }
        case .failed:
            if counts.faults == 0 { report("request \(index) failed and nothing else did") }
        case .stop, .length, .cancelled: break
        }
    }

    private mutating func judgeText(
        _ index: Int, _ reason: FinishReason, _ account: RequestAccount
    ) {
        let request = requests[index]
        let text = Array(request.tokens[request.promptCount...])
        let limit = request.client.request.prefillOnly ? 0 : request.client.request.maximumNewTokens
        let truth = request.truth(limit: limit, endsPerThousand: parameters.endsPerThousand)
        let isWhole = text == truth.text
        switch reason {
        case .stop where !isWhole || !truth.isEnded,
            .length where !isWhole || truth.isEnded:
            report("request \(index) ended (\(reason)) with a wrong text")
        case .cancelled, .deadline, .failed, .stop, .length:
            if !truth.text.starts(with: text) { report("request \(index) has a wrong text") }
        }
        if account.generatedTokens != text.count {
            report("request \(index) counts \(account.generatedTokens) tokens, not \(text.count)")
        }
        if account.mode != request.mode { report("request \(index) accounts for another mode") }
        let shared = account.cachedTokens + account.pulledTokens
        if reason == .stop || reason == .length, shared != request.shared {
            report("request \(index) counts \(shared) tokens from elsewhere, not \(request.shared)")
        }
        if account.acceptedTokens > account.draftedTokens || shared > request.promptCount {
            report("request \(index) has an impossible account")
        }
    }

    /// Notes which prompt positions of a step's entry came from elsewhere.
    mutating func noteReach(_ index: Int, _ entry: StepEntry) {
        noteShared(index, from: entry.start)
        requests[index].reached = max(requests[index].reached, entry.start + entry.count)
    }

    /// Positions below `start` that no step computed came from the cache or a pull.
    mutating func noteShared(_ index: Int, from start: Int) {
        let position = min(start, requests[index].promptCount)
        let fresh = position - min(requests[index].reached, requests[index].promptCount)
        if fresh > 0 { requests[index].shared += fresh }
        requests[index].reached = max(requests[index].reached, start)
    }

    /// Pages that were announced must hold the prompt and stay the same ones.
    mutating func promise(_ index: Int, tokens: Int, _ pages: [PageID]) {
        guard requests[index].client.request.prefillOnly else {
            return report("request \(index) was prefilled for nobody")
        }
        guard pages.count * KVPage.tokens >= tokens,
            pages.starts(with: requests[index].promised)
        else { return report("announced pages of request \(index) were exchanged") }
        requests[index].promised = pages
        if let position = memory.fault(pages, requests[index].histories, below: tokens) {
            report("request \(index) announced position \(position), which is not there")
        }
    }

    /// Pages that are held for others must still hold the prompt.
    mutating func verifyPromise(_ index: Int) {
        guard requests[index].state == .live,
            let position = memory.fault(
                requests[index].promised, requests[index].histories,
                below: requests[index].promptCount)
        else { return }
        report("position \(position) of request \(index) changed while it was held")
    }

    /// What must be true when nothing happens any more.
    mutating func judgeEnd() {
        guard violation == nil else { return }
        for index in requests.indices {
            switch requests[index].state {
            case .announced: report("request \(index) was not answered")
            case .live: report("request \(index) never ended: \(scheduler)")
            case .refused, .over: break
            }
        }
        let snapshot = scheduler.snapshot
        if snapshot.pagesHeld != 0 || snapshot.pulls != 0 {
            report("\(snapshot.pagesHeld) pages and \(snapshot.pulls) pulls are left over")
        }
        if snapshot.waiting + snapshot.running + snapshot.held != 0 {
            report("requests are left over: \(scheduler)")
        }
    }
}
