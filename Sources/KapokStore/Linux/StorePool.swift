import Glibc
import KapokDrive
import KapokLinux
import KapokWorld

/// The drives of a state directory, as far as they can be opened.
struct StorePool {
    struct Found {
        var drive: LocalDrive?
        /// Why it cannot be used.
        var failure: String?
    }
    let descriptor: PoolDescriptor
    let drives: [Found]

    /// The smallest drive that holds a useful number of extents.
    static let minimumDriveBytes: UInt64 = 64 << 20
    private static let defaultDriveBytes: UInt64 = 4 << 30

    // MARK: Making

    /// Makes a new store when there is none, or when making one was not finished.
    static func finishCreation(
        in state: StateDirectory, _ options: StoreOptions
    ) throws(StoreOpenError) {
        let isUnfinished = StateDirectory.exists(state.unfinishedPath)
        let present = (0..<StateDirectory.driveLimit).filter {
            StateDirectory.exists(state.drivePath($0))
        }
        guard isUnfinished || present.isEmpty else { return }
        if !isUnfinished, StateDirectory.exists(state.indexPath) {
            throw .drivesMissing(
                "\(state.path) has an index and no drives: put the drives back into "
                    + "\(state.drivesPath), or name another directory with --data")
        }
        let plan = try plan(in: state, options)
        try StoreService.system { () throws(SystemError) in
            try StateDirectory.write("this store was not finished\n", to: state.unfinishedPath)
            for position in present { try FileSystem.delete(state.drivePath(position)) }
            for suffix in ["", "-wal", "-shm"] {
                try FileSystem.delete(state.indexPath + suffix)
            }
        }
        for position in 0..<Int(plan.descriptor.driveCount) {
            try make(position, plan.descriptor, sizeBytes: plan.driveBytes, in: state)
        }
        _ = try StoreService.index { () throws(IndexError) in
            try SQLiteIndex(path: state.indexPath, readerCount: 1)
        }
        try StoreService.system { () throws(SystemError) in
            try FileSystem.delete(state.unfinishedPath)
            try FileSystem.synchronizeDirectory(state.path)
        }
    }

    private static func plan(
        in state: StateDirectory, _ options: StoreOptions
    ) throws(StoreOpenError) -> (descriptor: PoolDescriptor, driveBytes: UInt64) {
        let coding = options.coding ?? (4, 2)
        let count = options.driveCount ?? max(6, coding.dataShards + coding.parityShards)
        guard coding.dataShards >= 1, coding.parityShards >= 0,
            coding.dataShards + coding.parityShards <= 32
        else {
            throw .options(
                "coding \(coding.dataShards)+\(coding.parityShards): K is at least 1, M at least 0 "
                    + "and K+M at most 32")
        }
        guard count >= coding.dataShards + coding.parityShards,
            count <= StateDirectory.driveLimit
        else {
            throw .options(
                "\(count) drives for coding \(coding.dataShards)+\(coding.parityShards): it takes "
                    + "\(coding.dataShards + coding.parityShards) to \(StateDirectory.driveLimit)")
        }
        let free = try StoreService.system { () throws(SystemError) in
            try FileSystem(path: state.drivesPath).availableBytes
        }
        let driveBytes =
            options.driveSizeBytes ?? min(defaultDriveBytes, free / 2 / UInt64(count))
        guard driveBytes >= minimumDriveBytes else {
            throw .options(
                "drives of \(driveBytes >> 20) MiB are too small: give at least "
                    + "\(minimumDriveBytes >> 20) MiB each (\(free >> 20) MiB are free in "
                    + "\(state.drivesPath))")
        }
        guard driveBytes <= free / UInt64(count) else {
            throw .options(
                "\(count) drives of \(driveBytes >> 20) MiB do not fit in the \(free >> 20) MiB "
                    + "that are free in \(state.drivesPath)")
        }
        var random = SystemRandomNumberGenerator()
        guard let capacity = MediaLayout.capacityBlocks(ofMediaBytes: driveBytes) else {
            throw .options("drives of \(driveBytes) bytes are too small")
        }
        let slots = PoolDescriptor.slots(forCapacityBlocks: capacity)
        let descriptor = PoolDescriptor(
            region: UniqueID(from: &random), driveCount: UInt32(count),
            dataShards: UInt8(coding.dataShards), parityShards: UInt8(coding.parityShards),
            slotBlocks: slots.slotBlocks, slotsPerDrive: slots.slotsPerDrive)
        return (descriptor, driveBytes)
    }

