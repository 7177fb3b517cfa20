public import KapokWorld

/// What an agent shows of itself.
extension SwitchAgent {
    /// All counters by name: what was sent, heard, refused and decided since the start.
    public var counters: [String: UInt64] {
        var all = ledger.counters
        all["ticks"] = tally.ticks
        all["late_ticks"] = tally.lateTicks
        all["hellos_sent"] = tally.hellosSent
        all["hellos_received"] = tally.hellosReceived
        all["echo_requests"] = tally.echoRequests
        all["echo_replies"] = tally.echoReplies
        all["news_sent"] = tally.newsSent
        all["news_received"] = tally.newsReceived
        return all
    }

    /// The state in one line, for a status command or a log.
    public var stateLine: String {
        guard let plan else {
            return "\(identity.switchID): no plan"
                + (stored.map { ", plan \($0.epoch) stored" } ?? "")
        }
        let planned = ports.count { !$0.isMissing }
        let used = ports.count { $0.isInUse }
        let kept = stored.map { " (\($0.epoch) stored)" } ?? ""
        return "\(plan.fabric.name(of: identity.switchID)): plan \(plan.epoch)\(kept), "
            + "\(used) of \(planned) links in use, \(dead.count) dead, \(avoided.count) avoided, "
            + "patience +\(health.allowance.nanoseconds / 1_000) us"
    }

    /// What the agent knows, at `now`.
    public func snapshot(at now: Instant) -> AgentSnapshot {
        AgentSnapshot(
            switchID: identity.switchID, incarnation: identity.incarnation, epoch: plan?.epoch,
            storedEpoch: stored?.epoch, ports: ports.map { $0.snapshot(at: now, plan) },
            dead: dead, avoided: avoided, news: news.all, escalated: escalated,
            allowance: health.allowance)
    }
}

extension PortSession {
    func snapshot(at now: Instant, _ plan: SwitchPlan?) -> PortSnapshot {
        var reason: PortReason?
        if case .down(let why) = phase { reason = why }
        return PortSnapshot(
            port: port, link: link, expected: far, seen: seen, hasCarrier: hasCarrier,
            state: state, reason: reason, neighborState: peerState, isInUse: isInUse,
            isAvoided: isAvoided, isGrey: loss.isGrey, isNeighborAgentSilent: isAgentSilent,
            silence: now - lastHello, received: received, lost: lost,
            lossPerMillion: loss.lossPerMillion, neighborLost: peerLost,
            neighborEpoch: peerEpoch, failures: failures,
            holdDown: holdDown(plan?.timers ?? AgentTimers()))
    }
}
