import KapokWorld

/// Ticks, hellos, echoes and carriers.
extension SwitchAgent {
    /// Hellos that are sent at a tick to a neighbour that asks for more.
    static let probes = 16
    /// Neighbours that get more at a time.
    static let maximumProbedPorts = 4
    /// Intervals after a sign of the own loop's lateness in which missing hellos say nothing about
    /// a link: they may have found the receive buffer full.
    static let distrust: UInt64 = 4

    mutating func tick(
        lateness: Interval, at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard let plan else { return }
        tally.ticks += 1
        mayLookIntoStranger = true
        health.tick(lateness: lateness, interval: plan.timers.hello)
        if health.isLate {
            tally.lateTicks += 1
            distrustUntil = now + plan.timers.hello * Self.distrust
            note(.debug, "loop_late", at: now, into: &effects) { _ in
                "the own loop came \(lateness.nanoseconds / 1_000) us late"
            }
        }
        for port in ports.indices where !ports[port].isMissing {
            watch(port, plan: plan, at: now, into: &effects)
        }
        settle(at: now, into: &effects)
        sayHello(plan: plan, at: now, into: &effects)
    }

    private mutating func watch(
        _ port: Int, plan: SwitchPlan, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        var verdict = ports[port].watch(
            at: now, timers: plan.timers, health: health, lastSelfEcho: lastSelfEcho)
        if defect == .skipsEchoEvidence, verdict.asksEcho,
            now - ports[port].lastHello >= plan.timers.hello * UInt64(plan.timers.multiplier)
        {
            verdict.death = .silent
        }
        if verdict.asksEcho {
            tally.echoRequests += 1
            effects.append(.sendEchoes(port: port))
        }
        if verdict.isNewlyAgentSilent {
            note(.warning, "neighbor_agent_silent", at: now, into: &effects) {
                "\($0.describe(port)): no hello, but the neighbour's kernel answers; the link stays"
            }
        }
        if let death = verdict.death {
            return fail(port, death, at: now, into: &effects)
        }
        let step = ports[port].advance(at: now, timers: plan.timers)
        act(on: step, port: port, at: now, into: &effects)
        if ports[port].concernsLoss { weighDrain(of: port, at: now, into: &effects) }
        compareDigests(port, timers: plan.timers, at: now, into: &effects)
    }

    /// Sends a hello by every port, and more where the neighbour wants to be sure.
    private mutating func sayHello(
        plan: SwitchPlan, at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        var probedPorts = 0
        // Another port begins each time, so that each gets its turn when many ask.
        let count = ports.count
        let start = count == 0 ? 0 : Int(truncatingIfNeeded: tally.ticks % UInt64(count))
        for offset in 0..<count {
            let port = start + offset < count ? start + offset : start + offset - count
            guard ports[port].hasCarrier, !ports[port].isMissing else { continue }
            var times = min(max(1, hellosPerTick), Self.probes)
            if ports[port].peerFlags.contains(.wantsProbes), probedPorts < Self.maximumProbedPorts {
                probedPorts += 1
                times = Self.probes
            }
            let flags = ports[port].ownFlags(at: now, window: plan.timers.greyWindow)
            for _ in 0..<times {
                ports[port].sequence += 1
                let session = ports[port]
                let hello = HelloMessage(
                    state: session.state, flags: flags,
                    sender: PortID(identity.switchID, port), interval: plan.timers.hello,
                    digest: digests[port], incarnation: identity.incarnation,
                    heardIncarnation: session.peerIncarnation, sequence: session.sequence,
                    heardSequence: UInt32(truncatingIfNeeded: session.peerSequence),
                    lost: UInt32(truncatingIfNeeded: session.lost), epoch: plan.epoch)
                effects.append(.send(port: port, bytes: hello.encoded(key: session.key)))
                tally.hellosSent += 1
            }
        }
    }

    // MARK: Datagrams

