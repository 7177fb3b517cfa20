public import KapokWorld

/// Brings a plan into force over a fabric, and takes it back when it does harm.
///
/// 1. The checker proves the plan and its mixture with the one in force.
/// 2. Every switch that can be reached is brought to the base plan if it is older, and stores the
///    target. Nobody uses it yet.
/// 3. The canary changes over and must stay healthy for a while.
/// 4. Then core, aggregation and edge switches, at most `share` percent of a tier at a time.
///
/// When a canary falls silent or refuses, when any switch reports alarms or loss, or when the
/// operator says so, no further switch changes over, and a *new* epoch with the base's content goes
/// first to those that may have changed over and then to all. Plans say since which epoch they bear
/// with neighbours (`SwitchPlan.compatibleSince`): the rollback's bears with base and target, so
/// there are never more than two contents in force, and no switch with the base is drained by one
/// with the rollback.
///
/// The planner may stop at any moment: the switches go on with what they have. A later one takes up
/// the record with a higher term. Should the old one still be there, it can do no harm: it cannot
/// write its record any more, and what it sends is the same target, or refused by switches that
/// have stored the rollback since.
public struct PlanRollout: StateMachine, Sendable {
    /// Where a switch stands.
    enum Standing: Hashable, Sendable {
        /// Nothing is known.
        case unknown
        /// Older than the base, which it has stored.
        case behind
        /// Ready for the goal.
        case ready
        /// It has stored the goal.
        case stored
        /// It uses the goal.
        case active
    }

    /// What is known of a switch.
    struct Member: Sendable {
        var standing = Standing.unknown
        var isReachable = true
        /// It was told to use the target, and may do so.
        var mayHaveTarget = false
        /// It was told to use the goal.
        var isTold = false
        var refusals = 0
        var attempts = 0
        var nextSend = Instant.zero
    }

    enum Phase: Hashable, Sendable {
        case idle
        case checking
        case storing
        case canary
        case waves
        case soaking(until: Instant, wasCanary: Bool)
        case awaitingRollback
        case rollingBack
        case finished(RolloutOutcome)
    }

    /// What outlives the planner.
    public private(set) var record: RolloutRecord
    /// The rules.
    public let policy: RolloutPolicy
    var members: [Member]
    var phase = Phase.idle
    let tiers: [[SwitchID]]
    let tierOf: [Int]
    private let canary: Set<SwitchID>
    var wave: Set<SwitchID> = []
    private var silent = 0
    var cursor = 0

    /// A rollout over a fabric. With the record of an earlier planner and a higher term it goes on
    /// where that one stopped.
    public init(_ record: RolloutRecord, over fabric: Fabric, policy: RolloutPolicy) {
        precondition((1...100).contains(policy.share) && policy.window > 0)
        self.record = record
        self.policy = policy
        members = Array(repeating: Member(), count: fabric.switchCount)
        let all = (0..<fabric.switchCount).map { SwitchID($0) }
        // Upwards tiers first: an edge switch that knows more than its cores gains nothing.
        let order: [Tier?] = [.core, .aggregation, nil, .edge]
        tiers = order.map { tier in all.filter { fabric.tier(of: $0) == tier } }
            .filter { !$0.isEmpty }
        var tierOf = [Int](repeating: 0, count: all.count)
        for (number, tier) in tiers.enumerated() {
            for id in tier { tierOf[id.index] = number }
        }
        self.tierOf = tierOf
        canary = Set(policy.canary.isEmpty ? Self.canary(of: fabric) : policy.canary)
    }

    private static func canary(of fabric: Fabric) -> [SwitchID] {
        switch fabric {
        case .graph(let graph): return Array(graph.destinations.prefix(1))
        case .clos(let clos):
            let shape = clos.shape
            return (0..<shape.planes).flatMap { plane in
                shape.pods == 1
                    ? [clos.edge(plane: plane, pod: 0, shape.edgesPerPod - 1)]
                    : (0..<shape.edgesPerPod).map {
                        clos.edge(plane: plane, pod: shape.pods - 1, $0)
                    }
                        + (0..<shape.aggregationsPerPod).map {
                            clos.aggregation(plane: plane, pod: shape.pods - 1, $0)
                        }
            }
        }
    }

    /// The epoch that switches are being brought to.
    public var goal: UInt64 { record.rollback ?? record.target }
    /// How it ended; nil while it goes on.
    public var outcome: RolloutOutcome? {
        if case .finished(let outcome) = phase { outcome } else { nil }
    }
    /// The switches that use the goal, as far as their answers arrived.
    public var activeCount: Int { members.count { $0.standing == .active } }

    // MARK: Events

