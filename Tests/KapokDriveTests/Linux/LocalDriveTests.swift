import Foundation
import KapokDrive
import KapokLinux
import KapokWorld
import Testing

@Suite("A drive on a file")
struct LocalDriveTests {
    @Test("keeps what was written, across reopening", arguments: Setting.all)
    func keeps(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        #expect(await drive.write(0xA1, at: 0) == .success)
        #expect(await drive.write(0xB2, at: 1020, blocks: 4, isForced: true) == .success)
        #expect(await drive.run(.flush) == .success)
        drive.close()
        let again = try LocalDrive(path: directory.file("drive"), engine: setting.engine.make())
        #expect(await again.read(at: 0, blocks: 2) == [0xA1, 0])
        #expect(await again.read(at: 1020, blocks: 4) == [0xB2, 0xB2, 0xB2, 0xB2])
        var expected = sampleIdentity
        expected.capacityBlocks = 1024
        #expect(again.identity == expected)
        #expect(again.isMemoryBacked == (setting.place == .memory))
    }

    @Test("takes parts of buffers", arguments: Setting.all)
    func parts(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        let buffer = AlignedBuffer(byteCount: 4 * driveBlockSize)
        for index in 0..<buffer.count {
            buffer.mutableBytes[index] = UInt8(index / driveBlockSize + 1)
        }
        let written = await drive.run(
            .write(
                lba: 10, blockCount: 2, buffer: buffer, bufferOffset: driveBlockSize,
                forceUnitAccess: false))
        #expect(written == .success)
        #expect(await drive.read(at: 9, blocks: 4) == [0, 2, 3, 0])
        let status = drive.readBlocking(
            lba: 11, blockCount: 1, into: buffer, bufferOffset: 3 * driveBlockSize)
        #expect(status == .success)
        #expect(buffer.bytes[3 * driveBlockSize] == 3)
        #expect(buffer.bytes[2 * driveBlockSize] == 3)
        withExtendedLifetime(directory) {}
    }

    @Test("zeroes blocks and no others", arguments: Setting.all)
    func zeroes(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        #expect(await drive.write(0xEE, at: 0, blocks: 200) == .success)
        // More than the zeroes that go in one piece (64 blocks).
        let status = await drive.run(
            .writeZeroes(lba: 1, blockCount: 150, forceUnitAccess: true))
        #expect(status == .success)
        let after = await drive.read(at: 0, blocks: 200)
        let expected =
            [0xEE] + [UInt8](repeating: 0, count: 150) + Array(repeating: 0xEE, count: 49)
        #expect(after == expected)
        withExtendedLifetime(directory) {}
    }

    @Test("refuses blocks outside and buffers too small, on every way in", arguments: Setting.all)
    func bounds(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        let buffer = AlignedBuffer(byteCount: 2 * driveBlockSize)
        let bad: [(UInt64, UInt32, Int)] = [
            (1024, 1, 0), (1023, 2, 0), (.max, 1, 0), (0, 0, 0), (0, 3, 0),
            (0, 2, driveBlockSize), (0, 1, 512), (0, 1, -driveBlockSize),
            (0, driveMaximumTransferBlocks + 1, 0),
        ]
        for (lba, count, offset) in bad {
            let status = await drive.run(
                .read(lba: lba, blockCount: count, buffer: buffer, bufferOffset: offset))
            #expect(status == .lbaOutOfRange)
            #expect(
                drive.readBlocking(lba: lba, blockCount: count, into: buffer, bufferOffset: offset)
                    == .lbaOutOfRange)
            let now = drive.readNow(
                lba: lba, blockCount: count, into: buffer, bufferOffset: offset)
            #expect(now == (drive.isMemoryBacked ? .lbaOutOfRange : nil))
        }
        #expect(await drive.write(1, at: 1023, blocks: 2) == .lbaOutOfRange)
        #expect(drive.health == .ok)
        withExtendedLifetime(directory) {}
    }

    @Test("has one opener at a time", arguments: Setting.all)
    func secondOpener(_ setting: Setting) throws {
        let (drive, directory) = try setting.makeDrive()
        let path = directory.file("drive")
        #expect(throws: LocalDriveError.inUse(path: path)) { try LocalDrive(path: path) }
        drive.close()
        _ = try LocalDrive(path: path)
    }

    @Test("fences lower epochs, also after reopening", arguments: Setting.all)
    func fencing(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        #expect(await drive.run(.attach, epoch: Epoch(3)) == .success)
        #expect(await drive.write(1, at: 0, epoch: Epoch(2)) == .reservationConflict)
        #expect(await drive.write(1, at: 0, epoch: Epoch(3)) == .success)
        drive.close()
        let again = try LocalDrive(path: directory.file("drive"), engine: setting.engine.make())
        #expect(again.epoch == Epoch(3))
        #expect(await again.write(9, at: 0, epoch: Epoch(2)) == .reservationConflict)
        #expect(await again.run(.attach, epoch: Epoch(2)) == .reservationConflict)
        #expect(await again.read(at: 0, epoch: Epoch(3)) == [1])
        #expect(await again.run(.attach, epoch: Epoch(4)) == .success)
        #expect(again.epoch == Epoch(4))
    }

    @Test("refuses everything once closed; closing twice is fine", arguments: Setting.all)
    func closed(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        drive.close()
        drive.close()
        #expect(await drive.write(1, at: 0) == .driveFailed)
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        #expect(
            drive.readBlocking(lba: 0, blockCount: 1, into: buffer, bufferOffset: 0)
                == .driveFailed)
        #expect(drive.health == .failed(reason: "closed"))
        withExtendedLifetime(directory) {}
    }
}