    mutating func receive(
        _ bytes: [UInt8], port: Int, arrival: Instant, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard let plan else { return ledger.count("datagram_without_plan") }
        guard ports.indices.contains(port) else {
            return note(.warning, "datagram_at_unknown_port", at: now, into: &effects) { _ in
                "a datagram at port \(port), which the plan does not have"
            }
        }
        let kind = bytes.count > 2 && bytes[0] == DatagramKind.magic ? bytes[2] : 0
        switch kind {
        case DatagramKind.hello:
            receiveHello(bytes, port, plan, arrival: arrival, at: now, into: &effects)
        case DatagramKind.news, DatagramKind.summary:
            receiveNews(bytes, port: port, plan: plan, at: now, into: &effects)
        default:
            note(.warning, "datagram_malformed", at: now, into: &effects) {
                "\($0.describe(port)): \(bytes.count) bytes that are neither hello nor news"
            }
        }
    }

    private mutating func receiveHello(
        _ bytes: [UInt8], _ port: Int, _ plan: SwitchPlan, arrival: Instant, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        let hello: HelloMessage
        do throws(DatagramRefusal) {
            hello =
                defect == .skipsCodes
                ? try HelloMessage(claimedBy: bytes)
                : try HelloMessage(bytes, key: ports[port].key)
            guard hello.sender == ports[port].far else { throw .wrongSender(hello.sender) }
            guard
                defect == .acceptsReplays
                    || ports[port].isFresh(hello, own: identity.incarnation)
            else { throw .replayed }
        } catch {
            if error == .badCode, seesStranger(bytes, port, plan, at: now, into: &effects) {
                return
            }
            return refuse("hello", error, port, at: now, into: &effects)
        }
        guard !ports[port].isMissing else { return ledger.count("hello_on_missing_link") }
        guard ports[port].hasCarrier else { return ledger.count("hello_without_carrier") }
        tally.hellosReceived += 1
        let isNewLife =
            ports[port].peerIncarnation != hello.incarnation && ports[port].peerIncarnation != 0
        let wasAvoided = ports[port].isAvoided
        if now - arrival >= plan.timers.hello * 2 {
            distrustUntil = now + plan.timers.hello * Self.distrust
        }
        if ports[port].isAgentSilent {
            ports[port].isAgentSilent = false
            note(.info, "neighbor_agent_back", at: now, into: &effects) {
                "\($0.describe(port)): hellos again"
            }
        }
        let step = ports[port].hear(
            hello, at: arrival, own: identity.incarnation, timers: plan.timers,
            isTrusted: now >= distrustUntil)
        if isNewLife {
            note(.info, "neighbor_restarted", at: now, into: &effects) {
                "\($0.describe(port)): the neighbour's agent started again"
            }
        }
        judgeEpoch(hello.epoch, port, plan, at: now, into: &effects)
        act(on: step, port: port, at: now, into: &effects)
        if ports[port].concernsLoss { weighDrain(of: port, at: now, into: &effects) }
        if ports[port].isAvoided != wasAvoided { touch(port) }
    }

    mutating func refuse(
        _ kind: String, _ refusal: DatagramRefusal, _ port: Int, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        note(.warning, "\(kind)_\(refusal.counter)", at: now, into: &effects) {
            "\($0.describe(port)): \(kind) refused: \(refusal)"
        }
    }

