import Dispatch
import KapokDrive
import KapokWorld
import Synchronization

/// Drives, read and written by a thread that waits: for recovery, rebuilding, checking and
/// compaction, which never run on a thread that serves requests.
struct LocalBlocks: BlockWriter, Sendable {
    let drives: [LocalDrive?]
    let epoch: Epoch

    func read(
        drive: UInt32, lba: UInt64, blockCount: UInt32, into buffer: AlignedBuffer,
        bufferOffset: Int
    ) -> Bool {
        drives[Int(drive)]?.readBlocking(
            lba: lba, blockCount: blockCount, into: buffer, bufferOffset: bufferOffset) == .success
    }

    func write(
        drive: UInt32, lba: UInt64, blockCount: UInt32, from buffer: AlignedBuffer,
        bufferOffset: Int
    ) -> Bool {
        carryOut(
            .write(
                lba: lba, blockCount: blockCount, buffer: buffer, bufferOffset: bufferOffset,
                forceUnitAccess: true), on: drive)
    }

    func flush(drive: UInt32) -> Bool { carryOut(.flush, on: drive) }

    func attach(drive: UInt32) -> Bool { carryOut(.attach, on: drive) }

    private func carryOut(_ operation: DriveOperation, on position: UInt32) -> Bool {
        guard let drive = drives[Int(position)] else { return false }
        let done = DispatchSemaphore(value: 0)
        let box = StatusBox()
        drive.submit(DriveCommand(id: 0, epoch: epoch, operation: operation)) { completion in
            box.succeeded.store(completion.status == .success, ordering: .releasing)
            done.signal()
        }
        done.wait()
        return box.succeeded.load(ordering: .acquiring)
    }

    private final class StatusBox: Sendable {
        let succeeded = Atomic<Bool>(false)
    }
}