    /// Takes in an event.
    public mutating func handle(
        _ event: RolloutEvent, at now: Instant, into effects: inout EffectBuffer<RolloutEffect>
    ) {
        if case .finished(.deposed) = phase { return }
        switch event {
        case .start: start(into: &effects)
        case .checked(let verdict): finishCheck(verdict, into: &effects)
        case .tick: break
        case .answer(let id, let epoch, let answer):
            take(answer, epoch: epoch, from: id, at: now, into: &effects)
            return
        case .reachable(let id, let isReachable):
            setReachable(id, isReachable, at: now, into: &effects)
        case .health(let id, let alarms, let lost):
            guard isTrying, alarms > 0 || lost > policy.mostLostPerMillion else { break }
            fail("\(id) reports \(alarms) alarms and \(lost) lost of a million", into: &effects)
        case .rollbackReady:
            guard phase == .awaitingRollback else { break }
            phase = .rollingBack
        case .abort(let reason):
            switch phase {
            case .idle, .checking, .storing: finish(.abandoned(reason), into: &effects)
            case .canary, .waves, .soaking: fail(reason, into: &effects)
            case .awaitingRollback, .rollingBack, .finished: break
            }
        case .deposed: finish(.deposed, into: &effects)
        }
        advance(at: now, into: &effects)
        send(at: now, into: &effects)
    }

    private var isTrying: Bool {
        switch phase {
        case .canary, .waves, .soaking: true
        default: false
        }
    }

    private mutating func start(into effects: inout EffectBuffer<RolloutEffect>) {
        guard phase == .idle else { return }
        effects.append(.persist(record))
        if let epoch = record.rollback, let base = record.base {
            phase = .awaitingRollback
            for index in members.indices { members[index].mayHaveTarget = true }
            effects.append(.prepareRollback(epoch: epoch, base: base))
        } else if record.isChecked {
            phase = .storing
        } else {
            phase = .checking
            effects.append(.check(target: record.target, base: record.base))
        }
    }

    private mutating func finishCheck(
        _ verdict: PlanVerdict, into effects: inout EffectBuffer<RolloutEffect>
    ) {
        guard phase == .checking else { return }
        switch verdict {
        case .failed(let example): finish(.unsound(example), into: &effects)
        case .undecided(let why): finish(.abandoned("not proven: \(why)"), into: &effects)
        case .passed(let cases, let scope):
            record.isChecked = true
            phase = .storing
            effects.append(.persist(record))
            effects.append(.log("plan \(record.target) is sound: \(cases) cases, \(scope)"))
        }
    }

    mutating func setReachable(
        _ id: SwitchID, _ isReachable: Bool, at now: Instant,
        into effects: inout EffectBuffer<RolloutEffect>
    ) {
        guard members.indices.contains(id.index),
            members[id.index].isReachable != isReachable
        else { return }
        members[id.index].isReachable = isReachable
        // When it comes back it may be another one in its place.
        members[id.index].standing = .unknown
        members[id.index].attempts = isReachable ? 0 : policy.attempts - 1
        // One that is away is asked again from time to time.
        members[id.index].nextSend =
            isReachable
            ? now : now + Interval(nanoseconds: policy.retry.nanoseconds * Self.patience)
        if isReachable { return }
        effects.append(.log("\(id) does not answer"))
        guard isTrying, members[id.index].isTold else { return }
        silent += 1
        if canary.contains(id) || silent > policy.mostSilent {
            fail("\(id) fell silent with plan \(goal)", into: &effects)
        }
    }

    /// Retry intervals between two questions to a switch that is away.
    static let patience: UInt64 = 16

    // MARK: Answers

    private mutating func take(
        _ answer: AgentAnswer, epoch: UInt64, from id: SwitchID, at now: Instant,
        into effects: inout EffectBuffer<RolloutEffect>
    ) {
        guard members.indices.contains(id.index) else { return }
        if case .refused = answer {
        } else if epoch > goal {
            effects.append(.log("\(id) has plan \(epoch), which is not of this planner"))
            return finish(.deposed, into: &effects)
        }
        setReachable(id, true, at: now, into: &effects)
        members[id.index].attempts = 0
        let standing = members[id.index].standing
        switch answer {
        case .active where epoch == goal: members[id.index].standing = .active
        case .stored where epoch == goal:
            if standing != .active { members[id.index].standing = .stored }
        // What is said of the base matters on the way forward only, and not when it comes late.
        case .active where epoch == record.base && needsBase:
            if standing == .unknown || standing == .behind {
                members[id.index].standing = .ready
            }
        case .stored where epoch == record.base && needsBase:
            if standing == .unknown { members[id.index].standing = .behind }
        // A plan that a switch cannot read has no epoch.
        case .refused(let why) where epoch == goal || epoch == 0:
            refuse(id, isGoal: true, why, into: &effects)
        case .refused(let why) where epoch == record.base && needsBase:
            refuse(id, isGoal: false, why, into: &effects)
        case .active, .stored, .refused: return
        }
        // Whom to let use the goal is decided at the next tick, for all at once.
        guard sends, members[id.index].standing != .stored else { return }
        var none = turningByTier(isNeeded: false)
        if let effect = message(to: id, false, &none) { send(effect, to: id, at: now, &effects) }
    }