    /// Whether a hello that is not of this link is a genuine one of another: then a cable is in the
    /// wrong port. A link that works is left alone; whoever replays hellos must not cut it.
    private mutating func seesStranger(
        _ bytes: [UInt8], _ port: Int, _ plan: SwitchPlan, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) -> Bool {
        // Ports take turns, so that one with many strangers does not hide another's.
        guard mayLookIntoStranger, port == Int(tally.ticks % UInt64(ports.count)) else {
            return false
        }
        guard let claim = try? HelloMessage(claimedBy: bytes),
            claim.sender.owner.index < plan.fabric.switchCount,
            let near = plan.fabric.neighbor(of: claim.sender.owner, port: claim.sender.port),
            near.link != ports[port].link
        else { return false }
        mayLookIntoStranger = false
        guard HelloMessage.isAuthentic(bytes, key: SipHashKey(keys.helloKey(of: near.link))) else {
            return false
        }
        guard case .down(let reason) = ports[port].phase else {
            ledger.count("miswired")
            return true
        }
        // A link that has had no time to agree since a start is left alone too, until as many
        // hellos of one stranger came, each newer than the last, as no single replay makes.
        if ports[port].optimisticUntil != nil {
            guard ports[port].countsStranger(claim) else {
                ledger.count("stranger_at_start")
                return true
            }
            ports[port].fail(.miswired, at: now)
        }
        let isNew = ports[port].seen != claim.sender || reason != .miswired
        ports[port].seen = claim.sender
        if !ports[port].isMissing { ports[port].phase = .down(.miswired) }
        touch(port)
        guard isNew else {
            ledger.count("miswired")
            return true
        }
        note(.warning, "miswired", at: now, into: &effects) {
            let found = plan.fabric.name(of: claim.sender.owner)
            return "\($0.describe(port)): found \(found):\(plan.fabric.portName(claim.sender)) "
                + "at the far end"
        }
        return true
    }

    /// A neighbour with an older plan than this one bears with is drained; plans that are too new
    /// are only remarked on: that neighbour drains this switch.
    private mutating func judgeEpoch(
        _ epoch: UInt64, _ port: Int, _ plan: SwitchPlan, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        let isTooOld = epoch < plan.compatibleSince
        ports[port].isPeerTooOld = isTooOld
        guard isTooOld || epoch > newestEpoch else {
            ports[port].strangeEpoch = nil
            return
        }
        let counter = isTooOld ? "hello_epoch_old" : "hello_epoch_unknown"
        guard ports[port].strangeEpoch != epoch else { return ledger.count(counter) }
        ports[port].strangeEpoch = epoch
        note(.warning, counter, at: now, into: &effects) {
            "\($0.describe(port)): the neighbour has plan \(epoch), this switch \(plan.epoch)"
                + (isTooOld ? "; the link is drained" : "")
        }
    }

    /// The newest epoch that neighbours and news may have.
    var newestEpoch: UInt64 {
        let inForce = plan?.epoch ?? 0
        let next = inForce == .max ? inForce : inForce + 1
        return max(next, stored?.epoch ?? 0)
    }

    // MARK: Links come and go

    mutating func act(
        on step: PortSession.Step, port: Int, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        switch step {
        case .nothing: return
        case .failed(.otherEnd) where defect == .ignoresOtherEnd: return
        case .failed(let reason): fail(port, reason, at: now, into: &effects)
        case .agreed:
            note(.info, "link_up", at: now, into: &effects) {
                "\($0.describe(port)): both ends are up"
            }
            touch(port)
        case .use:
            note(.info, "link_used", at: now, into: &effects) {
                "\($0.describe(port)): used again"
            }
            touch(port)
        }
    }

    mutating func fail(
        _ port: Int, _ reason: PortReason, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        ports[port].fail(reason, at: now)
        touch(port)
        note(.warning, "link_down", at: now, into: &effects) {
            "\($0.describe(port)): down (\(reason.rawValue))"
        }
    }

    mutating func changeCarrier(
        of port: Int, isUp: Bool, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard ports.indices.contains(port), ports[port].hasCarrier != isUp else { return }
        ports[port].hasCarrier = isUp
        guard !isUp, !ports[port].isMissing else { return }
        if case .down = ports[port].phase, !ports[port].isInUse {
            ports[port].phase = .down(.noCarrier)
        } else {
            fail(port, .noCarrier, at: now, into: &effects)
        }
    }

    /// The link of a port in words.
    func describe(_ port: Int) -> String {
        guard let plan, ports.indices.contains(port) else { return "port \(port)" }
        let name = plan.fabric.portName(PortID(identity.switchID, port))
        let far = ports[port].far
        return "\(name) to \(plan.fabric.name(of: far.owner)):\(plan.fabric.portName(far))"
    }
}
