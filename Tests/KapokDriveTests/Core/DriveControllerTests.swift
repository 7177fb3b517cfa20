import KapokWorld
import Testing

@testable import KapokDrive

/// A controller and what it has asked for.
struct ControllerBench {
    var controller: DriveController
    var media: [MediaOperation] = []
    var completions: [DriveCompletion] = []
    let buffer = AlignedBuffer(byteCount: 16 * driveBlockSize)

    init(epoch: UInt64 = 5, capacityBlocks: UInt64 = 1000) {
        let identity = DriveIdentity(
            id: UniqueID(high: 0, low: 1), region: UniqueID(high: 0, low: 2), position: 3,
            capacityBlocks: capacityBlocks, failureDomain: 0)
        controller = DriveController(
            superblock: Superblock(identity: identity, epoch: Epoch(epoch), generation: 1))
    }

    mutating func handle(_ event: DriveEvent) {
        var effects = EffectBuffer<DriveEffect>()
        controller.handle(event, at: .zero, into: &effects)
        for effect in effects.takeAll() {
            switch effect {
            case .media(let operation): media.append(operation)
            case .complete(let completion): completions.append(completion)
            }
        }
    }

    mutating func submit(_ id: UInt64, epoch: UInt64 = 5, _ operation: DriveOperation) {
        handle(.submit(DriveCommand(id: id, epoch: Epoch(epoch), operation: operation)))
    }

    /// Ends the media operation that was asked for first.
    mutating func endOldest(succeeded: Bool = true) {
        handle(.mediaCompleted(id: media.removeFirst().id, succeeded: succeeded))
    }

    func status(_ id: UInt64) -> DriveStatus? { completions.last { $0.id == id }?.status }

    var read: DriveOperation { .read(lba: 0, blockCount: 1, buffer: buffer, bufferOffset: 0) }
    var write: DriveOperation {
        .write(lba: 0, blockCount: 1, buffer: buffer, bufferOffset: 0, forceUnitAccess: false)
    }
}

@Suite("Drive controller")
struct DriveControllerTests {
    @Test("a command goes to the media and completes when the media have done it")
    func passesOn() {
        var bench = ControllerBench()
        let operations = [
            bench.read, bench.write, .flush,
            .writeZeroes(lba: 3, blockCount: 7, forceUnitAccess: true),
        ]
        for (id, operation) in operations.enumerated() {
            bench.submit(UInt64(id), operation)
            #expect(bench.media.count == 1)
            #expect(bench.status(UInt64(id)) == nil)
            bench.endOldest()
            #expect(bench.status(UInt64(id)) == .success)
        }
        #expect(bench.completions.count == 4)
    }

    @Test("the media get the blocks and the buffer of the command")
    func parameters() {
        var bench = ControllerBench()
        bench.submit(
            1,
            .write(
                lba: 17, blockCount: 2, buffer: bench.buffer, bufferOffset: 8192,
                forceUnitAccess: true))
        guard case .write(17, 2, let buffer, 8192, true) = bench.media[0].action else {
            Issue.record("another operation")
            return
        }
        #expect(buffer === bench.buffer)
    }

    @Test("blocks outside of the drive and transfers that are too large are refused")
    func bounds() {
        var bench = ControllerBench(capacityBlocks: 1000)
        let large = AlignedBuffer(byteCount: 4 << 20)
        let bad: [(lba: UInt64, count: UInt32)] = [
            (1000, 1), (999, 2), (0, 0), (0, 1001), (.max, 1), (.max, .max), (0, 2049),
        ]
        for (lba, count) in bad {
            bench.submit(
                1, .read(lba: lba, blockCount: count, buffer: large, bufferOffset: 0))
            #expect(bench.completions.removeLast().status == .lbaOutOfRange)
            bench.submit(2, .writeZeroes(lba: lba, blockCount: count, forceUnitAccess: false))
            #expect(bench.completions.removeLast().status == .lbaOutOfRange)
        }
        let badBuffers: [(count: UInt32, offset: Int)] = [
            (17, 0), (16, 4096), (1, 65_536), (1, -4096), (1, 100), (1, .max),
        ]
        for (count, offset) in badBuffers {
            bench.submit(
                3, .read(lba: 0, blockCount: count, buffer: bench.buffer, bufferOffset: offset))
            #expect(bench.completions.removeLast().status == .lbaOutOfRange)
        }
        #expect(bench.media.isEmpty)
        bench.submit(4, .read(lba: 999, blockCount: 1, buffer: bench.buffer, bufferOffset: 61_440))
        #expect(bench.media.count == 1)
    }

