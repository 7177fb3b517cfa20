import KapokFabric
import KapokSimulation
import KapokWorld

/// What happens to links, and who notices.
extension SizeEngine {
    mutating func beginFailure(_ index: Int) {
        if index + 1 < schedule.events.count {
            push(
                SizeEvent(kind: .fail, subject: UInt32(index + 1)),
                at: schedule.events[index + 1].instant.nanoseconds)
        }
        beginOutage(0, of: index)
        if options.hasPlanner {
            push(
                SizeEvent(kind: .replan, subject: UInt32(index)),
                at: now + options.replan.nanoseconds)
        }
    }

    mutating func beginOutage(_ number: Int, of index: Int) {
        let event = schedule.events[index]
        trace.mix(UInt64(index) << 8)
        push(
            SizeEvent(kind: .restore, subject: UInt32(index), detail: UInt32(number)),
            at: event.outages[number].end.nanoseconds)
        if let id = event.failedSwitch { deadSwitches[id.index] += 1 }
        for link in event.links {
            if event.kind == .grey {
                turnGrey(link, failure: index, loss: event.lossPerMillion)
            } else {
                breakLink(link, failure: index, isSilent: event.isSilent)
            }
        }
        if number == 0, !event.hostLinks.isEmpty { breakHostLinks(event, failure: index) }
        tally.mostOpen = max(tally.mostOpen, openLinks.count)
    }

    private mutating func breakLink(_ link: LinkID, failure: Int, isSilent: Bool) {
        var state = links[link.index]
        state.causes += 1
        if state.causes > 1 {
            links[link.index] = state
            // Its switch or trunk was taken before it: it is part of that failure.
            tally.masked += 1
            return
        }
        let wasSound = !state.flags.contains(.grey)
        state.generation += 1
        state.failure = UInt32(failure)
        links[link.index] = state
        openLinks.insert(link)
        let (lower, upper) = ends(of: link)
        if wasSound {
            unsound[lower.owner.index] += 1
            unsound[upper.owner.index] += 1
        }
        // Nobody uses it: nobody loses anything.
        if state.flags.contains(.toldDown) {
            tally.masked += 1
            return
        }
        outcomes[failure].began = now
        for (end, port) in [lower, upper].enumerated()
        where deadSwitches[port.owner.index] == 0 {
            let delay = detectionDelay(
                key: link.index, end: end, generation: state.generation, isSilent: isSilent)
            outcomes[failure].pendingDetections += 1
            push(
                SizeEvent(
                    kind: .detect, end: UInt8(end), subject: UInt32(link.index),
                    detail: state.generation),
                at: now + delay)
        }
    }

    /// From a cut until an end's software knows of it. Silent: the neighbour's last hello came up
    /// to one interval before the cut, `multiplier` intervals after it the link is dead, and the
    /// next tick of the own clock, up to one interval later, sees that.
    func detectionDelay(key: Int, end: Int, generation: UInt32, isSilent: Bool) -> UInt64 {
        guard isSilent else { return options.wire.carrier.nanoseconds }
        var random = draw(key, end, generation)
        let hello = options.timers.hello.nanoseconds
        return UInt64(options.timers.multiplier) * hello - random.below(hello)
            + random.below(hello)
    }

    mutating func endOutage(_ number: Int, of index: Int) {
        let event = schedule.events[index]
        trace.mix(UInt64(index) << 8 | 1)
        if let id = event.failedSwitch { deadSwitches[id.index] -= 1 }
        for link in event.links { mend(link, isGrey: event.kind == .grey) }
        // Links to hosts need no word to anyone; their hosts use them again when they come up.
        for host in event.hostLinks { links[fabric.linkCount + host].causes -= 1 }
        guard number + 1 < event.outages.count else { return }
        // The next outage of a flap: again a failure of the same link.
        let next = event.outages[number + 1]
        push(
            SizeEvent(kind: .again, subject: UInt32(index), detail: UInt32(number + 1)),
            at: next.start.nanoseconds)
    }

    private mutating func mend(_ link: LinkID, isGrey: Bool) {
        var state = links[link.index]
        if isGrey {
            guard state.flags.contains(.grey) else { return }
            state.flags.remove(.grey)
            greyLosses[link] = nil
        } else {
            state.causes -= 1
        }
        guard state.isSound else {
            links[link.index] = state
            return
        }
        state.generation += 1
        links[link.index] = state
        let (lower, upper) = ends(of: link)
        unsound[lower.owner.index] -= 1
        unsound[upper.owner.index] -= 1
        if state.told == .up {
            openLinks.remove(link)
            tally.unnoticed += 1
            endUnnoticed(Int(state.failure), link)
            return
        }
        // Up again when hellos come in without a loss for the hold-down, which doubles.
        let timers = options.timers
        let doubled = timers.holdDown.nanoseconds << UInt64(min(state.recentFailures, 20))
        let hold = min(doubled, timers.longestHoldDown.nanoseconds)
        push(
            SizeEvent(kind: .trust, subject: UInt32(link.index), detail: state.generation),
            at: now + hold + timers.hello.nanoseconds)
    }

