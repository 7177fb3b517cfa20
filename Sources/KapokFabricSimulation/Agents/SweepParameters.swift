import KapokFabric
import KapokSimulation
import KapokWorld

/// What befalls a simulated fabric.
enum SweepFault: Hashable {
    /// Nothing arrives any more, in both directions; the carrier stays.
    case silentCut(LinkID)
    /// Nothing arrives any more in one direction: 0 upwards, 1 downwards.
    case oneWayCut(LinkID, direction: Int)
    /// The light goes out, and the kernels at both ends see it.
    case carrierLoss(LinkID)
    /// The light goes out and comes back, several times.
    case flap(LinkID)
    /// Some of what is sent in one direction is lost.
    case loss(LinkID, direction: Int, perThousand: UInt64)
    /// Delays, reordering and duplicates, and no loss.
    case noise(LinkID)
    /// The agent's loop stands still; its kernel goes on.
    case agentStall(SwitchID)
    /// The whole switch stands still.
    case hostStall(SwitchID)
    /// The agent's process dies; the kernel forwards on, and the agent is started again.
    case agentCrash(SwitchID)
    /// The switch goes dark and is started again, with or without its neighbours seeing it.
    case switchCrash(SwitchID, isSilent: Bool)
    /// The operator drains a port.
    case drain(PortID)
}

/// A fault with its times.
struct SweepIncident: Hashable {
    var fault: SweepFault
    var at: Interval
    /// How long it lasts; nil for ever.
    var duration: Interval?
}

/// The next plan, and how the planner brings it out.
struct SweepRollout {
    var at: Interval
    var drained: LinkSet
    /// Switches to which the planner brings it before it dies; nil when it does not die.
    var diesAfter: Int?
}

/// One run's world, drawn from its seed.
struct SweepParameters {
    var seed: UInt64
    var topology: String
    var fabric: Fabric
    var timers: AgentTimers
    var incidents: [SweepIncident]
    var rollout: SweepRollout?
    var forgeries: Int
    var defect: FabricDefect?

    /// When the faults that are not for ever are over, and when the run is judged.
    static let calm = Interval.milliseconds(360)
    static let end = Interval.milliseconds(840)
    /// When the first fault strikes, alone, and until when nothing else happens.
    static let alone = Interval.milliseconds(60)
    static let aloneUntil = Interval.milliseconds(110)

    init(seed: UInt64, defect: FabricDefect? = nil) throws {
        self.seed = seed
        self.defect = defect
        var random = RandomStream(seed: seed).split("parameters")
        (topology, fabric) = try Self.drawFabric(&random)
        timers = AgentTimers()
        timers.hello = .milliseconds(2)
        timers.digest = .milliseconds(40)
        timers.holdDown = .milliseconds(40)
        timers.longestHoldDown = .milliseconds(160)
        timers.greyWindow = .milliseconds(100)
        forgeries = random.chance(1, in: 2) ? 8 + random.below(40) : 0
        incidents = []
        let width = Self.calm.nanoseconds - Self.aloneUntil.nanoseconds
        for number in 0..<1 + random.below(6) {
            let fault = Self.drawFault(fabric, &random)
            let at =
                number == 0
                ? Self.alone
                : Self.aloneUntil + Interval(nanoseconds: random.below(width * 3 / 4))
            let left = Self.calm.nanoseconds - at.nanoseconds
            let shortest = min(left, 10_000_000)
            let span = Interval(nanoseconds: shortest + random.below(left - shortest + 1))
            let isForEver = fault.canBeForEver && random.chance(1, in: 4)
            incidents.append(
                SweepIncident(fault: fault, at: at, duration: isForEver ? nil : span))
        }
        if random.chance(1, in: 3) {
            let drained = (0..<random.below(3)).map { _ in LinkID(random.below(fabric.linkCount)) }
            rollout = SweepRollout(
                at: Self.aloneUntil + Interval(nanoseconds: random.below(width / 2)),
                drained: LinkSet(drained),
                diesAfter: random.chance(1, in: 3) ? random.below(fabric.switchCount) : nil)
        }
    }

    private static func drawFabric(
        _ random: inout RandomStream
    ) throws -> (String, Fabric) {
        let names = [
            "leafspine:4,3,2", "leafspine:3,2,1", "leafspine:5,4,2", "fattree:4", "ab:4",
            "planes:2,leafspine:3,2,1",
        ]
        let choice = random.below(names.count + 2)
        if choice < names.count { return (names[choice], try TopologyName(names[choice]).fabric) }
        return ("irregular", .graph(try irregular(&random)))
    }

    /// A ring in random order with chords: two ways between any two switches.
    private static func irregular(_ random: inout RandomStream) throws -> GraphTopology {
        let count = 5 + random.below(5)
        let order = Array(0..<count).shuffled(using: &random)
        var links = (0..<count).map { (order[$0], order[($0 + 1) % count]) }
        for _ in 0..<3 {
            let a = random.below(count)
            links.append((a, (a + 1 + random.below(count - 1)) % count))
        }
        var ports = [Int](repeating: 0, count: count)
        let edges = links.map { a, b in
            ports[a] += 1
            ports[b] += 1
            return GraphTopology.Edge(
                from: a, fromPort: "swp\(ports[a])", to: b, toPort: "swp\(ports[b])")
        }
        return try GraphTopology(
            nodes: (0..<count).map { GraphTopology.Node(name: "s\($0)", isDestination: true) },
            edges: edges)
    }

    private static func drawFault(_ fabric: Fabric, _ random: inout RandomStream) -> SweepFault {
        let link = LinkID(random.below(fabric.linkCount))
        let id = SwitchID(random.below(fabric.switchCount))
        switch random.below(13) {
        case 0, 1: return .silentCut(link)
        case 2: return .oneWayCut(link, direction: random.below(2))
        case 3: return .carrierLoss(link)
        case 4: return .flap(link)
        case 5:
            return .loss(
                link, direction: random.below(2), perThousand: 20 + random.below(280 as UInt64))
        case 6: return .noise(link)
        case 7, 8: return .agentStall(id)
        case 9: return .hostStall(id)
        case 10: return .agentCrash(id)
        case 11: return .switchCrash(id, isSilent: random.chance(1, in: 2))
        default:
            let ends = fabric.ends(of: link)
            return .drain(random.chance(1, in: 2) ? ends.lower : ends.upper)
        }
    }
}

extension SweepFault {
    /// Whether a fabric can be judged while it lasts.
    var canBeForEver: Bool {
        switch self {
        case .silentCut, .oneWayCut, .carrierLoss, .switchCrash, .drain: true
        case .flap, .loss, .noise, .agentStall, .hostStall, .agentCrash: false
        }
    }

    /// The link that is dead while it lasts.
    var deadLink: LinkID? {
        switch self {
        case .silentCut(let link), .oneWayCut(let link, _), .carrierLoss(let link): link
        default: nil
        }
    }
}

extension Interval {
    /// Both, one after the other.
    static func + (a: Interval, b: Interval) -> Interval {
        Interval(nanoseconds: a.nanoseconds + b.nanoseconds)
    }

    /// So many times as long.
    static func * (a: Interval, b: UInt64) -> Interval {
        Interval(nanoseconds: a.nanoseconds * b)
    }
}
