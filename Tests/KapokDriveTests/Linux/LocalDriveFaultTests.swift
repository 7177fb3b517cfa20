import Foundation
import KapokDrive
import KapokLinux
import KapokWorld
import Testing

@Suite("A drive whose file suffers")
struct LocalDriveFaultTests {
    private func failure(_ drive: LocalDrive) -> String? {
        if case .failed(let reason) = drive.health { return reason }
        return nil
    }

    @Test("fails with the first write or flush after the file was deleted", arguments: Setting.all)
    func deleted(_ setting: Setting) async throws {
        for operation in ["write", "flush", "zeroes"] {
            let (drive, directory) = try setting.makeDrive()
            #expect(await drive.write(1, at: 0) == .success)
            try FileManager.default.removeItem(atPath: directory.file("drive"))
            let status =
                switch operation {
                case "write": await drive.write(2, at: 0)
                case "flush": await drive.run(.flush)
                default:
                    await drive.run(
                        .writeZeroes(lba: 0, blockCount: 1, forceUnitAccess: false))
                }
            #expect(status == .driveFailed)
            #expect(failure(drive)?.contains("deleted") == true)
            #expect(await drive.read(at: 0) == nil)
            let buffer = AlignedBuffer(byteCount: driveBlockSize)
            #expect(
                drive.readBlocking(lba: 0, blockCount: 1, into: buffer, bufferOffset: 0)
                    == .driveFailed)
        }
    }

    @Test(
        "finds by a probe that the file was deleted, moved, replaced or cut",
        arguments: Setting.all)
    func probed(_ setting: Setting) async throws {
        let damages: [(word: String, apply: @Sendable (String) throws -> Void)] = [
            ("deleted", { try FileManager.default.removeItem(atPath: $0) }),
            ("moved", { try FileManager.default.moveItem(atPath: $0, toPath: $0 + ".away") }),
            (
                "replaced",
                {
                    try FileManager.default.moveItem(atPath: $0, toPath: $0 + ".away")
                    try FileManager.default.copyItem(atPath: $0 + ".away", toPath: $0)
                }
            ),
            ("cut", { #expect(truncate($0, 100_000) == 0) }),
        ]
        for damage in damages {
            let (drive, directory) = try setting.makeDrive()
            #expect(drive.probe() == .ok)
            try damage.apply(directory.file("drive"))
            #expect(drive.health == .ok)
            guard case .failed(let reason) = drive.probe() else {
                Issue.record("\(damage.word) was not noticed")
                continue
            }
            #expect(reason.contains(damage.word))
            #expect(await drive.write(1, at: 0) == .driveFailed)
            // For good, whatever is found later.
            #expect(drive.probe() == .failed(reason: reason))
        }
    }

    @Test(
        "gives errors for the blocks that a cut took, and the bytes of the others",
        arguments: Setting.all)
    func cut(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        #expect(await drive.write(7, at: 0, blocks: 1024) == .success)
        let path = directory.file("drive")
        // Ends in the middle of LBA 100.
        let size = Int(MediaLayout.byteOffset(ofLBA: 100)) + 1000
        #expect(truncate(path, size) == 0)
        #expect(await drive.read(at: 0, blocks: 100) == [UInt8](repeating: 7, count: 100))
        #expect(await drive.read(at: 100) == nil)
        #expect(await drive.read(at: 99, blocks: 2) == nil)
        #expect(await drive.read(at: 1000) == nil)
        #expect(drive.health == .ok)
        // A write beyond the cut would make the file whole again, with a hole in it.
        #expect(await drive.write(8, at: 1000) == .driveFailed)
        #expect(failure(drive)?.contains("cut") == true)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.size] as? Int == size)
    }

    @Test("does not open when cut")
    func openCut() throws {
        let setting = try #require(Setting.all.first)
        let (drive, directory) = try setting.makeDrive()
        drive.close()
        let path = directory.file("drive")
        #expect(truncate(path, 500_000) == 0)
        #expect(
            throws: LocalDriveError.shrunk(
                path: path, expectedBlocks: 1024, actualBytes: 500_000)
        ) { try LocalDrive(path: path) }
        #expect(truncate(path, 100) == 0)
        #expect(throws: LocalDriveError.notADrive(path: path, .truncated, nil)) {
            try LocalDrive(path: path)
        }
    }

    @Test("opens by either superblock, and not without both")
    func superblocks() async throws {
        let setting = try #require(Setting.all.first)
        let last = MediaLayout.byteOffset(ofSuperblock: 1, capacityBlocks: 1024)
        for offset in [0, last] {
            let (drive, directory) = try setting.makeDrive()
            #expect(await drive.run(.attach, epoch: Epoch(9)) == .success)
            drive.close()
            try damage(directory.file("drive"), at: offset)
            let again = try LocalDrive(path: directory.file("drive"))
            #expect(again.epoch == Epoch(9))
            #expect(again.identity.id == sampleIdentity.id)
        }
        let (drive, directory) = try setting.makeDrive()
        drive.close()
        try damage(directory.file("drive"), at: 0)
        try damage(directory.file("drive"), at: last)
        let path = directory.file("drive")
        #expect(
            throws: LocalDriveError.notADrive(path: path, .wrongChecksum, .wrongChecksum)
        ) { try LocalDrive(path: path) }
    }

    /// Flips a bit in the padding of the block at `offset`.
    private func damage(_ path: String, at offset: UInt64) throws {
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.seek(toOffset: offset + 2000)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: offset + 2000)
        try handle.write(contentsOf: Data([byte ^ 4]))
        try handle.close()
    }

    @Test("with the older epoch in a superblock that an interrupted attach did not reach")
    func interruptedAttach() async throws {
        let setting = try #require(Setting.all.first)
        let (drive, directory) = try setting.makeDrive()
        let path = directory.file("drive")
        let last = MediaLayout.byteOffset(ofSuperblock: 1, capacityBlocks: 1024)
        let before = try block(of: path, at: last)
        #expect(await drive.run(.attach, epoch: Epoch(5)) == .success)
        drive.close()
        // As if the process had died between the two superblocks.
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try handle.seek(toOffset: last)
        try handle.write(contentsOf: before)
        try handle.close()
        #expect(try LocalDrive(path: path).epoch == Epoch(5))
    }

    private func block(of path: String, at offset: UInt64) throws -> Data {
        let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        try handle.seek(toOffset: offset)
        return try #require(try handle.read(upToCount: driveBlockSize))
    }
}

