/// Why a unit was idle: a closed list. Raw values and names are part of the export formats.
public enum StallReason: UInt8, CaseIterable, Codable, Sendable {
    /// An operand was still being computed by the culprit, or the culprit had not started.
    case data = 1
    /// The culprit still had to read what is to be overwritten.
    case antiDependence = 2
    /// The culprit still had to write what is to be overwritten.
    case outputDependence = 3
    /// The culprit still used the PSUM bank.
    case psumBank = 4
    /// The culprit, a transfer, was moving the data.
    case dmaTransfer = 5
    /// The culprit, a transfer, stood behind other transfers.
    case dmaQueue = 6
    /// The culprit's descriptors were being generated, or waited for a generator.
    case descriptor = 7
    /// The fixed latencies of a transfer: start and completion.
    case dmaLatency = 8
    /// The culprit had finished computing, but its result was not in memory yet.
    case resultLatency = 9
    /// The result was there, but the semaphore had not been seen yet.
    case semaphoreLatency = 10
    /// The engine's shortest time between two instructions.
    case issueInterval = 11
    /// An instruction before it in the same queue, on the engine's other unit, had not started.
    case queueOrder = 12
    /// Another engine used the path to memory that both share.
    case sharedBus = 13
    /// Other cores used the HBM.
    case memoryContention = 14
    /// Power management held the engine back.
    case throttle = 15
    /// The unit had no more instructions; the culprit is the program's last one.
    case programEnd = 16

    /// The name in exports.
    public var name: String { "\(self)" }
}

/// A time in which a unit was idle, for one reason, in ticks.
public struct Stall: Hashable, Sendable {
    /// Who was idle.
    public var unit: Unit
    /// Why.
    public var reason: StallReason
    /// From, and up to but not including.
    public var start: Int64
    public var end: Int64
    /// The instruction that was waited for.
    public var culprit: UInt32
    /// The instruction that waited; for `programEnd` the unit's last one (or ``none``).
    public var victim: UInt32
    /// Whether another cause would have held the victim for just as long: then removing the culprit
    /// alone renames the stall instead of shortening it.
    public var isShared: Bool

    /// Stands for no instruction.
    public static let none: UInt32 = .max

    public init(
        unit: Unit, reason: StallReason, start: Int64, end: Int64, culprit: UInt32,
        victim: UInt32, isShared: Bool = false
    ) {
        self.unit = unit
        self.reason = reason
        self.start = start
        self.end = end
        self.culprit = culprit
        self.victim = victim
        self.isShared = isShared
    }

    /// Its length in ticks.
    public var duration: Int64 { end - start }
}