    /// Formats the drive at `position` and tells it of the pool.
    static func make(
        _ position: Int, _ descriptor: PoolDescriptor, sizeBytes: UInt64, in state: StateDirectory
    ) throws(StoreOpenError) {
        var random = SystemRandomNumberGenerator()
        let identity = DriveIdentity(
            id: UniqueID(from: &random), region: descriptor.region, position: UInt32(position),
            capacityBlocks: 0, failureDomain: UInt32(position))
        do throws(LocalDriveError) {
            try LocalDrive.format(
                path: state.drivePath(position), identity: identity, sizeBytes: sizeBytes)
            let drive = try LocalDrive(path: state.drivePath(position))
            defer { drive.close() }
            let buffer = AlignedBuffer(byteCount: driveBlockSize)
            descriptor.encoded().withUnsafeBytes { buffer.mutableBytes.copyMemory(from: $0) }
            let blocks = LocalBlocks(drives: [drive], epoch: drive.epoch)
            guard blocks.write(drive: 0, lba: 0, blockCount: 1, from: buffer, bufferOffset: 0)
            else {
                throw LocalDriveError.system(
                    SystemError(code: EIO, call: "write", path: state.drivePath(position)))
            }
        } catch { throw .drive(error) }
    }

    // MARK: Opening

    static func open(in state: StateDirectory) throws(StoreOpenError) -> StorePool {
        var opened: [Int: LocalDrive] = [:]
        var failures: [Int: String] = [:]
        var descriptor: PoolDescriptor?
        for position in 0..<StateDirectory.driveLimit
        where StateDirectory.exists(state.drivePath(position)) {
            do throws(LocalDriveError) {
                let drive = try LocalDrive(path: state.drivePath(position))
                let found = Self.descriptor(of: drive)
                if Int(drive.identity.position) != position {
                    failures[position] = "it is drive \(drive.identity.position)"
                } else if let found, descriptor == nil || found == descriptor {
                    descriptor = found
                    opened[position] = drive
                } else {
                    failures[position] = "it belongs to another store, or its first block is lost"
                }
            } catch {
                if case .inUse = error { throw .drive(error) }
                failures[position] = "\(error)"
            }
        }
        guard let descriptor else {
            throw .drivesMissing("no drive in \(state.drivesPath) can be read: \(failures)")
        }
        return StorePool(
            descriptor: descriptor,
            drives: (0..<Int(descriptor.driveCount)).map { position in
                guard let drive = opened[position] else {
                    return Found(
                        drive: nil, failure: failures[position] ?? "its file is missing")
                }
                return Found(drive: drive, failure: nil)
            })
    }

    private static func descriptor(of drive: LocalDrive) -> PoolDescriptor? {
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        guard drive.readBlocking(lba: 0, blockCount: 1, into: buffer, bufferOffset: 0) == .success
        else { return nil }
        guard let found = PoolDescriptor(block: buffer.bytes),
            found.region == drive.identity.region
        else { return nil }
        return found
    }

    /// What was asked for must be what is there.
    func check(against options: StoreOptions) throws(StoreOpenError) {
        if let count = options.driveCount, count != Int(descriptor.driveCount) {
            throw .options(
                "this store has \(descriptor.driveCount) drives, not \(count); leave --drives out")
        }
        if let coding = options.coding,
            coding != (Int(descriptor.dataShards), Int(descriptor.parityShards))
        {
            throw .options(
                "this store is coded \(descriptor.dataShards)+\(descriptor.parityShards), not "
                    + "\(coding.dataShards)+\(coding.parityShards); leave --coding out")
        }
    }
}
