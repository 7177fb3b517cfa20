import KapokDrive
package import KapokWorld

/// The head of a store: decides order, durability and place of everything that is written.
///
/// Commits are gathered into batches; a batch's records are packed into stripes, written to all K +
/// M drives of an extent, flushed, and only then published and acknowledged, in order. The records
/// are the log: the index follows a little later, in commits of its own, and whatever it misses
/// after a crash is replayed from the drives.
package struct StoreMachine: StateMachine {
    package typealias Event = StoreEvent
    package typealias Effect = StoreEffect

    struct Drive {
        var domain: UInt32
        /// Nil when the drive may be written to.
        var failure: String?
        var freeSlots: [UInt32]
        /// Writes have completed since the last flush was sent.
        var isDirty = false
        /// The last flush sent, while it is under way: it covers every write that had completed.
        var latestFlush: UInt64?
        var isHealthy: Bool { failure == nil }
    }

    struct Extent {
        enum Phase: Equatable {
            /// Its row is on the way into the index.
            case reserving
            /// Its slots' headers are being written.
            case labelling(remaining: Int)
            case open
            case sealed
            /// Nothing lives in it; its labels are being wiped.
            case wiping(remaining: Int)
            /// Its row is on the way out of the index.
            case releasing
        }
        var phase: Phase
        var row: ExtentRow
        /// The first block not given to a stripe.
        var tail: UInt32
        /// A member drive has failed.
        var isDegraded = false
        /// Readers, and chunks that no commit names yet.
        var pins = 0
    }

    enum StripeOwner {
        case append(StoreToken, blob: BlobID, moves: Bool)
        case batch(UInt64)
    }

    struct Stripe {
        let buffer: StripeBuffer
        let owner: StripeOwner
        /// The batch's items whose records are in it.
        var items: Range<Int>
        var extent: ExtentID?
        var block: UInt32 = 0
        var remaining = 0
        var failed = false
        var attempts = 0
        /// Stable when written: a batch of one stripe needs no flush of its own.
        var isForced = false
    }

    enum CommandPurpose {
        case stripe(UInt64)
        case label(ExtentID)
        case wipe(ExtentID)
        case flush(UInt64)
    }

    /// Who waits for flushes.
    enum FlushWaiter {
        case batch(UInt64)
        case barrier
    }

    let configuration: StoreConfiguration
    let code: ErasureCode
    package let epoch: Epoch
    var head: HeadRow
    var random: RandomStream

    var drives: [Drive]
    var extents: [ExtentID: Extent]
    var openExtents: [ExtentID] = []
    var placement: Placement
    var nextNumber: UInt64
    var nextCommand: UInt64 = 1
    var commands: [UInt64: (position: UInt32, purpose: CommandPurpose)] = [:]
    var stripes: [UInt64: Stripe] = [:]
    var waitingStripes: [UInt64] = []
    var flushWaiters: [UInt64: [FlushWaiter]] = [:]
    var nextFlush: UInt64 = 1

    /// Commits whose blobs' chunks must be stable before their records are written.
    var beforeBarrier: [BatchItem] = []
    var barrier: (items: [BatchItem], remaining: Int)?
    var pending: [BatchItem] = []
    var pendingBytes = 0
    var batches: [Batch] = []
    var gatherTimerSet = false
    var gatherExpired = false
    /// How many commits recent batches had: how many are worth waiting for.
    var expectedBatch = 1
    var commitLatency: Interval = .zero

    var window: ConflictWindow
    package internal(set) var overlay = Overlay()
    /// The version of the last commit published; read points are this.
    package internal(set) var publishedVersion: UInt64

    var indexQueue: [IndexOperation] = []
    var indexWrites = 0
    var indexInFlight: [IndexOperation]?
    var indexTimerSet = false
    var indexUrgent = false
    var indexReason: String?
    /// Batches whose records the commit in flight brings, and those the index has.
    var indexCovers: UInt64 = 0
    var indexedBatches: UInt64 = 0
    var queuedBatches: UInt64 = 0
    /// Extents whose labels are to be wiped.
    var wipes: [ExtentID] = []
    /// Sealed extents that the index has not heard of.
    var sealing = Set<ExtentID>()
    var drains: [(token: StoreToken, after: UInt64)] = []
    /// Replies that wait until the index has the batch they belong to.
    var afterIndex: [(token: StoreToken, after: UInt64)] = []
    /// Moves that are not in the index yet: one extent is compacted at a time, so that no tombstone
    /// is forgotten while a copy of what it hides is being made.
    var movesUnderWay = 0
    var unpinAfterIndex: [(extents: [ExtentID], after: UInt64)] = []

    /// Why the store takes nothing any more; nil while it does.
    package internal(set) var failure: StoreError?
    var closing: StoreToken?
    /// Counters for metrics.
    package internal(set) var statistics = StoreStatistics()

    /// - Parameters:
    ///   - recovered: what recovery found; see `Recovery`.
    ///   - random: a stream of its own, for placement.
    package init(configuration: StoreConfiguration, recovered: RecoveredState, random: RandomStream)
        throws(ErasureCodeError)
    {
        self.configuration = configuration
        let pool = configuration.pool
        code = try ErasureCode(
            dataShards: Int(pool.dataShards), parityShards: Int(pool.parityShards))
        epoch = recovered.head.epoch
        head = recovered.head
        self.random = random
        nextNumber = recovered.nextNumber
        publishedVersion = recovered.nextNumber - 1
        window = ConflictWindow(capacity: 65_536, floor: recovered.nextNumber - 1)
        drives = recovered.drives.map { drive in
            Drive(domain: drive.failureDomain, failure: drive.failure, freeSlots: [])
        }
        extents = [:]
        placement = Placement(drives: [], width: pool.width, scatterWidth: 1, random: &self.random)
        for (id, extent) in recovered.extents {
            extents[id] = Extent(phase: .sealed, row: extent.row, tail: extent.tail)
        }
        resetFreeSlots()
        resetPlacement()
        for (id, extent) in extents {
            let isDegraded = extent.row.members.contains { !drives[Int($0.drive)].isHealthy }
            extents[id]?.isDegraded = isDegraded
        }
        reopen(recovered)
    }

    /// Goes on appending where the last head left off, if an extent is whole and has room.
    private mutating func reopen(_ recovered: RecoveredState) {
        let slotBlocks = configuration.pool.slotBlocks
        let candidates = recovered.extents.filter { id, extent in
            !extent.row.sealed && extent.mayReopen && extents[id]?.isDegraded == false
                && extent.tail + slotBlocks / 8 < slotBlocks
        }
        for (id, _) in candidates.sorted(by: { $0.key < $1.key }).prefix(wantedOpenExtents) {
            extents[id]?.phase = .open
            openExtents.append(id)
        }
        for id in extents.keys.sorted() where extents[id]?.phase == .sealed {
            noteSealed(id)
        }
    }

    private mutating func resetFreeSlots() {
        var used = drives.map { _ in Set<UInt32>() }
        for extent in extents.values {
            for member in extent.row.members where Int(member.drive) < used.count {
                used[Int(member.drive)].insert(member.slot)
            }
        }
        for position in drives.indices {
            drives[position].freeSlots = (0..<configuration.pool.slotsPerDrive).reversed().filter {
                !used[position].contains($0)
            }
        }
    }

    mutating func resetPlacement() {
        let healthy = drives.indices.filter { drives[$0].isHealthy }.map {
            (position: UInt32($0), domain: drives[$0].domain)
        }
        placement = Placement(
            drives: healthy, width: configuration.pool.width,
            scatterWidth: configuration.scatterWidth, random: &random)
    }

    var wantedOpenExtents: Int {
        configuration.openExtents ?? max(1, drives.count / configuration.pool.width)
    }

    package mutating func handle(
        _ event: StoreEvent, at now: Instant, into effects: inout EffectBuffer<StoreEffect>
    ) {
        switch event {
        case .commit(let token, let request):
            enqueue(token, .transaction(request), at: now, &effects)
        case .move(let token, let request):
            enqueue(token, .move(request), at: now, &effects)
        case .append(let token, let buffer, let blob, let moves):
            append(token, buffer, blob: blob, moves: moves, at: now, &effects)
        case .abandon(let extents):
            unpin(extents)
        case .drain(let token):
            drain(token, at: now, &effects)
        case .driveCompleted(let position, let completion):
            commandCompleted(position, completion, at: now, &effects)
        case .driveLost(let position):
            driveFailed(position, "its media is gone", at: now, &effects)
        case .driveReplaced(let position): driveReplaced(position)
        case .indexDone(let result):
            indexDone(result, at: now, &effects)
        case .indexFailed(let reason, let isFinal):
            indexFailed(reason, isFinal: isFinal, at: now, &effects)
        case .timer(.gather):
            gatherTimerSet = false
            gatherExpired = true
        case .timer(.index):
            indexTimerSet = false
            indexUrgent = true
        case .close(let token):
            closing = token
        }
        startBarrier(&effects)
        startBatches(at: now, &effects)
        prepareExtents(at: now, &effects)
        startWipes(&effects)
        pumpIndex(at: now, &effects)
        finishClosing(&effects)
    }

    /// A number never handed out before: versions, blobs, extents and stripes share one sequence.
    package mutating func takeNumber() -> UInt64 {
        defer { nextNumber += 1 }
        return nextNumber
    }

    // MARK: Drives

    mutating func send(
        _ operation: DriveOperation, to position: UInt32, for purpose: CommandPurpose,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        let id = nextCommand
        nextCommand += 1
        commands[id] = (position, purpose)
        let epoch = configuration.defect == .skipEpoch ? Epoch(.max) : self.epoch
        effects.append(
            .drive(position: position, DriveCommand(id: id, epoch: epoch, operation: operation)))
    }

    private mutating func commandCompleted(
        _ position: UInt32, _ completion: DriveCompletion, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let command = commands.removeValue(forKey: completion.id) else { return }
        var succeeded = completion.status == .success
        if configuration.defect == .ignoreDriveErrors { succeeded = true }
        if completion.status == .reservationConflict, !succeeded {
            fail(.failed("another head has taken over this store's drives"), &effects)
        } else if !succeeded {
            driveFailed(position, "\(completion.status)", at: now, &effects)
        }
        switch command.purpose {
        case .stripe(let id):
            if succeeded, stripes[id]?.isForced != true { drives[Int(position)].isDirty = true }
            stripeWritten(id, succeeded: succeeded, at: now, &effects)
        case .label(let id):
            if succeeded { drives[Int(position)].isDirty = true }
            labelWritten(id, succeeded: succeeded, at: now, &effects)
        case .wipe(let id): labelWiped(id)
        case .flush(let flush):
            if drives[Int(position)].latestFlush == flush {
                drives[Int(position)].latestFlush = nil
            }
            for waiter in flushWaiters.removeValue(forKey: flush) ?? [] {
                switch waiter {
                case .batch(let batch): flushed(batch, at: now, &effects)
                case .barrier: barrierFlushed()
                }
            }
        }
    }

    /// Makes everything written so far stable, on behalf of `waiter`, and returns how many flushes
    /// it has to wait for. A flush that is under way and covers everything is not sent again.
    mutating func flushAll(
        for waiter: FlushWaiter, _ effects: inout EffectBuffer<StoreEffect>
    ) -> Int {
        guard configuration.durability == .flush, configuration.defect != .skipFlush else {
            return 0
        }
        var count = 0
        for position in drives.indices where drives[position].isHealthy {
            if drives[position].isDirty {
                drives[position].isDirty = false
                drives[position].latestFlush = nextFlush
                statistics.flushes += 1
                send(.flush, to: UInt32(position), for: .flush(nextFlush), &effects)
                nextFlush += 1
            }
            guard let flush = drives[position].latestFlush else { continue }
            flushWaiters[flush, default: []].append(waiter)
            count += 1
        }
        return count
    }

    /// From here on nothing is written to the drive; extents on it take nothing more.
    private mutating func driveFailed(
        _ position: UInt32, _ reason: String, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard drives[Int(position)].isHealthy else { return }
        drives[Int(position)].failure = reason
        statistics.driveFailures += 1
        for id in extents.keys.sorted() {
            guard let extent = extents[id],
                extent.row.members.contains(where: { $0.drive == position })
            else { continue }
            extents[id]?.isDegraded = true
            if extent.phase == .open { seal(id) }
        }
        resetPlacement()
    }

    /// The shards on the old drive are gone; extents that had some are rewritten by compaction,
    /// first of all others. Their slots on the new drive stay taken until then.
    private mutating func driveReplaced(_ position: UInt32) {
        guard !drives[Int(position)].isHealthy else { return }
        var used = Set<UInt32>()
        for (id, extent) in extents.sorted(by: { $0.key < $1.key }) {
            guard let member = extent.row.members.first(where: { $0.drive == position }) else {
                continue
            }
            used.insert(member.slot)
            indexQueue.append(.markOrphans(id))
        }
        drives[Int(position)].failure = nil
        drives[Int(position)].isDirty = false
        drives[Int(position)].latestFlush = nil
        drives[Int(position)].freeSlots = (0..<configuration.pool.slotsPerDrive).reversed().filter {
            !used.contains($0)
        }
        resetPlacement()
    }

    /// The slots of an extent, in shard order; nil when there is no such extent.
    package func members(of id: ExtentID) -> [ExtentMember]? { extents[id]?.row.members }

    /// The store takes nothing any more.
    mutating func fail(_ error: StoreError, _ effects: inout EffectBuffer<StoreEffect>) {
        guard failure == nil else { return }
        failure = error
        for item in pending + beforeBarrier + (barrier?.items ?? []) {
            effects.append(.reply(item.token, .refused(error)))
        }
        pending = []
        beforeBarrier = []
        barrier = nil
        pendingBytes = 0
        for waiting in drains + afterIndex {
            effects.append(.reply(waiting.token, .refused(error)))
        }
        drains = []
        afterIndex = []
    }

    private mutating func finishClosing(_ effects: inout EffectBuffer<StoreEffect>) {
        guard let token = closing else { return }
        if failure == nil {
            guard pending.isEmpty, beforeBarrier.isEmpty, barrier == nil, batches.isEmpty,
                stripes.isEmpty
            else { return }
            if !indexQueue.isEmpty || indexInFlight != nil {
                indexUrgent = true
                return
            }
        }
        closing = nil
        failure = failure ?? .closed
        effects.append(.reply(token, .done))
    }
}

