public import KapokWorld

/// One link on its way from dusty to in service.
///
/// As soon as an end of the link stands, its port is tested against a reflector plug at the far end
/// of what is there: the near end through its cord and the trunk, the far end through its cord. So
/// most faults are found while somebody stands in front of the rack, and before the other rack
/// exists. When both ends are verified the plugs come out, the ends are mated and tested together,
/// and the link is burnt in.
///
/// Whatever is found has a remedy; after each the test is repeated. `maximumRemedies` bounds them:
/// a link that is still bad then is given up and needs a person.
public struct LinkCommissioning: StateMachine, Sendable {
    /// An end of the link: near is the lower tier's.
    public enum End: Int, Hashable, Sendable, CaseIterable {
        /// The end that looks through its cord and the trunk.
        case near = 0
        /// The end that looks through its cord alone until the ends are mated.
        case far = 1

        /// The other end.
        public var other: End { self == .near ? .far : .near }
    }

    /// How far the link has come.
    public enum Stage: Int, Hashable, Sendable, CaseIterable, Comparable {
        /// Nothing is plugged; dust plugs only.
        case dusty
        /// An end is plugged into its reflector.
        case plugged
        /// Both ends are sound as far as reflectors tell.
        case verified
        /// The ends are joined.
        case mated
        /// Joined, sound, and under load for a while.
        case burnIn
        /// Carries traffic.
        case inService

        public static func < (a: Stage, b: Stage) -> Bool { a.rawValue < b.rawValue }
    }

    /// What can be wrong.
    public enum Fault: String, Hashable, Sendable, CaseIterable {
        /// No light comes back.
        case noLight
        /// More bit errors than a clean and sound link has.
        case highErrorRate
        /// The plug or peer at the far end is another one than planned.
        case wrongPort
        /// The light takes longer or shorter than the planned length allows.
        case wrongLength
    }

    /// What is done about it.
    public enum Remedy: String, Hashable, Sendable, CaseIterable {
        /// Clean the faces of the connectors at an end.
        case clean
        /// Put in another transceiver.
        case replaceTransceiver
        /// Put in another patch cord.
        case replaceCord
        /// Use another trunk or cable.
        case replaceCable
        /// See that the cord is in the port that the plan names.
        case correctPort
    }

    /// What a port reads against its reflector or its peer.
    public struct Reading: Hashable, Sendable {
        /// Whether light arrives at all; the rest means nothing otherwise.
        public var hasLight: Bool
        /// Bits compared with the test pattern, and how many were wrong.
        public var bits: UInt64
        /// Wrong bits.
        public var errors: UInt64
        /// From the near end there and back, in picoseconds; 0 when it was not measured.
        public var roundTrip: UInt64
        /// Which plug or peer answered.
        public var identity: Int

        public init(
            hasLight: Bool, bits: UInt64, errors: UInt64, roundTrip: UInt64, identity: Int
        ) {
            self.hasLight = hasLight
            self.bits = bits
            self.errors = errors
            self.roundTrip = roundTrip
            self.identity = identity
        }

        /// Wrong bits of all.
        public var errorRate: Double { bits == 0 ? 0 : Double(errors) / Double(bits) }
    }

    /// What the plan says about the link.
    public struct Expectation: Hashable, Sendable {
        /// Centimetres of fibre between each end and its reflector.
        public var lengths: WiringPlan.Ends<Int>
        /// Which reflector plug each end should see.
        public var plugs: WiringPlan.Ends<Int>
        /// Who should answer when the ends are joined.
        public var peer: Int
        /// How long the link is burnt in.
        public var burnIn: Interval
        /// False to test nothing before the ends are mated, as if there were no reflectors.
        public var usesReflectors: Bool

        public init(
            lengths: WiringPlan.Ends<Int>, plugs: WiringPlan.Ends<Int>, peer: Int,
            burnIn: Interval = .seconds(3_600), usesReflectors: Bool = true
        ) {
            self.lengths = lengths
            self.plugs = plugs
            self.peer = peer
            self.burnIn = burnIn
            self.usesReflectors = usesReflectors
        }
    }

    /// What can happen.
    public enum Event: Hashable, Sendable {
        /// An end stands: its switch runs and its cord, and the near end's trunk, are plugged.
        case installed(End)
        /// A port read its reflector.
        case reflected(End, Reading)
        /// The ends were mated.
        case mated
        /// The ports read each other.
        case met(Reading)
        /// The burn-in is over; the reading covers all of it.
        case burnt(Reading)
        /// The remedy that was asked for was carried out.
        case remedied(End)
    }

    /// What is to be done.
    public enum Effect: Hashable, Sendable {
        /// Send a test pattern to the reflector.
        case reflect(End)
        /// Take the plugs out and join the ends.
        case mate
        /// Send test patterns through the joined link.
        case meet
        /// Keep it under load for so long.
        case burn(Interval)
        /// Do this at this end, because of that, found at that stage.
        case remedy(End, Remedy, Fault, Stage)
        /// The link is in service.
        case enterService
        /// Nothing more is tried.
        case giveUp(Fault)
    }

    /// Remedies of one link before it is given up.
    public static let maximumRemedies = 12

    /// Light in fibre: 4.9 ns a metre (a refractive index of 1.468, ITU-T G.652 fibre at 1310 nm),
    /// so 49 ps a centimetre.
    public static let picosecondsPerCentimetre = 49

    /// The most bit errors of a sound link before error correction. RS(544,514) repairs 2.4e-4
    /// (IEEE 802.3bs, clause 91); a clean link is many orders of magnitude better, so that 1e-6
    /// tells dirt long before traffic suffers.
    public static let soundErrorRate = 1e-6

