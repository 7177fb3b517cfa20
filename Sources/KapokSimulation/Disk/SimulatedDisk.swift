public import KapokWorld

/// The size of a block of a simulated disk in bytes.
public let simulatedBlockSize = 4096

/// The size in bytes of what a simulated disk writes atomically when the power fails.
public let simulatedSectorSize = 512

/// A disk of 4,096-byte blocks with a volatile write cache, in memory and in virtual time.
///
/// **Promises** of a disk whose `faults` are zero: reads see the newest acknowledged write; what
/// was written before an acknowledged flush, or with force unit access, survives every crash; each
/// 512-byte sector holds, after a crash, one of the contents it was given since it was last stable,
/// or that stable one. Nothing is promised beyond: unflushed writes reach the medium in any order.
///
/// **Time.** The disk has no clock. For each operation the caller draws `latency`, schedules a
/// completion event that much later, and calls `read`, `write` or `flush` *when that event fires*:
/// then the operation takes effect, all at once, and its outcome is what the completion reports.
/// Operations under way at the same time so take effect in the order of their completions, which is
/// all that a real drive's queue promises. At a power failure the caller drops the completion
/// events, and hands the writes that were under way to `crash(inFlight:)`: each may have happened,
/// in part or wholly.
///
/// Memory: the blocks stored (sparse), at most `cacheBlocks` more, and what failed flushes gave up
/// and reads still see. A copy of the value is a clone of the disk with all its state.
public struct SimulatedDisk: Sendable {
    /// Blocks are addressed 0 ..< blockCount.
    public let blockCount: UInt64
    /// How many blocks of unflushed writes the cache takes before it moves the oldest to the
    /// medium.
    public let cacheBlocks: Int
    /// What goes wrong from now on.
    public var faults: DiskFaults
    /// How long operations take from now on.
    public var latencies: DiskLatency
    /// False once the disk was pulled: every operation gives `DiskOutcome.gone`. Set it to true to
    /// put the disk back with its content.
    public var isPresent = true
    /// What was done and what went wrong up to now.
    public internal(set) var counts = DiskCounts()

    var medium = BlockStore()
    var cache = WriteCache()
    /// Blocks that cannot be read until they are written.
    var unreadable: Set<UInt64> = []
    /// For a block written with force unit access: the sequence of that write. Cached writes that
    /// are older must not reach the medium after it.
    var stableSince: [UInt64: UInt64] = [:]
    var nextSequence: UInt64 = 1
    /// Addresses below this were written at some time: faults that hit "another address" look
    /// there.
    var highWater: UInt64 = 1
    var faultStream: RandomStream
    var crashStream: RandomStream
    private var latencyStream: RandomStream

    /// An empty disk. `random` is the disk's own: it is split for latencies, faults and crashes.
    public init(
        blockCount: UInt64, random: RandomStream, faults: DiskFaults = .none,
        latencies: DiskLatency = .flash, cacheBlocks: Int = 65_536
    ) {
        precondition(blockCount > 0 && cacheBlocks >= 0)
        self.blockCount = blockCount
        self.faults = faults
        self.latencies = latencies
        self.cacheBlocks = cacheBlocks
        faultStream = random.split("disk faults")
        crashStream = random.split("disk crash")
        latencyStream = random.split("disk latency")
    }

    /// Draws how long an operation takes. Zero for a disk that is gone: it fails at once.
    public mutating func latency(of kind: DiskOperationKind, byteCount: Int) -> Interval {
        let usual = latencies.draw(kind, byteCount: byteCount, from: &latencyStream)
        let isSlow = faults.slow.happens(&latencyStream)
        guard isPresent else { return .zero }
        guard isSlow else { return usual }
        counts.slowOperations += 1
        return Interval(nanoseconds: usual.nanoseconds * faults.slowFactor)
    }

