import KapokWorld

/// What the faults drawn for a write make of it.
enum WriteFate {
    case intended
    case redirected(to: UInt64)
    case lost
    case failed
}

extension SimulatedDisk {
    /// Draws the faults of a read; gives the address that the bytes really come from.
    mutating func drawReadFaults(_ lba: UInt64, _ count: Int) -> UInt64 {
        let isRotten = faults.bitRot.happens(&faultStream)
        let isUnreadable = faults.latentReadError.happens(&faultStream)
        let isMisdirected = faults.misdirectedRead.happens(&faultStream)
        if isRotten {
            counts.bitRots += 1
            medium.flip(
                lba + faultStream.below(UInt64(count)), bit: faultStream.below(bitsPerBlock))
        }
        if isUnreadable {
            counts.latentReadErrors += 1
            unreadable.insert(lba + faultStream.below(UInt64(count)))
        }
        guard isMisdirected, let other = otherAddress(than: lba, count) else { return lba }
        counts.misdirectedReads += 1
        return other
    }

    /// Draws the faults of a write.
    mutating func drawWriteFaults(_ lba: UInt64, _ count: Int) -> WriteFate {
        let isRotten = faults.bitRot.happens(&faultStream)
        let isFailed = faults.writeError.happens(&faultStream)
        let isLost = faults.lostWrite.happens(&faultStream)
        let isMisdirected = faults.misdirectedWrite.happens(&faultStream)
        if isRotten, medium.count > 0 {
            counts.bitRots += 1
            let victim = medium.address(ofSlot: faultStream.below(medium.count))
            medium.flip(victim, bit: faultStream.below(bitsPerBlock))
        }
        if isFailed {
            counts.writeErrors += 1
            return .failed
        }
        if isLost {
            counts.lostWrites += 1
            return .lost
        }
        if isMisdirected, let other = otherAddress(than: lba, count) {
            counts.misdirectedWrites += 1
            return .redirected(to: other)
        }
        return .intended
    }

    /// Where an operation on `count` blocks at `lba` goes wrong to: half of the time an address
    /// that differs in one bit, else any that was in use. nil when the disk has no room for
    /// another.
    private mutating func otherAddress(than lba: UInt64, _ count: Int) -> UInt64? {
        guard blockCount > UInt64(count) else { return nil }
        let limit = blockCount - UInt64(count)
        let isBitFlip = faultStream.chance(1, in: 2)
        let span = min(highWater, limit + 1)
        let bits = UInt64(max(1, 64 - (span - 1).leadingZeroBitCount))
        let flipped = lba ^ 1 << faultStream.below(bits)
        let anywhere = faultStream.below(span)
        if isBitFlip, flipped <= limit { return flipped }
        if anywhere != lba { return anywhere }
        return lba == limit ? lba - 1 : lba + 1
    }

    private var bitsPerBlock: Int { simulatedBlockSize * 8 }

    /// Flips one bit of the block at `lba`, in the cache and on the medium, so that the next read
    /// shows it. For tests and scenarios that aim.
    public mutating func corrupt(lba: UInt64) {
        precondition(contains(lba, 1))
        counts.bitRots += 1
        let bit = faultStream.below(bitsPerBlock)
        cache.flip(lba, bit: bit)
        medium.flip(lba, bit: bit)
    }

    /// Makes the block at `lba` unreadable until it is written again. Should an earlier write of it
    /// be in the cache still, that write is gone, too.
    public mutating func makeUnreadable(lba: UInt64) {
        precondition(contains(lba, 1))
        counts.latentReadErrors += 1
        cache.hide(lba)
        stableSince[lba] = nextSequence
        nextSequence += 1
        unreadable.insert(lba)
    }

    /// Forgets everything, as if a new disk of the same size stood in the slot.
    public mutating func wipe() {
        medium = BlockStore()
        cache.removeAll()
        unreadable.removeAll()
        stableSince.removeAll()
        highWater = 1
    }

    /// How many blocks the medium stores; what was never written or was zeroed is not among them.
    public var storedBlocks: Int { medium.count }

    /// How many blocks of acknowledged writes would not surely survive a crash now, counting a
    /// block once for each write.
    public var unflushedBlocks: Int { cache.unstableBlocks }

    /// Mixes the stable content in, by rising address: equal disks give equal hashes.
    public func mixMedium(into trace: inout TraceHash) {
        var block = [UInt8](repeating: 0, count: simulatedBlockSize)
        for lba in medium.sortedAddresses {
            block.withUnsafeMutableBytes { medium.read(lba, into: $0) }
            // A stored block of zeroes and an absent one are the same content.
            guard block.contains(where: { $0 != 0 }) else { continue }
            trace.mix(lba)
            trace.mix(block)
        }
    }
}
