/// A machine as data: every figure with its source and how far it can be trusted.
public struct MachineDescription: Hashable, Codable, Sendable {
    /// The name on the command line: `trn2`.
    public var name: String
    /// One line for people.
    public var title: String
    /// The generation whose cost rules apply (see ``CostRule``): 2 for Trainium1, 3 for Trainium2.
    public var generation: Int
    /// One fact for each parameter.
    public var facts: [MachineFact]

    public init(name: String, title: String, generation: Int, facts: [MachineFact]) {
        self.name = name
        self.title = title
        self.generation = generation
        self.facts = facts
    }

    /// The fact about `parameter`; nil when the description is silent.
    public subscript(_ parameter: MachineParameter) -> MachineFact? {
        facts.first { $0.parameter == parameter }
    }

    /// A copy with another value for one parameter.
    public func setting(
        _ parameter: MachineParameter, to value: Double, source: String, confidence: Confidence
    ) -> MachineDescription {
        var copy = self
        copy.facts.removeAll { $0.parameter == parameter }
        copy.facts.append(
            MachineFact(parameter, value, source: source, confidence: confidence))
        return copy
    }
}

/// One figure of a machine.
public struct MachineFact: Hashable, Codable, Sendable {
    /// What it says.
    public var parameter: MachineParameter
    /// In the parameter's unit.
    public var value: Double
    /// Where it comes from: a document and its section, or a derivation.
    public var source: String
    /// How far it can be trusted.
    public var confidence: Confidence

    public init(
        _ parameter: MachineParameter, _ value: Double, source: String, confidence: Confidence
    ) {
        self.parameter = parameter
        self.value = value
        self.source = source
        self.confidence = confidence
    }
}

/// How far a figure can be trusted.
public enum Confidence: String, CaseIterable, Codable, Sendable {
    /// Stated in the vendor's public documentation.
    case documented
    /// Follows from documented figures by arithmetic.
    case derived
    /// Fitted to one published measurement, and tested against others.
    case calibrated
    /// Nobody has published it: our judgement.
    case assumed
}

/// The parameters of a machine. Raw values are keys of JSON descriptions.
public enum MachineParameter: String, CaseIterable, Codable, Sendable {
    case coresPerChip
    case tickRate
    case tensorClock
    case vectorClock
    case scalarClock
    case gpsimdClock
    case syncClock
    case partitions
    case sbufBytesPerPartition
    case psumBytesPerPartition
    case psumBanks
    case stationaryColumns
    case movingColumns
    case tensorRows
    case tensorMinimumInterval
    case tensorFP32Passes
    case stationaryLoadSpeedup
    case tensorResultLatency
    case engineMinimumInterval
    case engineFixedCycles
    case engineResultLatency
    case scalarResultLatency
    case gpsimdStart
    case accumulatorReadCycles
    case semaphoreLatency
    case semaphoreCount
    case dmaEngines
    case dmaRings
    case dmaBandwidth
    case dmaPacketOverhead
    case dmaMaximumPacket
    case dmaStartLatency
    case dmaCompletionLatency
    case dmaTriggerCycles
    case descriptorEngines
    case descriptorTime
    case dmaTransposeFraction
    case hbmBytesPerChip
    case hbmBandwidthPerChip
    case hbmStacks
    case peakBF16
    case peakFP8
    case peakFP32

    /// The unit of its value.
    public var unit: String {
        switch self {
        case .tickRate, .tensorClock, .vectorClock, .scalarClock, .gpsimdClock, .syncClock: "GHz"
        case .sbufBytesPerPartition, .psumBytesPerPartition, .hbmBytesPerChip, .dmaMaximumPacket:
            "bytes"
        case .tensorMinimumInterval, .tensorResultLatency, .engineMinimumInterval,
            .engineFixedCycles, .engineResultLatency, .scalarResultLatency, .gpsimdStart,
            .accumulatorReadCycles, .dmaTriggerCycles:
            "cycles"
        case .semaphoreLatency, .dmaPacketOverhead, .dmaStartLatency, .dmaCompletionLatency,
            .descriptorTime:
            "ns"
        case .dmaBandwidth, .hbmBandwidthPerChip: "bytes/ns"
        case .peakBF16, .peakFP8, .peakFP32: "TFLOPS"
        default: "1"
        }
    }

    /// What it means.
    public var meaning: String {
        switch self {
        case .coresPerChip: "cores on a chip"
        case .tickRate: "base of time: every engine's cycle is a whole number of ticks"
        case .tensorClock: "clock of the tensor engine"
        case .vectorClock: "clock of the vector engine"
        case .scalarClock: "clock of the scalar engine"
        case .gpsimdClock: "clock of the gpsimd engine"
        case .syncClock: "clock of the sync engine"
        case .partitions: "partitions of SBUF and PSUM"
        case .sbufBytesPerPartition: "SBUF in each partition"
        case .psumBytesPerPartition: "PSUM in each partition"
        case .psumBanks: "banks of PSUM in each partition"
        case .stationaryColumns: "columns of the stationary matrix at most"
        case .movingColumns: "columns of the moving matrix at most"
        case .tensorRows: "rows of the systolic array"
        case .tensorMinimumInterval: "shortest time from one multiplication to the next"
        case .tensorFP32Passes: "passes of an FP32 multiplication"
        case .stationaryLoadSpeedup: "how much faster a stationary matrix loads than one moves"
        case .tensorResultLatency: "from the last moving column to its result in PSUM"
        case .engineMinimumInterval: "shortest time from one elementwise instruction to the next"
        case .engineFixedCycles: "added to each elementwise instruction"
        case .engineResultLatency: "from the last element read to its result in memory (vector)"
        case .scalarResultLatency: "the same for the scalar engine"
        case .gpsimdStart: "start of a gpsimd instruction"
        case .accumulatorReadCycles: "reading out the accumulators of a fused reduction"
        case .semaphoreLatency:
            "from the completion of an instruction to the start of one that waits"
        case .semaphoreCount: "semaphores of a core"
        case .dmaEngines: "DMA engines of a core"
        case .dmaRings: "DMA rings of a core"
        case .dmaBandwidth: "bandwidth of one DMA engine"
        case .dmaPacketOverhead: "added to each DMA packet"
        case .dmaMaximumPacket: "longest DMA packet"
        case .dmaStartLatency: "from finished descriptors to the first byte"
        case .dmaCompletionLatency: "from the last byte to the semaphore"
        case .dmaTriggerCycles: "time of the triggering engine"
        case .descriptorEngines: "hardware descriptor generators of a core"
        case .descriptorTime: "generating the descriptors of one transfer"
        case .dmaTransposeFraction: "share of the bandwidth that a transposing transfer reaches"
        case .hbmBytesPerChip: "HBM of a chip"
        case .hbmBandwidthPerChip: "HBM bandwidth of a chip"
        case .hbmStacks: "stacks of HBM of a chip"
        case .peakBF16: "peak of one core in BF16, the base of utilisation"
        case .peakFP8: "peak of one core in FP8"
        case .peakFP32: "peak of one core in FP32"
        }
    }
}