    @Test("a head that lost its reservation is refused on every command")
    func lowerEpoch() {
        var bench = ControllerBench(epoch: 5)
        for operation in [bench.read, bench.write, .flush, .attach] {
            bench.submit(1, epoch: 4, operation)
            #expect(bench.completions.removeLast().status == .reservationConflict)
        }
        #expect(bench.media.isEmpty)
    }

    @Test("attaching writes the epoch into both superblocks, one after the other, then completes")
    func attach() throws {
        var bench = ControllerBench(epoch: 5)
        bench.submit(1, epoch: 6, .attach)
        for copy in 0...1 {
            #expect(bench.completions.isEmpty)
            #expect(bench.controller.epoch == Epoch(5))
            guard case .writeSuperblock(copy, let block) = bench.media[0].action else {
                Issue.record("not superblock \(copy)")
                return
            }
            let written = try block.withUnsafeBytes { try Superblock(block: $0) }
            #expect(written.epoch == Epoch(6))
            #expect(written.generation == 2)
            #expect(bench.media.count == 1)
            bench.endOldest()
        }
        #expect(bench.status(1) == .success)
        #expect(bench.controller.epoch == Epoch(6))
        #expect(bench.media.isEmpty)
    }

    @Test("attaching again with the same epoch succeeds and writes nothing")
    func attachAgain() {
        var bench = ControllerBench(epoch: 5)
        bench.submit(1, epoch: 5, .attach)
        #expect(bench.status(1) == .success)
        #expect(bench.media.isEmpty)
    }

    @Test("an attach refuses lower epochs at once and waits for those under way")
    func attachDrains() {
        var bench = ControllerBench(epoch: 5)
        bench.submit(1, epoch: 5, bench.write)
        bench.submit(2, epoch: 5, bench.read)
        bench.submit(3, epoch: 6, .attach)
        #expect(bench.media.count == 2)
        bench.submit(4, epoch: 5, bench.write)
        #expect(bench.status(4) == .reservationConflict)
        bench.endOldest()
        #expect(bench.media.count == 1)
        bench.endOldest()
        #expect(bench.status(1) == .success)
        #expect(bench.status(2) == .success)
        guard case .writeSuperblock(0, _) = bench.media[0].action else {
            Issue.record("no superblock after the last of them")
            return
        }
    }

    @Test("an attach does not wait for commands of its own epoch")
    func attachDoesNotWaitForItsOwn() {
        var bench = ControllerBench(epoch: 5)
        bench.submit(1, epoch: 5, bench.write)
        bench.submit(2, epoch: 6, .attach)
        bench.submit(3, epoch: 6, bench.write)
        bench.endOldest()
        #expect(bench.media.count == 2)
        guard case .writeSuperblock(0, _) = bench.media[1].action else {
            Issue.record("the attach waits")
            return
        }
    }

    @Test("of attaches that wait, the highest epoch wins and the lower ones conflict")
    func attachesQueue() {
        var bench = ControllerBench(epoch: 5)
        bench.submit(1, epoch: 6, .attach)
        bench.submit(2, epoch: 7, .attach)
        bench.submit(3, epoch: 8, .attach)
        bench.submit(4, epoch: 8, .attach)
        bench.submit(5, epoch: 7, .attach)
        #expect(bench.status(5) == .reservationConflict)
        while !bench.media.isEmpty { bench.endOldest() }
        #expect(bench.status(1) == .success)
        #expect(bench.status(2) == .reservationConflict)
        #expect(bench.status(3) == .success)
        #expect(bench.status(4) == .success)
        #expect(bench.controller.epoch == Epoch(8))
        #expect(bench.completions.count == 5)
    }

    @Test("only a few attaches wait; more are refused")
    func attachesAreBounded() {
        var bench = ControllerBench(epoch: 5)
        for id in 0..<100 as Range<UInt64> { bench.submit(id, epoch: 6, .attach) }
        let refused = bench.completions.filter { $0.status == .reservationConflict }
        #expect(refused.count == 99 - DriveController.maximumWaitingAttaches)
        while !bench.media.isEmpty { bench.endOldest() }
        #expect(Set(bench.completions.map(\.id)).count == 100)
        #expect(bench.completions.count == 100)
    }

