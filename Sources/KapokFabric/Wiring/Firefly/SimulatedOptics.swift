import Glibc
import KapokWorld

/// Simulated light: what ports would read on one link with given faults. A model, not a
/// measurement. Its figures:
///
/// - A mated connector loses 0.35 dB, a common value (TIA-568.3 allows 0.75 dB).
/// - Fibre loses 3.0 dB/km (OM4 at 850 nm) or 0.4 dB/km (single-mode at 1310 nm): TIA-568.3.
/// - At the end of the budget 2.4e-4 of the bits are wrong before correction, which RS(544,514)
///   just repairs (IEEE 802.3bs). With m dB left it is erfc(Q / sqrt 2) / 2 with
///   Q = 3.49 * 10^(m/10): a receiver limited by thermal noise.
/// - A transceiver has a budget of 6 dB, FR 8 dB, LR 14 dB. Our assumption: above what standards
///   guarantee for the channel, so that light can pass it twice.
/// - A reflector plug loses 0.5 dB, and two echoes in it name its port. Our assumption.
/// - Light takes 4.9 ns/m each way; the jitter of up to 50 ps is our assumption.
struct SimulatedOptics {
    /// The state of one end.
    struct EndState {
        /// Loss by dirt on the faces, in dB.
        var dirt = 0.0
        /// Missing transmit power, in dB.
        var weakness = 0.0
        var isTransceiverDead = false
        var isCordBroken = false
        /// Centimetres that the cord is longer or shorter than planned.
        var cordError = 0
        /// What the end sees instead of what it should; 0 when it is plugged right.
        var identityError = 0
        /// Whether it is plugged into another trunk, and centimetres between that and the right
        /// one.
        var isOtherTrunk = false
        var wrongTrunkError = 0
    }

    /// The two ends and the trunk between.
    var ends = [EndState(), EndState()]
    var isTrunkBroken = false
    var trunkError = 0
    /// Dirt that comes in when the ends are mated, at each end.
    var matingDirt = [0.0, 0.0]
    /// Whether a transceiver fails in its first hours, and at which end.
    var earlyFailure: LinkCommissioning.End?
    /// Whether cables are sold a little long: a share of 0 to 0.02 of the length.
    var excess = 0.0
    let medium: CableMedium
    let expectation: LinkCommissioning.Expectation

    private static let connector = 0.35
    private static let reflector = 0.5
    /// A pattern of one second at 100 Gbit/s.
    private static let testBits: UInt64 = 100_000_000_000

    init(_ expectation: LinkCommissioning.Expectation, medium: CableMedium) {
        self.expectation = expectation
        self.medium = medium
    }

    private var budget: Double {
        switch medium {
        case .copper, .activeOptical, .multimode, .singleMode500m: 6
        case .singleMode2km: 8
        case .singleMode10km: 14
        }
    }

    private func fibreLoss(_ centimetres: Int) -> Double {
        switch medium {
        // Plugs and cable are one piece and tuned to each other.
        case .copper, .activeOptical: 0
        case .multimode: Double(centimetres) / 100_000 * 3.0
        case .singleMode500m, .singleMode2km, .singleMode10km:
            Double(centimetres) / 100_000 * 0.4
        }
    }

    /// The error rate with `margin` dB left of the budget.
    static func errorRate(margin: Double) -> Double {
        erfc(3.49 * pow(10, margin / 10) / 2.0.squareRoot()) / 2
    }

    private func reading(
        margin: Double, hasLight: Bool, trip: Int, identity: Int, _ random: inout RandomStream
    ) -> LinkCommissioning.Reading {
        // 15 dB below the budget a receiver sees no signal.
        guard hasLight, margin > -15 else {
            return LinkCommissioning.Reading(
                hasLight: false, bits: 0, errors: 0, roundTrip: 0, identity: 0)
        }
        let expected = Self.errorRate(margin: margin) * Double(Self.testBits)
        let jitter = UInt64(random.below(100))
        let picoseconds = UInt64(max(0, trip) * 2 * LinkCommissioning.picosecondsPerCentimetre)
        return LinkCommissioning.Reading(
            hasLight: true, bits: Self.testBits, errors: Self.drawn(expected, &random),
            roundTrip: max(50, picoseconds) + jitter - 50, identity: identity)
    }

