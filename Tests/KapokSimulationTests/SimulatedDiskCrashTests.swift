import KapokSimulation
import KapokWorld
import Testing

@Suite("Simulated disk: crashes")
struct SimulatedDiskCrashTests {
    @Test("flushed and force-unit-access data survive every crash of an honest disk")
    func stableDataSurvives() {
        for seed in 0..<200 as Range<UInt64> {
            var random = RandomStream(seed: seed)
            var disk = SimulatedDisk(blockCount: 40, random: random.split("disk"))
            // Blocks 0 ..< 20 are flushed, 20 ..< 40 written with force unit access over
            // unflushed older versions; then 0 ..< 10 are written again and not flushed.
            for lba in 0..<20 as Range<UInt64> { disk.put(lba, pattern(lba)) }
            #expect(disk.flush() == .done)
            for lba in 20..<40 as Range<UInt64> { disk.put(lba, pattern(1_000 + lba)) }
            for lba in 20..<40 as Range<UInt64> {
                disk.put(lba, pattern(lba), forceUnitAccess: true)
            }
            for lba in 0..<10 as Range<UInt64> where random.chance(1, in: 2) {
                disk.put(lba, pattern(2_000 + lba))
            }
            disk.crash()
            for lba in 10..<40 as Range<UInt64> {
                #expect(disk.contents(lba).bytes == pattern(lba), "seed \(seed), block \(lba)")
            }
        }
    }

    @Test("an unflushed write survives whole, torn at a sector boundary, or not at all: all three")
    func fates() {
        var (whole, torn, absent) = (0, 0, 0)
        var tornCuts: Set<Int> = []
        for seed in 0..<400 as Range<UInt64> {
            var disk = SimulatedDisk.honest(seed: seed)
            disk.put(3, pattern(1, blocks: 2), forceUnitAccess: true)
            disk.put(3, pattern(2, blocks: 2))
            disk.crash()
            let after = sectors(disk.contents(3, blocks: 2).bytes)
            let (old, new) = (sectors(pattern(1, blocks: 2)), sectors(pattern(2, blocks: 2)))
            for i in after.indices { #expect(after[i] == old[i] || after[i] == new[i]) }
            let kept = after.indices.filter { after[$0] == new[$0] }.count
            switch kept {
            case 0: absent += 1
            case 16: whole += 1
            default:
                torn += 1
                tornCuts.insert(kept)
            }
        }
        // 37.5 % each for whole and torn, 25 % for absent.
        #expect((110...190).contains(whole) && (110...190).contains(torn))
        #expect((60...140).contains(absent))
        #expect(tornCuts.count >= 12, "nearly every number of surviving sectors occurs")
    }

    @Test(
        "unflushed writes reach the medium out of order: a later one may survive without an earlier"
    )
    func reordering() {
        var laterAlone = 0
        var olderWins = 0
        for seed in 0..<400 as Range<UInt64> {
            var disk = SimulatedDisk.honest(seed: seed)
            disk.faults.crashTears = .never
            disk.put(1, pattern(1))
            disk.put(2, pattern(2))
            disk.put(3, pattern(3))
            disk.put(3, pattern(4))
            disk.crash()
            let first = disk.contents(1).bytes == pattern(1)
            let second = disk.contents(2).bytes == pattern(2)
            if second, !first { laterAlone += 1 }
            if disk.contents(3).bytes == pattern(3) { olderWins += 1 }
        }
        #expect(laterAlone > 50)
        #expect(olderWins > 50)
    }

    @Test("writes under way at the crash may survive, in part or wholly, or not at all")
    func inFlight() {
        var (whole, torn, absent) = (0, 0, 0)
        for seed in 0..<300 as Range<UInt64> {
            var disk = SimulatedDisk.honest(seed: seed)
            disk.put(0, pattern(1), forceUnitAccess: true)
            disk.put(9, pattern(1), forceUnitAccess: true)
            pattern(2).withUnsafeBytes { bytes in
                disk.crash(inFlight: [
                    InFlightWrite(lba: 0, blockCount: 1, bytes: bytes),
                    InFlightWrite(lba: 9, blockCount: 1, bytes: nil),
                    InFlightWrite(lba: .max, blockCount: 1, bytes: bytes),
                ])
            }
            let after = sectors(disk.contents(0).bytes)
            let kept = after.indices.filter { after[$0] == sectors(pattern(2))[$0] }.count
            if kept == 8 { whole += 1 } else if kept == 0 { absent += 1 } else { torn += 1 }
            let (old, zero) = (sectors(pattern(1)), sectors(zeroes()))
            let zeroed = sectors(disk.contents(9).bytes)
            for i in zeroed.indices { #expect(zeroed[i] == old[i] || zeroed[i] == zero[i]) }
        }
        #expect(whole > 60 && torn > 60 && absent > 30)
    }

    @Test("after a crash the cache is empty: a second crash and a flush change nothing")
    func settled() {
        for seed in 0..<50 as Range<UInt64> {
            var disk = SimulatedDisk.honest(seed: seed)
            for lba in 0..<20 as Range<UInt64> { disk.put(lba, pattern(lba)) }
            disk.crash()
            #expect(disk.unflushedBlocks == 0)
            let before = disk.contents(0, blocks: 20).bytes
            disk.crash()
            #expect(disk.flush() == .done)
            #expect(disk.contents(0, blocks: 20).bytes == before)
        }
    }

    @Test("a disk told to keep everything loses nothing, one told to keep nothing loses all")
    func extremes() {
        var disk = SimulatedDisk.honest()
        disk.faults.crashKeeps = .always
        for lba in 0..<20 as Range<UInt64> { disk.put(lba, pattern(lba, blocks: 1)) }
        disk.crash()
        for lba in 0..<20 as Range<UInt64> { #expect(disk.contents(lba).bytes == pattern(lba)) }
        disk.faults.crashKeeps = .never
        disk.faults.crashTears = .never
        for lba in 0..<20 as Range<UInt64> { disk.put(lba, pattern(100 + lba)) }
        disk.crash()
        for lba in 0..<20 as Range<UInt64> { #expect(disk.contents(lba).bytes == pattern(lba)) }
        #expect(disk.counts.writesDropped == 20 && disk.counts.crashes == 2)
    }
}
