import KapokFabric
import KapokWorld

/// Draws the failures of a schedule.
struct FailureDrawing {
    let fabric: Fabric
    let mode: FailureSchedule.Mode
    let silentShare: Double
    let hostLinks: HostLinks
    /// Kinds that this fabric has, in their order, with how often each happens: in mode `rates`
    /// events a month, otherwise all alike.
    private let weights: [(kind: FailureCause, weight: Double)]
    private var random: RandomStream
    private var trunks: TrunkMembers
    private var taken: Set<Int> = []

    init(
        fabric: Fabric, seed: UInt64, mode: FailureSchedule.Mode, kinds: Set<FailureCause>,
        silentShare: Double
    ) {
        self.fabric = fabric
        self.mode = mode
        self.silentShare = silentShare
        hostLinks = HostLinks(fabric)
        random = RandomStream(seed: seed).split("failures")
        trunks = TrunkMembers(fabric)
        let links = Double(fabric.linkCount)
        let hosts = Double(hostLinks.count)
        let hard = 0.0005
        weights = FailureCause.allCases.compactMap { kind in
            guard kinds.contains(kind) else { return nil }
            let rate =
                switch kind {
                case .link: hard * 0.85 * links
                case .grey: hard * 0.15 * links
                case .flap: hard * 20 * links
                case .host: hard * hosts
                case .trunk: hard / 10 * Double(links > 0 ? fabric.trunkCount : 0)
                case .loss: 0.02 / 3 * Double(fabric.switchCount)
                }
            if rate == 0 { return nil }
            return (kind, mode == .rates ? rate : 1)
        }
    }

    private static let month: UInt64 = 30 * 24 * 3600 * 1_000_000_000
    private static let hour: UInt64 = 3600 * 1_000_000_000
    /// When the first failures happen: not at zero, so that hellos have a past.
    private static let beginning: UInt64 = 1_000_000_000

    mutating func draw(_ count: Int) throws(FailureSchedule.Refusal) -> [FailureEvent] {
        guard !weights.isEmpty else {
            throw FailureSchedule.Refusal(
                description: "this fabric has nothing of the kinds that are to fail")
        }
        var instants = drawInstants(count)
        instants.sort()
        var events: [FailureEvent] = []
        events.reserveCapacity(count)
        var listed = 0
        for instant in instants {
            let event = try drawEvent(at: Instant(nanoseconds: instant))
            listed += event.links.count
            let most =
                mode == .simultaneous
                ? FailureSchedule.maximumSimultaneousLinks : FailureSchedule.maximumListedLinks
            guard listed <= most else {
                throw FailureSchedule.Refusal(
                    description: "these failures take more than \(most) links"
                        + (mode == .simultaneous ? " at once" : "") + ": ask for fewer")
            }
            events.append(event)
        }
        return events
    }

    private mutating func drawInstants(_ count: Int) -> [UInt64] {
        switch mode {
        case .simultaneous: return Array(repeating: Self.beginning, count: count)
        case .spread:
            let minute = Self.hour / 60
            return (0..<count).map {
                Self.beginning + UInt64($0) * minute + random.below(10_000_000_000)
            }
        case .rates:
            let total = weights.reduce(0) { $0 + $1.weight }
            let gap = min(UInt64(Double(Self.month) / total), 24 * Self.hour)
            // Uniform instants in a span are the Poisson process of that many events.
            let span = max(1, gap * UInt64(count))
            return (0..<count).map { _ in Self.beginning + random.below(span) }
        }
    }

    private mutating func drawKind() -> FailureCause {
        var point = random.unit() * weights.reduce(0) { $0 + $1.weight }
        for (kind, weight) in weights {
            if point < weight { return kind }
            point -= weight
        }
        return weights[weights.count - 1].kind
    }

    private mutating func drawEvent(
        at start: Instant
    ) throws(FailureSchedule.Refusal) -> FailureEvent {
        let kind = drawKind()
        let repair = start + drawRepair()
        // Always drawn, so that the rest of the schedule does not depend on the share.
        let silence = random.unit()
        var event = FailureEvent(
            kind: kind, links: [], hostLinks: 0..<0, failedSwitch: nil,
            isSilent: kind == .grey || silence < silentShare, lossPerMillion: 1_000_000,
            outages: [Outage(start: start, end: repair)])
        switch kind {
        case .link: event.links = [LinkID(try pick(fabric.linkCount))]
        case .host:
            let host = try pick(hostLinks.count, from: fabric.linkCount)
            event.hostLinks = host..<host + 1
        case .trunk: event.links = trunks.links(with: LinkID(try pick(fabric.linkCount)))
        case .loss:
            let id = SwitchID(
                try pick(fabric.switchCount, from: fabric.linkCount + hostLinks.count))
            event.failedSwitch = id
            event.links = (0..<fabric.fabricPortCount(of: id)).compactMap {
                fabric.neighbor(of: id, port: $0)?.link
            }.sorted()
            event.hostLinks = hostLinks.range(of: id)
        case .flap:
            event.links = [LinkID(try pick(fabric.linkCount))]
            event.outages = drawFlaps(from: start)
        case .grey:
            event.links = [LinkID(try pick(fabric.linkCount))]
            // From what a window just shows to what every job feels: 0.2 % to 5 %.
            event.lossPerMillion = 2_000 + random.below(48_000)
        }
        return event
    }

    /// A number below `count` that was not taken yet where failures are simultaneous.
    private mutating func pick(
        _ count: Int, from base: Int = 0
    ) throws(FailureSchedule.Refusal) -> Int {
        guard mode == .simultaneous else { return random.below(count) }
        var tries = 0
        while true {
            let number = random.below(count)
            if taken.insert(base + number).inserted { return number }
            tries += 1
            // Far beyond what chance needs while a hundredth of them is free.
            guard tries < 2_000 else {
                throw FailureSchedule.Refusal(
                    description: "too many failures at once for a fabric of \(fabric.linkCount) "
                        + "links and \(fabric.switchCount) switches: ask for fewer")
            }
        }
    }

    private mutating func drawRepair() -> Interval {
        let long = Self.hour + random.below(23 * Self.hour)
        return Interval(nanoseconds: mode == .spread ? 10_000_000_000 : long)
    }

    /// Two to eight times down, 5 ms to 2 s each, and up for 50 ms to 2 s in between.
    private mutating func drawFlaps(from start: Instant) -> [Outage] {
        var outages: [Outage] = []
        var at = start
        for _ in 0..<2 + random.below(7) {
            let end = at + Interval(nanoseconds: 5_000_000 + random.below(1_995_000_000))
            outages.append(Outage(start: at, end: end))
            at = end + Interval(nanoseconds: 50_000_000 + random.below(1_950_000_000))
        }
        return outages
    }
}

/// The links of each trunk: by arithmetic in a Clos network, from a list in a graph.
struct TrunkMembers {
    private let fabric: Fabric
    private let members: [[LinkID]]

    init(_ fabric: Fabric) {
        self.fabric = fabric
        var members: [[LinkID]] = []
        if case .graph(let graph) = fabric {
            members = Array(repeating: [], count: graph.trunkCount)
            for index in graph.edges.indices {
                members[graph.trunk(of: LinkID(index)).index].append(LinkID(index))
            }
        }
        self.members = members
    }

    /// All links in the trunk of `link`, in rising order.
    func links(with link: LinkID) -> [LinkID] {
        guard case .clos(let clos) = fabric else {
            return members[fabric.trunk(of: link).index]
        }
        return clos.links(sharingTrunkOf: link)
    }
}
