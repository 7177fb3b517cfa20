import KapokFabric
import KapokSimulation
import KapokWorld

/// How news travel through a Clos network: the ways of `FloodTree` by arithmetic. A switch that
/// passes news on is an event; those who only receive are worked off within it, in the order of the
/// ports. A test holds this against the general path, message by message.
extension SizeEngine {
    mutating func relay(_ slot: Int, copy: Int, at id: SwitchID, arrival: Int?) {
        slots[slot].outstanding -= 1
        trace.mix(UInt64(slot) << 40 ^ UInt64(copy) << 32 ^ UInt64(id.index))
        trace.mix(now)
        if deadSwitches[id.index] == 0 {
            if let clos {
                let at = clos.position(of: id)
                let cause = slots[slot].cause
                if cause.kind == .upper {
                    relayUpper(clos, slot, copy, id, at)
                } else if copy == 0 {
                    relayFirst(clos, slot, id, at)
                } else {
                    relaySecond(clos, slot, id, at)
                }
            } else {
                relayGenerally(slot, copy: copy, at: id, arrival: arrival)
            }
        }
        finishIfDone(slot)
    }

    /// Copy 0 of a lower link.
    private mutating func relayFirst(
        _ clos: ClosTopology, _ slot: Int, _ id: SwitchID, _ at: ClosPosition
    ) {
        let cause = slots[slot].cause
        var base = sendingTime(id)
        switch at.tier {
        case .edge: preconditionFailure("edge switches start the other copy")
        case .aggregation:
            let isOrigin = at.pod == cause.pod
            if !isOrigin && options.defect == .floodOneHopShort { return }
            handing = (-1, nil)
            base = tellEdges(
                clos, slot, from: id, at, except: isOrigin ? cause.member : -1, base)
            if isOrigin {
                base = tellCores(clos, slot, copy: 0, from: id, at, base, passOn: true)
            }
        case .core: base = tellPods(clos, slot, copy: 0, from: id, at, base)
        }
        busy[id.index] = base
    }

    /// Copy 1 of a lower link.
    private mutating func relaySecond(
        _ clos: ClosTopology, _ slot: Int, _ id: SwitchID, _ at: ClosPosition
    ) {
        let cause = slots[slot].cause
        let shape = clos.shape
        let next = (cause.aggregation + 1) % shape.aggregationsPerPod
        guard next != cause.aggregation else { return }
        var base = sendingTime(id)
        switch at.tier {
        case .edge:
            let isOrigin = at.pod == cause.pod && at.group == cause.member
            let target = isOrigin ? next : cause.aggregation
            let link = clos.lowerLink(
                plane: at.plane, pod: at.pod, edge: at.group, aggregation: target)
            let far = clos.aggregation(plane: at.plane, pod: at.pod, target)
            base += options.send.nanoseconds
            // The link's upper end tells its cores; the same switch of other pods only receives.
            if let done = deliver(slot, to: far, over: link, departing: base),
                at.pod == cause.pod
            {
                enqueue(slot, copy: 1, at: far, done)
            }
        case .aggregation where at.group == next:
            let isHome = at.pod == cause.pod
            if !isHome && options.defect == .floodOneHopShort { return }
            // One edge switch hands the news on to the plane of the link.
            let hander = isHome ? (cause.member + 1) % shape.edgesPerPod : 0
            handing = (hander, nil)
            base = tellEdges(
                clos, slot, from: id, at, except: isHome ? cause.member : -1, base)
            if let done = handing.done {
                let far = clos.edge(plane: at.plane, pod: at.pod, hander)
                enqueue(slot, copy: 1, at: far, done)
            }
            if isHome {
                base = tellCores(clos, slot, copy: 1, from: id, at, base, passOn: true)
            }
        case .aggregation:
            // The other end of the link, told by the edge switch beside: its cores.
            guard at.group == cause.aggregation, at.pod == cause.pod else { return }
            base = tellCores(clos, slot, copy: 1, from: id, at, base, passOn: false)
        case .core: base = tellPods(clos, slot, copy: 1, from: id, at, base)
        }
        busy[id.index] = base
    }

    private mutating func relayUpper(
        _ clos: ClosTopology, _ slot: Int, _ copy: Int, _ id: SwitchID, _ at: ClosPosition
    ) {
        let cause = slots[slot].cause
        let shape = clos.shape
        let start = sendingTime(id)
        var base = start
        if at.tier == .aggregation {
            let core = (cause.member + 1) % shape.coresPerAggregation
            guard core != cause.member, copy == 1 else { return }
            let link = clos.upperLink(
                plane: at.plane, pod: at.pod, aggregation: at.group, core: core)
            let far = clos.core(plane: at.plane, aggregation: at.group, core)
            base += options.send.nanoseconds
            if let done = deliver(slot, to: far, over: link, departing: base) {
                enqueue(slot, copy: 1, at: far, done)
            }
        } else {
            for pod in 0..<shape.pods where pod != cause.pod {
                base += options.send.nanoseconds
                let link = clos.upperLink(
                    plane: at.plane, pod: pod, aggregation: at.group, core: at.member)
                let far = clos.aggregation(plane: at.plane, pod: pod, at.group)
                _ = deliver(slot, to: far, over: link, departing: base)
            }
        }
        busy[id.index] = base
    }

