import KapokFabric
import KapokSimulation
import KapokWorld

/// What can happen in a simulated fabric.
enum SweepEvent {
    /// The loop of an agent wakes up for its tick.
    case tick(SwitchID, life: Int)
    /// A packet reaches the kernel of a switch.
    case arrival(SweepPacket)
    /// The kernel's answer to itself.
    case selfEcho(SwitchID, life: Int)
    /// A fault begins or ends.
    case begin(Int)
    case end(Int)
    /// The light of a flapping link changes.
    case flap(Int, left: Int)
    /// The switch, or its agent's process, starts again.
    case restart(SwitchID, host: Bool)
    /// Somebody hands an agent what no neighbour sent.
    case forgery
    /// The planner brings the next plan, or has it used.
    case bringPlan(SwitchID)
    case usePlan(SwitchID)
    /// The oracle looks at packets on their way, and at a lone failure.
    case walk
    case expectDead(Int)
}

/// A packet between two kernels.
struct SweepPacket {
    enum Payload {
        case datagram([UInt8])
        case echoRequest
        case echoReply
    }
    var to: PortID
    var payload: Payload
}

/// A switch: a kernel with tables and an agent's process beside it.
struct SweepSwitch {
    var agent: SwitchAgent?
    /// Rises whenever the agent's process starts or dies.
    var life = 0
    var startedAt = Instant.zero
    var isUp = true
    var hostStalledUntil = Instant.zero
    var agentStalledUntil = Instant.zero
    /// When a stall of any kind, or a death, last ended.
    var steadySince = Instant.zero
    var nextTick = Instant.zero
    /// What waits at the agent's sockets.
    var inbox: [AgentEvent] = []
    // The tables in the kernel, as the last effects of any agent left them.
    var forwarding: Forwarding?
    var epoch: UInt64 = 0
    var dead: LinkSet = []
    var avoided: LinkSet = []
    /// When each own link was last taken out of use in this life.
    var downAt: [LinkID: Instant] = [:]
    /// The last plan in force, as its disk has it.
    var plan: [UInt8]

    /// Datagrams that fit the agent's sockets.
    static let inboxLimit = 512
}

/// A link: what it does to packets, by direction (0 upwards, 1 downwards).
struct SweepLink {
    var cuts = [0, 0]
    var darkness = 0
    var lossPerThousand: [UInt64] = [0, 0]
    var isNoisy = false
    /// When the last packet arrives that is under way: a cable does not reorder, unless noisy.
    var lastArrivals = [Instant.zero, Instant.zero]
    /// Troubles that are going on, and when the last one ended.
    var troubles = 0
    var soundSince = Instant.zero
    /// It was lossy at some time, so that its ends may be right to avoid it.
    var wasLossy = false
}

/// A fabric with real agents on simulated switches.
struct SweepWorld: Scenario {
    typealias Event = SweepEvent

    let parameters: SweepParameters
    let fabric: Fabric
    let flood: FloodTree
    let keys: FabricKeys
    let plans: [CompiledPlan]
    var forwardings: [UInt64: Forwarding] = [:]
    var switches: [SweepSwitch] = []
    var links: [SweepLink]
    var network: RandomStream
    var forger: RandomStream
    var oracle: RandomStream
    var effects = EffectBuffer<AgentEffect>()
    var captured: [SweepCapture] = []
    var captures = 0
    /// Drains of each port that are going on; whoever starts an agent tells it of them.
    var drains: [PortID: Int] = [:]
    /// Faults that are going on, of those with an end.
    var openIncidents = 0
    var quietSince = Instant.zero
    var counts = AgentSweepCounts()
    var violation: String?

    init(parameters: SweepParameters) throws {
        self.parameters = parameters
        fabric = parameters.fabric
        flood = FloodTree(fabric)
        let random = RandomStream(seed: parameters.seed)
        network = random.split("network")
        forger = random.split("forger")
        oracle = random.split("oracle")
        links = Array(repeating: SweepLink(), count: fabric.linkCount)
        var secrets = random.split("secrets")
        func bytes() -> [UInt8] { (0..<32).map { _ in UInt8(secrets.below(256)) } }
        guard let keys = FabricKeys(secret: bytes()), let signer = PlannerSigner(seed: bytes())
        else { preconditionFailure("32 bytes are a secret and a seed") }
        self.keys = keys
        let planner = Planner(signer: signer)
        plans = try [[], parameters.rollout?.drained ?? []].enumerated().map { index, drained in
            try planner.compile(
                FabricPlan(
                    epoch: UInt64(index + 1), fabric: parameters.fabric,
                    topologyName: parameters.fabric.isGraph ? "" : parameters.topology,
                    drained: drained, timers: parameters.timers))
        }
        for index in 0..<fabric.switchCount {
            let plan = plans[0].signedPlan(for: SwitchID(index)).bytes
            switches.append(SweepSwitch(plan: plan))
        }
    }

