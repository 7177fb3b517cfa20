import KapokWorld

/// How often things are wrong when they come out of the box or are put in. Shares of ends (or of
/// trunks' links) in a million. All are assumptions, chosen from what operators say is common:
/// contaminated faces first, then mix-ups, then dead parts.
public struct InstallationFaults: Hashable, Sendable {
    /// Dirty faces, at each end: 3 %.
    public var dirty = 30_000
    /// Faces that get dirty when the ends are mated, at each end: 0.3 %.
    public var dirtyByMating = 3_000
    /// Dead transceivers: 0.3 %.
    public var deadTransceiver = 3_000
    /// Transceivers with too little power: 0.2 %.
    public var weakTransceiver = 2_000
    /// Broken cords: 0.1 %.
    public var brokenCord = 1_000
    /// Broken fibres of trunks: 0.05 %.
    public var brokenFibre = 500
    /// Ends plugged into a neighbouring port of the panel: 1 %.
    public var wrongPort = 10_000
    /// Near ends plugged into the same port of another trunk: 0.3 %.
    public var wrongTrunk = 3_000
    /// Cords or trunks of another length than planned: 0.2 %.
    public var wrongLength = 2_000
    /// Transceivers that fail in the burn-in: 0.1 %.
    public var earlyFailure = 1_000

    public init() {}

    /// No fault at all.
    public static var none: InstallationFaults {
        var none = InstallationFaults()
        none.dirty = 0
        none.dirtyByMating = 0
        none.deadTransceiver = 0
        none.weakTransceiver = 0
        none.brokenCord = 0
        none.brokenFibre = 0
        none.wrongPort = 0
        none.wrongTrunk = 0
        none.wrongLength = 0
        none.earlyFailure = 0
        return none
    }
}

/// What came of bringing a whole fabric into service.
public struct FireflyReport: Hashable, Sendable {
    /// Faults found and remedies by stage.
    public struct Found: Hashable, Sendable {
        /// What was found.
        public var fault: LinkCommissioning.Fault
        /// At which stage.
        public var stage: LinkCommissioning.Stage
        /// On how many links (once for each link and stage).
        public var links: Int
    }

    /// Links between switches.
    public var links = 0
    /// Links on which something was wrong from the start or became so.
    public var faultyLinks = 0
    /// Links in service at the end.
    public var inService = 0
    /// Links that were given up.
    public var givenUp = 0
    /// What was found at which stage, in order.
    public var found: [Found] = []
    /// How often each remedy was carried out.
    public var remedies: [LinkCommissioning.Remedy: Int] = [:]
    /// Remedies on the spot, by whoever was installing the rack.
    public var onTheSpot = 0
    /// Remedies for which somebody had to come again.
    public var visits = 0
    /// A hash of all that happened, in order: equal for equal runs.
    public var digest: UInt64 = 0xCBF2_9CE4_8422_2325
}

/// Brings every link of a plan from dusty to in service with simulated optics and faults drawn from
/// a seed. A mix-up of two cords is drawn, found and mended on one of its two links. Each link's
/// faults depend on the seed and its number alone, so that runs with and without reflectors meet
/// the same ones.
public struct FireflyRun: Sendable {
    private let plan: WiringPlan
    private let faults: InstallationFaults
    private let random: RandomStream

    public init(_ plan: WiringPlan, faults: InstallationFaults = InstallationFaults(), seed: UInt64)
    {
        self.plan = plan
        self.faults = faults
        random = RandomStream(seed: seed)
    }

    /// Runs. Takes O(links).
    public func run(usesReflectors: Bool = true) -> FireflyReport {
        var report = FireflyReport()
        var found: [Int] = Array(
            repeating: 0,
            count: LinkCommissioning.Fault.allCases.count
                * LinkCommissioning.Stage.allCases.count)
        report.links = plan.fabric.linkCount
        for index in 0..<plan.fabric.linkCount {
            var one = OneLink(
                plan, LinkID(index), faults, random.split(UInt64(index)), usesReflectors)
            one.run(&report, &found)
        }
        for (faultIndex, fault) in LinkCommissioning.Fault.allCases.enumerated() {
            for stage in LinkCommissioning.Stage.allCases {
                let links = found[
                    faultIndex * LinkCommissioning.Stage.allCases.count
                        + stage.rawValue]
                if links > 0 {
                    report.found.append(.init(fault: fault, stage: stage, links: links))
                }
            }
        }
        return report
    }
}

/// One link with its simulated optics and whoever plugs and cleans.
private struct OneLink {
    private var machine: LinkCommissioning
    private var optics: SimulatedOptics
    private var random: RandomStream
    private var now = Instant.zero
    private var isFaulty: Bool

    init(
        _ plan: WiringPlan, _ link: LinkID, _ faults: InstallationFaults, _ stream: RandomStream,
        _ usesReflectors: Bool
    ) {
        let cable = plan.cable(of: link)
        let lane = cable.trunk?.lane ?? 0
        // A fibre of its own reaches to the far rack; the far end tests its port alone.
        let far = cable.cords?.far ?? 100
        let near = cable.length - (cable.cords?.far ?? 0)
        let expectation = LinkCommissioning.Expectation(
            lengths: WiringPlan.Ends(near: near, far: far),
            plugs: WiringPlan.Ends(near: lane, far: lane), peer: link.index,
            // A cable with its plugs in one piece has no face to put a reflector on.
            usesReflectors: usesReflectors && cable.medium.needsTransceivers)
        machine = LinkCommissioning(expectation)
        optics = SimulatedOptics(expectation, medium: cable.medium)
        random = stream.split("plugs")
        isFaulty = false
        var drawing = stream.split("faults")
        draw(plan, cable, faults, &drawing)
    }

