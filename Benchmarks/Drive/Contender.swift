import Glibc
import KapokDrive
import KapokLinux
import KapokWorld

/// One way to carry operations out, over drives of its own.
final class Contender: Sendable {
    /// Blocks of each drive: 256 MiB.
    static let blocks: UInt64 = 1 << 16
    /// Drives that a group commit goes to.
    static let driveCount = 6

    enum Way: Sendable {
        /// The drives as they are: in memory the submitter does the work itself.
        case drives(engine: IOEngine)
        /// The operations that the drives would do, always handed to the engine.
        case handedOver(engine: IOEngine)
    }

    let name: String
    private let way: Way
    private let drives: [LocalDrive]
    private let files: [OpenFile]

    init(name: String, way: Way, directory: String) throws {
        self.name = name
        self.way = way
        var drives: [LocalDrive] = []
        var files: [OpenFile] = []
        var random = SystemRandomNumberGenerator()
        for position in 0..<Self.driveCount {
            let path = "\(directory)/\(name)-\(position)"
            let identity = DriveIdentity(
                id: UniqueID(from: &random), region: UniqueID(high: 0, low: 1),
                position: UInt32(position), capacityBlocks: 0, failureDomain: 0)
            try LocalDrive.format(
                path: path, identity: identity,
                sizeBytes: MediaLayout.mediaBytes(forCapacityBlocks: Self.blocks))
            switch way {
            case .drives(let engine):
                drives.append(try LocalDrive(path: path, engine: engine))
            case .handedOver:
                files.append(try OpenFile(path: path, mode: .existing, direct: true))
            }
        }
        self.drives = drives
        self.files = files
    }

    /// Carries `operation` out on drive `index`. Anything but success ends the benchmark.
    func submit(
        _ operation: DriveOperation, to index: Int, completed: @escaping @Sendable () -> Void
    ) {
        switch way {
        case .drives:
            drives[index].submit(DriveCommand(id: 0, epoch: .none, operation: operation)) {
                guard $0.status == .success else { fatalError("\(operation): \($0.status)") }
                completed()
            }
        case .handedOver(let engine):
            engine.submit(FileOperation(Self.action(of: operation), on: files[index])) {
                guard $0 == 0 else { fatalError("\(operation): errno \($0)") }
                completed()
            }
        }
    }

    private static func action(of operation: DriveOperation) -> FileOperation.Action {
        switch operation {
        case .attach: fatalError("not measured")
        case .read(let lba, let count, let buffer, let offset):
            .read(
                buffer: buffer, bufferOffset: offset, byteCount: Int(count) * driveBlockSize,
                offset: MediaLayout.byteOffset(ofLBA: lba))
        case .write(let lba, let count, let buffer, let offset, let isForced):
            .write(
                buffer: buffer, bufferOffset: offset, byteCount: Int(count) * driveBlockSize,
                offset: MediaLayout.byteOffset(ofLBA: lba), isDurable: isForced)
        case .flush: .synchronizeData
        case .writeZeroes(let lba, let count, let isForced):
            .writeZeroes(
                byteCount: Int(count) * driveBlockSize,
                offset: MediaLayout.byteOffset(ofLBA: lba), isDurable: isForced)
        }
    }

    /// Does one operation on each of the first `count` drives and waits for all; nanoseconds.
    @discardableResult
    func onEach(_ count: Int, _ operation: @escaping @Sendable (Int) -> DriveOperation) -> UInt64 {
        ClosedLoop.run(count: count, depth: count) { index, completed in
            self.submit(operation(index), to: index, completed: completed)
        }
    }
}
