import KapokWorld
import Testing

@testable import KapokFabric

/// A fabric's switches as far as plans go, behind a network that loses and delays messages.
private struct RolloutWorld {
    /// The part of an agent that keeps plans, with the rules of `SwitchAgent`.
    struct Agent {
        var active: UInt64
        var stored: UInt64?
        var isReachable = true
        /// It was away since the present rollout began.
        var wasAway = false
        var everActive: Set<UInt64> = []

        mutating func store(_ epoch: UInt64) -> AgentAnswer {
            if epoch == active { return .active }
            if epoch < active || epoch < stored ?? 0 { return .refused("old") }
            stored = epoch
            return .stored
        }

        mutating func activate(_ epoch: UInt64) -> AgentAnswer {
            if epoch == active { return .active }
            guard stored == epoch else { return .refused("no such plan is stored") }
            active = epoch
            stored = nil
            everActive.insert(epoch)
            return .active
        }
    }

    enum Delivery {
        case toAgent(RolloutEffect)
        case toPlanner(RolloutEvent)
    }

    var random: RandomStream
    let fabric: Fabric
    let policy: RolloutPolicy
    var agents: [Agent]
    var rollout: PlanRollout
    var record: RolloutRecord
    var now = Instant.zero
    var mail: [(due: Instant, what: Delivery)] = []
    var isRollbackCompiled = false
    /// Since which epoch each plan bears with neighbours.
    var compatibleSince: [UInt64: UInt64] = [:]
    var lossPercent: UInt64
    /// The target makes every switch that uses it report loss.
    var isHarmful: Bool
    var violations: [String] = []
    var log: [String] = []

    init(
        seed: UInt64, fabric: Fabric, loss: UInt64, isHarmful: Bool,
        record: RolloutRecord = RolloutRecord(term: 1, base: 4, target: 5)
    ) {
        random = RandomStream(seed: seed).split("rollout")
        self.fabric = fabric
        var policy = RolloutPolicy()
        policy.retry = .milliseconds(100)
        policy.canarySoak = .milliseconds(500)
        policy.waveSoak = .milliseconds(100)
        policy.attempts = 12
        policy.mostSilent = 3
        self.policy = policy
        self.record = record
        lossPercent = loss
        self.isHarmful = isHarmful
        agents = (0..<fabric.switchCount).map { _ in
            Agent(active: record.base ?? 0, everActive: [record.base ?? 0])
        }
        rollout = PlanRollout(record, over: fabric, policy: policy)
        compatibleSince = [
            record.target: record.base ?? 0, record.base ?? 0: (record.base ?? 1) - 1,
        ]
    }

    mutating func feed(_ event: RolloutEvent) {
        var effects = EffectBuffer<RolloutEffect>()
        rollout.handle(event, at: now, into: &effects)
        for effect in effects.takeAll() { carryOut(effect) }
    }

    mutating func carryOut(_ effect: RolloutEffect) {
        switch effect {
        case .persist(let new):
            // A higher term may be there.
            if new.term < record.term { feed(.deposed) } else { record = new }
        case .check: feed(.checked(.passed(cases: 1, scope: "a test")))
        case .prepareRollback(let epoch, let base):
            compatibleSince[epoch] = base
            isRollbackCompiled = true
            feed(.rollbackReady)
        case .store, .activate: post(.toAgent(effect))
        case .log(let text): log.append(text)
        case .finished: break
        }
    }

    mutating func post(_ delivery: Delivery) {
        if random.chance(lossPercent, in: 100) { return }
        let due = now + .milliseconds(UInt64(1 + random.below(80)))
        mail.append((due, delivery))
    }

