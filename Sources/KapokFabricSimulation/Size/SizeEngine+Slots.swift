import KapokFabric
import KapokSimulation
import KapokWorld

/// News on their way: their memory, who is in scope, and how they end.
extension SizeEngine {
    func cause(of link: LinkID) -> NewsCause {
        guard let topology else {
            return NewsCause(kind: .graph, plane: 0, pod: 0, aggregation: 0, member: 0)
        }
        switch topology.kind(of: link) {
        case .lower(let plane, let pod, let edge, let aggregation):
            return NewsCause(
                kind: .lower, plane: plane, pod: pod, aggregation: aggregation, member: edge)
        case .upper(let plane, let pod, let aggregation, let core):
            return NewsCause(
                kind: .upper, plane: plane, pod: pod, aggregation: aggregation, member: core)
        }
    }

    /// Switches that news of a kind are for.
    func scopeSize(_ kind: NewsCause.Kind) -> Int {
        guard let topology else { return fabric.switchCount }
        let shape = topology.shape
        switch kind {
        case .lower: return topology.edgesPerPlane + shape.pods + shape.coresPerAggregation
        case .upper: return shape.pods + 1
        case .graph: return fabric.switchCount
        }
    }

    /// The place of a switch among those in scope; nil for the others. Lower links: edge switches,
    /// aggregation switches by pod, cores; upper ones: aggregation switches by pod, the core.
    func scopeIndex(_ cause: NewsCause, _ id: SwitchID) -> Int? {
        guard let topology else { return id.index }
        let at = topology.position(of: id)
        guard at.plane == cause.plane else { return nil }
        let shape = topology.shape
        switch (cause.kind, at.tier) {
        case (.lower, .edge): return at.pod * shape.edgesPerPod + at.group
        case (.lower, .aggregation):
            return at.group == cause.aggregation ? topology.edgesPerPlane + at.pod : nil
        case (.lower, .core):
            return at.group == cause.aggregation
                ? topology.edgesPerPlane + shape.pods + at.member : nil
        case (.upper, .aggregation): return at.group == cause.aggregation ? at.pod : nil
        case (.upper, .core):
            return at.group == cause.aggregation && at.member == cause.member ? shape.pods : nil
        case (.upper, .edge), (.graph, _): return nil
        }
    }

    /// The switch at a place in scope.
    func scopeSwitch(_ cause: NewsCause, _ index: Int) -> SwitchID {
        guard let topology else { return SwitchID(index) }
        let shape = topology.shape
        let plane = cause.plane
        let a = cause.aggregation
        if cause.kind == .upper {
            return index < shape.pods
                ? topology.aggregation(plane: plane, pod: index, a)
                : topology.core(plane: plane, aggregation: a, cause.member)
        }
        if index < topology.edgesPerPlane {
            return topology.edge(
                plane: plane, pod: index / shape.edgesPerPod, index % shape.edgesPerPod)
        }
        let rest = index - topology.edgesPerPlane
        return rest < shape.pods
            ? topology.aggregation(plane: plane, pod: rest, a)
            : topology.core(plane: plane, aggregation: a, rest - shape.pods)
    }

    // MARK: Life of a slot

    /// The news under way about a link's present failure.
    func activeSlot(of link: LinkID, generation: UInt32) -> Int? {
        let number = Int(links[link.index].slotPlusOne) - 1
        return number >= 0 && slots[number].generation == generation ? number : nil
    }