    /// Reads `blockCount` blocks from `lba` into the front of `target`, which must have room. After
    /// `readError` the target is filled with 0xDB, so that using it cannot go unnoticed.
    public mutating func read(
        lba: UInt64, blockCount: Int, into target: UnsafeMutableRawBufferPointer
    ) -> DiskOutcome {
        precondition(target.count >= blockCount * simulatedBlockSize)
        guard isPresent else { return .gone }
        guard contains(lba, blockCount) else { return .outOfRange }
        counts.reads += 1
        counts.blocksRead += UInt64(blockCount)
        let source = drawReadFaults(lba, blockCount)
        for index in 0..<blockCount {
            let block = source + UInt64(index)
            let part = UnsafeMutableRawBufferPointer(
                rebasing: target[index * simulatedBlockSize..<(index + 1) * simulatedBlockSize])
            if cache.read(block, into: part) { continue }
            guard !unreadable.contains(block) else {
                target.initializeMemory(as: UInt8.self, repeating: 0xDB)
                return .readError
            }
            medium.read(block, into: part)
        }
        return .done
    }

    /// Writes the front `blockCount` blocks of `source` to `lba`. With `forceUnitAccess` they are
    /// on the medium when this returns `done`.
    public mutating func write(
        lba: UInt64, blockCount: Int, from source: UnsafeRawBufferPointer,
        forceUnitAccess: Bool = false
    ) -> DiskOutcome {
        precondition(source.count >= blockCount * simulatedBlockSize)
        return write(
            lba, blockCount, Array(source[..<(blockCount * simulatedBlockSize)]), forceUnitAccess)
    }

    /// Makes `blockCount` blocks from `lba` read as zeroes; in all else a write.
    public mutating func writeZeroes(
        lba: UInt64, blockCount: Int, forceUnitAccess: Bool = false
    ) -> DiskOutcome {
        write(lba, blockCount, nil, forceUnitAccess)
    }

    /// Moves every write that was acknowledged before to the medium.
    public mutating func flush() -> DiskOutcome {
        guard isPresent else { return .gone }
        counts.flushes += 1
        let isFailed = faults.flushError.happens(&faultStream)
        let isLie = faults.lyingFlush.happens(&faultStream)
        if isFailed {
            counts.flushErrors += 1
            settleAtRandom(cache.unstableWrites)
            cache.giveUp()
            stableSince.removeAll(keepingCapacity: true)
            return .flushError
        }
        if isLie {
            counts.lyingFlushes += 1
            return .done
        }
        while let write = cache.takeOldest() { settle(write) }
        stableSince.removeAll(keepingCapacity: true)
        return .done
    }

    func contains(_ lba: UInt64, _ count: Int) -> Bool {
        count > 0 && lba < blockCount && UInt64(count) <= blockCount - lba
    }

    private mutating func write(
        _ lba: UInt64, _ count: Int, _ bytes: [UInt8]?, _ forceUnitAccess: Bool
    ) -> DiskOutcome {
        guard isPresent else { return .gone }
        guard contains(lba, count) else { return .outOfRange }
        counts.writes += 1
        counts.blocksWritten += UInt64(count)
        var write = CachedWrite(
            sequence: nextSequence, lba: lba, blockCount: count, bytes: bytes, visibleBlocks: 0)
        nextSequence += 1
        let fate = drawWriteFaults(lba, count)
        switch fate {
        case .intended: break
        case .redirected(let other): write.lba = other
        case .lost: return .done
        case .failed:
            write.bytes = tornImage(of: write)
            store(write, forceUnitAccess: false)
            return .writeError
        }
        store(write, forceUnitAccess: forceUnitAccess)
        return .done
    }

    /// Puts a write where it belongs: to the medium, or into the cache and, when that is full, the
    /// oldest ones to the medium.
    private mutating func store(_ write: CachedWrite, forceUnitAccess: Bool) {
        highWater = max(highWater, write.addresses.upperBound)
        if forceUnitAccess {
            settle(write)
            for lba in write.addresses {
                cache.hide(lba)
                stableSince[lba] = write.sequence
            }
            if cache.isClean { stableSince.removeAll(keepingCapacity: true) }
            return
        }
        cache.add(write)
        while cache.unstableBlocks > cacheBlocks, let oldest = cache.takeOldest() {
            settle(oldest)
        }
    }

    /// Writes to the medium what `write` still has to say there.
    mutating func settle(_ write: CachedWrite) {
        for index in 0..<write.blockCount {
            let lba = write.lba + UInt64(index)
            if let stable = stableSince[lba], stable > write.sequence { continue }
            write.withBlock(index) { medium.write(lba, $0) }
            unreadable.remove(lba)
        }
    }
}
