import KapokDrive
import KapokLinux
import KapokWorld

/// What is measured, as functions of a contender; each returns named figures of one round.
struct Workloads: Sendable {
    /// A figure: larger is better for rates, smaller for times.
    struct Figure: Sendable {
        var name: String
        var unit: String
        var value: Double
    }

    var isQuick: Bool
    private let buffers = (0..<64).map { _ in
        let buffer = AlignedBuffer(byteCount: 1 << 20)
        buffer.mutableBytes.initializeMemory(as: UInt8.self, repeating: 0x5A)
        return buffer
    }

    init(isQuick: Bool) { self.isQuick = isQuick }

    /// Blocks of one write of a group commit: 64 KiB.
    private static let slotBlocks: UInt32 = 16
    /// Slots that each of `groupCommit`'s phases uses: those of one round must be fresh.
    private static let slotsPerPhase: UInt64 = 100

    private var commits: Int { isQuick ? 20 : Int(Self.slotsPerPhase) }

    /// Fills the part of drive 0 that the random accesses use, so that they meet written blocks.
    func prepare(_ contender: Contender) {
        _ = ClosedLoop.run(count: 64, depth: 4) { number, completed in
            contender.submit(
                write(at: UInt64(number) * 256, blocks: 256, number), to: 0, completed: completed)
        }
    }

    private func write(
        at lba: UInt64, blocks: UInt32, _ number: Int, isForced: Bool = false
    ) -> DriveOperation {
        .write(
            lba: lba, blockCount: blocks, buffer: buffers[number % buffers.count],
            bufferOffset: 0, forceUnitAccess: isForced)
    }

    // MARK: Random and sequential access

    func randomAccess(_ contender: Contender, round: Int) -> [Figure] {
        var figures: [Figure] = []
        for depth in [1, 16, 64] {
            for isWrite in [false, true] {
                let count = isQuick ? 500 : 10_000
                var random = RandomStream(seed: UInt64(round * 1000 + depth))
                let addresses = (0..<count).map { _ in random.below(UInt64(64 * 256)) }
                let nanoseconds = ClosedLoop.run(count: count, depth: depth) { number, completed in
                    let lba = addresses[number]
                    let operation: DriveOperation =
                        isWrite
                        ? write(at: lba, blocks: 1, number)
                        : .read(
                            lba: lba, blockCount: 1, buffer: buffers[number % 64],
                            bufferOffset: 0)
                    contender.submit(operation, to: 0, completed: completed)
                }
                figures.append(
                    Figure(
                        name: "4 KiB random \(isWrite ? "write" : "read"), depth \(depth)",
                        unit: "1000/s", value: Double(count) * 1e6 / Double(nanoseconds)))
            }
        }
        return figures
    }

    func sequential(_ contender: Contender) -> [Figure] {
        [true, false].map { isWrite in
            let count = isQuick ? 16 : 128
            let nanoseconds = ClosedLoop.run(count: count, depth: 4) { number, completed in
                let lba = UInt64(number % 64) * 256
                let operation: DriveOperation =
                    isWrite
                    ? write(at: lba, blocks: 256, number)
                    : .read(
                        lba: lba, blockCount: 256, buffer: buffers[number % 64], bufferOffset: 0)
                contender.submit(operation, to: 0, completed: completed)
            }
            return Figure(
                name: "1 MiB sequential \(isWrite ? "write" : "read"), depth 4", unit: "MB/s",
                value: Double(count) * 1_048_576 * 1000 / Double(nanoseconds))
        }
    }

    // MARK: Group commit

    /// A 64 KiB write to each of some drives, then a flush of each: on space that was allocated and
    /// never written (`fresh`), written before, or zeroed ahead; and as durable writes.
    func groupCommit(_ contender: Contender, round: Int) -> [Figure] {
        // Beyond what the random accesses use, each round elsewhere: the first visit is fresh.
        let phase = Self.slotsPerPhase * UInt64(Self.slotBlocks)
        let start = UInt64(64 * 256) + UInt64(round) * 4 * phase
        guard start + 4 * phase <= Contender.blocks else { return [] }
        var figures: [Figure] = []
        for drives in [1, Contender.driveCount] {
            let offset = drives == 1 ? start : start + phase
            for space in ["fresh", "written"] {
                figures += commit(contender, drives, from: offset, space)
            }
        }
        figures += durableWrites(contender, from: start + phase, "written")
        figures += durableWrites(contender, from: start + 2 * phase, "fresh")
        figures += zeroedAhead(contender, from: start + 3 * phase)
        return figures
    }

    private func commit(
        _ contender: Contender, _ drives: Int, from start: UInt64, _ space: String
    ) -> [Figure] {
        var writes: [UInt64] = []
        var flushes: [UInt64] = []
        for slot in 0..<commits {
            let lba = start + UInt64(slot) * UInt64(Self.slotBlocks)
            writes.append(
                contender.onEach(drives) { write(at: lba, blocks: Self.slotBlocks, $0) })
            flushes.append(contender.onEach(drives) { _ in .flush })
        }
        let totals = zip(writes, flushes).map { $0 + $1 }
        return [
            time("64 KiB write to \(drives), \(space)", writes),
            time("flush of \(drives), \(space)", flushes),
            time("commit on \(drives), \(space)", totals),
        ]
    }

    private func durableWrites(
        _ contender: Contender, from start: UInt64, _ space: String
    ) -> [Figure] {
        let times = (0..<commits).map { slot in
            let lba = start + UInt64(slot) * UInt64(Self.slotBlocks)
            return contender.onEach(Contender.driveCount) {
                write(at: lba, blocks: Self.slotBlocks, $0, isForced: true)
            }
        }
        return [time("commit on 6 by forced writes, \(space)", times)]
    }

    private func zeroedAhead(_ contender: Contender, from start: UInt64) -> [Figure] {
        let blocks = UInt32(commits) * Self.slotBlocks
        let zeroing =
            contender.onEach(Contender.driveCount) { _ in
                .writeZeroes(lba: start, blockCount: blocks, forceUnitAccess: false)
            } + contender.onEach(Contender.driveCount) { _ in .flush }
        return [
            Figure(
                name: "zeroing ahead and flush, share of one commit", unit: "us",
                value: Double(zeroing) / Double(commits) / 1000)
        ] + commit(contender, Contender.driveCount, from: start, "zeroed ahead").suffix(1)
    }

    private func time(_ name: String, _ nanoseconds: [UInt64]) -> Figure {
        Figure(name: name, unit: "us", value: Double(median(nanoseconds)) / 1000)
    }
}

/// The middle one.
func median<T: Comparable>(_ values: [T]) -> T {
    values.sorted()[values.count / 2]
}