    /// Begins to tell of a link; the newest news count.
    mutating func openSlot(
        _ link: LinkID, _ condition: LinkCondition, _ before: LinkState
    ) -> Int {
        let old = Int(before.slotPlusOne) - 1
        if old >= 0, slots[old].isStanding { release(old) }
        let cause = cause(of: link)
        let scope = scopeSize(cause.kind)
        let known =
            freeMemory[scope]?.popLast() ?? UnsafeMutablePointer<UInt32>.allocate(capacity: scope)
        known.initialize(repeating: NewsSlot.unknown, count: scope)
        var relayed: UnsafeMutablePointer<UInt64>?
        if cause.kind == .graph {
            let bits = UnsafeMutablePointer<UInt64>.allocate(capacity: scope / 64 + 1)
            bits.initialize(repeating: 0, count: scope / 64 + 1)
            relayed = bits
        }
        let slot = NewsSlot(
            link: link, cause: cause, condition: condition, before: before.told,
            generation: before.generation, failure: Int(before.failure), start: now,
            outstanding: 0, known: known, scope: scope, relayed: relayed, isInUse: true)
        let number: Int
        if let free = freeSlots.popLast() {
            number = free
            slots[number] = slot
        } else {
            number = slots.count
            slots.append(slot)
        }
        tally.mostSlots = max(tally.mostSlots, slots.count - freeSlots.count)
        var state = links[link.index]
        state.slotPlusOne = UInt32(number + 1)
        let wasInUse = state.told == .up
        state.flags.subtract([.toldDown, .toldDrained])
        switch condition {
        case .up: tally.floodsUp += 1
        case .down: state.flags.insert(.toldDown)
        case .drained: state.flags.insert(.toldDrained)
        }
        if condition != .up {
            tally.floodsDown += 1
            if wasInUse { takeOut(link, &state) }
        }
        links[link.index] = state
        return number
    }

    private mutating func takeOut(_ link: LinkID, _ state: inout LinkState) {
        let lower = ends(of: link).lower.owner
        uplinksOut[lower.index] += 1
        let uplinks = uplinkCount(of: lower)
        let left = uplinks - Int(uplinksOut[lower.index])
        if left > 0, deadSwitches[lower.index] == 0 {
            tally.worstLoadAfter = max(tally.worstLoadAfter, Double(uplinks) / Double(left))
        }
        let seconds = UInt32(truncatingIfNeeded: now / 1_000_000_000)
        let long = UInt32(options.timers.longestHoldDown.nanoseconds / 1_000_000_000)
        if state.upSince > 0, seconds - state.upSince < long {
            state.recentFailures = min(state.recentFailures + 1, 30)
        } else {
            state.recentFailures = 0
        }
    }

    /// A switch in scope has the news in force from `instant` on.
    func know(_ slot: Int, _ id: SwitchID, at instant: UInt64) {
        let news = slots[slot]
        guard let index = scopeIndex(news.cause, id) else { return }
        know(news, index, at: instant)
    }

    @inline(__always)
    func know(_ news: NewsSlot, _ index: Int, at instant: UInt64) {
        precondition(index < news.scope)
        let offset = UInt32(truncatingIfNeeded: min(instant - news.start, 0xFFFF_FFFE))
        if offset < news.known[index] { news.known[index] = offset }
    }

    /// When nobody is left who could pass the news on, they are everywhere or comparisons of
    /// digests have to help.
    mutating func finishIfDone(_ slot: Int) {
        guard slots[slot].outstanding == 0 else { return }
        var last: UInt32 = 0
        var isComplete = true
        let news = slots[slot]
        for index in 0..<news.scope {
            let offset = news.known[index]
            if offset == NewsSlot.unknown { isComplete = false } else { last = max(last, offset) }
        }
        if !isComplete {
            slots[slot].isIncomplete = true
            last = max(last, compareDigests(slot))
            let reaches = reachingPods(news.cause)
            for index in 0..<news.scope where isMissing(news, index) {
                if needs(news, index, reaches) { tally.untold += 1 } else { tally.cutOff += 1 }
            }
        }
        slots[slot].outstanding = -1
        push(
            SizeEvent(kind: .settle, subject: UInt32(slot)),
            at: max(now, news.start + UInt64(last)))
    }

