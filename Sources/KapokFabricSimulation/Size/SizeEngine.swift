import KapokFabric
import KapokSimulation
import KapokWorld

/// The switches of a fabric through a schedule of failures. State is kept for links, for switches,
/// and for news on their way; who stands where is computed. Healthy links cost no events.
struct SizeEngine: ~Copyable {
    let fabric: Fabric
    /// The arithmetic, where there is one.
    let topology: ClosTopology?
    /// The same, where news are to travel by it.
    let clos: ClosTopology?
    let flood: FloodTree
    let schedule: FailureSchedule
    let options: SizeOptions
    let shares: TrafficShares
    let hostLinks: HostLinks

    /// Links between switches first, then those to hosts.
    let links: FlatArray<LinkState>
    /// Until when each switch's processor is busy, in nanoseconds.
    let busy: FlatArray<UInt64>
    /// How many links of each switch are not sound: 0 lets a flood pass without looking.
    let unsound: FlatArray<UInt16>
    /// Uplinks that each switch does not use.
    let uplinksOut: FlatArray<UInt16>
    /// How many failures hold each switch dead.
    let deadSwitches: FlatArray<UInt8>

    var slots: [NewsSlot] = []
    var freeSlots: [Int] = []
    /// Slots that are settled and yet not known to all.
    var standing: [Int] = []
    var freeMemory: [Int: [UnsafeMutablePointer<UInt32>]] = [:]
    /// Losses of a million of each grey link.
    var greyLosses: [LinkID: Int] = [:]
    /// Links that are down or drained for anyone, or physically down.
    var openLinks: LinkSet = []
    var outcomes: [FailureOutcome]
    var queue: EventQueue<SizeEvent>
    var now: UInt64 = 0
    var trace = TraceHash()
    var tally = SizeTally()
    var capacity = CapacityTally()
    var oracle: SizeOracle
    /// Since when edge switches know links above them.
    var escalations: [Escalation: UInt64] = [:]
    var ports: [Int] = []
    /// The edge switch (-1 for none) that will pass on what it is told in the batch at hand, and
    /// when it has understood it.
    var handing: (edge: Int, done: UInt64?) = (-1, nil)
    let random: RandomStream

    init(fabric: Fabric, schedule: FailureSchedule, options: SizeOptions) {
        self.fabric = fabric
        self.schedule = schedule
        self.options = options
        flood = FloodTree(fabric)
        hostLinks = HostLinks(fabric)
        if case .clos(let topology) = fabric {
            self.topology = topology
        } else {
            topology = nil
        }
        clos = options.usesGeneralPath ? nil : topology
        shares = TrafficShares(fabric, options.traffic)
        links = FlatArray(repeating: LinkState(), count: fabric.linkCount + hostLinks.count)
        busy = FlatArray(repeating: 0, count: fabric.switchCount)
        unsound = FlatArray(repeating: 0, count: fabric.switchCount)
        uplinksOut = FlatArray(repeating: 0, count: fabric.switchCount)
        deadSwitches = FlatArray(repeating: 0, count: fabric.switchCount)
        outcomes = Array(repeating: FailureOutcome(), count: schedule.events.count)
        queue = EventQueue(minimumCapacity: 4096)
        random = RandomStream(seed: schedule.seed).split("size")
        oracle = SizeOracle(
            fabric, failures: schedule.events.count, walks: options.oracleWalks,
            random: RandomStream(seed: schedule.seed).split("oracle"))
    }

    deinit {
        for slot in slots where slot.isInUse {
            slot.known.deallocate()
            slot.relayed?.deallocate()
        }
        for memory in freeMemory.values { for piece in memory { piece.deallocate() } }
    }

    /// Runs until nothing is left to happen.
    mutating func run() {
        if let first = schedule.events.first {
            push(SizeEvent(kind: .fail, subject: 0), at: first.instant.nanoseconds)
        }
        while let (instant, event) = queue.pop() {
            now = instant.nanoseconds
            tally.queueEvents += 1
            handle(event)
        }
    }

    private mutating func handle(_ event: SizeEvent) {
        let subject = Int(event.subject)
        switch event.kind {
        case .fail: beginFailure(subject)
        case .again: beginOutage(Int(event.detail), of: subject)
        case .restore: endOutage(Int(event.detail), of: subject)
        case .detect: notice(LinkID(subject), end: Int(event.end), generation: event.detail)
        case .agree: agree(LinkID(subject), end: Int(event.end), generation: event.detail)
        case .trust: trust(LinkID(subject), generation: event.detail)
        case .count: countLosses(LinkID(subject), generation: event.detail)
        case .relay:
            relay(
                subject, copy: Int(event.copy), at: SwitchID(Int(event.detail)),
                arrival: event.port < 0 ? nil : Int(event.port))
        case .settle: settle(subject)
        case .look: look(at: subject, phase: Int(event.detail))
        case .replan: replan(subject)
        }
    }

    mutating func push(_ event: SizeEvent, at nanoseconds: UInt64) {
        queue.push(event, at: Instant(nanoseconds: nanoseconds))
    }

    /// A number that depends on the seed and these three alone, not on what happened before.
    func draw(_ a: Int, _ b: Int, _ c: UInt32) -> RandomStream {
        random.split(UInt64(a) << 34 ^ UInt64(b) << 32 ^ UInt64(c))
    }

    /// One way along a link, in nanoseconds.
    func propagation(of link: LinkID) -> UInt64 {
        var metres = options.wire.lowerMetres
        if let topology, case .upper = topology.kind(of: link) {
            metres = options.wire.upperMetres
        }
        return metres * WireTiming.nanosecondsPerTenMetres / 10
    }

    /// The two ends of a link, the lower tier first.
    func ends(of link: LinkID) -> (lower: PortID, upper: PortID) {
        if let topology { return topology.ends(of: link) }
        return fabric.ends(of: link)
    }

    /// What stands at the far end of a port.
    func neighbor(of id: SwitchID, port: Int) -> Neighbor? {
        if let topology { return topology.neighbor(of: id, port: port) }
        return fabric.neighbor(of: id, port: port)
    }

    /// The planner's answer to a failure: one plan for each switch in scope. Nothing else reads
    /// it: plans change structure, never what switches do about a failure meanwhile.
    private mutating func replan(_ failure: Int) {
        for link in schedule.events[failure].links {
            tally.planMessages += scopeSize(cause(of: link).kind)
        }
    }
}

/// What is counted during a run.
struct SizeTally {
    var queueEvents = 0
    /// Hellos of grey links, each drawn for itself.
    var hellos = 0
    /// Messages sent between switches.
    var messages = 0
    /// Of these, those that got lost.
    var lostMessages = 0
    /// News that a comparison of digests brought.
    var digestRepairs = 0
    /// Switches that no way inside the scope leads to: what they were to be told of they cannot
    /// use anyway.
    var cutOff = 0
    /// Switches that neither copy nor digest told though they could use the link.
    var untold = 0
    /// Times that edge switches were told of links above them.
    var escalations = 0
    var escalationMessages = 0
    var planMessages = 0
    /// Failures of links that were out of use already.
    var masked = 0
    /// Outages that ended before anyone noticed.
    var unnoticed = 0
    /// News told: link down or drained, link up.
    var floodsDown = 0
    var floodsUp = 0
    /// Hosts that lost their only link.
    var hostsCutOff = 0
    /// Grey links that were kept because too few others are left.
    var drainsRefused = 0
    /// The most links down or drained at a time.
    var mostOpen = 0
    var worstLoadAfter = 1.0
    var mostSlots = 0
}