    /// What the plan says.
    public let expectation: Expectation
    /// How far the link has come.
    public private(set) var stage = Stage.dusty
    /// What is wrong now.
    public private(set) var fault: Fault?
    /// Whether nothing more is tried.
    public private(set) var isGivenUp = false
    /// How many remedies were asked for.
    public private(set) var remedies = 0
    private var isInstalled = [false, false]
    private var isVerified = [false, false]
    private var tries = [0, 0]
    /// For each end the stage whose test follows the remedy that was asked for there.
    private var pending: [Stage?] = [nil, nil]

    public init(_ expectation: Expectation) { self.expectation = expectation }

    /// Takes in what happened. Events that do not fit the stage (late, early, repeated) change
    /// nothing.
    public mutating func handle(
        _ event: Event, at now: Instant, into effects: inout EffectBuffer<Effect>
    ) {
        guard !isGivenUp else { return }
        switch event {
        case .installed(let end): install(end, &effects)
        case .reflected(let end, let reading):
            guard isInstalled[end.rawValue], !isVerified[end.rawValue],
                pending[end.rawValue] == nil
            else {
                return
            }
            judgeReflection(end, reading, &effects)
        case .mated:
            guard stage == .verified else { return }
            stage = .mated
            tries = [0, 0]
            effects.append(.meet)
        case .met(let reading):
            guard stage == .mated, pending == [nil, nil] else { return }
            if let fault = fault(in: reading, expected: expectation.peer, length: nil) {
                ask(suspect, fault, .mated, &effects)
            } else {
                fault = nil
                stage = .burnIn
                effects.append(.burn(expectation.burnIn))
            }
        case .burnt(let reading):
            guard stage == .burnIn, pending == [nil, nil] else { return }
            if let fault = fault(in: reading, expected: expectation.peer, length: nil) {
                ask(suspect, fault, .burnIn, &effects)
            } else {
                fault = nil
                stage = .inService
                effects.append(.enterService)
            }
        case .remedied(let end): testAgain(end, &effects)
        }
    }

    private mutating func install(_ end: End, _ effects: inout EffectBuffer<Effect>) {
        guard !isInstalled[end.rawValue] else { return }
        isInstalled[end.rawValue] = true
        stage = max(stage, .plugged)
        if expectation.usesReflectors {
            effects.append(.reflect(end))
        } else {
            verify(end, &effects)
        }
    }

    private mutating func verify(_ end: End, _ effects: inout EffectBuffer<Effect>) {
        isVerified[end.rawValue] = true
        guard isVerified == [true, true] else { return }
        stage = .verified
        effects.append(.mate)
    }

    private mutating func judgeReflection(
        _ end: End, _ reading: Reading, _ effects: inout EffectBuffer<Effect>
    ) {
        let expected =
            end == .near ? expectation.plugs.near : expectation.plugs.far
        let length = end == .near ? expectation.lengths.near : expectation.lengths.far
        guard let fault = fault(in: reading, expected: expected, length: length) else {
            fault = nil
            return verify(end, &effects)
        }
        ask(end, fault, .plugged, &effects)
    }

    /// The first thing that is wrong with a reading. Errors are looked at last: what is plugged in
    /// the wrong place need not be cleaned there.
    private func fault(in reading: Reading, expected: Int, length: Int?) -> Fault? {
        if !reading.hasLight { return .noLight }
        if reading.identity != expected { return .wrongPort }
        if let length, !Self.isLength(length, reading.roundTrip) { return .wrongLength }
        return reading.errorRate > Self.soundErrorRate ? .highErrorRate : nil
    }

    /// Whether a round trip fits a length in centimetres: cables are made up to 2 % longer than
    /// they are sold, plus 40 cm for what is inside panels and transceivers.
    static func isLength(_ length: Int, _ roundTrip: UInt64) -> Bool {
        let perCentimetre = UInt64(2 * picosecondsPerCentimetre)
        let least = UInt64(max(0, length - 10)) * perCentimetre
        let most = UInt64(length + length / 50 + 40) * perCentimetre
        return (least...most).contains(roundTrip)
    }

    /// Which end to go to when only the whole link can be judged: by turns.
    private var suspect: End { (tries[0] + tries[1]) % 2 == 0 ? .far : .near }

    private mutating func ask(
        _ end: End, _ found: Fault, _ stage: Stage, _ effects: inout EffectBuffer<Effect>
    ) {
        fault = found
        guard remedies < Self.maximumRemedies else {
            isGivenUp = true
            return effects.append(.giveUp(found))
        }
        remedies += 1
        let turn = tries[end.rawValue]
        tries[end.rawValue] += 1
        pending[end.rawValue] = stage
        effects.append(.remedy(end, Self.remedy(found, turn), found, stage))
    }

    /// What is tried at one end, the cheapest and likeliest first.
    static func remedy(_ fault: Fault, _ turn: Int) -> Remedy {
        let order: [Remedy] =
            switch fault {
            case .noLight: [.replaceTransceiver, .replaceCord, .clean, .replaceCable]
            case .highErrorRate:
                [.clean, .clean, .replaceTransceiver, .clean, .replaceCord, .clean, .replaceCable]
            case .wrongPort: [.correctPort]
            // Another trunk than planned shows by its length too, and looking costs nothing.
            case .wrongLength: [.correctPort, .replaceCord, .replaceCable]
            }
        return order[min(turn, order.count - 1)]
    }

    private mutating func testAgain(_ end: End, _ effects: inout EffectBuffer<Effect>) {
        guard let asked = pending[end.rawValue] else { return }
        pending[end.rawValue] = nil
        switch asked {
        case .plugged: effects.append(.reflect(end))
        default:
            stage = .mated
            effects.append(.meet)
        }
    }
}