    /// A cut that was over before its detection lost packets all the time, and that was all.
    private mutating func endUnnoticed(_ failure: Int, _ link: LinkID) {
        let length = now - outcomes[failure].began
        let share = shares.share(of: cause(of: link).kind)
        outcomes[failure].lost += 2 * share * Double(length) / 1e6
        guard schedule.events[failure].kind != .flap else { return }
        outcomes[failure].repair = max(outcomes[failure].repair, length)
        outcomes[failure].optimal = max(outcomes[failure].optimal, length)
        outcomes[failure].isCounted = true
    }

    // MARK: Detection

    mutating func notice(_ link: LinkID, end: Int, generation: UInt32) {
        let state = links[link.index]
        let failure = Int(state.failure)
        let isCurrent = state.generation == generation && state.causes > 0
        if let slot = activeSlot(of: link, generation: generation) {
            slots[slot].outstanding -= 1
            if isCurrent { start(slot, end: end) }
            finishIfDone(slot)
            if !isCurrent { return }
        } else {
            guard isCurrent else { return }
            let slot = openSlot(link, .down, state)
            // The other end's detection is still to come, unless its switch is dead.
            let (lower, upper) = ends(of: link)
            let other = end == 0 ? upper.owner : lower.owner
            if deadSwitches[other.index] == 0 { slots[slot].outstanding += 1 }
            start(slot, end: end)
            finishIfDone(slot)
        }
        trace.mix(UInt64(link.index) << 8 | 4 | UInt64(end))
        trace.mix(now)
        outcomes[failure].detection = max(
            outcomes[failure].detection, now - outcomes[failure].began)
        outcomes[failure].pendingDetections -= 1
        if outcomes[failure].pendingDetections == 0 { scheduleLooks(failure) }
    }

    /// An end stops using its link and tells.
    private mutating func start(_ slot: Int, end: Int) {
        let link = slots[slot].link
        let (lower, upper) = ends(of: link)
        let owner = end == 0 ? lower.owner : upper.owner
        let ready = now + options.tableUpdate.nanoseconds
        if options.defect != .noLocalRepair || slots[slot].condition == .up {
            know(slot, owner, at: ready)
        }
        if options.defect == .singleCopy, owner != upper.owner { return }
        tell(slot, from: owner, at: ready)
    }

    /// The origin's own event: it passes the news on when its tables are done.
    private mutating func tell(_ slot: Int, from owner: SwitchID, at ready: UInt64) {
        slots[slot].outstanding += 1
        push(
            SizeEvent(
                kind: .relay,
                copy: UInt8(flood.originCopy(of: slots[slot].link, at: owner)),
                subject: UInt32(slot), detail: UInt32(owner.index)),
            at: ready)
    }

    // MARK: Recovery

    mutating func trust(_ link: LinkID, generation: UInt32) {
        var state = links[link.index]
        guard state.generation == generation, state.isSound else { return }
        catchUp(over: link)
        state = links[link.index]
        let (lower, upper) = ends(of: link)
        if state.told != .up {
            uplinksOut[lower.owner.index] -= 1
        }
        // Asymmetric damping: who failed again within the longest hold-down waits twice as long.
        let seconds = UInt32(truncatingIfNeeded: now / 1_000_000_000)
        state.upSince = seconds
        links[link.index] = state
        let slot = openSlot(link, .up, state)
        for owner in [lower.owner, upper.owner] where deadSwitches[owner.index] == 0 {
            know(slot, owner, at: now + options.tableUpdate.nanoseconds)
            if options.defect == .singleCopy, owner != upper.owner { continue }
            tell(slot, from: owner, at: now + options.tableUpdate.nanoseconds)
        }
        trace.mix(UInt64(link.index) << 8 | 6)
        finishIfDone(slot)
    }

    // MARK: Grey links

    private mutating func turnGrey(_ link: LinkID, failure: Int, loss: Int) {
        var state = links[link.index]
        guard state.isSound, state.told == .up else {
            tally.masked += 1
            return
        }
        state.flags.insert(.grey)
        state.generation += 1
        state.failure = UInt32(failure)
        links[link.index] = state
        greyLosses[link] = loss
        outcomes[failure].began = now
        openLinks.insert(link)
        let (lower, upper) = ends(of: link)
        unsound[lower.owner.index] += 1
        unsound[upper.owner.index] += 1
        // Windows have run since ever: the first ends somewhere within its length from now.
        var random = draw(link.index, 3, state.generation)
        push(
            SizeEvent(kind: .count, subject: UInt32(link.index), detail: state.generation),
            at: now + 1 + random.below(options.timers.greyWindow.nanoseconds))
    }