    /// Switches in scope that no copy reached compare digests with their neighbours in scope every
    /// so often, and ask for what they lack; those tell the next. Gives when the last of them has
    /// the news in force.
    private mutating func compareDigests(_ slot: Int) -> UInt32 {
        let news = slots[slot]
        var last: UInt32 = 0
        var missing = (0..<news.scope).filter { isMissing(news, $0) }
        if options.defect == .floodOneHopShort || options.defect == .singleCopy { return 0 }
        while !missing.isEmpty {
            var left: [Int] = []
            for index in missing {
                if let offset = askNeighbors(of: scopeSwitch(news.cause, index), news) {
                    news.known[index] = offset
                    last = max(last, offset)
                    tally.digestRepairs += 1
                } else {
                    left.append(index)
                }
            }
            if left.count == missing.count { break }
            missing = left
        }
        return last
    }

    private func isMissing(_ news: NewsSlot, _ index: Int) -> Bool {
        news.known[index] == NewsSlot.unknown
            && deadSwitches[scopeSwitch(news.cause, index).index] == 0
    }

    /// Before a link is used again its ends compare digests: what one of them missed while it was
    /// cut off it learns now, and those behind it too.
    mutating func catchUp(over link: LinkID) {
        guard !standing.isEmpty else { return }
        let (lower, upper) = ends(of: link)
        let own = cause(of: link)
        var done: [Int] = []
        for slot in standing {
            let news = slots[slot]
            // News of another aggregation plane are not for both ends of this link.
            guard news.cause.plane == own.plane, news.cause.aggregation == own.aggregation,
                [lower.owner, upper.owner].contains(where: { id in
                    scopeIndex(news.cause, id).map { news.known[$0] == NewsSlot.unknown } ?? false
                })
            else { continue }
            _ = compareDigests(slot)
            if !(0..<news.scope).contains(where: { isMissing(news, $0) }) { done.append(slot) }
        }
        for slot in done { release(slot) }
    }

    /// Whether a switch's choice can depend on the link that the news are about: not if nothing is
    /// left of its shortest paths towards it.
    private func needs(_ news: NewsSlot, _ index: Int, _ reaches: [Bool]) -> Bool {
        guard let topology else { return true }
        let cause = news.cause
        let at = topology.position(of: scopeSwitch(cause, index))
        switch (cause.kind, at.tier) {
        case (.lower, .edge):
            let way = topology.lowerLink(
                plane: at.plane, pod: at.pod, edge: at.group, aggregation: cause.aggregation)
            return way == news.link || (isUsable(way) && reaches[at.pod])
        case (.lower, .aggregation): return reaches[at.pod]
        case (.lower, .core):
            return isUsable(
                topology.upperLink(
                    plane: at.plane, pod: cause.pod, aggregation: at.group, core: at.member))
        case (.upper, .aggregation):
            let way = topology.upperLink(
                plane: at.plane, pod: at.pod, aggregation: at.group, core: cause.member)
            return way == news.link || isUsable(way)
        case (.upper, _), (.graph, _): return true
        }
    }

    /// Whether a link can be used, and nobody was told otherwise.
    private func isUsable(_ link: LinkID) -> Bool {
        links[link.index].causes == 0 && links[link.index].told == .up
    }

    /// For each pod, whether a core leads from its aggregation switch to that of a lower link;
    /// empty for other links.
    private func reachingPods(_ cause: NewsCause) -> [Bool] {
        guard let topology, cause.kind == .lower else { return [] }
        func isOpen(_ pod: Int, _ core: Int) -> Bool {
            isUsable(
                topology.upperLink(
                    plane: cause.plane, pod: pod, aggregation: cause.aggregation, core: core))
        }
        let cores = (0..<topology.shape.coresPerAggregation).filter { isOpen(cause.pod, $0) }
        return (0..<topology.shape.pods).map { pod in
            pod == cause.pod || cores.contains { isOpen(pod, $0) }
        }
    }

