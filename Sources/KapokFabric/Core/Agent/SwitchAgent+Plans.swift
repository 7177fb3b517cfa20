import KapokWorld

/// Plans: one in force, one kept for later.
extension SwitchAgent {
    /// Takes up the plan that was in force before the agent started.
    mutating func begin(
        with bytes: [UInt8], at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        accept(bytes, at: now, into: &effects)
        guard let stored else { return }
        activate(stored.epoch, at: now, into: &effects)
    }

    /// Verifies a plan and keeps it. Whatever is wrong with it, the state stays as it was.
    mutating func accept(
        _ bytes: [UInt8], at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        var epoch: UInt64 = 0
        do throws(PlanRefusal) {
            let candidate = try SignedPlan.verify(bytes, trusting: planner)
            epoch = candidate.epoch
            let hash = SignedPlan.bodyHash(of: bytes)
            if candidate.switchID == identity.switchID, hash == planHash, plan?.epoch == epoch {
                return effects.append(.answer(epoch: epoch, .active))
            }
            try judge(candidate, hash: hash)
            stored = candidate
            storedHash = hash
            note(.info, "plan_stored", at: now, into: &effects) { _ in "plan \(epoch) is stored" }
            effects.append(.answer(epoch: epoch, .stored))
        } catch {
            note(.warning, error.counter, at: now, into: &effects) { _ in
                "a plan is refused: \(error)"
            }
            effects.append(.answer(epoch: epoch, .refused("\(error)")))
        }
    }

    /// Whether a well-signed plan is for this switch, newer, and within what an agent can do.
    private func judge(_ candidate: SwitchPlan, hash: [UInt8]?) throws(PlanRefusal) {
        guard candidate.switchID == identity.switchID else {
            throw .wrongSwitch(candidate.switchID)
        }
        guard candidate.identity.isEmpty || candidate.identity == identity.identity else {
            throw .inconsistent("it is for a switch of another identity")
        }
        if let plan, candidate.epoch <= plan.epoch { throw .oldEpoch(candidate.epoch) }
        if let stored {
            guard candidate.epoch >= stored.epoch,
                candidate.epoch > stored.epoch || hash == storedHash
            else { throw .oldEpoch(candidate.epoch) }
        }
        guard candidate.switchID.index < candidate.fabric.switchCount else {
            throw .inconsistent("it has no such switch")
        }
        let timers = candidate.timers
        guard timers.hello >= .microseconds(10), timers.hello <= .seconds(1),
            (1...255).contains(timers.multiplier), timers.greyLossPerMillion > 0,
            timers.greyLossPerMillion < 1_000_000
        else { throw .inconsistent("timers that no agent can keep") }
    }

    /// Puts the stored plan of this epoch into force.
    mutating func activate(
        _ epoch: UInt64, at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        if plan?.epoch == epoch { return effects.append(.answer(epoch: epoch, .active)) }
        guard let kept = stored, kept.epoch == epoch else {
            note(.warning, "activate_unknown_epoch", at: now, into: &effects) {
                "asked to use plan \(epoch); in force is \($0.plan?.epoch ?? 0), stored "
                    + "\($0.stored?.epoch ?? 0)"
            }
            return effects.append(
                .answer(epoch: epoch, .refused("no plan of epoch \(epoch) is stored")))
        }
        let isFirst = plan == nil
        var next = kept
        if defect == .skipsHoldDown {
            next.timers.holdDown = .zero
            next.timers.longestHoldDown = .zero
        }
        plan = next
        planHash = storedHash
        stored = nil
        storedHash = nil
        forwarding = nil
        rebuildPorts(next, isFirst: isFirst, at: now)
        rebuildKnowledge(next)
        effects.append(.usePlan(next))
        effects.append(.forward(dead: dead, avoided: avoided, cause: nil))
        effects.append(.answer(epoch: epoch, .active))
        note(.info, "plan_active", at: now, into: &effects) { _ in "plan \(epoch) is in force" }
    }

    /// Ports whose link stays keep their session; the others begin anew. At the very start all
    /// count as in use until they had time to agree: the kernel may have been forwarding all along.
    private mutating func rebuildPorts(_ next: SwitchPlan, isFirst: Bool, at now: Instant) {
        sequenceFloor = ports.reduce(sequenceFloor) { max($0, $1.sequence) }
        let old = ports
        let count = next.fabric.fabricPortCount(of: identity.switchID)
        ports = (0..<count).compactMap { port in
            guard let neighbor = next.fabric.neighbor(of: identity.switchID, port: port) else {
                return nil
            }
            let isMissing = next.missing.contains(neighbor.link)
            if port < old.count, old[port].far == neighbor.far, old[port].link == neighbor.link,
                old[port].isMissing == isMissing
            {
                return old[port]
            }
            var session = PortSession(
                port: port, neighbor: neighbor,
                key: SipHashKey(keys.helloKey(of: neighbor.link)), isMissing: isMissing, at: now,
                interval: next.timers.hello)
            session.sequence = sequenceFloor
            if port < old.count {
                session.hasCarrier = old[port].hasCarrier
                session.isDrainedByOperator = old[port].isDrainedByOperator
            }
            session.told = news.newest(of: neighbor.link, from: identity.switchID)?.condition
            if isFirst, !isMissing {
                session.isInUse = true
                session.optimisticUntil = now + next.timers.hello * Self.startGrace
            }
            return session
        }
        outbox = Array(repeating: [], count: ports.count)
        hasOutgoingNews = false
        touched = ports.indices.filter { !ports[$0].isMissing }
    }

    /// Intervals after a start in which links count as in use though nothing was heard.
    static let startGrace: UInt64 = 20

    /// News stay, as links keep their numbers; what no longer concerns this switch goes.
    private mutating func rebuildKnowledge(_ next: SwitchPlan) {
        let flood = FloodTree(next.fabric)
        news.removeAll { piece in
            guard piece.link.index < next.fabric.linkCount else { return true }
            let (lower, upper) = next.fabric.ends(of: piece.link)
            guard piece.origin == lower.owner || piece.origin == upper.owner else { return true }
            // Upper links at an edge switch come again from the aggregation switch that told them.
            return !flood.isInScope(piece.link, of: identity.switchID)
        }
        dead = []
        avoided = []
        escalated = []
        for port in ports.indices where !ports[port].isMissing {
            if !ports[port].isInUse {
                dead.insert(ports[port].link)
            } else if ports[port].isAvoided {
                avoided.insert(ports[port].link)
            }
        }
        for piece in news.all { apply(piece.link) }
        causes = []
        digests = Array(repeating: 0, count: ports.count)
        for piece in news.all {
            for port in ports.indices where isShared(piece, with: port) {
                digests[port] ^= NewsBase.mark(piece)
            }
        }
        reescalate()
    }
}