    /// Draws what is wrong. Every draw is made whatever the others gave, so that one rate does not
    /// shift the rest.
    private mutating func draw(
        _ plan: WiringPlan, _ cable: WiringPlan.Cable, _ faults: InstallationFaults,
        _ random: inout RandomStream
    ) {
        func happens(_ perMillion: Int) -> Bool { random.below(1_000_000) < perMillion }
        optics.excess = random.unit() * 0.02
        let hasFaces = cable.medium.needsTransceivers
        for end in 0...1 {
            let loss = 1.0 + 6 * random.unit()
            if happens(faults.dirty), hasFaces { mark { $0.ends[end].dirt = loss } }
            if happens(faults.dirtyByMating), hasFaces { mark { $0.matingDirt[end] = loss } }
            let weakness = 3 + 4 * random.unit()
            if happens(faults.weakTransceiver), hasFaces {
                mark { $0.ends[end].weakness = weakness }
            }
            if happens(faults.deadTransceiver) { mark { $0.ends[end].isTransceiverDead = true } }
            if happens(faults.brokenCord) { mark { $0.ends[end].isCordBroken = true } }
            let cordError = 100 + random.below(200)
            if happens(faults.wrongLength), hasFaces { mark { $0.ends[end].cordError = cordError } }
            // Panels put lanes side by side: a mix-up is with the neighbour.
            if happens(faults.wrongPort), let lane = cable.trunk?.lane {
                mark { $0.ends[end].identityError = lane % 2 == 0 ? 1 : -1 }
            }
            if happens(faults.earlyFailure) {
                mark { $0.earlyFailure = end == 0 ? .near : .far }
            }
        }
        if happens(faults.brokenFibre), hasFaces { mark { $0.isTrunkBroken = true } }
        if happens(faults.wrongLength), hasFaces {
            let error = max(300, optics.expectation.lengths.near / 4)
            mark { $0.trunkError = error }
        }
        if happens(faults.wrongTrunk), let trunk = cable.trunk,
            trunk.trunk ^ 1 < plan.trunkCount
        {
            let other = plan.trunk(turn: trunk.trunk ^ 1).length
            let own = plan.trunk(turn: trunk.trunk).length
            // Its length may be the same: then only the peers' names tell.
            mark {
                $0.ends[0].wrongTrunkError = other - own
                $0.ends[0].isOtherTrunk = true
            }
        }
    }

    private mutating func mark(_ body: (inout SimulatedOptics) -> Void) {
        body(&optics)
        isFaulty = true
    }

    mutating func run(_ report: inout FireflyReport, _ found: inout [Int]) {
        install(.near, &report, &found)
        // The far rack comes a week later.
        now = now + .seconds(7 * 86_400)
        install(.far, &report, &found)
        if isFaulty { report.faultyLinks += 1 }
        if machine.stage == .inService { report.inService += 1 }
        if machine.isGivenUp { report.givenUp += 1 }
        mix(&report, machine.stage.rawValue, machine.remedies)
    }

    /// Installs an end and does what is asked for until nothing more is.
    private mutating func install(
        _ end: LinkCommissioning.End, _ report: inout FireflyReport, _ found: inout [Int]
    ) {
        var effects = EffectBuffer<LinkCommissioning.Effect>()
        var events: [LinkCommissioning.Event] = [.installed(end)]
        while !events.isEmpty {
            for event in events { machine.handle(event, at: now, into: &effects) }
            events = work(effects.takeAll(), &report, &found)
        }
    }

    /// Carries effects out and returns what comes of them.
    private mutating func work(
        _ effects: [LinkCommissioning.Effect], _ report: inout FireflyReport, _ found: inout [Int]
    ) -> [LinkCommissioning.Event] {
        var events: [LinkCommissioning.Event] = []
        for effect in effects {
            switch effect {
            case .reflect(let end):
                now = now + .seconds(1)
                events.append(.reflected(end, optics.reflect(end, &random)))
            case .mate:
                optics.mate()
                now = now + .seconds(60)
                events.append(.mated)
            case .meet:
                now = now + .seconds(1)
                events.append(.met(optics.meet(&random)))
            case .burn(let interval):
                now = now + interval
                events.append(.burnt(optics.burn(&random)))
            case .remedy(let end, let remedy, let fault, let stage):
                count(fault, stage, remedy, &report, &found)
                optics.remedy(end, remedy, &random)
                now = now + .seconds(300)
                events.append(.remedied(end))
            case .enterService, .giveUp: break
            }
        }
        return events
    }

    private var counted: Set<Int> = []

    private mutating func count(
        _ fault: LinkCommissioning.Fault, _ stage: LinkCommissioning.Stage,
        _ remedy: LinkCommissioning.Remedy, _ report: inout FireflyReport, _ found: inout [Int]
    ) {
        let faultIndex = LinkCommissioning.Fault.allCases.firstIndex(of: fault) ?? 0
        let key = faultIndex * LinkCommissioning.Stage.allCases.count + stage.rawValue
        if counted.insert(key).inserted { found[key] += 1 }
        report.remedies[remedy, default: 0] += 1
        if stage == .plugged { report.onTheSpot += 1 } else { report.visits += 1 }
        mix(&report, key, report.onTheSpot)
    }

    private func mix(_ report: inout FireflyReport, _ a: Int, _ b: Int) {
        report.digest = (report.digest ^ UInt64(a)) &* 0x0000_0100_0000_01B3
        report.digest = (report.digest ^ UInt64(b)) &* 0x0000_0100_0000_01B3
    }
}
