import KapokSimulation
import KapokWorld
import Testing

@Suite("Simulated disk: an honest one")
struct SimulatedDiskTests {
    @Test("what was written is read, what was never written is zeroes")
    func readAfterWrite() {
        var disk = SimulatedDisk.honest()
        #expect(disk.contents(5, blocks: 2).bytes == zeroes(2))
        #expect(disk.put(5, pattern(1, blocks: 3)) == .done)
        #expect(disk.contents(5, blocks: 3).bytes == pattern(1, blocks: 3))
        disk.put(6, pattern(2))
        let middle = Array(pattern(1, blocks: 3)[..<simulatedBlockSize]) + pattern(2)
        #expect(disk.contents(5, blocks: 2).bytes == middle)
        #expect(disk.flush() == .done)
        #expect(disk.contents(5, blocks: 2).bytes == middle)
        #expect(disk.storedBlocks == 3 && disk.unflushedBlocks == 0)
    }

    @Test("write zeroes makes blocks read as zeroes and gives their memory back")
    func writeZeroes() {
        var disk = SimulatedDisk.honest()
        disk.put(10, pattern(1, blocks: 4))
        #expect(disk.flush() == .done)
        #expect(disk.writeZeroes(lba: 11, blockCount: 2) == .done)
        let expected =
            Array(pattern(1, blocks: 4)[..<simulatedBlockSize]) + zeroes(2)
            + Array(pattern(1, blocks: 4)[(3 * simulatedBlockSize)...])
        #expect(disk.contents(10, blocks: 4).bytes == expected)
        #expect(disk.flush() == .done)
        #expect(disk.contents(10, blocks: 4).bytes == expected)
        #expect(disk.storedBlocks == 2)
    }

    @Test("a range outside of the disk is refused and nothing is done")
    func ranges() {
        var disk = SimulatedDisk.honest(blockCount: 8)
        #expect(disk.contents(8).outcome == .outOfRange)
        #expect(disk.contents(7, blocks: 2).outcome == .outOfRange)
        #expect(disk.contents(.max, blocks: 2).outcome == .outOfRange)
        #expect(disk.put(6, pattern(1, blocks: 3)) == .outOfRange)
        #expect(disk.writeZeroes(lba: 0, blockCount: 0) == .outOfRange)
        #expect(disk.contents(7).outcome == .done)
        #expect(disk.unflushedBlocks == 0 && disk.counts.writes == 0)
    }

    @Test("a disk agrees with a model through random writes, zeroes, flushes and reads")
    func model() {
        for seed in 0..<20 as Range<UInt64> {
            var random = RandomStream(seed: seed)
            var disk = SimulatedDisk(
                blockCount: 24, random: random.split("disk"), cacheBlocks: random.below(12))
            var model = Array(repeating: zeroes(), count: 24)
            for step in 0..<400 as Range<UInt64> {
                let count = 1 + random.below(4)
                let lba = random.below(24 - count)
                switch random.below(8) {
                case 0: #expect(disk.flush() == .done)
                case 1:
                    #expect(disk.writeZeroes(lba: UInt64(lba), blockCount: count) == .done)
                    for i in 0..<count { model[lba + i] = zeroes() }
                case 2, 3, 4:
                    let bytes = pattern(step, blocks: count)
                    disk.put(UInt64(lba), bytes, forceUnitAccess: random.chance(1, in: 4))
                    for i in 0..<count {
                        model[lba + i] = Array(bytes[(i * simulatedBlockSize)...].prefix(4096))
                    }
                default:
                    let expected = Array(model[lba..<lba + count].joined())
                    #expect(disk.contents(UInt64(lba), blocks: count).bytes == expected)
                }
            }
            #expect(disk.counts.faults == 0)
        }
    }

