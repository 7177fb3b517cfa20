import Dispatch
public import KapokDrive
import KapokLinux
import KapokWorld

/// How a store on this machine is made or opened.
public struct StoreOptions: Sendable {
    /// Holds the drives and the index; made when it is not there.
    public var directory: String
    /// Drives of a new store; nil for 6, or what the store was made with.
    public var driveCount: Int?
    /// K and M of a new store; nil for 4 + 2, or what the store was made with.
    public var coding: (dataShards: Int, parityShards: Int)?
    /// Bytes of each drive of a new store; nil for half of the free space, at most 4 GiB a drive.
    public var driveSizeBytes: UInt64?
    /// When a commit is acknowledged.
    public var durability: Durability

    public init(directory: String, durability: Durability = .flush) {
        self.directory = directory
        self.durability = durability
    }
}

/// Why a store cannot be opened. The description says what to do.
public enum StoreOpenError: Error, Sendable, CustomStringConvertible {
    case system(String)
    case drive(LocalDriveError)
    /// The options do not fit each other, or not the store that is there.
    case options(String)
    /// The drives are there and the index is not.
    case indexMissing(directory: String)
    /// Too few drives to read anything.
    case drivesMissing(String)
    case recovery(String)

    public var description: String {
        switch self {
        case .system(let text): text
        case .drive(let error): "\(error)"
        case .options(let text): text
        case .indexMissing(let directory):
            "the drives in \(directory) hold a store but its index is missing: "
                + "run `kapok store rebuild-index --data \(directory)`"
        case .drivesMissing(let text): text
        case .recovery(let text): text
        }
    }
}

extension StoreService {
    /// Opens the store in `options.directory`, making it if there is none: takes its drives for a
    /// new epoch, and brings the index up to date with them.
    public static func open(_ options: StoreOptions) throws(StoreOpenError) -> StoreService {
        let state = StateDirectory(path: options.directory)
        try system { () throws(SystemError) in try StateDirectory.create(state.drivesPath) }
        try StorePool.finishCreation(in: state, options)
        let pool = try StorePool.open(in: state)
        try pool.check(against: options)
        guard StateDirectory.exists(state.indexPath) else {
            throw .indexMissing(directory: options.directory)
        }
        let index = try Self.index { () throws(IndexError) in
            try SQLiteIndex(path: state.indexPath)
        }
        return try start(pool, index: index, options)
    }

    private static func start(
        _ pool: StorePool, index: SQLiteIndex, _ options: StoreOptions
    ) throws(StoreOpenError) -> StoreService {
        let indexEpoch = try Self.index { () throws(IndexError) in
            try Recovery<SQLiteIndex, LocalBlocks>.currentEpoch(of: index)
        }
        let epoch = pool.drives.reduce(indexEpoch) { max($0, $1.drive?.epoch ?? .none) }.next
        let blocks = LocalBlocks(drives: pool.drives.map(\.drive), epoch: epoch)
        var recovered: [RecoveredDrive] = []
        for (position, found) in pool.drives.enumerated() {
            var failure = found.failure
            if failure == nil, !blocks.attach(drive: UInt32(position)) {
                failure = "it could not be attached"
            }
            recovered.append(
                RecoveredDrive(
                    failureDomain: found.drive?.identity.failureDomain ?? UInt32(position),
                    failure: failure))
        }
        var configuration = StoreConfiguration(pool: pool.descriptor)
        configuration.durability = options.durability
        do {
            let state = try Recovery(
                index: index, reader: blocks, pool: pool.descriptor, drives: recovered
            ).run(epoch: epoch)
            let machine = try StoreMachine(
                configuration: configuration, recovered: state,
                random: RandomStream(seed: pool.descriptor.region.low ^ epoch.number))
            let service = StoreService(
                machine: machine, drives: pool.drives.map(\.drive), index: index,
                pool: pool.descriptor,
                code: try ErasureCode(
                    dataShards: Int(pool.descriptor.dataShards),
                    parityShards: Int(pool.descriptor.parityShards)),
                directory: options.directory, replayedTransactions: state.replayedTransactions)
            service.handle(.abandon([]))
            service.startMaintenance()
            return service
        } catch let error as RecoveryError {
            throw .recovery("the store could not be recovered: \(error)")
        } catch {
            throw .recovery("\(error)")
        }
    }

    static func system<R>(
        _ body: () throws(SystemError) -> R
    ) throws(StoreOpenError) -> R {
        do throws(SystemError) { return try body() } catch { throw .system("\(error)") }
    }

    static func index<R>(
        _ body: () throws(IndexError) -> R
    ) throws(StoreOpenError) -> R {
        do throws(IndexError) { return try body() } catch {
            throw .system("the index could not be opened: \(error)")
        }
    }

    /// Makes the index in `directory` anew from the drives alone. The old one, if there is one, is
    /// kept beside it as `index.sqlite.old`.
    ///
    /// - Parameter progress: told the extents done and in all.
    public static func rebuildIndex(
        directory: String, progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws(StoreOpenError) -> RebuildReport {
        let state = StateDirectory(path: directory)
        let pool = try StorePool.open(in: state)
        let unfinished = state.indexPath + ".rebuilding"
        try system { () throws(SystemError) in
            for suffix in ["", "-wal", "-shm"] { try FileSystem.delete(unfinished + suffix) }
        }
        let report: RebuildReport
        do {
            let index = try SQLiteIndex(path: unfinished, readerCount: 1)
            report = try IndexRebuild(
                index: index,
                reader: LocalBlocks(drives: pool.drives.map(\.drive), epoch: .none),
                pool: pool.descriptor
            ).run(progress: progress)
            index.checkpoint()
        } catch {
            throw .recovery("the index could not be rebuilt: \(error)")
        }
        for drive in pool.drives { drive.drive?.close() }
        try system { () throws(SystemError) in
            if StateDirectory.exists(state.indexPath) {
                for suffix in ["", "-wal", "-shm"] {
                    try FileSystem.delete(state.indexPath + ".old" + suffix)
                    guard StateDirectory.exists(state.indexPath + suffix) else { continue }
                    try FileSystem.renameToNew(
                        state.indexPath + suffix, state.indexPath + ".old" + suffix)
                }
            }
            for suffix in ["-wal", "-shm"] { try FileSystem.delete(unfinished + suffix) }
            try FileSystem.renameToNew(unfinished, state.indexPath)
            try FileSystem.synchronizeDirectory(directory)
        }
        return report
    }
}
