import KapokDrive
import KapokLinux
import KapokWorld
import Synchronization

/// The state of one drive.
public struct DriveReport: Sendable, Equatable {
    /// 0 ..< number of drives.
    public var position: Int
    /// Where its file lies.
    public var path: String
    /// 32 hexadecimal digits; nil when it cannot be read.
    public var id: String?
    /// Nil when it is healthy.
    public var failure: String?
    public var capacityBytes: UInt64
    /// Slots in use, of `slots`.
    public var usedSlots: Int
    public var slots: Int
}

/// The state of a store.
public struct StoreReport: Sendable, Equatable {
    /// K.
    public var dataShards: Int
    /// M.
    public var parityShards: Int
    /// The running head's epoch.
    public var epoch: UInt64
    /// In the order of their positions.
    public var drives: [DriveReport]
    /// Extents that are not given back.
    public var extents: Int
    /// Extents that lack shards because a drive of theirs has failed.
    public var degradedExtents: Int
    /// Bytes of objects that fit in all, with all drives healthy.
    public var capacityBytes: UInt64
    /// Bytes of objects and their records that live.
    public var liveBytes: UInt64
    /// Bytes of objects that fit without compaction.
    public var freeBytes: UInt64
    public var durability: Durability
    /// Why the store takes no writes; nil when it does.
    public var refusesWrites: String?
}

/// Counts since the store was opened, for metrics.
public struct StoreCounters: Sendable {
    /// The machine's counts.
    public var machine: StoreStatistics
    /// Chunks read.
    public var chunksRead: UInt64
    /// Chunks that had to be rebuilt from other shards.
    public var degradedReads: UInt64
    /// Chunks that could not be rebuilt.
    public var lostReads: UInt64
    /// Commits that wait for a batch.
    public var pendingCommits: Int
    /// Entries that the index does not have yet.
    public var overlayEntries: Int
}

extension StoreService {
    /// The state as of now.
    public func report() -> StoreReport {
        state.withLock { state in
            let machine = state.machine
            let slotBytes =
                UInt64(pool.slotBlocks - 1) * UInt64(driveBlockSize) * UInt64(pool.dataShards)
            let total = Int(pool.driveCount) * Int(pool.slotsPerDrive) / pool.width
            let extents = machine.extents.values
            return StoreReport(
                dataShards: Int(pool.dataShards), parityShards: Int(pool.parityShards),
                epoch: epoch.number, drives: drives(of: machine), extents: extents.count,
                degradedExtents: extents.count { $0.isDegraded || $0.row.hasOrphans },
                capacityBytes: slotBytes * UInt64(total),
                liveBytes: extents.reduce(0) { $0 + $1.row.liveBytes },
                freeBytes: slotBytes * UInt64(machine.allocatableExtents),
                durability: machine.configuration.durability,
                refusesWrites: (machine.failure ?? machine.degradedError
                    ?? (machine.isSpaceLow ? .full : nil)).map { "\($0)" })
        }
    }

    private func drives(of machine: borrowing StoreMachine) -> [DriveReport] {
        machine.drives.indices.map { position in
            let drive = drive(UInt32(position))
            let free = machine.drives[position].freeSlots.count
            return DriveReport(
                position: position, path: StateDirectory(path: directory).drivePath(position),
                id: drive.map { "\($0.identity.id)" },
                failure: machine.drives[position].failure,
                capacityBytes: (drive?.identity.capacityBlocks ?? 0) * UInt64(driveBlockSize),
                usedSlots: Int(pool.slotsPerDrive) - free, slots: Int(pool.slotsPerDrive))
        }
    }

    /// The counters as of now.
    public func counters() -> StoreCounters {
        state.withLock { state in
            StoreCounters(
                machine: state.machine.statistics,
                chunksRead: readStatistics.chunks.load(ordering: .relaxed),
                degradedReads: readStatistics.degraded.load(ordering: .relaxed),
                lostReads: readStatistics.lost.load(ordering: .relaxed),
                pendingCommits: state.machine.pending.count,
                overlayEntries: state.machine.overlay.count)
        }
    }

    /// How many entries there are with `from <= key < to`.
    public func count(from: StoreKey, to: StoreKey) async throws(StoreError) -> Int {
        try await drain()
        do throws(IndexError) {
            return try index.count(
                from: IndexKey.entry(from.bytes), to: IndexKey.entry(to.bytes))
        } catch { throw .failed("the index: \(error)") }
    }

    /// Puts a new, empty drive in the place of one that has failed. What the old one held is
    /// written anew by compaction.
    public func replaceDrive(_ position: Int) async throws(StoreOpenError) {
        guard position >= 0, position < Int(pool.driveCount) else {
            throw .options("there is no drive \(position); they are 0 to \(pool.driveCount - 1)")
        }
        let old = drive(UInt32(position))
        guard state.withLock({ !$0.machine.drives[position].isHealthy }) else {
            throw .options("drive \(position) is healthy: nothing to replace")
        }
        let outcome = await onMaintenanceThread { () -> Result<LocalDrive, StoreOpenError> in
            do throws(StoreOpenError) {
                return .success(try self.makeReplacement(position, for: old))
            } catch { return .failure(error) }
        }
        let drive = try outcome.get()
        driveTable.withLock { $0[position] = drive }
        handle(.driveReplaced(position: UInt32(position)))
    }

    private func makeReplacement(
        _ position: Int, for old: LocalDrive?
    ) throws(StoreOpenError) -> LocalDrive {
        let state = StateDirectory(path: directory)
        old?.close()
        let path = state.drivePath(position)
        try Self.system { () throws(SystemError) in
            if StateDirectory.exists(path) {
                try FileSystem.delete(path + ".failed")
                try FileSystem.renameToNew(path, path + ".failed")
            }
        }
        let blocks =
            PoolDescriptor.firstSlotLBA + UInt64(pool.slotBlocks) * UInt64(pool.slotsPerDrive)
        try StorePool.make(
            position, pool, sizeBytes: MediaLayout.mediaBytes(forCapacityBlocks: blocks),
            in: state)
        do throws(LocalDriveError) {
            let drive = try LocalDrive(path: path)
            guard LocalBlocks(drives: [drive], epoch: epoch).attach(drive: 0) else {
                throw LocalDriveError.inUse(path: path)
            }
            return drive
        } catch { throw .drive(error) }
    }
}