    /// A window of a grey link ends: hello by hello, was enough lost to drain it?
    mutating func countLosses(_ link: LinkID, generation: UInt32) {
        let state = links[link.index]
        guard state.generation == generation, state.flags.contains(.grey),
            let loss = greyLosses[link]
        else { return }
        let timers = options.timers
        let window = timers.greyWindow.nanoseconds
        let failure = Int(state.failure)
        let began = outcomes[failure].began
        let hellos = Int(min(window, now - began) / timers.hello.nanoseconds)
        let allowed = Int(window / timers.hello.nanoseconds) * timers.greyLossPerMillion / 1_000_000
        let number = UInt32(truncatingIfNeeded: (now - began) / window)
        trace.mix(UInt64(link.index) << 8 | 8)
        for end in 0..<2 {
            var random = draw(link.index, end, generation &* 65_536 &+ number)
            var lost = 0
            for _ in 0..<hellos where random.below(1_000_000) < loss { lost += 1 }
            tally.hellos += hellos
            guard lost > allowed else { continue }
            guard mayDrain(link) else {
                tally.drainsRefused += 1
                return
            }
            drain(link, seenBy: end, state)
            return
        }
        push(
            SizeEvent(kind: .count, subject: UInt32(link.index), detail: generation),
            at: now + window)
    }

    /// An end stops using a grey link and tells; its next hello over it, if need be the one after
    /// that, tells the other end.
    private mutating func drain(_ link: LinkID, seenBy end: Int, _ state: LinkState) {
        let failure = Int(state.failure)
        let slot = openSlot(link, .drained, state)
        var delay: UInt64 = 0
        if deadSwitches[ends(of: link).upper.owner.index] == 0,
            deadSwitches[ends(of: link).lower.owner.index] == 0
        {
            var random = draw(link.index, 3, state.generation &+ 0x8000_0000)
            let hello = options.timers.hello.nanoseconds
            delay = random.below(hello)
            while random.below(1_000_000) < greyLosses[link] ?? 0 { delay += hello }
            delay += propagation(of: link)
            slots[slot].outstanding += 1
            push(
                SizeEvent(
                    kind: .agree, end: UInt8(1 - end), subject: UInt32(link.index),
                    detail: state.generation),
                at: now + delay)
        }
        outcomes[failure].detection = now + delay - outcomes[failure].began
        outcomes[failure].pendingDetections = 1
        start(slot, end: end)
        finishIfDone(slot)
    }

    /// The other end of a grey link hears of it.
    mutating func agree(_ link: LinkID, end: Int, generation: UInt32) {
        guard let slot = activeSlot(of: link, generation: generation) else { return }
        slots[slot].outstanding -= 1
        start(slot, end: end)
        finishIfDone(slot)
        let failure = slots[slot].failure
        outcomes[failure].pendingDetections = 0
        scheduleLooks(failure)
    }

    /// The capacity floor: at most half of a switch's uplinks are out of use by a drain.
    private func mayDrain(_ link: LinkID) -> Bool {
        let lower = ends(of: link).lower.owner
        return 2 * (Int(uplinksOut[lower.index]) + 1) <= uplinkCount(of: lower)
    }

    /// Ports that lead up; in a graph all.
    func uplinkCount(of id: SwitchID) -> Int {
        guard let topology else { return fabric.fabricPortCount(of: id) }
        switch topology.position(of: id).tier {
        case .edge: return topology.shape.aggregationsPerPod
        case .aggregation: return topology.shape.coresPerAggregation
        case .core: return 0
        }
    }

    // MARK: Hosts

    /// Links to hosts: both ends notice, the edge switch has nothing to tell. A host with a port in
    /// another plane says so there to those it talks to: one message there, one hop.
    private mutating func breakHostLinks(_ event: FailureEvent, failure: Int) {
        let planes: Int
        if let topology { planes = topology.shape.planes } else { planes = 1 }
        var detection: UInt64 = 0
        for host in event.hostLinks {
            var state = links[fabric.linkCount + host]
            state.causes += 1
            state.generation += 1
            links[fabric.linkCount + host] = state
            for end in 0..<2 {
                detection = max(
                    detection,
                    detectionDelay(
                        key: fabric.linkCount + host, end: end, generation: state.generation,
                        isSilent: event.isSilent))
            }
        }
        trace.mix(detection)
        guard planes > 1 else {
            tally.hostsCutOff += event.hostLinks.count
            return
        }
        let wires = options.wire
        let metres = 2 * (wires.hostMetres + wires.lowerMetres + wires.upperMetres)
        let told =
            detection + options.send.nanoseconds + 2 * options.hop.nanoseconds
            + metres * WireTiming.nanosecondsPerTenMetres / 10
        outcomes[failure].isCounted = true
        outcomes[failure].began = now
        outcomes[failure].detection = max(outcomes[failure].detection, detection)
        outcomes[failure].repair = max(outcomes[failure].repair, told)
        outcomes[failure].optimal = max(outcomes[failure].optimal, told)
        let weight = Double(event.hostLinks.count) * shares.host * 2
        outcomes[failure].lost += weight * Double(told) / 1e6
        capacity.add(
            weight: weight, repaired: Interval(nanoseconds: told),
            optimal: Interval(nanoseconds: told))
    }
}
