import KapokFabric
import KapokWorld

/// One link-state area (OSPF, IS-IS) over a plane of a Clos network.
///
/// Both ends of a dead link flood a link-state advertisement over *all* links of the plane; every
/// switch runs Dijkstra over the whole plane. Since switches of one tier do the same work, time is
/// kept for each plane and tier instead of each switch: how far it has worked off advertisements,
/// and when it may run SPF again.
///
/// A packet that is turned back at the dead link is lost (or goes around) until the switches of the
/// new way have updated as well, the detecting switch, its neighbours in its pod, and the plane's
/// other aggregation switches of the edge switch; `repair` is when the last of these has.
struct LinkStateBaseline {
    private struct Worker {
        var busy: UInt64 = 0
        var spfEnd: UInt64 = 0
        var hold: UInt64
    }

    private let clos: ClosTopology
    private let constants: BaselineConstants
    private var workers: [Worker]

    init(_ clos: ClosTopology, _ constants: BaselineConstants) {
        self.clos = clos
        self.constants = constants
        workers = Array(
            repeating: Worker(hold: constants.spfHold.nanoseconds), count: clos.shape.planes * 3)
    }

    /// Messages for one advertisement: every switch of the plane passes it on by all ports but the
    /// one it came by.
    private var messagesPerAdvertisement: UInt64 {
        UInt64(2 * clos.linksPerPlane - (clos.switchesPerPlane - 1))
    }

    private func ports(_ tier: Tier) -> UInt64 {
        switch tier {
        case .edge: UInt64(clos.shape.aggregationsPerPod)
        case .aggregation: UInt64(clos.shape.edgesPerPod + clos.shape.coresPerAggregation)
        case .core: UInt64(clos.shape.pods)
        }
    }

    /// Lets one failure happen. Failures must come in order of their instants.
    mutating func run(
        _ failure: BaselineFailure, dead: SwitchID?, _ random: inout RandomStream
    ) -> BaselineOutcome {
        var outcome = BaselineOutcome(
            detection: .zero, repair: .zero, optimal: .zero, messages: 0)
        for link in failure.links {
            let (lower, upper) = clos.ends(of: link)
            let ends = [lower.owner, upper.owner].filter { owner in dead.map { $0 != owner } ?? true
            }
            var detected: [(after: Interval, end: SwitchID)] = []
            for end in ends {
                detected.append(
                    (baselineDetection(isSilent: failure.isSilent, constants, &random), end))
            }
            detected.sort { $0.after < $1.after }
            guard let first = detected.first, let last = detected.last else { continue }
            outcome.detection = max(outcome.detection, last.after)
            outcome.messages += messagesPerAdvertisement * UInt64(detected.count)
            // The first advertisement takes the link out of everybody's graph (a link counts when
            // both ends tell of it); the second costs work and brings nothing new.
            let times = flood(
                link, from: first.end, at: (failure.instant + first.after).nanoseconds)
            let start = failure.instant.nanoseconds
            let own = last.after.nanoseconds + spfCost
            outcome.repair = max(
                outcome.repair, Interval(nanoseconds: max(times.repaired - start, own)))
            outcome.optimal = max(
                outcome.optimal, Interval(nanoseconds: max(times.optimal - start, own)))
            if detected.count > 1 { takeDuplicates() }
        }
        return outcome
    }

    /// The second advertisement about a link: everyone relays it too.
    private mutating func takeDuplicates() {
        for plane in 0..<clos.shape.planes {
            for tier in Tier.allCases {
                workers[plane * 3 + tier.rawValue].busy +=
                    constants.lsaRelay.nanoseconds + ports(tier)
                    * (constants.lsaSend.nanoseconds + constants.lsaDuplicate.nanoseconds)
            }
        }
    }

    /// The tiers that news passes, hop by hop, from one end of a link: the longest shortest way to
    /// any switch of the plane.
    private func hops(from tier: Tier) -> [Tier] {
        let isTwoTier = clos.shape.coresPerAggregation == 0
        switch tier {
        case .edge:
            return isTwoTier
                ? [.edge, .aggregation, .edge]
                : [.edge, .aggregation, .core, .aggregation, .edge]
        case .aggregation:
            return isTwoTier
                ? [.aggregation, .edge, .aggregation]
                : [.aggregation, .core, .aggregation, .edge]
        case .core: return [.core, .aggregation, .edge, .aggregation]
        }
    }

    private mutating func flood(
        _ link: LinkID, from end: SwitchID, at detected: UInt64
    ) -> (repaired: UInt64, optimal: UInt64) {
        let at = clos.position(of: end)
        var isLower = false
        if case .lower = clos.kind(of: link) { isLower = true }
        var clock = detected
        var repaired = detected
        var optimal = detected
        // Switches of one tier at different distances are different ones: each hop starts from
        // what earlier failures left.
        let before = workers
        for (hop, tier) in hops(from: at.tier).enumerated() {
            let index = at.plane * 3 + tier.rawValue
            let relayed = max(clock, before[index].busy) + constants.lsaRelay.nanoseconds
            let sends = ports(tier) * constants.lsaSend.nanoseconds
            let duplicates = ports(tier) * constants.lsaDuplicate.nanoseconds
            workers[index].busy = max(workers[index].busy, relayed + sends + duplicates)
            let updated = spf(index, before[index], relayed)
            // The new way around runs through switches one hop from the dead link; above an upper
            // link nobody else has something to change.
            if hop <= 1 { repaired = max(repaired, updated) }
            if isLower || hop <= 1 { optimal = max(optimal, updated) }
            // On average half of the neighbours have been served before this one.
            clock = relayed + sends / 2 + constants.propagation.nanoseconds
        }
        return (repaired, optimal)
    }

    /// Dijkstra over the plane, then the next hops of all destinations, then the groups.
    private var spfCost: UInt64 {
        UInt64(2 * clos.linksPerPlane) * constants.spfPerArc.nanoseconds
            + UInt64(clos.edgesPerPlane) * constants.spfPerDestination.nanoseconds
            + constants.groupReplace.nanoseconds
    }

    /// When a switch that hears news at `now` has run SPF and changed its next hops. `worker` is
    /// what earlier failures left of it.
    private mutating func spf(_ index: Int, _ worker: Worker, _ now: UInt64) -> UInt64 {
        let waited = now + constants.spfDelay.nanoseconds
        let isCalm = worker.spfEnd == 0 || waited >= worker.spfEnd + worker.hold
        let end = (isCalm ? waited : worker.spfEnd + worker.hold) + spfCost
        // News that comes while a run is waited for goes into that run.
        let isWaiting = !isCalm && worker.spfEnd > now
        if isWaiting { return worker.spfEnd }
        workers[index].spfEnd = max(workers[index].spfEnd, end)
        workers[index].hold =
            isCalm
            ? constants.spfHold.nanoseconds
            : min(worker.hold * 2, constants.spfLongestHold.nanoseconds)
        return end
    }
}