@Suite("Formatting a drive")
struct LocalDriveFormatTests {
    private let size = MediaLayout.mediaBytes(forCapacityBlocks: 64)

    @Test("leaves an existing file alone")
    func existing() throws {
        let directory = try Directory(.disk)
        let path = directory.file("drive")
        try Data("somebody's".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: LocalDriveError.alreadyExists(path: path)) {
            try LocalDrive.format(path: path, identity: sampleIdentity, sizeBytes: size)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("somebody's".utf8))
        #expect(throws: LocalDriveError.notADrive(path: path, .truncated, nil)) {
            try LocalDrive(path: path)
        }
    }

    @Test("needs room for one block")
    func tooSmall() throws {
        let directory = try Directory(.disk)
        let path = directory.file("drive")
        let least = MediaLayout.mediaBytes(forCapacityBlocks: 1)
        #expect(throws: LocalDriveError.tooSmall(sizeBytes: least - 1)) {
            try LocalDrive.format(path: path, identity: sampleIdentity, sizeBytes: least - 1)
        }
        try LocalDrive.format(path: path, identity: sampleIdentity, sizeBytes: least + 4095)
        #expect(try LocalDrive(path: path).identity.capacityBlocks == 1)
    }

    @Test("leaves nothing behind when it fails, and minds no remains of a crash")
    func remains() throws {
        let directory = try Directory(.disk)
        let path = directory.file("drive")
        // More than any file may have.
        #expect(throws: LocalDriveError.self) {
            try LocalDrive.format(
                path: path, identity: sampleIdentity, sizeBytes: UInt64(Int64.max) / 4096 * 4096)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
        try Data("half".utf8).write(to: URL(fileURLWithPath: path + ".formatting"))
        try LocalDrive.format(path: path, identity: sampleIdentity, sizeBytes: size)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["drive"])
    }

    @Test("takes its space at once, on disk", .enabled(if: Place.available.contains(.disk)))
    func space() throws {
        let directory = try Directory(.disk)
        let path = directory.file("drive")
        try LocalDrive.format(path: path, identity: sampleIdentity, sizeBytes: 1 << 20)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_blocks * 512 >= 1 << 20)
    }

    @Test("says which directory is missing")
    func noDirectory() throws {
        let directory = try Directory(.disk)
        let path = directory.file("none/drive")
        let error = try #require(throws: LocalDriveError.self) {
            try LocalDrive.format(path: path, identity: sampleIdentity, sizeBytes: size)
        }
        #expect("\(error)".contains(directory.path))
        #expect("\(error)".contains("No such file or directory"))
    }
}
