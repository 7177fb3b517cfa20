import KapokDrive
import KapokLinux
import KapokWorld
import Synchronization
import Testing

@Suite("A drive under many submitters")
struct LocalDriveConcurrencyTests {
    @Test(
        "completes each of many random commands exactly once and mixes nothing up",
        arguments: Setting.all, [1, 2] as [UInt64])
    func exactlyOnce(_ setting: Setting, seed: UInt64) async throws {
        let (drive, directory) = try setting.makeDrive()
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<8 {
                group.addTask { await Self.runLane(lane, on: drive, seed: seed) }
            }
        }
        #expect(drive.health == .ok)
        withExtendedLifetime(directory) {}
    }

    /// Random commands on 128 blocks of its own, against a model of them. All lanes use the same
    /// numbers for their commands.
    private static func runLane(_ lane: Int, on drive: LocalDrive, seed: UInt64) async {
        let start = UInt64(lane) * 128
        var model = [UInt8](repeating: 0, count: 128)
        var random = RandomStream(seed: seed).split(UInt64(lane))
        for id in 0..<150 as Range<UInt64> {
            let count = 1 + random.below(16)
            let first = random.below(128 - count)
            let range = first..<first + count
            switch random.below(5) {
            case 0, 1:
                let byte = UInt8(truncatingIfNeeded: random.next())
                for block in range { model[block] = byte }
                let status = await drive.write(
                    byte, at: start + UInt64(first), blocks: UInt32(count),
                    isForced: random.chance(1, in: 8))
                #expect(status == .success)
            case 2:
                for block in range { model[block] = 0 }
                let status = await drive.run(
                    .writeZeroes(
                        lba: start + UInt64(first), blockCount: UInt32(count),
                        forceUnitAccess: false), id: id)
                #expect(status == .success)
            case 3 where random.chance(1, in: 4):
                #expect(await drive.run(.flush, id: id) == .success)
            default:
                let read = await drive.read(at: start + UInt64(first), blocks: UInt32(count))
                #expect(read == Array(model[range]))
            }
        }
        let all = await drive.read(at: start, blocks: 128)
        #expect(all == model)
    }

    @Test("waits in close for what is under way", arguments: Setting.all)
    func closeWaits(_ setting: Setting) throws {
        let (drive, directory) = try setting.makeDrive()
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        let counts = Mutex([Int](repeating: 0, count: 300))
        for number in 0..<300 {
            let operation: DriveOperation =
                number % 50 == 49
                ? .flush
                : .write(
                    lba: UInt64(number), blockCount: 1, buffer: buffer, bufferOffset: 0,
                    forceUnitAccess: false)
            drive.submit(DriveCommand(id: 1, epoch: .none, operation: operation)) { completion in
                #expect(completion == DriveCompletion(id: 1, status: .success))
                counts.withLock { $0[number] += 1 }
            }
        }
        drive.close()
        #expect(counts.withLock { $0 } == [Int](repeating: 1, count: 300))
        withExtendedLifetime(directory) {}
    }

    @Test(
        "lets a completion submit the next command, and that one's the next, without end",
        arguments: Setting.all)
    func chain(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        let length = setting.place == .memory ? 20_000 : 500
        let chain = Chain(drive: drive)
        await withCheckedContinuation { continuation in
            chain.go(length) { continuation.resume() }
        }
        #expect(chain.completions.load(ordering: .relaxed) == length)
        withExtendedLifetime(directory) {}
    }

    private final class Chain: Sendable {
        let drive: LocalDrive
        let completions = Atomic<Int>(0)
        private let buffer = AlignedBuffer(byteCount: driveBlockSize)

        init(drive: LocalDrive) { self.drive = drive }

        func go(_ left: Int, end: @escaping @Sendable () -> Void) {
            guard left > 0 else { return end() }
            let read = DriveOperation.read(
                lba: UInt64(left % 1000), blockCount: 1, buffer: buffer, bufferOffset: 0)
            drive.submit(DriveCommand(id: 0, epoch: .none, operation: read)) { completion in
                #expect(completion.status == .success)
                self.completions.wrappingAdd(1, ordering: .relaxed)
                self.go(left - 1, end: end)
            }
        }
    }

    @Test(
        "lets nothing of a lower epoch write after an attach has completed",
        arguments: Setting.all)
    func preemption(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        #expect(await drive.run(.attach, epoch: Epoch(1)) == .success)
        await withTaskGroup(of: Void.self) { group in
            for lane in 0..<4 as Range<UInt64> {
                group.addTask {
                    var status = DriveStatus.success
                    while status == .success {
                        status = await drive.write(1, at: lane, epoch: Epoch(1))
                        // In memory that completes at once and gives no other task a turn.
                        await Task.yield()
                    }
                    #expect(status == .reservationConflict)
                }
            }
            group.addTask {
                #expect(await drive.run(.attach, epoch: Epoch(2)) == .success)
                let status = await drive.write(2, at: 0, blocks: 4, epoch: Epoch(2))
                #expect(status == .success)
            }
        }
        #expect(await drive.read(at: 0, blocks: 4, epoch: Epoch(2)) == [2, 2, 2, 2])
        withExtendedLifetime(directory) {}
    }

    @Test(
        "reads on many threads while the file is taken away, without a crash",
        arguments: Setting.all)
    func readersAndClose(_ setting: Setting) async throws {
        let (drive, directory) = try setting.makeDrive()
        #expect(await drive.write(3, at: 0, blocks: 64) == .success)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    let buffer = AlignedBuffer(byteCount: driveBlockSize)
                    var status = DriveStatus.success
                    while status == .success {
                        status = drive.readBlocking(
                            lba: 5, blockCount: 1, into: buffer, bufferOffset: 0)
                        if status == .success { #expect(buffer.bytes[4095] == 3) }
                        // The others need this thread, too.
                        await Task.yield()
                    }
                    #expect(status == .driveFailed)
                }
            }
            group.addTask {
                for _ in 0..<20 { #expect(await drive.run(.flush) == .success) }
                drive.close()
            }
        }
        withExtendedLifetime(directory) {}
    }
}