    mutating func deliver(_ delivery: Delivery) {
        switch delivery {
        case .toPlanner(let event): feed(event)
        case .toAgent(let effect):
            switch effect {
            case .store(let id, let epoch):
                guard agents[id.index].isReachable else { return }
                let answer = agents[id.index].store(epoch)
                post(.toPlanner(.answer(from: id, epoch: epoch, answer)))
            case .activate(let id, let epoch):
                guard agents[id.index].isReachable else { return }
                let answer = agents[id.index].activate(epoch)
                post(.toPlanner(.answer(from: id, epoch: epoch, answer)))
                inspect(id)
            default: break
            }
        }
    }

    /// What must hold whenever a switch changed over.
    mutating func inspect(_ id: SwitchID) {
        let steady = agents.filter { $0.isReachable && !$0.wasAway }
        guard let newest = steady.map(\.active).max(), let oldest = steady.map(\.active).min()
        else { return }
        if oldest < compatibleSince[newest] ?? 0 {
            violations.append("\(oldest) beside \(newest) after \(id)")
        }
        // A rollback has the content of the base.
        let contents = Set(steady.map { $0.active == 5 ? 5 : 4 })
        if contents.count > 2 { violations.append("contents \(contents)") }
    }

    mutating func step() {
        now = now + .milliseconds(20)
        let due = mail.filter { $0.due <= now }
        mail.removeAll { $0.due <= now }
        for item in due { deliver(item.what) }
        if isHarmful, let sick = agents.firstIndex(where: { $0.isReachable && $0.active == 5 }),
            random.chance(1, in: 3)
        {
            post(.toPlanner(.health(from: SwitchID(sick), alarms: 0, lostPerMillion: 5_000)))
        }
        feed(.tick)
    }

    /// A planner takes over, with what is on record.
    mutating func restartPlanner() {
        mail.removeAll { if case .toPlanner = $0.what { true } else { false } }
        record.term += 1
        rollout = PlanRollout(record, over: fabric, policy: policy)
        feed(.start)
    }

    mutating func run(steps: Int, until isEnough: (RolloutWorld) -> Bool) {
        for _ in 0..<steps {
            if isEnough(self) { return }
            step()
        }
    }
}

@Suite("Bringing a plan into force")
struct PlanRolloutTests {
    let fabric = PlanSamples.fabric("fattree:4")
    let canary: Set<Int> = [6, 7, 14, 15]

    @Test("without trouble every switch ends with the new plan, the canary first")
    func plain() {
        var world = RolloutWorld(seed: 1, fabric: fabric, loss: 0, isHarmful: false)
        world.feed(.start)
        world.run(steps: 2_000) { world in world.agents.contains { $0.active == 5 } }
        #expect(world.agents.allSatisfy { $0.active == 5 || $0.stored == 5 })
        world.run(steps: 2_000) { $0.rollout.outcome != nil }
        #expect(world.rollout.outcome == .done(unreachable: 0))
        #expect(world.agents.allSatisfy { $0.active == 5 })
        #expect(world.violations.isEmpty)
        #expect(world.rollout.activeCount == 20)
    }

    @Test("never more than the share of a tier changes over at the same time")
    func share() {
        let fabric = PlanSamples.fabric("fattree:8")
        var rollout = PlanRollout(
            RolloutRecord(term: 1, base: 1, target: 2), over: fabric, policy: RolloutPolicy())
        var effects = EffectBuffer<RolloutEffect>()
        var now = Instant.zero
        rollout.handle(.start, at: now, into: &effects)
        rollout.handle(.checked(.passed(cases: 1, scope: "")), at: now, into: &effects)
        var turning: Set<SwitchID> = []
        var most: [Tier: Int] = [:]
        var told = 0
        for _ in 0..<10_000 where rollout.outcome == nil {
            now = now + .milliseconds(250)
            // Those that turned answer one tick later.
            for id in turning {
                rollout.handle(.answer(from: id, epoch: 2, .active), at: now, into: &effects)
            }
            turning = []
            rollout.handle(.tick, at: now, into: &effects)
            for effect in effects.takeAll() {
                switch effect {
                case .store(let id, let epoch):
                    rollout.handle(
                        .answer(from: id, epoch: epoch, epoch == 1 ? .active : .stored), at: now,
                        into: &effects)
                case .activate(let id, _): turning.insert(id)
                default: break
                }
            }
            told += turning.count
            let isCanary = turning.contains { fabric.name(of: $0).contains("-7-") }
            if isCanary && told <= 8 { continue }
            for id in turning { most[fabric.tier(of: id) ?? .edge, default: 0] += 1 }
            for tier in Tier.allCases {
                let count = turning.count { fabric.tier(of: $0) == tier }
                #expect(count <= (tier == .core ? 1 : 3), "\(tier)")
            }
        }
        #expect(rollout.outcome == .done(unreachable: 0))
        #expect(told == 80)
    }

