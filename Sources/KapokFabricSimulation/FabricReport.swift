public import KapokFabric
public import KapokWorld

/// Median, 99th percentile and maximum of some samples (nearest rank), all 0 when there is none.
public struct Percentiles: Hashable, Sendable, Codable {
    /// The median.
    public var p50: Double
    /// 99 of 100 are no larger.
    public var p99: Double
    /// The largest.
    public var max: Double

    public init(p50: Double, p99: Double, max: Double) {
        self.p50 = p50
        self.p99 = p99
        self.max = max
    }

    /// Of samples in any order.
    public init(_ samples: [Double]) {
        let sorted = samples.sorted()
        func rank(_ hundredths: Int) -> Double {
            guard !sorted.isEmpty else { return 0 }
            return sorted[Swift.max(0, (sorted.count * hundredths + 99) / 100 - 1)]
        }
        p50 = rank(50)
        p99 = rank(99)
        max = sorted.last ?? 0
    }
}

/// How the traffic of failed links fares, some time after the failure; over all failures together.
public struct CapacityPoint: Hashable, Sendable, Codable {
    /// Since the failure.
    public var milliseconds: Double
    /// The share of the affected traffic that arrives, by whatever way.
    public var delivered: Double
    /// The share of it that is on shortest paths again.
    public var optimal: Double

    public init(milliseconds: Double, delivered: Double, optimal: Double) {
        self.milliseconds = milliseconds
        self.delivered = delivered
        self.optimal = optimal
    }
}

/// What a simulation of failures came to: one form for all protocols. Times in milliseconds count
/// from the failure itself unless their name says otherwise.
public struct FabricReport: Sendable, Encodable {
    /// Who repaired.
    public var `protocol`: String
    /// The topology as it was written.
    public var topology: String
    /// The seed of the failures.
    public var seed: UInt64
    /// How many failures there were.
    public var failures: Int
    /// How they followed each other.
    public var mode: String
    /// Links, those to hosts included.
    public var links: Int
    /// Switches.
    public var switches: Int
    /// CPU seconds to build the model, before the first event.
    public var buildSeconds = 0.0
    /// Events: what the queue gave out, and deliveries that were worked off within such an event.
    public var events = 0
    /// From the failure until software knows of it at both ends.
    public var detectionMilliseconds = Percentiles([])
    /// From the failure until no packet is lost any more.
    public var repairMilliseconds = Percentiles([])
    /// From the failure until all choose shortest paths of what is left.
    public var optimalMilliseconds = Percentiles([])
    /// From detection at both ends until no packet is lost any more.
    public var repairAfterDetectionMilliseconds = Percentiles([])
    /// From detection at both ends until all choose shortest paths.
    public var optimalAfterDetectionMilliseconds = Percentiles([])
    /// From the first failure until everything is repaired, where all happen at once; otherwise 0.
    public var allRepairedMilliseconds = 0.0
    /// From the first failure until everything is optimal, where all happen at once; otherwise 0.
    public var allOptimalMilliseconds = 0.0
    /// Messages sent between switches (and controller); each copy counts.
    public var messages = 0
    /// Of these, messages that were sent into something dead or that lost them.
    public var lostMessages = 0
    /// CPU seconds of the run, without the build.
    public var runSeconds = 0.0
    /// The most memory the process ever had in use.
    public var peakMemoryBytes: UInt64 = 0
    /// Over everything that happened, in order.
    public var traceHash = ""
    /// Packets lost per failure, of 4 KiB on links of 400 Gbit/s at their healthy load.
    public var lostPackets = Percentiles([])
    /// The load of the most loaded link while packets take detours, 1 being the healthy load.
    public var worstLoadDuringRepair = 1.0
    /// The load of the most loaded link once all is optimal, 1 being the healthy load.
    public var worstLoadAfterRepair = 1.0
    /// How the affected traffic fares over time.
    public var capacity: [CapacityPoint] = []
    /// Further figures of a protocol, by name.
    public var details: [String: Double] = [:]
    /// What a reader should know: the oracle's first complaint.
    public var notes: [String] = []
    /// Each failure's time to repair, in milliseconds, for plots; not encoded.
    public var repairSamples: [Double] = []
    /// Each failure's time to optimal, in milliseconds, for plots; not encoded.
    public var optimalSamples: [Double] = []

    public init(
        protocol name: FabricProtocol, topology: String, fabric: Fabric, schedule: FailureSchedule
    ) {
        self.protocol = name.rawValue
        self.topology = topology
        seed = schedule.seed
        failures = schedule.events.count
        mode = schedule.mode.rawValue
        links = fabric.linkCount + fabric.hostLinkCount
        switches = fabric.switchCount
    }

    /// Writes a trace hash as all are written: sixteen hexadecimal digits.
    mutating func setTraceHash(_ value: UInt64) {
        let digits = String(value, radix: 16)
        traceHash = String(repeating: "0", count: 16 - digits.count) + digits
    }

    enum CodingKeys: String, CodingKey {
        case `protocol`, topology, seed, failures, mode, links, switches, buildSeconds, events
        case detectionMilliseconds, repairMilliseconds, optimalMilliseconds
        case repairAfterDetectionMilliseconds, optimalAfterDetectionMilliseconds
        case allRepairedMilliseconds, allOptimalMilliseconds, messages, lostMessages, runSeconds
        case peakMemoryBytes, traceHash, lostPackets, worstLoadDuringRepair, worstLoadAfterRepair
        case capacity, details, notes
    }
}

/// Collects until when traffic is lost and until when it is off its shortest paths, and makes the
/// curve of it. Bins are a sixteenth of an octave wide; memory is constant.
public struct CapacityTally: Sendable {
    private static let binsPerOctave = 16
    private static let octaves = 40
    private var lost = [Double](repeating: 0, count: octaves * binsPerOctave)
    private var detoured = [Double](repeating: 0, count: octaves * binsPerOctave)
    private var total = 0.0

    public init() {}

    /// Counts traffic of the given weight (in links' healthy loads) that is lost until `repaired`
    /// after the failure and then off its shortest paths until `optimal`.
    public mutating func add(weight: Double, repaired: Interval, optimal: Interval) {
        lost[Self.bin(repaired)] += weight
        detoured[Self.bin(optimal)] += weight
        total += weight
    }

    /// The bin of a time; nanoseconds by octave and sixteenths within it.
    private static func bin(_ time: Interval) -> Int {
        let value = time.nanoseconds | 16
        let octave = 63 - value.leadingZeroBitCount
        let part = Int(value >> UInt64(octave - 4)) & 15
        return min(octave * binsPerOctave + part, octaves * binsPerOctave - 1)
    }

    /// The curve: a point wherever it changes; empty when nothing was counted.
    public var points: [CapacityPoint] {
        guard total > 0 else { return [] }
        var points = [CapacityPoint(milliseconds: 0, delivered: 0, optimal: 0)]
        var delivered = 0.0
        var optimal = 0.0
        for bin in lost.indices where lost[bin] > 0 || detoured[bin] > 0 {
            delivered += lost[bin]
            optimal += detoured[bin]
            let octave = bin / Self.binsPerOctave
            let upper = (UInt64(bin % Self.binsPerOctave) + 17) << UInt64(max(0, octave - 4))
            points.append(
                CapacityPoint(
                    milliseconds: Double(upper) / 1e6, delivered: min(1, delivered / total),
                    optimal: min(1, optimal / total)))
        }
        // Sums of parts need not be the whole to the last digit.
        points[points.count - 1].delivered = 1
        points[points.count - 1].optimal = 1
        return points
    }
}
