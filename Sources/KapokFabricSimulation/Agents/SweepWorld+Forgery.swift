import KapokFabric
import KapokSimulation
import KapokWorld

/// A datagram that an agent has taken in, for somebody to send again.
struct SweepCapture {
    var port: PortID
    var bytes: [UInt8]
    /// The life of the agent that took it in.
    var life: Int
}

/// What only an attacker sends.
extension SweepWorld {
    private static let capturesKept = 96

    mutating func capture(_ bytes: [UInt8], at port: PortID) {
        guard parameters.forgeries > 0 else { return }
        captures += 1
        let taken = SweepCapture(
            port: port, bytes: bytes, life: switches[port.owner.index].life)
        if captured.count < Self.capturesKept {
            captured.append(taken)
        } else {
            captured[captures % Self.capturesKept] = taken
        }
    }

    /// What of an agent's state must stay as it is. An agent that was started again cannot tell a
    /// neighbour's old hello from one that was long on its way; it may count it, and no more.
    private func fingerprint(
        _ id: SwitchID, counting isCounted: Bool, _ agenda: borrowing Agenda<Event>
    ) -> [Int]? {
        // Before its first event an agent has not looked at its plan.
        guard let snapshot = switches[id.index].agent?.snapshot(at: agenda.now),
            snapshot.epoch != nil
        else { return nil }
        var state: [Int] = [
            Int(truncatingIfNeeded: snapshot.epoch ?? 0),
            Int(truncatingIfNeeded: snapshot.storedEpoch ?? 0),
        ]
        state += snapshot.dead.map(\.index) + [-1] + snapshot.avoided.map(\.index) + [-1]
        for news in snapshot.news {
            state += [news.link.index, news.origin.index, Int(news.condition.rawValue)]
            state.append(Int(truncatingIfNeeded: news.sequence))
        }
        for port in snapshot.ports {
            state += [port.isInUse ? 1 : 0, isCounted ? Int(port.received) : 0]
        }
        return state
    }

    mutating func forge(_ agenda: inout Agenda<Event>) {
        let id = SwitchID(forger.below(switches.count))
        let event: AgentEvent
        var target = id
        var isCounted = true
        let what: String
        switch forger.below(8) {
        case 0, 1, 2:
            guard let taken = pick() else { return }
            target = taken.port.owner
            isCounted = taken.life == switches[target.index].life
            what = "a datagram sent again"
            event = .received(bytes: taken.bytes, port: taken.port.port, arrival: agenda.now)
        case 3:
            guard let taken = pick() else { return }
            let port = forger.below(max(1, fabric.fabricPortCount(of: id)) + 1)
            if PortID(id, port) == taken.port { return }
            what = "a datagram at the wrong port"
            event = .received(bytes: taken.bytes, port: port, arrival: agenda.now)
        case 4, 5:
            guard var taken = pick() else { return }
            let at = forger.below(taken.bytes.count)
            taken.bytes[at] ^= 1 << UInt8(forger.below(8))
            if forger.chance(1, in: 4) { taken.bytes.removeLast(forger.below(taken.bytes.count)) }
            target = taken.port.owner
            what = "a changed datagram"
            event = .received(bytes: taken.bytes, port: taken.port.port, arrival: agenda.now)
        case 6:
            var bytes = plans[1].signedPlan(for: id).bytes
            let at = forger.below(bytes.count)
            bytes[at] ^= 1 << UInt8(forger.below(8))
            what = "a changed plan"
            event = .plan(bytes: bytes)
        default:
            what = "a call to use a plan that nobody brought"
            event = .activate(epoch: 3 + forger.below(4 as UInt64))
        }
        guard let before = fingerprint(target, counting: isCounted, agenda),
            max(
                switches[target.index].agentStalledUntil, switches[target.index].hostStalledUntil)
                <= agenda.now
        else { return }
        counts.forgeries += 1
        var copy = switches[target.index].agent
        copy?.handle(event, at: agenda.now, into: &effects)
        switches[target.index].agent = copy
        for effect in effects.takeAll() {
            switch effect {
            case .log, .answer: continue
            case .send, .sendEchoes, .forward, .usePlan:
                fail("\(fabric.name(of: target)) acted on \(what): \(effect)", agenda)
            }
        }
        if fingerprint(target, counting: isCounted, agenda) != before {
            fail("\(fabric.name(of: target)) was changed by \(what)", agenda)
        }
    }

    /// A datagram that some agent took in not long ago.
    private mutating func pick() -> SweepCapture? {
        guard !captured.isEmpty else { return nil }
        return captured[forger.below(captured.count)]
    }
}