extension StoreMachine: CustomStringConvertible {
    /// The state in one line.
    package var description: String {
        let failed = drives.indices.filter { !drives[$0].isHealthy }
        return "store epoch=\(epoch) next=\(nextNumber) published=\(publishedVersion) "
            + "pending=\(pending.count) batches=\(batches.count) stripes=\(stripes.count) "
            + "waiting=\(waitingStripes.count) open=\(openExtents.map(\.number)) "
            + "extents=\(extents.count) overlay=\(overlay.count) index=\(indexQueue.count) "
            + "failedDrives=\(failed) failure=\(failure.map { "\($0)" } ?? "none")"
    }
}

/// Counts since the machine started.
public struct StoreStatistics: Sendable {
    /// Transactions committed.
    public var commits: UInt64 = 0
    /// Transactions that conflicted.
    public var conflicts: UInt64 = 0
    /// Batches started.
    public var batches: UInt64 = 0
    /// Flushes sent to drives.
    public var flushes: UInt64 = 0
    /// Stripes written, attempts included.
    public var stripes: UInt64 = 0
    /// Commits of the index.
    public var indexCommits: UInt64 = 0
    /// Drives that failed.
    public var driveFailures: UInt64 = 0
    /// Extents given back.
    public var extentsReleased: UInt64 = 0
    /// Bytes sent to drives.
    public var bytesWritten: UInt64 = 0
}