    @Test("an unreadable block does not fail the drive")
    func readError() {
        var bench = ControllerBench()
        bench.submit(1, bench.read)
        bench.endOldest(succeeded: false)
        #expect(bench.status(1) == .unrecoveredReadError)
        #expect(bench.controller.failure == nil)
        bench.submit(2, bench.write)
        bench.endOldest()
        #expect(bench.status(2) == .success)
    }

    @Test("after a failed flush the drive is failed for ever, and so is what was under way")
    func failedFlush() {
        var bench = ControllerBench()
        bench.submit(1, bench.write)
        bench.submit(2, .flush)
        bench.submit(3, bench.write)
        bench.submit(4, epoch: 6, .attach)
        let flush = bench.media.remove(at: 1)
        bench.handle(.mediaCompleted(id: flush.id, succeeded: false))
        #expect(bench.status(2) == .driveFailed)
        #expect(bench.status(4) == .driveFailed)
        // Their buffers are in use until the media have let go of them.
        #expect(bench.status(1) == nil)
        bench.endOldest()
        bench.endOldest()
        #expect(bench.status(1) == .driveFailed)
        #expect(bench.status(3) == .driveFailed)
        for (id, operation) in [(5, bench.read), (6, .flush), (7, .attach)] {
            bench.submit(UInt64(id), epoch: 9, operation)
            #expect(bench.status(UInt64(id)) == .driveFailed)
        }
        #expect(bench.media.isEmpty)
        #expect(bench.completions.count == 7)
        #expect(bench.controller.failure?.contains("flush") == true)
    }

    @Test("a failed write is reported as such and fails the drive")
    func failedWrite() {
        var bench = ControllerBench()
        bench.submit(1, bench.write)
        bench.endOldest(succeeded: false)
        #expect(bench.status(1) == .writeFault)
        bench.submit(2, bench.read)
        #expect(bench.status(2) == .driveFailed)
    }

    @Test("vanished media fail the drive, with the attach that was writing", arguments: 0...1)
    func vanished(whileWriting copy: Int) {
        var bench = ControllerBench()
        bench.submit(1, epoch: 6, .attach)
        if copy == 1 { bench.endOldest() }
        bench.handle(.mediaVanished(reason: "pulled out"))
        #expect(bench.status(1) == .driveFailed)
        bench.endOldest()
        #expect(bench.completions.count == 1)
        #expect(bench.controller.failure == "pulled out")
        #expect(bench.controller.epoch == Epoch(5))
        bench.handle(.mediaVanished(reason: "again"))
        #expect(bench.controller.failure == "pulled out")
    }

    @Test("a superblock that cannot be written fails the attach and the drive", arguments: 0...1)
    func failedSuperblock(_ copy: Int) {
        var bench = ControllerBench()
        bench.submit(1, epoch: 6, .attach)
        if copy == 1 { bench.endOldest() }
        bench.endOldest(succeeded: false)
        #expect(bench.status(1) == .driveFailed)
        #expect(bench.completions.count == 1)
        #expect(bench.controller.failure != nil)
    }

    @Test("an end that is reported twice or was never asked for changes nothing")
    func strayCompletions() {
        var bench = ControllerBench()
        bench.submit(1, bench.write)
        let id = bench.media[0].id
        bench.handle(.mediaCompleted(id: id &+ 1, succeeded: false))
        bench.handle(.mediaCompleted(id: .max, succeeded: false))
        bench.endOldest()
        bench.submit(2, bench.write)
        bench.handle(.mediaCompleted(id: id, succeeded: false))
        #expect(bench.controller.failure == nil)
        #expect(bench.status(2) == nil)
        bench.endOldest()
        #expect(bench.completions.count == 2)
    }

    @Test("the state is told in one line")
    func description() {
        var bench = ControllerBench()
        #expect(
            bench.controller.description
                == "drive 3 epoch 5 fence 5: ready; 0 under way, 0 attaches waiting")
        bench.submit(1, bench.write)
        bench.submit(2, epoch: 6, .attach)
        bench.submit(3, epoch: 7, .attach)
        #expect(
            bench.controller.description
                == "drive 3 epoch 5 fence 7: attaching 6, waiting for 1; 1 under way, "
                + "1 attaches waiting")
        bench.handle(.mediaVanished(reason: "gone"))
        #expect(bench.controller.description.contains("failed (gone)"))
    }
}
