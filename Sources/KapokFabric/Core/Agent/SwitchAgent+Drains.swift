import KapokWorld

extension PortSession {
    /// Whether packets had better not be sent here: the operator or the other end drains the link,
    /// the other end's plan is too old, or it loses too much and both ends can do without it.
    var isAvoided: Bool {
        if isDrainedByOperator || isPeerTooOld || peerFlags.contains(.drained) { return true }
        return wantsDrain && mayDrain && peerFlags.contains(.canDrain)
    }

    /// Whether either end finds that the link loses too much.
    var wantsDrain: Bool { loss.isGrey || peerFlags.contains(.grey) }

    /// Whether there is anything to weigh.
    var concernsLoss: Bool { wantsDrain || mayDrain }

    /// What this end's hellos say beside the state.
    mutating func ownFlags(at now: Instant, window: Interval) -> HelloFlags {
        var flags: HelloFlags = []
        if isDrainedByOperator || isPeerTooOld { flags.insert(.drained) }
        if loss.isGrey { flags.insert(.grey) }
        if mayDrain { flags.insert(.canDrain) }
        if wantsProbes(at: now, window: window) { flags.insert(.wantsProbes) }
        return flags
    }

    /// Asks for more hellos while there is evidence for loss and no verdict: for a window, then not
    /// for four.
    private mutating func wantsProbes(at now: Instant, window: Interval) -> Bool {
        if let since = burstSince {
            if now - since < window { return loss.score > 0 && !loss.isGrey }
            if now - since < window * 5 { return false }
            burstSince = nil
        }
        guard loss.score > 0, !loss.isGrey else { return false }
        burstSince = now
        return true
    }
}

/// Links that carry packets and should not.
extension SwitchAgent {
    /// Of the ports in one direction (up or down), how many of a hundred must stay in full use for
    /// another one to be drained because of loss (after CorrOpt: Zhuo et al., SIGCOMM 2017).
    static let capacityFloor = 50
    /// The most destinations that are looked at before a drain; beyond, every n-th.
    static let maximumCheckedDestinations = 1_024

    mutating func drain(
        _ port: Int, isDrained: Bool, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard ports.indices.contains(port), ports[port].isDrainedByOperator != isDrained else {
            return
        }
        ports[port].isDrainedByOperator = isDrained
        touch(port)
        note(.info, isDrained ? "drained" : "undrained", at: now, into: &effects) {
            "\($0.describe(port)): \(isDrained ? "drained" : "no longer drained") by the operator"
        }
    }

    mutating func countFrames(
        port: Int, arrived: UInt64, damaged: UInt64, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard let plan, ports.indices.contains(port) else { return }
        let before = ports[port].frames
        ports[port].frames = (arrived, damaged)
        guard let before, arrived >= before.arrived, damaged >= before.damaged else { return }
        ports[port].loss.counted(
            arrived: arrived - before.arrived, damaged: damaged - before.damaged,
            limitPerMillion: plan.timers.greyLossPerMillion)
        if ports[port].concernsLoss { weighDrain(of: port, at: now, into: &effects) }
    }

    /// Drains a grey link, or ends that. Each end promises to do without the link only while
    /// enough others are left; the link is drained when one end wants it and both have promised.
    /// What is promised counts as gone, so that the floor holds whatever else turns grey.
    mutating func weighDrain(
        of port: Int, at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        guard let plan else { return }
        let wasAvoided = ports[port].isAvoided
        if ports[port].loss.isGrey, ports[port].greySince == .zero {
            ports[port].greySince = now
            ports[port].greyEpisodes = min(ports[port].greyEpisodes + 1, 32)
            note(.warning, "link_grey", at: now, into: &effects) {
                let lost = $0.ports[port].loss.lossPerMillion
                return "\($0.describe(port)): loses \(lost) hellos of a million"
            }
        }
        if ports[port].loss.isGrey,
            now - ports[port].greySince >= ports[port].greyHold(plan.timers),
            ports[port].loss.clear()
        {
            note(.info, "link_grey_over", at: now, into: &effects) {
                "\($0.describe(port)): loses no more than it may"
            }
        }
        if !ports[port].loss.isGrey { ports[port].greySince = .zero }
        if !ports[port].wantsDrain {
            ports[port].mayDrain = false
        } else if !ports[port].mayDrain, now >= ports[port].nextDrainTry {
            ports[port].nextDrainTry = now + plan.timers.digest
            ports[port].mayDrain =
                holdsFloor(without: port, plan) && hasOtherWays(without: port, plan)
            if !ports[port].mayDrain {
                note(.warning, "drain_refused", at: now, into: &effects) {
                    "\($0.describe(port)): too few other ports to do without it"
                }
            }
        }
        if ports[port].isAvoided != wasAvoided { touch(port) }
    }

    /// Whether enough ports of the same direction stay in full use.
    private func holdsFloor(without port: Int, _ plan: SwitchPlan) -> Bool {
        let direction = isUpward(port, plan)
        var planned = 0
        var left = 0
        for (other, session) in ports.enumerated()
        where !session.isMissing && isUpward(other, plan) == direction {
            planned += 1
            if other != port, session.isInUse, !session.isAvoided, !session.mayDrain { left += 1 }
        }
        return left > 0 && left * 100 >= planned * Self.capacityFloor
    }

    /// Whether a port leads towards the cores; nil where there is no up or down.
    private func isUpward(_ port: Int, _ plan: SwitchPlan) -> Bool? {
        guard let own = plan.fabric.tier(of: identity.switchID),
            let far = plan.fabric.tier(of: ports[port].far.owner)
        else { return nil }
        return far > own
    }

    /// Whether every destination has another way. That is a second look: a drained link is used
    /// all the same where nothing else leads on.
    private mutating func hasOtherWays(without port: Int, _ plan: SwitchPlan) -> Bool {
        let forwarding = self.forwarding ?? plan.forwarding()
        self.forwarding = forwarding
        var gone = dead.union(avoided)
        gone.insert(ports[port].link)
        let count = plan.fabric.destinationCount
        let step = max(1, count / Self.maximumCheckedDestinations)
        let plane = plan.fabric.plane(of: identity.switchID)
        return stride(from: 0, to: count, by: step).allSatisfy { index in
            let destination = DestinationID(index)
            guard plan.fabric.plane(of: plan.fabric.owner(of: destination)) == plane else {
                return true
            }
            return forwarding.decide(
                at: identity.switchID, to: destination, tag: .zero, dead: gone) != .drop
        }
    }
}