    @Test("a plan that the checker refutes is not sent to anyone, and the example is handed on")
    func unsound() {
        var rollout = PlanRollout(
            RolloutRecord(term: 1, base: 4, target: 5), over: fabric, policy: RolloutPolicy())
        var effects = EffectBuffer<RolloutEffect>()
        rollout.handle(.start, at: .zero, into: &effects)
        #expect(effects.takeAll().contains(.check(target: 5, base: 4)))
        let example = PlanCounterexample(fault: .loop, dead: [LinkID(3)], path: ["a", "b", "a"])
        rollout.handle(.checked(.failed(example)), at: .zero, into: &effects)
        rollout.handle(.tick, at: .zero + .seconds(1), into: &effects)
        #expect(effects.takeAll() == [.finished(.unsound(example))])
    }

    @Test("a canary that does harm is taken back, and no other switch ever had the plan")
    func harmful() {
        for seed in 0..<30 as Range<UInt64> {
            var world = RolloutWorld(
                seed: seed, fabric: fabric, loss: seed % 3 * 15, isHarmful: true)
            world.feed(.start)
            world.run(steps: 5_000) { $0.rollout.outcome != nil }
            guard case .rolledBack(6, let reason, 0) = world.rollout.outcome else {
                Issue.record("seed \(seed): \(String(describing: world.rollout.outcome))")
                continue
            }
            #expect(reason.contains("5000 lost"), "seed \(seed)")
            #expect(world.agents.allSatisfy { $0.active == 6 }, "seed \(seed)")
            for (index, agent) in world.agents.enumerated() where !canary.contains(index) {
                #expect(!agent.everActive.contains(5), "seed \(seed) switch \(index)")
            }
            #expect(world.violations.isEmpty, "seed \(seed)")
        }
    }

