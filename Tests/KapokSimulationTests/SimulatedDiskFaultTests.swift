import KapokSimulation
import KapokWorld
import Testing

/// Each test turns one fault on, shows that it happens, that it is counted, and what a reader of
/// the disk sees of it.
@Suite("Simulated disk: faults")
struct SimulatedDiskFaultTests {
    /// A disk whose blocks 0 ..< 32 are stable and hold the patterns of their addresses.
    private func filled(seed: UInt64 = 1) -> SimulatedDisk {
        var disk = SimulatedDisk.honest(seed: seed, blockCount: 64)
        for lba in 0..<32 as Range<UInt64> { disk.put(lba, pattern(lba), forceUnitAccess: true) }
        return disk
    }

    private func differingBits(_ a: [UInt8], _ b: [UInt8]) -> Int {
        zip(a, b).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
    }

    @Test("bit rot on read flips one stored bit of the range, for good, and says done")
    func bitRotOnRead() {
        var disk = filled()
        disk.faults.bitRot = .always
        let read = disk.contents(4, blocks: 2)
        let good = pattern(4) + pattern(5)
        #expect(read.outcome == .done)
        #expect(differingBits(read.bytes, good) == 1)
        disk.faults = .none
        #expect(disk.contents(4, blocks: 2).bytes == read.bytes)
        #expect(disk.counts.bitRots == 1)
        disk.put(4, good, forceUnitAccess: true)
        #expect(disk.contents(4, blocks: 2).bytes == good)
    }

    @Test("bit rot on write hits some block that was stored before, not only the one written")
    func bitRotOnWrite() {
        var disk = filled()
        disk.faults.bitRot = .always
        for i in 0..<20 as Range<UInt64> { disk.put(40 + i, pattern(i)) }
        disk.faults = .none
        let damaged = (0..<32 as Range<UInt64>).filter { disk.contents($0).bytes != pattern($0) }
        #expect(damaged.count > 5)
        #expect(disk.counts.bitRots == 20)
    }

    @Test("a latent error makes a block unreadable until it is written again")
    func latentReadError() {
        var disk = filled()
        disk.faults.latentReadError = .always
        let read = disk.contents(7)
        #expect(read.outcome == .readError)
        #expect(read.bytes.allSatisfy { $0 == 0xDB })
        disk.faults = .none
        #expect(disk.contents(7).outcome == .readError)
        #expect(disk.contents(6, blocks: 3).outcome == .readError)
        #expect(disk.contents(8).bytes == pattern(8))
        disk.put(7, pattern(70))
        #expect(disk.contents(7).bytes == pattern(70))
        #expect(disk.flush() == .done)
        #expect(disk.contents(7).bytes == pattern(70))
        #expect(disk.counts.latentReadErrors == 1)
    }

    @Test("a misdirected write is acknowledged, leaves its own block as it was and hits another")
    func misdirectedWrite() {
        var hitsOnData = 0
        for seed in 0..<50 as Range<UInt64> {
            var disk = filled(seed: seed)
            disk.faults.misdirectedWrite = .always
            #expect(disk.put(9, pattern(900)) == .done)
            disk.faults = .none
            #expect(disk.contents(9).bytes == pattern(9))
            let victims = (0..<64 as Range<UInt64>).filter {
                disk.contents($0).bytes == pattern(900)
            }
            #expect(victims.count == 1 && victims != [9])
            if victims[0] < 32 { hitsOnData += 1 }
            #expect(disk.counts.misdirectedWrites == 1)
        }
        #expect(hitsOnData > 30, "it mostly hits blocks that are in use")
    }

    @Test("a misdirected read gives another block's bytes once, and the block itself next time")
    func misdirectedRead() {
        for seed in 0..<50 as Range<UInt64> {
            var disk = filled(seed: seed)
            disk.faults.misdirectedRead = .always
            let read = disk.contents(12)
            #expect(read.outcome == .done && read.bytes != pattern(12))
            let sources = (0..<32 as Range<UInt64>).map { pattern($0) } + [zeroes()]
            #expect(sources.contains(read.bytes))
            disk.faults = .none
            #expect(disk.contents(12).bytes == pattern(12))
            #expect(disk.counts.misdirectedReads == 1)
        }
    }

    @Test("a lost write is acknowledged and never seen again, with force unit access or without")
    func lostWrite() {
        var disk = filled()
        disk.faults.lostWrite = .always
        #expect(disk.put(3, pattern(300)) == .done)
        #expect(disk.put(4, pattern(400), forceUnitAccess: true) == .done)
        #expect(disk.writeZeroes(lba: 5, blockCount: 1) == .done)
        #expect(disk.flush() == .done)
        for lba in 3...5 as ClosedRange<UInt64> {
            #expect(disk.contents(lba).bytes == pattern(lba))
        }
        #expect(disk.counts.lostWrites == 3)
    }