    /// Every hello carries the digest of what both ends should know. When it has differed for a
    /// digest interval, the neighbour sends all of that.
    private func askNeighbors(of id: SwitchID, _ news: NewsSlot) -> UInt32? {
        var best: UInt64?
        for port in 0..<fabric.fabricPortCount(of: id) {
            guard let next = neighbor(of: id, port: port), links[next.link.index].isSound,
                let index = scopeIndex(news.cause, next.far.owner),
                news.known[index] != NewsSlot.unknown
            else { continue }
            var random = draw(next.link.index, 2, news.generation)
            let hello = options.timers.hello.nanoseconds
            let noticed =
                max(now, news.start + UInt64(news.known[index])) + 1 + random.below(hello)
            let sent = noticed + options.timers.digest.nanoseconds + random.below(hello)
            let arrival =
                sent + propagation(of: next.link) + options.send.nanoseconds
                + options.hop.nanoseconds + options.tableUpdate.nanoseconds
            best = min(best ?? .max, arrival)
        }
        return best.map { UInt32(truncatingIfNeeded: min($0 - news.start, 0xFFFF_FFFE)) }
    }

    /// The news are in force everywhere: add up what the failure cost, and forget them.
    mutating func settle(_ slot: Int) {
        let news = slots[slot]
        trace.mix(UInt64(news.link.index) << 8 | 16 | UInt64(news.condition.rawValue))
        if news.condition != .up { account(news) }
        if news.cause.kind == .upper { escalate(news) }
        let isLatest = links[news.link.index].slotPlusOne == UInt32(slot + 1)
        if isLatest, news.condition == .up, links[news.link.index].isSound {
            openLinks.remove(news.link)
        }
        // Late events of the link must not take it for theirs.
        slots[slot].generation = 0
        if isLatest, news.isIncomplete, news.condition != .up,
            (0..<news.scope).contains(where: { isMissing(news, $0) })
        {
            slots[slot].isStanding = true
            standing.append(slot)
            return
        }
        release(slot)
    }

    /// Forgets news: all know them, or newer ones replace them.
    private mutating func release(_ slot: Int) {
        let news = slots[slot]
        var state = links[news.link.index]
        if state.slotPlusOne == UInt32(slot + 1) {
            state.slotPlusOne = 0
            links[news.link.index] = state
        }
        if news.isStanding { standing.removeAll { $0 == slot } }
        slots[slot].isStanding = false
        slots[slot].isInUse = false
        news.relayed?.deallocate()
        slots[slot].relayed = nil
        freeMemory[news.scope, default: []].append(news.known)
        freeSlots.append(slot)
    }

    private mutating func account(_ news: NewsSlot) {
        let event = schedule.events[news.failure]
        // Of a flap, the first outage counts; hold-down hides the others.
        let began = outcomes[news.failure].began
        var last: UInt64 = 0
        var sum: UInt64 = 0
        let reaches = news.isIncomplete ? reachingPods(news.cause) : []
        for index in 0..<news.scope where news.known[index] != NewsSlot.unknown {
            if !news.isIncomplete || needs(news, index, reaches) {
                last = max(last, UInt64(news.known[index]))
            }
            sum &+= UInt64(news.known[index]) &* UInt64(truncatingIfNeeded: index | 1)
        }
        trace.mix(sum)
        outcomes[news.failure].checksum &+= sum
        let optimal = news.start + last - began
        var repair: UInt64 = 0
        let (lower, upper) = ends(of: news.link)
        let weight =
            shares.share(of: news.cause.kind) * Double(event.lossPerMillion) / 1_000_000
        for (end, port) in [lower, upper].enumerated() {
            guard let index = scopeIndex(news.cause, port.owner),
                news.known[index] != NewsSlot.unknown
            else { continue }
            let inForce = news.start + UInt64(news.known[index]) - began
            repair = max(repair, inForce)
            outcomes[news.failure].lost += weight * Double(inForce) / 1e6
            // What an end sends upwards has other shortest paths there and then; downwards there
            // is but one, and packets take detours until all know.
            capacity.add(
                weight: weight, repaired: Interval(nanoseconds: inForce),
                optimal: Interval(nanoseconds: end == 0 ? inForce : optimal))
        }
        outcomes[news.failure].isCounted = true
        outcomes[news.failure].repair = max(outcomes[news.failure].repair, repair)
        outcomes[news.failure].optimal = max(outcomes[news.failure].optimal, optimal)
    }
}