    /// Whether a switch is brought to the base before it gets the goal.
    var needsBase: Bool {
        switch phase {
        case .storing, .canary, .waves, .soaking: record.base != nil
        default: false
        }
    }

    private mutating func refuse(
        _ id: SwitchID, isGoal: Bool, _ why: String,
        into effects: inout EffectBuffer<RolloutEffect>
    ) {
        guard isGoal else {
            // What is newer than the base has it behind it.
            switch members[id.index].standing {
            case .unknown: members[id.index].standing = .ready
            case .behind: members[id.index].standing = .unknown
            case .ready, .stored, .active: break
            }
            return
        }
        guard members[id.index].standing != .active else { return }
        // A restarted switch has lost what it had stored: send it again.
        members[id.index].standing = .ready
        members[id.index].refusals += 1
        guard members[id.index].refusals >= policy.mostRefusals else { return }
        members[id.index].refusals = 0
        let reason = "\(id) refuses plan \(goal): \(why)"
        switch phase {
        case .storing: finish(.abandoned(reason), into: &effects)
        case .canary, .waves, .soaking: fail(reason, into: &effects)
        default: effects.append(.log(reason))
        }
    }

    // MARK: Progress

    private mutating func advance(
        at now: Instant, into effects: inout EffectBuffer<RolloutEffect>
    ) {
        switch phase {
        case .idle, .checking, .awaitingRollback, .finished: return
        case .storing:
            let unreachable = members.count { !$0.isReachable }
            guard unreachable * 100 <= members.count * policy.mostUnreachable,
                members.allSatisfy({
                    !$0.isReachable || $0.standing == .stored || $0.standing == .active
                })
            else { return }
            effects.append(.log("all switches in reach have stored plan \(goal)"))
            guard canary.contains(where: { members[$0.index].isReachable }) else {
                return finish(.abandoned("no canary can be reached"), into: &effects)
            }
            phase = .canary
            wave = canary
        case .canary, .waves:
            if !wave.allSatisfy({ isOver($0) }) { return }
            guard phase == .canary || !wave.isEmpty else {
                return nextWave(at: now, into: &effects)
            }
            let wasCanary = phase == .canary
            let soak = wasCanary ? policy.canarySoak : policy.waveSoak
            phase = .soaking(until: now + soak, wasCanary: wasCanary)
        case .soaking(let until, let wasCanary):
            if now < until { return }
            if wasCanary { effects.append(.log("the canary is well with plan \(goal)")) }
            phase = .waves
            nextWave(at: now, into: &effects)
        case .rollingBack:
            let waits = members.contains { $0.isReachable && $0.standing != .active }
            if waits { return }
            finish(
                .rolledBack(
                    epoch: goal, reason: record.reason ?? "",
                    unreachable: members.count { !$0.isReachable }),
                into: &effects)
        }
    }

    /// Whether a switch of the wave needs no more waiting for.
    private func isOver(_ id: SwitchID) -> Bool {
        let member = members[id.index]
        return !member.isReachable || member.standing == .active
    }

    /// The next switches of the first tier that is not done.
    private mutating func nextWave(
        at now: Instant, into effects: inout EffectBuffer<RolloutEffect>
    ) {
        wave = []
        for tier in tiers {
            let waiting = tier.filter {
                members[$0.index].isReachable && members[$0.index].standing != .active
            }
            if waiting.isEmpty { continue }
            wave = Set(Self.spread(waiting, most: max(1, tier.count * policy.share / 100)))
            return
        }
        let unreachable = members.count { !$0.isReachable }
        finish(.done(unreachable: unreachable), into: &effects)
    }

    /// Takes switches from all over the list, so that neighbours seldom change over together.
    private static func spread(_ ids: [SwitchID], most: Int) -> [SwitchID] {
        guard ids.count > most else { return ids }
        return (0..<most).map { ids[$0 * ids.count / most] }
    }

    private mutating func finish(
        _ outcome: RolloutOutcome, into effects: inout EffectBuffer<RolloutEffect>
    ) {
        phase = .finished(outcome)
        effects.append(.finished(outcome))
    }

    /// Stops and takes the plan back.
    private mutating func fail(
        _ reason: String, into effects: inout EffectBuffer<RolloutEffect>
    ) {
        guard let base = record.base else { return finish(.stopped(reason), into: &effects) }
        record.rollback = record.target + 1
        record.reason = reason
        for index in members.indices {
            // Of whom nothing is known, a planner before this one may have told them.
            members[index].mayHaveTarget =
                members[index].isTold || members[index].standing == .active
                || members[index].standing == .unknown
            members[index].isTold = false
            members[index].refusals = 0
            // The rollback's content is the base's: any switch may have it at any time.
            members[index].standing = .ready
        }
        phase = .awaitingRollback
        effects.append(.log("rolling back: \(reason)"))
        effects.append(.persist(record))
        effects.append(.prepareRollback(epoch: record.target + 1, base: base))
    }
}
