public import KapokFabric
public import KapokWorld

/// What fails.
public enum FailureCause: String, Hashable, Sendable, CaseIterable {
    /// One link between switches.
    case link
    /// One link to a host.
    case host
    /// All fibres of one connector: up to 16 links between switches.
    case trunk
    /// A switch with all its links.
    case loss = "switch"
    /// A link that goes down and comes up several times.
    case flap
    /// A link that stays up and loses some of its packets.
    case grey
}

/// A time during which something does not work.
public struct Outage: Hashable, Sendable {
    /// When it stops working.
    public var start: Instant
    /// When it works again; what the protocols make of that is their business.
    public var end: Instant

    public init(start: Instant, end: Instant) {
        self.start = start
        self.end = end
    }
}

/// One failure, as it happens to the hardware.
public struct FailureEvent: Sendable {
    /// What fails.
    public var kind: FailureCause
    /// The links between switches that it takes, in rising order.
    public var links: [LinkID]
    /// The links to hosts that it takes (`HostLinks`).
    public var hostLinks: Range<Int>
    /// The switch that died, where it is one.
    public var failedSwitch: SwitchID?
    /// Whether the light stays on, so that only missing hellos tell. A grey link is silent always.
    public var isSilent: Bool
    /// Packets that get lost of a million, in each direction: 1,000,000 except on a grey link.
    public var lossPerMillion: Int
    /// When it does not work, in order; several for a flap, otherwise one.
    public var outages: [Outage]

    /// A failure; `outages` holds at least one.
    public init(
        kind: FailureCause, links: [LinkID], hostLinks: Range<Int> = 0..<0,
        failedSwitch: SwitchID? = nil, isSilent: Bool, lossPerMillion: Int = 1_000_000,
        outages: [Outage]
    ) {
        precondition(!outages.isEmpty, "a failure without an outage")
        self.kind = kind
        self.links = links
        self.hostLinks = hostLinks
        self.failedSwitch = failedSwitch
        self.isSilent = isSilent
        self.lossPerMillion = lossPerMillion
        self.outages = outages
    }

    /// When it begins.
    public var instant: Instant { outages[0].start }
    /// When it is repaired for good.
    public var repair: Instant { outages[outages.count - 1].end }
}

/// What fails and when: drawn once from a seed, and then the same for every protocol.
///
/// The rates, with their sources:
///
/// | what | a month | source |
/// |---|---|---|
/// | hard failure of a link | 0.05 % of the links | NIC-to-ToR links, Alibaba HPN (SIGCOMM 2024) |
/// | of these, grey | 15 % | 30 % of faults are silent or grey; halves are an assumption |
/// | flap | 20 times the hard failures | 10 to 50 times, the same experience reports |
/// | switch | 2 % in three months | Microsoft, 180,000 switches (CCR 2021) |
/// | trunk | 0.005 % of the trunks | assumption: a tenth of a link's rate |
///
/// A repair takes 1 to 24 hours.
public struct FailureSchedule: Sendable {
    /// How failures follow each other.
    public enum Mode: String, Hashable, Sendable, CaseIterable {
        /// One every minute or so, each repaired before the next: the figures of single failures.
        case spread
        /// All at the same instant, of different links.
        case simultaneous
        /// From the cited rates, so that several are open at a time, most of them flaps. In a
        /// network so small that failures lie more than a day apart they come once a day.
        case rates
    }

    /// Why there is no such schedule.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// What is wrong, and what would be right.
        public var description: String
    }

    /// The most failures.
    public static let maximumCount = 1_000_000
    /// The most links that may fail in one instant: each piece of news on its way takes memory.
    public static let maximumSimultaneousLinks = 20_000
    /// The most links that all failures together may take: what the list itself may cost.
    public static let maximumListedLinks = 16_000_000

    /// How failures follow each other.
    public let mode: Mode
    /// What it was drawn from.
    public let seed: UInt64
    /// The failures, in order of their instants.
    public let events: [FailureEvent]

    /// Draws `count` failures. `kinds` are the kinds to draw from; by default links between
    /// switches, in mode `rates` everything. `silentShare` of those that can be are silent.
    public init(
        fabric: Fabric, count: Int, seed: UInt64, mode: Mode = .spread,
        kinds: Set<FailureCause>? = nil, silentShare: Double = 0.3
    ) throws(Refusal) {
        guard (0...Self.maximumCount).contains(count) else {
            throw Refusal(
                description: "\(count) failures: the most are \(Self.maximumCount)")
        }
        guard silentShare >= 0, silentShare <= 1 else {
            throw Refusal(description: "the silent share is between 0 and 1, not \(silentShare)")
        }
        self.mode = mode
        self.seed = seed
        var drawing = FailureDrawing(
            fabric: fabric, seed: seed, mode: mode,
            kinds: kinds ?? (mode == .rates ? Set(FailureCause.allCases) : [.link]),
            silentShare: silentShare)
        events = count == 0 ? [] : try drawing.draw(count)
    }

    /// A schedule of given failures, for tests and replays. They must be in order of instants.
    public init(events: [FailureEvent], mode: Mode = .spread, seed: UInt64 = 0) {
        precondition(
            zip(events, events.dropFirst()).allSatisfy { $0.instant <= $1.instant },
            "failures must be in order")
        self.events = events
        self.mode = mode
        self.seed = seed
    }
}