    /// A count around its mean: Poisson for small means, its normal approximation beyond.
    private static func drawn(_ mean: Double, _ random: inout RandomStream) -> UInt64 {
        guard mean > 1e-9 else { return 0 }
        if mean < 30 {
            var product = random.unit()
            var count: UInt64 = 0
            let limit = exp(-mean)
            while product > limit {
                product *= random.unit()
                count += 1
            }
            return count
        }
        // Twelve uniform numbers make a good enough bell.
        let bell = (0..<12).reduce(-6.0) { sum, _ in sum + random.unit() }
        return UInt64(max(0, mean + bell * mean.squareRoot()))
    }

    /// What an end reads against its reflector: everything is passed twice.
    func reflect(_ end: LinkCommissioning.End, _ random: inout RandomStream)
        -> LinkCommissioning.Reading
    {
        let state = ends[end.rawValue]
        let isNear = end == .near
        let planned = isNear ? expectation.lengths.near : expectation.lengths.far
        let length =
            planned + Int(Double(planned) * excess) + state.cordError
            + (isNear ? trunkError + state.wrongTrunkError : 0)
        let connectors = isNear ? 3.0 : 2.0
        let loss =
            2 * (fibreLoss(length) + connectors * Self.connector + state.dirt) + Self.reflector
            + state.weakness
        let expected = isNear ? expectation.plugs.near : expectation.plugs.far
        return reading(
            margin: budget - loss,
            hasLight: !state.isTransceiverDead && !state.isCordBroken
                && !(isNear && isTrunkBroken),
            trip: length, identity: expected + state.identityError, &random)
    }

    /// What the worse direction reads when both ends are joined.
    func meet(_ random: inout RandomStream) -> LinkCommissioning.Reading {
        let length = expectation.lengths.near + expectation.lengths.far
        let shared =
            fibreLoss(length) + 4 * Self.connector
            + ends.reduce(0) { $0 + $1.dirt }
        let margin = budget - shared - max(ends[0].weakness, ends[1].weakness)
        let isDark =
            isTrunkBroken || ends.contains { $0.isTransceiverDead || $0.isCordBroken }
        let wrong = ends.contains {
            $0.identityError != 0 || $0.isOtherTrunk
        }
        return reading(
            margin: margin, hasLight: !isDark, trip: length,
            identity: expectation.peer + (wrong ? 1 : 0), &random)
    }

    /// Joins the ends: new dirt may come in, and what is marked to fail early is found only later.
    mutating func mate() {
        for end in 0...1 {
            ends[end].dirt += matingDirt[end]
            matingDirt[end] = 0
        }
    }

    /// What the burn-in shows.
    mutating func burn(_ random: inout RandomStream) -> LinkCommissioning.Reading {
        if let end = earlyFailure {
            ends[end.rawValue].isTransceiverDead = true
            earlyFailure = nil
        }
        return meet(&random)
    }

    /// Carries a remedy out. Cleaning succeeds four times of five (5 % of the dirt is left),
    /// otherwise it leaves half of the dirt.
    mutating func remedy(
        _ end: LinkCommissioning.End, _ remedy: LinkCommissioning.Remedy,
        _ random: inout RandomStream
    ) {
        let index = end.rawValue
        switch remedy {
        case .clean: ends[index].dirt *= random.chance(4, in: 5) ? 0.05 : 0.5
        case .replaceTransceiver:
            ends[index].isTransceiverDead = false
            ends[index].weakness = 0
        case .replaceCord:
            // The cord brings one new face; the panel keeps its own.
            ends[index].dirt /= 2
            ends[index].isCordBroken = false
            ends[index].cordError = 0
        case .replaceCable:
            isTrunkBroken = false
            trunkError = 0
        case .correctPort:
            ends[index].identityError = 0
            ends[index].isOtherTrunk = false
            ends[index].wrongTrunkError = 0
        }
    }
}
