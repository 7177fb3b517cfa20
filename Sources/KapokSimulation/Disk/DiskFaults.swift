/// How likely each fault is, per operation. All are drawn from the disk's own stream; a disk whose
/// probabilities are all zero is honest.
public struct DiskFaults: Hashable, Sendable {
    /// Per read: one bit of one block in the range flips on the medium. Per write: one bit of any
    /// stored block flips.
    public var bitRot: Probability = .never
    /// Per read: one block of the range becomes unreadable until it is written again.
    public var latentReadError: Probability = .never
    /// Per write: it lands, whole, at another address, and is acknowledged.
    public var misdirectedWrite: Probability = .never
    /// Per read: the bytes come from another address.
    public var misdirectedRead: Probability = .never
    /// Per write: it is acknowledged and never stored (a phantom write).
    public var lostWrite: Probability = .never
    /// Per flush: it is acknowledged, and nothing becomes stable.
    public var lyingFlush: Probability = .never
    /// Per write: it fails, and an arbitrary part of its sectors was written.
    public var writeError: Probability = .never
    /// Per flush: it fails. The writes it should have made stable are each whole, torn or absent on
    /// the medium, still read back from the cache until the next crash, and no later flush stores
    /// them (the behaviour behind PostgreSQL's "fsyncgate").
    public var flushError: Probability = .never
    /// Per operation: it takes `slowFactor` times as long.
    public var slow: Probability = .never
    /// How many times longer a slow operation takes.
    public var slowFactor: UInt64 = 100

    /// At a crash, per unflushed write: it survives whole.
    public var crashKeeps: Probability = 0.375
    /// At a crash, per unflushed write that does not survive whole: some of its sectors survive.
    /// Otherwise all of it is lost.
    public var crashTears: Probability = 0.6

    /// An honest disk with a volatile cache.
    public init() {}

    /// An honest disk with a volatile cache.
    public static let none = DiskFaults()

    /// Every fault, each with probability `probability`.
    public static func all(_ probability: Probability) -> DiskFaults {
        var faults = DiskFaults()
        faults.bitRot = probability
        faults.latentReadError = probability
        faults.misdirectedWrite = probability
        faults.misdirectedRead = probability
        faults.lostWrite = probability
        faults.lyingFlush = probability
        faults.writeError = probability
        faults.flushError = probability
        faults.slow = probability
        return faults
    }
}

/// What a disk did and which faults befell it.
public struct DiskCounts: Hashable, Sendable {
    /// Operations that were carried out or failed by a fault; refused ones do not count.
    public var reads: UInt64 = 0
    public var writes: UInt64 = 0
    public var flushes: UInt64 = 0
    /// Blocks of the reads and writes above.
    public var blocksRead: UInt64 = 0
    public var blocksWritten: UInt64 = 0
    public var crashes: UInt64 = 0

    /// Faults injected, by draws and by the methods for tests.
    public var bitRots: UInt64 = 0
    public var latentReadErrors: UInt64 = 0
    public var misdirectedWrites: UInt64 = 0
    public var misdirectedReads: UInt64 = 0
    public var lostWrites: UInt64 = 0
    public var lyingFlushes: UInt64 = 0
    public var writeErrors: UInt64 = 0
    public var flushErrors: UInt64 = 0
    public var slowOperations: UInt64 = 0
    /// What crashes and failed flushes did to unflushed writes.
    public var writesTorn: UInt64 = 0
    public var writesDropped: UInt64 = 0

    public init() {}

    /// All injected faults, without the slow operations and the effects of crashes.
    public var faults: UInt64 {
        bitRots + latentReadErrors + misdirectedWrites + misdirectedReads + lostWrites
            + lyingFlushes + writeErrors + flushErrors
    }
}

/// How an operation on a simulated disk ended.
public enum DiskOutcome: Hashable, Sendable {
    /// Done, or so the disk says.
    case done
    /// The range does not lie on the disk; nothing was done.
    case outOfRange
    /// A block of the range is unreadable; the buffer holds no data.
    case readError
    /// The write failed; what the range holds is undefined.
    case writeError
    /// The flush failed; which unflushed writes are stable is undefined, for ever.
    case flushError
    /// The disk does not answer any more.
    case gone
}
