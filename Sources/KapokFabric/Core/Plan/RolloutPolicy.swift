public import KapokWorld

/// How carefully a plan is brought into force.
public struct RolloutPolicy: Hashable, Sendable {
    /// The switches that try the plan first. Empty: the last pod of each plane, or the first
    /// destination switch of a wiring.
    public var canary: [SwitchID] = []
    /// The most switches of a tier that change over at the same time, in percent; one at least.
    public var share = 10
    /// How long the canary must stay healthy.
    public var canarySoak: Interval = .seconds(10)
    /// How long a later wave must stay healthy.
    public var waveSoak: Interval = .seconds(1)
    /// Between two sendings of the same message.
    public var retry: Interval = .milliseconds(500)
    /// Sendings without an answer after which a switch counts as unreachable.
    public var attempts = 8
    /// The most unreachable switches with which a plan is activated at all, in percent.
    public var mostUnreachable = 5
    /// Switches that may fall silent after their change before the plan is rolled back; among the
    /// canary none may.
    public var mostSilent = 1
    /// Refusals by one switch that mean it.
    public var mostRefusals = 3
    /// Lost packets of a million that a healthy switch may report.
    public var mostLostPerMillion = 100
    /// The most messages sent at one tick.
    public var window = 512

    public init() {}
}

/// What a planner must still know after a restart. It is written before anything is sent that it
/// stands for; see `RolloutEffect.persist`.
public struct RolloutRecord: Hashable, Sendable {
    /// Rises whenever a planner takes over; who holds a lower one is deposed.
    public var term: UInt64
    /// The epoch that was in force before; nil when there was none.
    public var base: UInt64?
    /// The epoch that is brought into force.
    public var target: UInt64
    /// The epoch that brings the content of `base` back, once that was decided.
    public var rollback: UInt64?
    /// Why it was decided.
    public var reason: String?
    /// Whether the target was found sound by the checker.
    public var isChecked = false

    public init(term: UInt64, base: UInt64?, target: UInt64) {
        precondition(target > base ?? 0)
        self.term = term
        self.base = base
        self.target = target
    }
}

/// What can happen to a rollout.
public enum RolloutEvent: Sendable {
    /// Begin, or go on after a restart.
    case start
    /// The checker is done.
    case checked(PlanVerdict)
    /// Time passed; twice for each `retry` is often enough.
    case tick
    /// A switch answered (`AgentEffect.answer`).
    case answer(from: SwitchID, epoch: UInt64, AgentAnswer)
    /// The transport lost a switch, or has it again.
    case reachable(SwitchID, Bool)
    /// A switch reports what went wrong since its last report.
    case health(from: SwitchID, alarms: Int, lostPerMillion: Int)
    /// The plan of the rollback's epoch is compiled and can be sent.
    case rollbackReady
    /// The operator wants the old plan back.
    case abort(String)
    /// The record could not be written, because another planner has a higher term.
    case deposed
}

/// What a rollout wants done, in order.
public enum RolloutEffect: Hashable, Sendable {
    /// Make this record durable before carrying out what follows, and only if no record with a
    /// higher term is there (`RolloutEvent.deposed`).
    case persist(RolloutRecord)
    /// Let the checker prove the target and its mixture with the base.
    case check(target: UInt64, base: UInt64?)
    /// Compile the content of `base` under this epoch (`FabricPlan.rollback`).
    case prepareRollback(epoch: UInt64, base: UInt64)
    /// Send a switch its plan of this epoch.
    case store(SwitchID, epoch: UInt64)
    /// Tell a switch to use the plan of this epoch.
    case activate(SwitchID, epoch: UInt64)
    /// Something for the log.
    case log(String)
    /// It is over.
    case finished(RolloutOutcome)
}

/// How a rollout ended.
public enum RolloutOutcome: Hashable, Sendable {
    /// The target is in force, except at switches that cannot be reached; they get it when they
    /// come back.
    case done(unreachable: Int)
    /// The checker found a fault; no switch was told.
    case unsound(PlanCounterexample)
    /// Given up before any switch changed over.
    case abandoned(String)
    /// The content of the base is back under a new epoch.
    case rolledBack(epoch: UInt64, reason: String, unreachable: Int)
    /// Stopped half-way: there was no plan before that could come back.
    case stopped(String)
    /// Another planner took over.
    case deposed
}
