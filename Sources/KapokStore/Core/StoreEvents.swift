package import KapokDrive
package import KapokWorld

/// Names a request to the store machine in its reply.
package typealias StoreToken = UInt64

/// A record ready to be placed: everything about it but its address.
package struct PreparedRecord: Sendable {
    package let kind: Record.Kind
    package let body: [UInt8]
    /// What follows the body, in order.
    package let data: [AlignedPiece]
    package let dataLength: Int
    package let contentCRC: UInt64

    package var length: Int { Record.headerBytes + body.count + dataLength }

    package init(kind: Record.Kind, body: [UInt8], data: [AlignedPiece] = []) {
        self.kind = kind
        self.body = body
        self.data = data
        dataLength = data.reduce(0) { $0 + $1.count }
        var crc = body.withUnsafeBytes { CRC64NVME.checksum($0) }
        for piece in data {
            crc = CRC64NVME.checksum(piece.bytes, continuing: crc)
        }
        contentCRC = crc
    }
}

/// The first `count` bytes of a buffer.
package struct AlignedPiece: Sendable {
    package let buffer: AlignedBuffer
    package let count: Int

    package init(
        buffer: AlignedBuffer, count: Int
    ) {
        self.buffer = buffer
        self.count = count
    }

    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: buffer.bytes[0..<count])
    }
}

/// A transaction on its way into the machine, encoded outside of it.
package struct CommitRequest: Sendable {
    package var readPoint: ReadPoint?
    package var checkedKeys: [StoreKey] = []
    package var checkedRanges: [(from: StoreKey, to: StoreKey)] = []
    package var body: TransactionBody
    package var record: PreparedRecord
    /// Extents that hold the chunks it brings; they are pinned until it is in the index.
    package var stagedExtents: [ExtentID] = []
    /// Only deletes: allowed when space is short.
    package var frees: Bool

    package init(
        readPoint: ReadPoint?, checkedKeys: [StoreKey] = [],
        checkedRanges: [(from: StoreKey, to: StoreKey)] = [], body: TransactionBody,
        record: PreparedRecord, stagedExtents: [ExtentID] = [], frees: Bool
    ) {
        self.readPoint = readPoint
        self.checkedKeys = checkedKeys
        self.checkedRanges = checkedRanges
        self.body = body
        self.record = record
        self.stagedExtents = stagedExtents
        self.frees = frees
    }
}

/// What compaction asks to be moved.
package struct MoveRequest: Sendable {
    /// What travels in the request's own record, and where each of it was.
    package var body = CopiesBody()
    package var entriesFrom: [RecordLocation] = []
    package var chunksFrom: [ChunkLocation] = []
    package var record: PreparedRecord?
    /// Chunks that were appended as stripes of their own before.
    package var stripes: [(chunk: ChunkID, from: ChunkLocation, to: ChunkLocation)] = []
    package var droppedTombstones: [(key: [UInt8], version: UInt64)] = []

    package init() {}

    package var isEmpty: Bool { record == nil && stripes.isEmpty && droppedTombstones.isEmpty }
}

/// What the index driver reports of a batch that is durable.
package struct IndexResult: Sendable {
    package var head: HeadRow
    package var extents: [(id: ExtentID, row: ExtentRow?)]

    package init(
        head: HeadRow, extents: [(id: ExtentID, row: ExtentRow?)]
    ) {
        self.head = head
        self.extents = extents
    }
}

/// What happens to the store machine.
package enum StoreEvent: Sendable {
    case commit(StoreToken, CommitRequest)
    /// A full stripe, encoded, that holds one chunk of `blob` (or, by `moves`, compaction's copy).
    case append(StoreToken, StripeBuffer, blob: BlobID, moves: Bool)
    /// Appended chunks will not be committed.
    case abandon([ExtentID])
    case move(StoreToken, MoveRequest)
    /// Replies when all that is published is in the index.
    case drain(StoreToken)
    case driveCompleted(position: UInt32, DriveCompletion)
    /// The drive is gone, whatever it still says.
    case driveLost(position: UInt32)
    case indexDone(IndexResult)
    /// An empty drive stands where a failed one was.
    case driveReplaced(position: UInt32)
    /// Nothing was committed; `isFinal` when it never will be.
    case indexFailed(String, isFinal: Bool)
    case timer(StoreTimer)
    /// No more commits; replies when everything is in the index.
    case close(StoreToken)
}

/// The machine's timers; each is set at most once at a time.
package enum StoreTimer: Hashable, Sendable {
    /// A batch has waited long enough for company.
    case gather
    /// What is published has waited long enough for the index.
    case index
}

/// How a request ended.
package enum StoreReply: Sendable {
    case committed(version: UInt64)
    case conflict
    /// The stripe is written (flushed with the commit that names it).
    case appended(RecordLocation)
    case done
    case refused(StoreError)
}

/// What the machine wants done.
package enum StoreEffect: Sendable {
    case drive(position: UInt32, DriveCommand)
    /// Apply these through a projection; answer with `indexDone` or `indexFailed`. One at a time.
    case index([IndexOperation], head: HeadRow)
    case reply(StoreToken, StoreReply)
    case setTimer(StoreTimer, at: Instant)
}

/// How a commit must be kept before it is acknowledged.
public enum Durability: String, Sendable, CaseIterable {
    /// Flushed to stable media on all of its drives.
    case flush
    /// Written to all of its drives; a power loss may take it.
    case write
}

/// What a store machine is told at its start.
package struct StoreConfiguration: Sendable {
    package var pool: PoolDescriptor
    package var durability: Durability = .flush
    /// With how many others a drive shares data.
    package var scatterWidth = 100
    /// Extents that are appended to at the same time; nil: one per K + M drives.
    package var openExtents: Int?
    /// Batches of commits on their way to the drives at a time.
    package var batchesInFlight = 2
    /// The most bytes of records in one batch.
    package var batchBytes = 4 * 1024 * 1024
    /// The most transactions in one batch.
    package var batchTransactions = 1024
    /// The longest that a commit waits for company.
    package var gatherLimit: Interval = .milliseconds(2)
    /// How long published commits may wait for the index.
    package var indexDelay: Interval = .milliseconds(50)
    /// Published writes that start an index commit at once.
    package var indexBatchWrites = 4096
    /// Published writes at which new commits are made to wait.
    package var indexBacklogLimit = 32768
    /// Commits waiting for a batch at which more are refused.
    package var pendingLimit = 8192
    /// Extents kept back for deletions and compaction.
    package var reservedExtents = 2
    package var defect: StoreDefect?

    package init(pool: PoolDescriptor) { self.pool = pool }

    /// Makes the store wrong on purpose; only simulations do.
    package mutating func sabotage(_ defect: StoreDefect?) { self.defect = defect }
}
