import KapokDrive
import KapokSimulation
import KapokStore
import KapokWorld

/// A network drive in the simulator: the real controller in front of a simulated disk. Media
/// operations take effect when their completion fires.
struct SimulatedDrive {
    private(set) var controller: DriveController?
    var disk: SimulatedDisk
    /// Rises at every power failure: completions of an earlier life are dropped.
    private(set) var life = 0
    private var inFlight: [UInt64: MediaOperation] = [:]
    let position: UInt32

    init(identity: DriveIdentity, random: RandomStream) {
        position = identity.position
        disk = SimulatedDisk(
            blockCount: MediaLayout.leadingBlocks + identity.capacityBlocks
                + MediaLayout.trailingBlocks, random: random)
        let superblock = Superblock(identity: identity)
        for lba in [0, disk.blockCount - 1] {
            superblock.encoded().withUnsafeBytes {
                _ = disk.write(lba: lba, blockCount: 1, from: $0, forceUnitAccess: true)
            }
        }
        controller = DriveController(superblock: superblock)
    }

    var isUsable: Bool { controller?.failure == nil && controller != nil && disk.isPresent }
    var epoch: Epoch { controller?.epoch ?? .none }

    /// Hands an event to the controller; without one, commands fail.
    mutating func handle(
        _ event: DriveEvent, at now: Instant
    ) -> [DriveEffect] {
        guard controller != nil else {
            guard case .submit(let command) = event else { return [] }
            return [.complete(DriveCompletion(id: command.id, status: .driveFailed))]
        }
        var effects = EffectBuffer<DriveEffect>()
        controller?.handle(event, at: now, into: &effects)
        return effects.takeAll()
    }

    /// Notes an operation and tells how long it will take.
    mutating func start(_ operation: MediaOperation) -> Interval {
        inFlight[operation.id] = operation
        switch operation.action {
        case .read(_, let count, _, _):
            return disk.latency(of: .read, byteCount: Int(count) * driveBlockSize)
        case .write(_, let count, _, _, let isForced):
            return disk.latency(
                of: isForced ? .durableWrite : .write, byteCount: Int(count) * driveBlockSize)
        case .writeZeroes: return disk.latency(of: .durableWrite, byteCount: driveBlockSize)
        case .flush: return disk.latency(of: .flush, byteCount: 0)
        case .writeSuperblock: return disk.latency(of: .durableWrite, byteCount: driveBlockSize)
        }
    }

    /// Lets an operation take effect.
    mutating func finish(_ id: UInt64) -> Bool {
        guard let operation = inFlight.removeValue(forKey: id) else { return false }
        switch operation.action {
        case .read(let lba, let count, let buffer, let offset):
            return disk.read(
                lba: lba + MediaLayout.leadingBlocks, blockCount: Int(count),
                into: UnsafeMutableRawBufferPointer(rebasing: buffer.mutableBytes[offset...]))
                == .done
        case .write(let lba, let count, let buffer, let offset, let isForced):
            return disk.write(
                lba: lba + MediaLayout.leadingBlocks, blockCount: Int(count),
                from: UnsafeRawBufferPointer(rebasing: buffer.bytes[offset...]),
                forceUnitAccess: isForced) == .done
        case .writeZeroes(let lba, let count, let isForced):
            return disk.writeZeroes(
                lba: lba + MediaLayout.leadingBlocks, blockCount: Int(count),
                forceUnitAccess: isForced)
                == .done
        case .flush: return disk.flush() == .done
        case .writeSuperblock(let copy, let block):
            return block.withUnsafeBytes {
                disk.write(
                    lba: copy == 0 ? 0 : disk.blockCount - 1, blockCount: 1, from: $0,
                    forceUnitAccess: true) == .done
            }
        }
    }

    /// The power fails and returns: what was under way happens in part, and the drive starts again
    /// from its superblocks.
    mutating func powerCycle() {
        life += 1
        let writes = inFlight.sorted { $0.key < $1.key }.compactMap { _, operation in
            switch operation.action {
            case .write(let lba, let count, let buffer, let offset, _):
                InFlightWrite(
                    lba: lba + MediaLayout.leadingBlocks, blockCount: Int(count),
                    bytes: UnsafeRawBufferPointer(rebasing: buffer.bytes[offset...]))
            case .writeZeroes(let lba, let count, _):
                InFlightWrite(
                    lba: lba + MediaLayout.leadingBlocks, blockCount: Int(count), bytes: nil)
            default: nil
            }
        }
        disk.crash(inFlight: writes)
        inFlight = [:]
        restart()
    }

    /// Starts the controller anew from what the media say.
    mutating func restart() {
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        let copies = [0, disk.blockCount - 1].map { lba -> Superblock? in
            guard disk.read(lba: lba, blockCount: 1, into: buffer.mutableBytes) == .done else {
                return nil
            }
            return try? Superblock(block: buffer.bytes)
        }
        controller = Superblock.choose(copies[0], copies[1]).map(DriveController.init)
    }
}

/// All drives of the simulated region, by reference, so that recovery and readers see them.
final class SimulatedDrives: BlockWriter {
    var drives: [SimulatedDrive]

    init(_ drives: [SimulatedDrive]) { self.drives = drives }

    func read(
        drive: UInt32, lba: UInt64, blockCount: UInt32, into buffer: AlignedBuffer,
        bufferOffset: Int
    ) -> Bool {
        guard drives[Int(drive)].isUsable else { return false }
        return drives[Int(drive)].disk.read(
            lba: lba + MediaLayout.leadingBlocks, blockCount: Int(blockCount),
            into: UnsafeMutableRawBufferPointer(rebasing: buffer.mutableBytes[bufferOffset...]))
            == .done
    }

    func write(
        drive: UInt32, lba: UInt64, blockCount: UInt32, from buffer: AlignedBuffer,
        bufferOffset: Int
    ) -> Bool {
        guard drives[Int(drive)].isUsable else { return false }
        return drives[Int(drive)].disk.write(
            lba: lba + MediaLayout.leadingBlocks, blockCount: Int(blockCount),
            from: UnsafeRawBufferPointer(rebasing: buffer.bytes[bufferOffset...]),
            forceUnitAccess: true) == .done
    }

    func flush(drive: UInt32) -> Bool {
        drives[Int(drive)].isUsable && drives[Int(drive)].disk.flush() == .done
    }
}
