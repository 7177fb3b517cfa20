import KapokWorld

/// A write that was submitted and not acknowledged when the power failed.
public struct InFlightWrite {
    /// The first block.
    public var lba: UInt64
    /// How many blocks.
    public var blockCount: Int
    /// The bytes, valid during the call that takes them; nil for zeroes.
    public var bytes: UnsafeRawBufferPointer?

    public init(lba: UInt64, blockCount: Int, bytes: UnsafeRawBufferPointer?) {
        self.lba = lba
        self.blockCount = blockCount
        self.bytes = bytes
    }
}

extension SimulatedDisk {
    /// The power fails and returns. The unflushed writes and those of `inFlight`, all in one random
    /// order, each survive whole, are torn at sector boundaries, or are lost, as
    /// `DiskFaults.crashKeeps` and `crashTears` say. The cache is empty afterwards. What was stable
    /// stays as it was, except under a write in flight or unflushed.
    ///
    /// A torn write keeps the first sectors, or the last, or an arbitrary choice of them.
    public mutating func crash(inFlight: [InFlightWrite] = []) {
        counts.crashes += 1
        var writes = cache.unstableWrites
        for write in inFlight where contains(write.lba, write.blockCount) {
            if let bytes = write.bytes {
                precondition(bytes.count >= write.blockCount * simulatedBlockSize)
            }
            let bytes = write.bytes.map { Array($0[..<(write.blockCount * simulatedBlockSize)]) }
            writes.append(
                CachedWrite(
                    sequence: nextSequence, lba: write.lba, blockCount: write.blockCount,
                    bytes: bytes, visibleBlocks: 0))
            highWater = max(highWater, write.lba + UInt64(write.blockCount))
            nextSequence += 1
        }
        settleAtRandom(writes)
        cache.removeAll()
        stableSince.removeAll()
    }

    /// Lets each of `writes` reach the medium whole, in part or not at all, in random order.
    mutating func settleAtRandom(_ writes: [CachedWrite]) {
        for write in writes.shuffled(using: &crashStream) {
            let isKept = faults.crashKeeps.happens(&crashStream)
            let isTorn = faults.crashTears.happens(&crashStream)
            if isKept {
                settle(write)
            } else if isTorn {
                counts.writesTorn += 1
                settleTorn(write, keeping: drawTear(write.blockCount, &crashStream))
            } else {
                counts.writesDropped += 1
            }
        }
    }

    /// What the range of `write` would read as if only some of its sectors were written.
    mutating func tornImage(of write: CachedWrite) -> [UInt8] {
        let kept = drawTear(write.blockCount, &faultStream)
        var image = Array(repeating: 0 as UInt8, count: write.blockCount * simulatedBlockSize)
        image.withUnsafeMutableBytes { image in
            for index in 0..<write.blockCount {
                let range = index * simulatedBlockSize..<(index + 1) * simulatedBlockSize
                let part = UnsafeMutableRawBufferPointer(rebasing: image[range])
                let lba = write.lba + UInt64(index)
                if !cache.read(lba, into: part) { medium.read(lba, into: part) }
            }
        }
        for sector in kept.indices where kept[sector] {
            let range = sector * simulatedSectorSize..<(sector + 1) * simulatedSectorSize
            if let bytes = write.bytes {
                image.replaceSubrange(range, with: bytes[range])
            } else {
                for offset in range { image[offset] = 0 }
            }
        }
        return image
    }

    /// Which sectors of a write of `blockCount` blocks survive: at least one, and not all.
    private func drawTear(_ blockCount: Int, _ random: inout RandomStream) -> [Bool] {
        let sectors = blockCount * (simulatedBlockSize / simulatedSectorSize)
        let cut = 1 + random.below(sectors - 1)
        switch random.below(4) {
        case 0, 1: return (0..<sectors).map { $0 < cut }
        case 2: return (0..<sectors).map { $0 >= cut }
        default:
            var kept = (0..<sectors).map { _ in random.chance(1, in: 2) }
            kept[cut] = true
            kept[cut - 1] = false
            return kept
        }
    }

    private mutating func settleTorn(_ write: CachedWrite, keeping kept: [Bool]) {
        let zeroes = [UInt8](repeating: 0, count: simulatedSectorSize)
        let perBlock = simulatedBlockSize / simulatedSectorSize
        for sector in kept.indices where kept[sector] {
            let lba = write.lba + UInt64(sector / perBlock)
            if let stable = stableSince[lba], stable > write.sequence { continue }
            let start = sector * simulatedSectorSize
            (write.bytes ?? zeroes).withUnsafeBytes { bytes in
                let from = write.bytes == nil ? 0 : start
                medium.write(
                    lba, offset: start % simulatedBlockSize,
                    bytes[from..<from + simulatedSectorSize])
            }
        }
    }
}