    @Test("with lost messages, restarts, and switches that come and go it ends, and ends well")
    func sweep() {
        var outcomes: Set<String> = []
        for seed in 0..<60 as Range<UInt64> {
            var world = RolloutWorld(
                seed: seed, fabric: fabric, loss: 10 + seed % 30,
                isHarmful: seed % 4 == 0)
            var trouble = RandomStream(seed: seed).split("trouble")
            world.feed(.start)
            for _ in 0..<1_500 {
                world.step()
                let index = trouble.below(20)
                switch trouble.below(150) {
                case 0:
                    world.agents[index].isReachable = false
                    world.agents[index].wasAway = true
                case 1, 2, 3:
                    if !world.agents[index].isReachable {
                        world.agents[index].isReachable = true
                    }
                case 4:
                    // A restarted agent keeps what is in force, and loses what it had stored.
                    world.agents[index].stored = nil
                case 5: world.restartPlanner()
                default: break
                }
            }
            // Then quiet: everybody comes back.
            for index in world.agents.indices { world.agents[index].isReachable = true }
            world.lossPercent = 5
            world.run(steps: 6_000) { world in
                guard world.rollout.outcome != nil else { return false }
                return Set(world.agents.map(\.active)).count == 1
            }
            #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.prefix(2))")
            let final = Set(world.agents.map(\.active))
            switch world.rollout.outcome {
            case .done:
                outcomes.insert("done")
                #expect(final == [5], "seed \(seed)")
            case .rolledBack:
                outcomes.insert("rolled back")
                #expect(final == [6], "seed \(seed)")
            case .abandoned:
                outcomes.insert("abandoned")
                #expect(final == [4], "seed \(seed)")
            default:
                Issue.record("seed \(seed): \(String(describing: world.rollout.outcome))")
            }
            if world.isHarmful { #expect(final != [5], "seed \(seed)") }
        }
        #expect(outcomes.isSuperset(of: ["done", "rolled back"]))
    }

    @Test("a planner that meets an epoch it did not make, or a higher term, stops for good")
    func fencing() {
        var world = RolloutWorld(seed: 3, fabric: fabric, loss: 0, isHarmful: false)
        world.feed(.start)
        world.run(steps: 20) { _ in false }
        world.feed(.answer(from: SwitchID(2), epoch: 9, .stored))
        #expect(world.rollout.outcome == .deposed)

        var stale = RolloutWorld(seed: 4, fabric: fabric, loss: 0, isHarmful: false)
        stale.feed(.start)
        stale.run(steps: 2_000) { world in world.agents.contains { $0.active == 5 } }
        stale.record.term = 2
        stale.feed(.health(from: SwitchID(6), alarms: 1, lostPerMillion: 0))
        #expect(stale.rollout.outcome == .deposed)
        var effects = EffectBuffer<RolloutEffect>()
        stale.rollout.handle(.tick, at: stale.now + .seconds(60), into: &effects)
        #expect(effects.isEmpty)
    }

    @Test("too many unreachable switches hold a plan back; the operator can give it up")
    func unreachable() {
        var world = RolloutWorld(seed: 5, fabric: fabric, loss: 0, isHarmful: false)
        for index in 0..<4 { world.agents[index].isReachable = false }
        world.feed(.start)
        world.run(steps: 1_000) { _ in false }
        #expect(world.rollout.outcome == nil)
        #expect(world.agents.allSatisfy { $0.active == 4 })
        world.feed(.abort("enough"))
        #expect(world.rollout.outcome == .abandoned("enough"))
    }

    @Test("a switch that is older than the base is brought to the base before the target")
    func straggler() {
        var world = RolloutWorld(seed: 6, fabric: fabric, loss: 20, isHarmful: false)
        world.agents[0].active = 3
        world.agents[0].wasAway = true
        world.feed(.start)
        world.run(steps: 3_000) { $0.rollout.outcome != nil }
        #expect(world.rollout.outcome == .done(unreachable: 0))
        #expect(world.agents[0].everActive.isSuperset(of: [4, 5]))
    }

    @Test("a first plan that fails stops where it is: there is none to go back to")
    func first() {
        var world = RolloutWorld(
            seed: 7, fabric: fabric, loss: 0, isHarmful: false,
            record: RolloutRecord(term: 1, base: nil, target: 5))
        for index in world.agents.indices { world.agents[index].active = 0 }
        world.feed(.start)
        world.run(steps: 2_000) { world in world.agents.contains { $0.active == 5 } }
        world.feed(.abort("no good"))
        #expect(world.rollout.outcome == .stopped("no good"))
        #expect(world.agents.allSatisfy { $0.active == 0 || $0.active == 5 })
    }

    @Test("a plan that a switch cannot verify is given up before anyone uses it")
    func refused() {
        var world = RolloutWorld(seed: 8, fabric: fabric, loss: 0, isHarmful: false)
        world.feed(.start)
        for _ in 0..<3 {
            world.feed(.answer(from: SwitchID(1), epoch: 0, .refused("not signed")))
        }
        guard case .abandoned(let why) = world.rollout.outcome else {
            Issue.record("not given up")
            return
        }
        #expect(why.contains("not signed"))
        #expect(world.agents.allSatisfy { $0.active == 4 })
    }
}
