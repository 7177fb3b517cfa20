import KapokWorld
import Testing

@testable import KapokDrive

/// Random commands of several heads against media that end operations in any order and sometimes
/// fail, with the promises checked after every event.
@Suite("Drive controller under random events")
struct DriveControllerSweepTests {
    struct World {
        var bench = ControllerBench(epoch: 1)
        var random: RandomStream
        var nextID: UInt64 = 1
        /// Commands that have not completed.
        var open: [UInt64: (epoch: UInt64, isWrite: Bool)] = [:]
        /// The epoch of each media operation that is not a superblock, by its number.
        var mediaEpochs: [UInt64: UInt64] = [:]
        var attached: UInt64 = 1
        var hasFailed = false
        var seen = (media: 0, completions: 0)
        var violations: [String] = []

        mutating func step(faults: Bool) {
            let before = bench.controller.failure
            if !bench.media.isEmpty, random.chance(1, in: 2) {
                let index = random.below(bench.media.count)
                let operation = bench.media.remove(at: index)
                seen.media -= 1
                mediaEpochs[operation.id] = nil
                let succeeded = !faults || !random.chance(1, in: 60)
                bench.handle(.mediaCompleted(id: operation.id, succeeded: succeeded))
                check(event: "end", command: nil)
            } else if faults, random.chance(1, in: 400) {
                bench.handle(.mediaVanished(reason: "test"))
                check(event: "vanish", command: nil)
            } else {
                submitOne()
            }
            if before != nil, bench.controller.failure != before {
                violations.append("the failure did not last")
            }
        }

        mutating func submitOne() {
            let epoch = max(1, attached + random.below(4)) - min(1, random.below(3))
            let operation: DriveOperation =
                switch random.below(6) {
                case 0: .attach
                case 1: .flush
                case 2: bench.read
                default: bench.write
                }
            let id = nextID
            nextID += 1
            if case .write = operation {
                open[id] = (epoch, true)
            } else {
                open[id] = (epoch, false)
            }
            bench.submit(id, epoch: epoch, operation)
            check(event: "submit", command: (id, epoch))
        }

        /// Looks at what the last event has brought.
        mutating func check(event: String, command: (id: UInt64, epoch: UInt64)?) {
            for operation in bench.media[seen.media...] {
                if case .writeSuperblock(_, let block) = operation.action {
                    let new = block.withUnsafeBytes { try? Superblock(block: $0) }
                    guard let new else {
                        violations.append("an invalid superblock")
                        continue
                    }
                    if mediaEpochs.values.contains(where: { $0 < new.epoch.number }) {
                        violations.append("superblock \(new.epoch) before lower epochs ended")
                    }
                    continue
                }
                guard let command else {
                    violations.append("\(event) started an operation")
                    continue
                }
                if command.epoch < attached { violations.append("a lower epoch reached the media") }
                mediaEpochs[operation.id] = command.epoch
            }
            seen.media = bench.media.count
            for completion in bench.completions[seen.completions...] {
                guard let ended = open.removeValue(forKey: completion.id) else {
                    violations.append("\(completion.id) completed twice")
                    continue
                }
                if completion.status == .success, bench.controller.failure != nil {
                    violations.append("success on a failed drive")
                }
                if completion.status == .success, ended.epoch < bench.controller.epoch.number,
                    ended.isWrite
                {
                    violations.append("a write of a fenced epoch ended after the attach")
                }
            }
            seen.completions = bench.completions.count
            if bench.controller.epoch.number < attached { violations.append("the epoch fell") }
            attached = bench.controller.epoch.number
        }
    }

    @Test("every promise holds over random histories", arguments: [false, true])
    func sweep(faults: Bool) {
        var highest: UInt64 = 0
        var failures = 0
        for seed in 0..<200 as Range<UInt64> {
            var world = World(random: RandomStream(seed: seed))
            for _ in 0..<400 { world.step(faults: faults) }
            while !world.bench.media.isEmpty {
                let operation = world.bench.media.removeFirst()
                world.seen.media -= 1
                world.mediaEpochs[operation.id] = nil
                world.bench.handle(.mediaCompleted(id: operation.id, succeeded: true))
                world.check(event: "end", command: nil)
            }
            #expect(world.violations.isEmpty, "seed \(seed)")
            #expect(world.open.isEmpty, "seed \(seed): commands that never completed")
            #expect(world.bench.controller.outstandingCount == 0)
            highest = max(highest, world.attached)
            failures += world.bench.controller.failure == nil ? 0 : 1
        }
        // The histories must have gone where the promises matter.
        #expect(highest > 10)
        #expect(faults ? failures > 150 : failures == 0)
    }
}