    // MARK: Steps

    /// From when on a switch can send: now, or when its processor is free.
    private func sendingTime(_ id: SwitchID) -> UInt64 { max(now, busy[id.index]) }

    private mutating func enqueue(_ slot: Int, copy: Int, at id: SwitchID, _ instant: UInt64) {
        slots[slot].outstanding += 1
        push(
            SizeEvent(
                kind: .relay, copy: UInt8(copy), port: 0, subject: UInt32(slot),
                detail: UInt32(id.index)),
            at: instant)
    }

    /// One message: gives when the receiver has understood it; nil when it got lost on the way.
    mutating func deliver(
        _ slot: Int, to far: SwitchID, over link: LinkID, departing: UInt64
    ) -> UInt64? {
        tally.messages += 1
        guard arrives(over: link, at: departing) else {
            tally.lostMessages += 1
            return nil
        }
        let arrival =
            departing + propagation(of: link)
        let begin = max(arrival, busy[far.index])
        busy[far.index] = begin + options.receive.nanoseconds
        let done = begin + options.hop.nanoseconds
        know(slot, far, at: done + options.tableUpdate.nanoseconds)
        return done
    }

    /// Whether a link lets a message through.
    private func arrives(over link: LinkID, at instant: UInt64) -> Bool {
        let state = links[link.index]
        if state.isSound { return true }
        if state.causes > 0 { return false }
        var random = draw(link.index, 3, UInt32(truncatingIfNeeded: instant))
        return random.below(1_000_000) >= greyLosses[link] ?? 0
    }

    /// The edge switches of an aggregation switch's pod, which only receive.
    private mutating func tellEdges(
        _ clos: ClosTopology, _ slot: Int, from id: SwitchID, _ at: ClosPosition, except: Int,
        _ start: UInt64
    ) -> UInt64 {
        let count = clos.shape.edgesPerPod
        var base = start
        if unsound[id.index] > 0 {
            for edge in 0..<count where edge != except {
                base += options.send.nanoseconds
                let link = clos.lowerLink(
                    plane: at.plane, pod: at.pod, edge: edge, aggregation: at.group)
                let far = clos.edge(plane: at.plane, pod: at.pod, edge)
                let done = deliver(slot, to: far, over: link, departing: base)
                if edge == handing.edge { handing.done = done }
            }
            return base
        }
        let news = slots[slot]
        let first = clos.edge(plane: at.plane, pod: at.pod, 0).index
        let firstKnown = at.pod * count
        precondition(first + count <= busy.count && firstKnown + count <= news.scope)
        let wire = options.wire.lowerMetres * WireTiming.nanosecondsPerTenMetres / 10
        let send = options.send.nanoseconds
        let receive = options.receive.nanoseconds
        let delay = options.hop.nanoseconds + options.tableUpdate.nanoseconds &- news.start
        func tell(_ range: Range<Int>, _ departure: UInt64) {
            let times = busy.base + first
            let known = news.known + firstKnown
            var arrival = departure &+ wire
            for edge in range {
                arrival &+= send
                let begin = max(arrival, times[edge])
                times[edge] = begin &+ receive
                let offset = UInt32(truncatingIfNeeded: min(begin &+ delay, 0xFFFF_FFFE))
                known[edge] = min(known[edge], offset)
            }
        }
        let told: Int
        if except < 0 {
            tell(0..<count, base)
            told = count
        } else {
            tell(0..<except, base)
            tell(except + 1..<count, base + UInt64(except) * send)
            told = count - 1
        }
        if handing.edge >= 0, handing.edge != except {
            handing.done = busy.base[first + handing.edge] - receive + options.hop.nanoseconds
        }
        tally.messages += told
        return base + UInt64(told) * send
    }

    private mutating func tellCores(
        _ clos: ClosTopology, _ slot: Int, copy: Int, from id: SwitchID, _ at: ClosPosition,
        _ start: UInt64, passOn: Bool
    ) -> UInt64 {
        var base = start
        for core in 0..<clos.shape.coresPerAggregation {
            base += options.send.nanoseconds
            let link = clos.upperLink(
                plane: at.plane, pod: at.pod, aggregation: at.group, core: core)
            let far = clos.core(plane: at.plane, aggregation: at.group, core)
            if let done = deliver(slot, to: far, over: link, departing: base), passOn {
                enqueue(slot, copy: copy, at: far, done)
            }
        }
        return base
    }

    /// A core tells its share of the other pods.
    private mutating func tellPods(
        _ clos: ClosTopology, _ slot: Int, copy: Int, from id: SwitchID, _ at: ClosPosition,
        _ start: UInt64
    ) -> UInt64 {
        var base = start
        let cause = slots[slot].cause
        let step = clos.shape.coresPerAggregation
        for pod in stride(from: at.member, to: clos.shape.pods, by: step) where pod != cause.pod {
            base += options.send.nanoseconds
            let link = clos.upperLink(
                plane: at.plane, pod: pod, aggregation: at.group, core: at.member)
            let far = clos.aggregation(plane: at.plane, pod: pod, at.group)
            if let done = deliver(slot, to: far, over: link, departing: base) {
                enqueue(slot, copy: copy, at: far, done)
            }
        }
        return base
    }
}
