/// Everything that is known about one run of a program: what reports are made from.
///
/// For every unit, busy time and stalls add up to the makespan, to the tick.
public struct Profile: Sendable {
    /// The program.
    public var program: Program
    /// The machine.
    public var machine: Machine
    /// When everything happened.
    public var timeline: Timeline
    /// Every idle time of every unit, by unit and then by time.
    public var stalls: [Stall]
    /// One entry for each unit.
    public var units: [UnitUsage]
    /// The chain of instructions and waits that makes the program as long as it is, from its start
    /// to its end.
    public var criticalPath: [CriticalStep]
    /// Totals and rates.
    public var metrics: ProfileMetrics
    /// For each instruction the ticks in which its unit worked: less than from its start to the end
    /// of its interval when it was throttled or shorter than the engine's shortest interval.
    public internal(set) var work: [Int64] = []

    public init(
        program: Program, machine: Machine, timeline: Timeline, stalls: [Stall],
        units: [UnitUsage], criticalPath: [CriticalStep], metrics: ProfileMetrics
    ) {
        self.program = program
        self.machine = machine
        self.timeline = timeline
        self.stalls = stalls
        self.units = units
        self.criticalPath = criticalPath
        self.metrics = metrics
    }
}

/// What a unit did with its time.
public struct UnitUsage: Hashable, Sendable {
    /// The unit.
    public var unit: Unit
    /// Instructions, or segments of transfers.
    public var count: Int
    /// Ticks in which it worked.
    public var busy: Int64
    /// Idle ticks by reason, at index ``StallReason/rawValue``; their sum and `busy` are the
    /// makespan.
    public var stalled: [Int64]

    public init(unit: Unit, count: Int = 0, busy: Int64 = 0) {
        self.unit = unit
        self.count = count
        self.busy = busy
        stalled = [Int64](repeating: 0, count: StallReason.allCases.count + 1)
    }
}

/// A step of the critical path, in ticks. The steps follow each other without gaps.
public struct CriticalStep: Hashable, Sendable {
    /// What it is: an instruction's own time, or a wait.
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// The instruction's unit worked.
        case busy = 0
        /// Its result was on the way to memory.
        case resultLatency = 1
        /// Its semaphore was on the way.
        case semaphoreLatency = 2
        /// A transfer: descriptors, start latency, moving, completion.
        case descriptor = 3
        case dmaLatency = 4
        /// Keeps its number in exports; paths go through the transfers that are in the way instead.
        case dmaQueue = 5
        case dmaTransfer = 6
        /// Power management held it back.
        case throttle = 7
    }

    /// The instruction.
    public var instruction: UInt32
    /// What happened.
    public var kind: Kind
    /// From, and up to but not including.
    public var start: Int64
    public var end: Int64

    public init(instruction: UInt32, kind: Kind, start: Int64, end: Int64) {
        self.instruction = instruction
        self.kind = kind
        self.start = start
        self.end = end
    }
}

/// Totals and rates of a run. Utilisations are fractions of 1.
public struct ProfileMetrics: Hashable, Sendable {
    /// Floating-point operations of the algorithm: 2 x M x K x N for each multiplication that is
    /// not a transpose or a broadcast of data.
    public var modelFLOPs: Double = 0
    /// The same with everything that the tensor engine computed.
    public var hardwareFLOPs: Double = 0
    /// Bytes read from and written to HBM.
    public var hbmReadBytes: Int64 = 0
    public var hbmWrittenBytes: Int64 = 0
    /// Of these, what the compiler spilled and reloaded.
    public var spilledBytes: Int64 = 0
    public var reloadedBytes: Int64 = 0
    /// Bytes that inputs and outputs have: the least that must be moved.
    public var minimumBytes: Int64 = 0
    /// `modelFLOPs` by time, of the machine's BF16 peak.
    public var mfu: Double = 0
    /// `hardwareFLOPs` by time, of the machine's BF16 peak.
    public var hfu: Double = 0
    /// HBM bytes by time, of the bandwidth of one HBM stack.
    public var mbu: Double = 0
    /// `minimumBytes` by time, of the bandwidth of one HBM stack.
    public var minimumMBU: Double = 0
    /// Share of the time in which any DMA engine moved data.
    public var dmaActive: Double = 0
    /// Mean share of the time in which a DMA engine moved data.
    public var dmaEngineUtilisation: Double = 0
    /// Sum over all packets of their times, in ticks.
    public var packetTicks: Int64 = 0
    /// DMA packets.
    public var packets: Int64 = 0
    /// Most bytes of a partition in use at the same time.
    public var peakSBUFBytesPerPartition: Int = 0
    public var peakPSUMBytesPerPartition: Int = 0

    public init() {}
}