    static func mix(_ event: Event, into trace: inout TraceHash) {
        func mix(_ kind: UInt64, _ number: Int, _ more: Int = 0) {
            trace.mix(kind << 56 | UInt64(number) << 24 | UInt64(more & 0xFF_FFFF))
        }
        switch event {
        case .tick(let id, let life): mix(1, id.index, life)
        case .arrival(let packet):
            mix(2, packet.to.owner.index, packet.to.port)
            switch packet.payload {
            case .datagram(let bytes): trace.mix(bytes)
            case .echoRequest: trace.mix(1 as UInt64)
            case .echoReply: trace.mix(2 as UInt64)
            }
        case .selfEcho(let id, let life): mix(3, id.index, life)
        case .begin(let number): mix(4, number)
        case .end(let number): mix(5, number)
        case .flap(let number, let left): mix(6, number, left)
        case .restart(let id, let host): mix(7, id.index, host ? 1 : 0)
        case .forgery: mix(8, 0)
        case .bringPlan(let id): mix(9, id.index)
        case .usePlan(let id): mix(10, id.index)
        case .walk: mix(11, 0)
        case .expectDead(let number): mix(12, number)
        }
    }

    mutating func handle(_ event: Event, in agenda: inout Agenda<Event>) {
        guard violation == nil else { return agenda.stop() }
        switch event {
        case .tick(let id, let life): tick(id, life, &agenda)
        case .arrival(let packet): arrive(packet, &agenda)
        case .selfEcho(let id, let life): selfEcho(id, life, &agenda)
        case .begin(let number): begin(number, &agenda)
        case .end(let number): end(number, &agenda)
        case .flap(let number, let left): flap(number, left, &agenda)
        case .restart(let id, let host): restart(id, host: host, &agenda)
        case .forgery: forge(&agenda)
        case .bringPlan(let id):
            deliver(.plan(bytes: plans[1].signedPlan(for: id).bytes), to: id, &agenda)
        case .usePlan(let id): deliver(.activate(epoch: 2), to: id, &agenda)
        case .walk:
            judgeWalks(&agenda)
            agenda.schedule(.walk, after: .microseconds(500 + oracle.below(8_000 as UInt64)))
        case .expectDead(let number): judgeDetection(number, &agenda)
        }
    }

    /// Schedules all that the seed holds.
    mutating func start(_ agenda: inout Agenda<Event>) {
        for index in switches.indices {
            startAgent(SwitchID(index), &agenda)
        }
        for (number, incident) in parameters.incidents.enumerated() {
            agenda.schedule(.begin(number), after: incident.at)
        }
        for _ in 0..<parameters.forgeries {
            agenda.schedule(
                .forgery,
                after: Interval(nanoseconds: forger.below(SweepParameters.end.nanoseconds))
            )
        }
        agenda.schedule(.walk, after: .milliseconds(3))
        guard let rollout = parameters.rollout else { return }
        var order = switches.indices.map { SwitchID($0) }
        order.shuffle(using: &network)
        let reached = rollout.diesAfter ?? order.count
        for (place, id) in order.enumerated() where place < reached || rollout.diesAfter == nil {
            agenda.schedule(
                .bringPlan(id), after: rollout.at + .microseconds(UInt64(place) * 300))
        }
        // A dying planner may have had the plan used by some of those that have it.
        for (place, id) in order.shuffled(using: &network).enumerated()
        where rollout.diesAfter.map({ place * 2 < $0 }) ?? true {
            agenda.schedule(
                .usePlan(id), after: rollout.at + .milliseconds(20 + network.below(60 as UInt64)))
        }
    }

    mutating func fail(_ text: String, _ agenda: borrowing Agenda<Event>) {
        guard violation == nil else { return }
        violation = "after \(agenda.now.nanoseconds / 1_000) us: \(text)"
    }
}

extension Fabric {
    var isGraph: Bool {
        if case .graph = self { return true }
        return false
    }
}