    @Test("the cache keeps to its bound and moves the oldest writes to the medium")
    func boundedCache() {
        var disk = SimulatedDisk(
            blockCount: 100, random: RandomStream(seed: 1), cacheBlocks: 8)
        for lba in 0..<50 as Range<UInt64> { disk.put(lba, pattern(lba)) }
        #expect(disk.unflushedBlocks == 8)
        #expect(disk.storedBlocks == 42)
        disk.faults.crashKeeps = .never
        disk.faults.crashTears = .never
        disk.crash()
        for lba in 0..<42 as Range<UInt64> { #expect(disk.contents(lba).bytes == pattern(lba)) }
        for lba in 42..<50 as Range<UInt64> { #expect(disk.contents(lba).bytes == zeroes()) }
    }

    @Test("latency has a fixed part, an addition of at most half of it, and the transfer")
    func latency() {
        var disk = SimulatedDisk.honest()
        disk.latencies = DiskLatency(
            read: .microseconds(100), write: .microseconds(10), durableWrite: .microseconds(50),
            flush: .milliseconds(2), bytesPerSecond: 1_000_000_000)
        for _ in 0..<1_000 {
            let read = disk.latency(of: .read, byteCount: 4096).nanoseconds
            #expect((104_096...154_096).contains(read))
            let flush = disk.latency(of: .flush, byteCount: 0)
            #expect(flush >= .milliseconds(2) && flush <= .milliseconds(3))
            #expect(disk.latency(of: .write, byteCount: 0) <= .microseconds(15))
            #expect(disk.latency(of: .durableWrite, byteCount: 0) >= .microseconds(50))
        }
    }

    @Test("a disk that was pulled answers nothing, and has its content when it is put back")
    func pulled() {
        var disk = SimulatedDisk.honest()
        disk.put(1, pattern(1), forceUnitAccess: true)
        disk.isPresent = false
        #expect(disk.contents(1).outcome == .gone)
        #expect(disk.put(1, pattern(2)) == .gone)
        #expect(disk.flush() == .gone)
        #expect(disk.latency(of: .read, byteCount: 4096) == .zero)
        disk.isPresent = true
        #expect(disk.contents(1).bytes == pattern(1))
        disk.wipe()
        #expect(disk.contents(1).bytes == zeroes() && disk.storedBlocks == 0)
    }

    /// The last line pins the history of one seed: it is equal in debug and release, and changes
    /// only when the disk's behaviour does.
    @Test("one seed gives one history of faults and one content, another seed another")
    func determinism() {
        func run(_ seed: UInt64) -> UInt64 {
            var random = RandomStream(seed: seed)
            var disk = SimulatedDisk(
                blockCount: 64, random: random.split("disk"), faults: .all(0.05), cacheBlocks: 16)
            var trace = TraceHash()
            for step in 0..<400 as Range<UInt64> {
                let lba = random.below(60 as UInt64)
                switch random.below(10) {
                case 0: trace.mix(String(describing: disk.flush()))
                case 1 where random.chance(1, in: 5): disk.crash()
                case 2, 3, 4, 5:
                    trace.mix(String(describing: disk.put(lba, pattern(step, blocks: 2))))
                default:
                    let read = disk.contents(lba, blocks: 3)
                    trace.mix(String(describing: read.outcome))
                    trace.mix(read.bytes)
                }
                trace.mix(disk.latency(of: .read, byteCount: 4096))
            }
            disk.mixMedium(into: &trace)
            trace.mix(disk.counts.faults)
            return trace.value
        }
        let hashes = (0..<20 as Range<UInt64>).map(run)
        #expect(Set(hashes).count == 20)
        #expect((0..<20 as Range<UInt64>).map(run) == hashes)
        #expect(hashes[7] == 6_600_173_407_431_513_073)
    }

    @Test("equal contents hash equally however they came about")
    func contentHash() {
        var (a, b) = (SimulatedDisk.honest(seed: 1), SimulatedDisk.honest(seed: 2))
        for lba in 0..<10 as Range<UInt64> { a.put(lba, pattern(lba)) }
        for lba in (0..<10 as Range<UInt64>).reversed() { b.put(lba, pattern(lba)) }
        b.put(20, pattern(20))
        b.put(20, zeroes())
        #expect(a.flush() == .done && b.flush() == .done)
        var (hashA, hashB, hashC) = (TraceHash(), TraceHash(), TraceHash())
        a.mixMedium(into: &hashA)
        b.mixMedium(into: &hashB)
        #expect(hashA.value == hashB.value)
        a.corrupt(lba: 3)
        a.mixMedium(into: &hashC)
        #expect(hashC.value != hashB.value)
    }
}
