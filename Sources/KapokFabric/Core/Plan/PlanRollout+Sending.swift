import KapokWorld

/// Whom a rollout tells what.
extension PlanRollout {
    mutating func send(
        at now: Instant, into effects: inout EffectBuffer<RolloutEffect>
    ) {
        guard sends else { return }
        var turning = turningByTier(isNeeded: phase == .rollingBack)
        let isUrgent =
            phase == .rollingBack
            && members.contains {
                $0.isReachable && $0.mayHaveTarget && $0.standing != .active
            }
        var left = policy.window
        let first = cursor
        for step in members.indices where left > 0 {
            let index = (first + step) % members.count
            guard now >= members[index].nextSend else { continue }
            guard let effect = message(to: SwitchID(index), isUrgent, &turning) else { continue }
            if members[index].attempts >= policy.attempts {
                setReachable(SwitchID(index), false, at: now, into: &effects)
                members[index].attempts = policy.attempts - 1
                members[index].nextSend =
                    now + Interval(nanoseconds: policy.retry.nanoseconds * Self.patience)
                // It may have been the canary.
                if !sends { return }
                continue
            }
            cursor = (index + 1) % members.count
            left -= 1
            send(effect, to: SwitchID(index), at: now, &effects)
        }
    }

    mutating func send(
        _ effect: RolloutEffect, to id: SwitchID, at now: Instant,
        _ effects: inout EffectBuffer<RolloutEffect>
    ) {
        members[id.index].attempts += 1
        members[id.index].nextSend = now + policy.retry
        effects.append(effect)
    }

    /// Whether there is anything to say to switches.
    var sends: Bool {
        switch phase {
        case .idle, .checking, .awaitingRollback: false
        // Those that were away still get what the others have.
        case .finished(.done), .finished(.rolledBack): true
        case .finished: false
        case .storing, .canary, .waves, .soaking, .rollingBack: true
        }
    }

    /// Switches of each tier that were told to change over and have not answered.
    func turningByTier(isNeeded: Bool) -> [Int] {
        var turning = [Int](repeating: 0, count: tiers.count)
        guard isNeeded else { return turning }
        for (index, member) in members.enumerated()
        where member.isReachable && member.isTold && member.standing == .stored {
            turning[tierOf[index]] += 1
        }
        return turning
    }

    /// What a switch needs next; nil when it must wait.
    mutating func message(
        to id: SwitchID, _ isUrgent: Bool, _ turning: inout [Int]
    ) -> RolloutEffect? {
        let member = members[id.index]
        switch member.standing {
        case .active: return nil
        case .unknown:
            guard needsBase, let base = record.base else { return .store(id, epoch: goal) }
            return .store(id, epoch: base)
        case .behind: return record.base.map { .activate(id, epoch: $0) }
        case .ready: return .store(id, epoch: goal)
        case .stored:
            guard mayTurn(id, isUrgent, turning) else { return nil }
            if !member.isTold { turning[tierOf[id.index]] += 1 }
            members[id.index].isTold = true
            return .activate(id, epoch: goal)
        }
    }

    private func mayTurn(_ id: SwitchID, _ isUrgent: Bool, _ turning: [Int]) -> Bool {
        switch phase {
        case .canary, .waves, .soaking: return wave.contains(id)
        case .rollingBack:
            // Those that were told hold a place of their tier until they answer.
            if members[id.index].isTold { return true }
            if isUrgent && !members[id.index].mayHaveTarget { return false }
            let number = tierOf[id.index]
            return turning[number] < max(1, tiers[number].count * policy.share / 100)
        case .finished: return true
        default: return false
        }
    }
}