    @Test("a lying flush looks right until the crash takes what it called stable")
    func lyingFlush() {
        var disk = filled()
        disk.faults.lyingFlush = .always
        disk.faults.crashKeeps = .never
        disk.faults.crashTears = .never
        disk.put(3, pattern(300))
        #expect(disk.flush() == .done)
        #expect(disk.contents(3).bytes == pattern(300))
        #expect(disk.counts.lyingFlushes == 1)
        var crashed = disk
        crashed.crash()
        #expect(crashed.contents(3).bytes == pattern(3))
        // A later honest flush stores it after all.
        disk.faults.lyingFlush = .never
        #expect(disk.flush() == .done)
        disk.crash()
        #expect(disk.contents(3).bytes == pattern(300))
    }

    @Test("a failed write says so and leaves a mixture of old and new sectors")
    func writeError() {
        for seed in 0..<50 as Range<UInt64> {
            var disk = filled(seed: seed)
            disk.faults.writeError = .always
            #expect(disk.put(3, pattern(300), forceUnitAccess: true) == .writeError)
            disk.faults = .none
            let after = sectors(disk.contents(3).bytes)
            let (old, new) = (sectors(pattern(3)), sectors(pattern(300)))
            let kept = after.indices.filter { after[$0] == new[$0] }.count
            #expect((1...7).contains(kept))
            for i in after.indices { #expect(after[i] == old[i] || after[i] == new[i]) }
            #expect(disk.counts.writeErrors == 1)
        }
    }

    @Test("after a failed flush retrying succeeds and the data is lost all the same")
    func flushError() {
        var lost = 0
        for seed in 0..<100 as Range<UInt64> {
            var disk = filled(seed: seed)
            disk.put(3, pattern(300))
            disk.faults.flushError = .always
            #expect(disk.flush() == .flushError)
            disk.faults = .none
            #expect(disk.contents(3).bytes == pattern(300), "the cache hides the loss")
            #expect(disk.flush() == .done)
            #expect(disk.contents(3).bytes == pattern(300))
            disk.crash()
            if disk.contents(3).bytes != pattern(300) { lost += 1 }
            #expect(disk.counts.flushErrors == 1)
        }
        // 62.5 % are torn or absent.
        #expect((40...85).contains(lost))
    }

    @Test("a write after the failed flush is stored by the next honest one")
    func writeAfterFlushError() {
        var disk = filled()
        disk.put(3, pattern(300))
        disk.faults.flushError = .always
        #expect(disk.flush() == .flushError)
        disk.faults = .none
        disk.put(3, pattern(301))
        #expect(disk.flush() == .done)
        disk.crash()
        #expect(disk.contents(3).bytes == pattern(301))
    }

    @Test("slow operations take a hundred times as long")
    func slow() {
        var (usual, slow) = (filled(), filled())
        slow.faults.slow = .always
        for _ in 0..<100 {
            let time = usual.latency(of: .flush, byteCount: 0).nanoseconds
            #expect(slow.latency(of: .flush, byteCount: 0).nanoseconds == 100 * time)
        }
        #expect(slow.counts.slowOperations == 100 && usual.counts.slowOperations == 0)
    }

    @Test(
        "injected corruption is read, cached or not, and survives neither more nor less than data")
    func corrupt() {
        var disk = filled()
        disk.corrupt(lba: 2)
        #expect(differingBits(disk.contents(2).bytes, pattern(2)) == 1)
        disk.put(2, pattern(200))
        disk.corrupt(lba: 2)
        #expect(differingBits(disk.contents(2).bytes, pattern(200)) == 1)
        #expect(disk.flush() == .done)
        #expect(differingBits(disk.contents(2).bytes, pattern(200)) == 1)
        disk.corrupt(lba: 50)
        #expect(differingBits(disk.contents(50).bytes, zeroes()) == 1)
    }

    @Test("an injected read error holds through a flush of what was cached before it")
    func makeUnreadable() {
        var disk = filled()
        disk.put(2, pattern(200))
        disk.makeUnreadable(lba: 2)
        #expect(disk.contents(2).outcome == .readError)
        #expect(disk.flush() == .done)
        #expect(disk.contents(2).outcome == .readError)
        disk.put(2, pattern(201), forceUnitAccess: true)
        #expect(disk.contents(2).bytes == pattern(201))
    }

    @Test("faults of every kind at once happen about as often as asked")
    func rates() {
        var disk = SimulatedDisk(
            blockCount: 64, random: RandomStream(seed: 9), faults: .all(0.1), cacheBlocks: 16)
        for i in 0..<2_000 as Range<UInt64> {
            disk.put(i % 64, zeroes())
            _ = disk.contents(i * 7 % 64)
            _ = disk.flush()
        }
        let counts = disk.counts
        for count in [
            counts.latentReadErrors, counts.misdirectedReads, counts.writeErrors,
            counts.flushErrors, counts.lyingFlushes, counts.misdirectedWrites, counts.lostWrites,
        ] {
            #expect((130...270).contains(count))
        }
        #expect((260...540).contains(counts.bitRots))
    }
}
