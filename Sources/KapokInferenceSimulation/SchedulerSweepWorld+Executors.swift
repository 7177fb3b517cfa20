import KapokInference
import KapokModel
import KapokSimulation
import KapokWorld

/// Virtual executors and a virtual prefill role.
extension SchedulerSweepWorld {
    /// Begins a step: what it attends to must be right, what it writes to is of no use until its
    /// end.
    mutating func startStep(_ step: Step, _ agenda: inout Agenda<Event>) {
        guard let place = executors.firstIndex(where: { $0.role == step.executor }),
            executors[place].step == nil
        else { return report("a step for an executor that is not there or busy") }
        counts.passes += 1
        judgeShape(step, agenda.now)
        executors[place].step = step
        executors[place].drafts = []
        var tokens = 0
        for entry in step.entries {
            let index = index(entry.request)
            guard requests[index].state == .live, requests[index].executor == nil,
                entry.count >= 1, entry.start + entry.count <= requests[index].tokens.count,
                entry.pages.count * KVPage.tokens >= entry.start + entry.count + entry.drafts
            else {
                return report(
                    "step \(step.number) has a bad entry of request \(index): \(entry)")
            }
            let isLast = entry.start + entry.count == requests[index].tokens.count
            guard entry.samples == (isLast && !requests[index].client.request.prefillOnly) else {
                return report("request \(index) samples after a token that is not its last")
            }
            requests[index].executor = place
            if let position = memory.fault(
                entry.pages, requests[index].histories, below: entry.start)
            {
                report("request \(index) attends to a wrong position \(position)")
            }
            noteReach(index, entry)
            executors[place].drafts.append(drawDrafts(index, entry))
            tokens += entry.count + entry.drafts
        }
        for entry in step.entries {
            memory.spoil(entry.pages, entry.start..<entry.start + entry.count + entry.drafts)
        }
        agenda.trace.mix(tokens)
        executors[place].fails = faults.fires("a step fails")
        var time = parameters.stepTime.nanoseconds
        time += parameters.tokenTime.nanoseconds * UInt64(tokens)
        time += random.below(time / 4 + 1)
        if faults.fires("an executor stalls") { time *= faults.draw(5...50, at: "stall") }
        agenda.schedule(.stepDone(executor: place), after: Interval(nanoseconds: time))
    }

    /// Drafts as a driver would propose them: some of them right, fewer than it may now and then.
    private mutating func drawDrafts(_ index: Int, _ entry: StepEntry) -> [TokenID] {
        guard entry.drafts > 0, entry.samples else { return [] }
        var history = requests[index].histories[entry.start + entry.count - 1]
        var drafts: [TokenID] = []
        for _ in 0..<random.below(entry.drafts + 1) {
            var token = SweepModel.next(after: history)
            if !random.chance(parameters.rightDrafts, in: 100) {
                token = TokenID(random.below(SweepModel.vocabulary))
            }
            drafts.append(token)
            history = SweepModel.extend(history, by: token)
        }
        return drafts
    }

    /// Ends a step: what it attended to must have been right all along.
    mutating func finishStep(_ place: Int, _ now: Instant) -> StepOutcome {
        guard let step = executors[place].step else { preconditionFailure("a step ends once") }
        let drafts = executors[place].drafts
        executors[place].step = nil
        var outcome = StepOutcome(number: step.number, entries: [])
        for (entry, drafts) in zip(step.entries, drafts) {
            let index = index(entry.request)
            requests[index].executor = nil
            if requests[index].state == .live,
                let position = memory.fault(
                    entry.pages, requests[index].histories, below: entry.start)
            {
                report("position \(position) changed while request \(index) attended to it")
            }
            guard !executors[place].fails else { continue }
            write(index, entry, drafts)
            outcome.entries.append(advance(index, entry, drafts))
        }
        if executors[place].fails { counts.faults += 1 }
        return outcome
    }

    private mutating func write(_ index: Int, _ entry: StepEntry, _ drafts: [TokenID]) {
        let end = entry.start + entry.count
        for position in entry.start..<end {
            memory.write(entry.pages, position, requests[index].histories[position])
        }
        var history = requests[index].histories[end - 1]
        for (offset, token) in drafts.enumerated() {
            history = SweepModel.extend(history, by: token)
            memory.write(entry.pages, end + offset, history)
        }
    }

    /// Chooses tokens as an engine does: one, and one more for each draft that was right.
    private mutating func advance(
        _ index: Int, _ entry: StepEntry, _ drafts: [TokenID]
    ) -> EntryOutcome {
        var outcome = EntryOutcome(
            request: entry.request, tokens: [], drafted: drafts.count)
        guard entry.samples else { return outcome }
        for place in 0...drafts.count {
            let token = SweepModel.next(after: requests[index].histories.last ?? 0)
            outcome.tokens.append(token)
            requests[index].tokens.append(token)
            requests[index].extendHistories()
            counts.tokens += 1
            let history = requests[index].histories.last ?? 0
            if requests[index].client.endsByItself,
                SweepModel.ends(history, perThousand: parameters.endsPerThousand)
            {
                outcome.finish = .stop
                break
            }
            guard place < drafts.count, drafts[place] == token else { break }
        }
        return outcome
    }

    // MARK: Pulls

    mutating func startPull(
        _ index: Int, from: Int, tokens: Int, pages: [PageID], _ agenda: inout Agenda<Event>
    ) {
        counts.pulls += 1
        guard from.isMultiple(of: KVPage.tokens), from < tokens,
            tokens < requests[index].tokens.count, tokens <= requests[index].promptCount,
            pages.count * KVPage.tokens >= tokens - from
        else { return report("a pull of request \(index) that nobody can answer") }
        var pull = Pull(
            request: index, pages: pages, from: from, tokens: tokens, brings: tokens)
        if faults.fires("a pull fails") { pull.brings = 0 }
        if faults.fires("a pull is partial") {
            pull.brings = Int(faults.draw(0...UInt64(tokens), at: "part of a pull"))
        }
        if pull.brings < tokens { counts.faults += 1 }
        memory.spoil(pages, 0..<tokens - from)
        noteShared(index, from: from)
        var time = 500_000 + random.below(8_000_000 as UInt64)
        if faults.fires("a pull is late") {
            time += faults.draw(10_000_000...400_000_000, at: "lateness")
        }
        pulls.append(pull)
        agenda.schedule(.pulled(pulls.count - 1), after: Interval(nanoseconds: time))
    }

    mutating func abandonPull(_ index: Int) {
        for number in pulls.indices where pulls[number]?.request == index {
            pulls[number]?.isAbandoned = true
        }
    }

    /// What a pull wrote: the histories as far as it got, nothing of use where it did not, and
    /// nothing of use at all when it was abandoned.
    mutating func finishPull(_ pull: Pull) {
        memory.spoil(pull.pages, 0..<pull.tokens - pull.from)
        guard !pull.isAbandoned, pull.from < pull.brings else { return }
        for position in pull.from..<pull.brings {
            memory.write(
                pull.pages, position - pull.from, requests[pull.request].histories[position])
        }
        noteShared(pull.request, from: pull.brings)
    }
}
