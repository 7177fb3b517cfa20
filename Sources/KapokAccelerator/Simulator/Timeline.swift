/// When everything in a run happened: flat arrays, in ticks from the start of the program.
public struct Timeline: Hashable, Sendable {
    /// The time of the last event: the program's length.
    public var makespan: Int64 = 0
    /// For each instruction, when its engine came to it (its predecessor in the queue had been
    /// issued).
    public var issue: [Int64] = []
    /// For each instruction, when it started: all waits satisfied, its unit free.
    public var start: [Int64] = []
    /// For each instruction, when its unit was free again.
    public var busyEnd: [Int64] = []
    /// For each instruction, when its result was in memory and its semaphore signalled. For DMA:
    /// when the last byte had arrived and the ring had completed all transfers before it.
    public var end: [Int64] = []
    /// The transfers, in order of triggering.
    public var transfers: [Transfer] = []
    /// What each DMA engine did, in order of time: for engine `e` the range
    /// `segmentStart[e] ..< segmentStart[e + 1]`.
    public var segments: [TransferSegment] = []
    public var segmentStart: [Int] = []

    public init() {}
}

/// A DMA transfer's way through the machine, in ticks.
public struct Transfer: Hashable, Sendable {
    /// The instruction.
    public var instruction: UInt32
    /// Its ring.
    public var ring: UInt8
    /// When its engine had triggered it.
    public var triggered: Int64
    /// When a descriptor generator began and ended with it.
    public var descriptorStart: Int64
    public var descriptorEnd: Int64
    /// When its first packet could have started: descriptors there, start latency passed.
    public var ready: Int64
    /// When the first packet started and the last one ended on any DMA engine.
    public var transferStart: Int64
    public var transferEnd: Int64

    public init(
        instruction: UInt32, ring: UInt8, triggered: Int64, descriptorStart: Int64,
        descriptorEnd: Int64, ready: Int64, transferStart: Int64, transferEnd: Int64
    ) {
        self.instruction = instruction
        self.ring = ring
        self.triggered = triggered
        self.descriptorStart = descriptorStart
        self.descriptorEnd = descriptorEnd
        self.ready = ready
        self.transferStart = transferStart
        self.transferEnd = transferEnd
    }
}

/// A time in which a DMA engine moved packets of one transfer, in ticks.
public struct TransferSegment: Hashable, Sendable {
    /// The instruction.
    public var instruction: UInt32
    /// From, and up to but not including.
    public var start: Int64
    public var end: Int64

    public init(instruction: UInt32, start: Int64, end: Int64) {
        self.instruction = instruction
        self.start = start
        self.end = end
    }
}

/// A time in which power management lets an engine work only part of the time.
public struct ThrottleInterval: Hashable, Sendable {
    /// From, and up to but not including, in ticks.
    public var start: Int64
    public var end: Int64
    /// Of `outOf` cycles, `allowed` are worked in.
    public var allowed: Int
    public var outOf: Int
    /// The instruction whose burst of activity caused it.
    public var culprit: UInt32

    public init(start: Int64, end: Int64, allowed: Int, outOf: Int, culprit: UInt32) {
        self.start = start
        self.end = end
        self.allowed = allowed
        self.outOf = outOf
        self.culprit = culprit
    }
}
