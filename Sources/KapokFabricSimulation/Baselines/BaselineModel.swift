public import KapokFabric
public import KapokWorld

/// One failure as a baseline sees it: links that die at once.
public struct BaselineFailure: Hashable, Sendable {
    /// When.
    public var instant: Instant
    /// What dies.
    public var links: [LinkID]
    /// Carrier stays, so that only missing packets tell.
    public var isSilent: Bool

    public init(instant: Instant, links: [LinkID], isSilent: Bool) {
        self.instant = instant
        self.links = links
        self.isSilent = isSilent
    }
}

/// What became of one failure.
public struct BaselineOutcome: Hashable, Sendable {
    /// From the failure until both ends know.
    public var detection: Interval
    /// From the failure until no packet is lost.
    public var repair: Interval
    /// From the failure until all switches forward along shortest paths again.
    public var optimal: Interval
    /// Protocol messages sent.
    public var messages: UInt64

    public init(detection: Interval, repair: Interval, optimal: Interval, messages: UInt64) {
        self.detection = detection
        self.repair = repair
        self.optimal = optimal
        self.messages = messages
    }
}

/// Whether a failure can be answered at all.
public enum BaselineRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The model needs a Clos network.
    case needsClos(FabricProtocol)
    /// The fabric's own protocol is no baseline: `SizeSimulation` runs it.
    case isNoBaseline

    public var description: String {
        switch self {
        case .needsClos(let name):
            "\(name.rawValue) is modelled on named Clos topologies only, not on a wiring from a "
                + "file or AB wiring; use --protocol sidr there"
        case .isNoBaseline: "sidr is what the baselines are compared to"
        }
    }
}

/// When an end of a link learns that it is dead. Both worlds use it: carrier tells at once, silence
/// after the last of `multiplier` packets is missing, which depends on when the last one came.
func baselineDetection(
    isSilent: Bool, _ constants: BaselineConstants, _ random: inout RandomStream
) -> Interval {
    guard isSilent else { return constants.carrier }
    let interval = constants.bfdInterval.nanoseconds
    // The last packet arrived up to one interval before the failure; the session is down
    // `multiplier` intervals after it. BFD jitters its packets by up to 25 % (RFC 5880, 6.8.7).
    let sinceLast = random.below(interval * 7 / 8)
    return Interval(nanoseconds: UInt64(constants.bfdMultiplier) * interval - sinceLast)
}
