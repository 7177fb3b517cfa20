public import KapokWorld

/// The size of a logical block in bytes: LBA format 4096+0 of NVMe.
public let driveBlockSize = 4096

/// The most blocks one read, write or write-zeroes command may cover: 8 MiB (NVMe MDTS).
public let driveMaximumTransferBlocks: UInt32 = 2048

/// What a drive is asked to do (NVMe Base 2.0: I/O command set, plus Identify and attach).
///
/// A buffer belongs to the drive from submission until its completion.
public enum DriveOperation: Sendable {
    /// Makes `epoch` of the command the drive's epoch, durably, before it completes; every later
    /// command with a lower epoch is refused (a reservation's preempt-and-abort).
    case attach
    /// Reads `blockCount` blocks from `lba` into `buffer` at `bufferOffset` bytes.
    case read(lba: UInt64, blockCount: UInt32, buffer: AlignedBuffer, bufferOffset: Int)
    /// Writes `blockCount` blocks from `buffer` to `lba`. With `forceUnitAccess` it completes only
    /// when the blocks are on stable media.
    case write(
        lba: UInt64, blockCount: UInt32, buffer: AlignedBuffer, bufferOffset: Int,
        forceUnitAccess: Bool)
    /// Completes when every write that had completed before is on stable media.
    case flush
    /// Makes the blocks read as zeroes.
    case writeZeroes(lba: UInt64, blockCount: UInt32, forceUnitAccess: Bool)
}

/// One command: what, by whom (`epoch`), and the number its completion will carry.
public struct DriveCommand: Sendable {
    /// Chosen by the submitter; unique among its outstanding commands.
    public var id: UInt64
    /// The submitter's epoch.
    public var epoch: Epoch
    public var operation: DriveOperation

    public init(id: UInt64, epoch: Epoch, operation: DriveOperation) {
        self.id = id
        self.epoch = epoch
        self.operation = operation
    }
}

/// How a command ended. The NVMe status codes that the wire front maps these to are in brackets.
public enum DriveStatus: UInt8, Sendable, Equatable {
    /// [00h] Done.
    case success
    /// [80h] The blocks lie outside of the namespace, or the transfer is larger than allowed.
    case lbaOutOfRange
    /// [83h] The epoch is lower than the drive's: another head has attached.
    case reservationConflict
    /// [media 81h] The blocks cannot be read; others may.
    case unrecoveredReadError
    /// [media 80h] A write failed; the drive is failed from here on.
    case writeFault
    /// [06h] The drive is failed: a flush or a write was lost, or its media vanished. It stays
    /// failed until it is replaced, because what it holds is no longer known.
    case driveFailed
}

/// The end of the command `id`.
public struct DriveCompletion: Sendable, Equatable {
    /// The number of the command.
    public var id: UInt64
    /// How it ended.
    public var status: DriveStatus

    public init(id: UInt64, status: DriveStatus) {
        self.id = id
        self.status = status
    }
}

/// What Identify tells of a drive.
public struct DriveIdentity: Sendable, Equatable {
    /// The drive's own identity, drawn when it was formatted; a replaced drive has another.
    public var id: UniqueID
    /// The region (pool) it was formatted for.
    public var region: UniqueID
    /// Its position in the region, 0 ..< number of drives.
    public var position: UInt32
    /// Blocks that commands may address; the superblocks lie outside.
    public var capacityBlocks: UInt64
    /// The failure domain (host, enclosure, rack) that it shares with others of equal number.
    public var failureDomain: UInt32

    public init(
        id: UniqueID, region: UniqueID, position: UInt32, capacityBlocks: UInt64,
        failureDomain: UInt32
    ) {
        self.id = id
        self.region = region
        self.position = position
        self.capacityBlocks = capacityBlocks
        self.failureDomain = failureDomain
    }
}
