import Foundation
import KapokDrive
import KapokLinux
import KapokWorld
import Testing

/// Where a drive's file can live; each is a world of its own to the driver.
enum Place: CaseIterable, CustomTestStringConvertible, Sendable {
    case disk
    case memory

    static var available: [Place] {
        allCases.filter {
            guard let system = try? FileSystem(path: $0.root) else { return false }
            return $0 == .memory ? system.isMemory : !system.isMemory
        }
    }

    var root: String {
        switch self {
        case .disk: FileManager.default.temporaryDirectory.path
        case .memory: "/dev/shm"
        }
    }

    var testDescription: String { self == .disk ? "on disk" : "in memory" }
}

/// A directory that goes away with the last reference.
final class Directory: Sendable {
    let path: String

    init(_ place: Place) throws {
        path = place.root + "/kapok-drive-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}

/// The two engines that must behave alike.
enum Engine: CaseIterable, Sendable {
    case threads
    case ring

    static var available: [Engine] {
        allCases.filter { $0 == .threads || (try? IOEngine.ring()) != nil }
    }

    func make() throws -> IOEngine {
        switch self {
        case .threads: try IOEngine.threadPool(threads: 4)
        case .ring: try IOEngine.ring()
        }
    }
}

/// One combination to run a test in.
struct Setting: CustomTestStringConvertible, Sendable {
    var place: Place
    var engine: Engine

    static let all = Place.available.flatMap { place in
        Engine.available.map { Setting(place: place, engine: $0) }
    }

    var testDescription: String { "\(place.testDescription), \(engine)" }

    /// A fresh drive of `blocks` blocks and the directory that holds it.
    func makeDrive(blocks: UInt64 = 1024) throws -> (LocalDrive, Directory) {
        let directory = try Directory(place)
        let path = directory.file("drive")
        try LocalDrive.format(
            path: path, identity: sampleIdentity,
            sizeBytes: MediaLayout.mediaBytes(forCapacityBlocks: blocks))
        return (try LocalDrive(path: path, engine: try engine.make()), directory)
    }
}

let sampleIdentity = DriveIdentity(
    id: UniqueID(high: 1, low: 2), region: UniqueID(high: 3, low: 4), position: 5,
    capacityBlocks: 0, failureDomain: 6)

extension LocalDrive {
    /// Submits and waits for the completion.
    func run(
        _ operation: DriveOperation, epoch: Epoch = .none, id: UInt64 = 7
    ) async -> DriveStatus {
        await withCheckedContinuation { continuation in
            submit(DriveCommand(id: id, epoch: epoch, operation: operation)) { completion in
                #expect(completion.id == id)
                continuation.resume(returning: completion.status)
            }
        }
    }

    func write(
        _ byte: UInt8, at lba: UInt64, blocks: UInt32 = 1, epoch: Epoch = .none,
        isForced: Bool = false
    ) async -> DriveStatus {
        let buffer = AlignedBuffer(byteCount: Int(blocks) * driveBlockSize)
        buffer.mutableBytes.initializeMemory(as: UInt8.self, repeating: byte)
        return await run(
            .write(
                lba: lba, blockCount: blocks, buffer: buffer, bufferOffset: 0,
                forceUnitAccess: isForced), epoch: epoch)
    }

    /// The blocks' bytes, when all of them are equal within each block; nil for a failed read.
    func read(at lba: UInt64, blocks: UInt32 = 1, epoch: Epoch = .none) async -> [UInt8]? {
        let buffer = AlignedBuffer(byteCount: Int(blocks) * driveBlockSize)
        let status = await run(
            .read(lba: lba, blockCount: blocks, buffer: buffer, bufferOffset: 0), epoch: epoch)
        guard status == .success else { return nil }
        return (0..<Int(blocks)).map { block in
            let start = block * driveBlockSize
            let first = buffer.bytes[start]
            // Equal to itself shifted by one: all bytes are the first. (Fast in debug builds, too.)
            let bytes = buffer.baseAddress + start
            #expect(memcmp(bytes, bytes + 1, driveBlockSize - 1) == 0)
            return first
        }
    }
}
