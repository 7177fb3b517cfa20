import Crypto
public import KapokWorld

/// Who an agent is.
public struct AgentIdentity: Hashable, Sendable {
    /// The switch's place in the fabric.
    public var switchID: SwitchID
    /// When the agent started, in nanoseconds of wall-clock time: what it sent in an earlier life
    /// is told apart by it, and its news are numbered from it.
    public var incarnation: UInt64
    /// What a plan may demand the switch to be (`SwitchPlan.identity`); plans that demand something
    /// else are refused.
    public var identity: [UInt8]

    public init(switchID: SwitchID, incarnation: UInt64, identity: [UInt8] = []) {
        self.switchID = switchID
        self.incarnation = incarnation
        self.identity = identity
    }
}

/// The agent of one switch: it watches the links, decides what is dead, tells those whose choices
/// depend on it, and says what the tables must avoid. It needs nobody: without a planner it goes on
/// for ever with the plan it has.
///
/// A state machine without I/O. The driver hands it ticks (one each `AgentTimers.hello` of the plan
/// in force), datagrams, echo replies and carrier changes, and carries out its effects in order.
/// `docs/fabric-agent.md` describes the protocol.
public struct SwitchAgent: StateMachine, Sendable {
    /// Who this is.
    public let identity: AgentIdentity
    let keys: FabricKeys
    let planner: PlannerKey
    /// A mistake put in on purpose; nil outside of tests.
    public var defect: AgentDefect?

    /// Hellos that go out by each port at each tick, 1 to 16. More find grey links sooner and cost
    /// as much more; neighbours need not agree on it. One is enough for all else.
    public var hellosPerTick = 1

    // Plans
    var initialPlan: [UInt8]?
    /// The plan in force; nil before the first.
    public internal(set) var plan: SwitchPlan?
    /// The plan that is kept until it is activated.
    public internal(set) var stored: SwitchPlan?
    var planHash: [UInt8]?
    var storedHash: [UInt8]?
    var forwarding: Forwarding?

    // Links
    var ports: [PortSession] = []
    var sequenceFloor: UInt64 = 0
    var health = LoopHealth()
    var lastSelfEcho = Instant.zero
    /// Until when missing hellos speak against the own host, which was too slow to read them, and
    /// not against the link.
    var distrustUntil = Instant.zero
    /// A foreign hello costs a key; one a tick is looked into.
    var mayLookIntoStranger = true

    // News
    var news = NewsBase()
    var newsSequence: UInt64
    var hopSequence: UInt64 = 0
    var digests: [UInt32] = []
    var escalated: LinkSet = []

    /// Links known to be dead: own ones, and by news. Links that the plan has as missing are not
    /// among them.
    public internal(set) var dead: LinkSet = []
    /// Links that had better not be used.
    public internal(set) var avoided: LinkSet = []

    // What one event leads to
    var touched: [Int] = []
    var outbox: [[LinkNews]] = []
    var hasOutgoingNews = false
    var causes: [LinkID] = []
    var hasOwnDeath = false

    var ledger = AgentLedger()
    var tally = Tally()

    /// Counters that rise too often for a dictionary.
    struct Tally: Hashable, Sendable {
        var ticks: UInt64 = 0
        var lateTicks: UInt64 = 0
        var hellosSent: UInt64 = 0
        var hellosReceived: UInt64 = 0
        var echoRequests: UInt64 = 0
        var echoReplies: UInt64 = 0
        var newsSent: UInt64 = 0
        var newsReceived: UInt64 = 0
    }

    /// The agent of a switch. Only plans signed by `planner` count. With an initial plan (the last
    /// one that was in force) the agent begins at once; it is looked at with the first event, and
    /// without a good one the agent waits for a plan.
    public init(
        identity: AgentIdentity, keys: FabricKeys, planner: PlannerKey,
        initialPlan: [UInt8]? = nil
    ) {
        self.identity = identity
        self.keys = keys
        self.planner = planner
        self.initialPlan = initialPlan
        newsSequence = identity.incarnation
    }

    /// Takes in one event at `now`, in the clock of the kernel's timestamps. What is malformed,
    /// forged or old changes nothing but a counter.
    public mutating func handle(
        _ event: AgentEvent, at now: Instant, into effects: inout EffectBuffer<AgentEffect>
    ) {
        if let bytes = initialPlan {
            initialPlan = nil
            begin(with: bytes, at: now, into: &effects)
        }
        switch event {
        case .tick(let lateness): tick(lateness: lateness, at: now, into: &effects)
        case .received(let bytes, let port, let arrival):
            receive(bytes, port: port, arrival: arrival, at: now, into: &effects)
        case .carrier(let port, let isUp):
            changeCarrier(of: port, isUp: isUp, at: now, into: &effects)
        case .echoReply(let port, let arrival):
            guard ports.indices.contains(port) else { return }
            tally.echoReplies += 1
            ports[port].heardEcho(at: arrival)
        case .selfEchoReply(let arrival): lastSelfEcho = max(lastSelfEcho, arrival)
        case .frameCounters(let port, let arrived, let damaged):
            countFrames(port: port, arrived: arrived, damaged: damaged, at: now, into: &effects)
        case .plan(let bytes): accept(bytes, at: now, into: &effects)
        case .activate(let epoch): activate(epoch, at: now, into: &effects)
        case .drain(let port, let isDrained):
            drain(port, isDrained: isDrained, at: now, into: &effects)
        }
        settle(at: now, into: &effects)
    }

    /// The hello interval, and so the time between ticks, of the plan in force; 1 ms without one.
    public var tickInterval: Interval { plan?.timers.hello ?? .milliseconds(1) }

    // MARK: What an event leads to

    mutating func touch(_ port: Int) {
        if !touched.contains(port) { touched.append(port) }
    }

    /// Brings tables and news into line with what the event changed. Own dead links are repaired
    /// before they are told; everything else is told before it is acted on, so that others move
    /// away before a drain takes effect and are ready before a link is used again.
    mutating func settle(at now: Instant, into effects: inout EffectBuffer<AgentEffect>) {
        guard !touched.isEmpty || hasOutgoingNews || !causes.isEmpty else { return }
        for port in touched { settlePort(port) }
        let repairsFirst = hasOwnDeath
        if repairsFirst { forward(into: &effects) }
        for port in touched { tell(port, at: now, into: &effects) }
        touched.removeAll(keepingCapacity: true)
        if hasOutgoingNews { sendOutbox(into: &effects) }
        forward(into: &effects)
        hasOwnDeath = false
    }

    private mutating func settlePort(_ port: Int) {
        let link = ports[port].link
        guard !ports[port].isMissing else { return }
        let isDead = !ports[port].isInUse
        let isAvoided = !isDead && ports[port].isAvoided
        let died = isDead && dead.insert(link)
        let revived = !isDead && dead.remove(link)
        let moved = isAvoided ? avoided.insert(link) : avoided.remove(link)
        if died { hasOwnDeath = true }
        if died || revived || moved { causes.append(link) }
    }

    private mutating func forward(into effects: inout EffectBuffer<AgentEffect>) {
        guard let first = causes.first, plan != nil else { return causes.removeAll() }
        let cause = causes.allSatisfy { $0 == first } ? first : nil
        causes.removeAll(keepingCapacity: true)
        effects.append(.forward(dead: dead, avoided: avoided, cause: cause))
    }
}
