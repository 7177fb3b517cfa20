/// A write as the cache keeps it.
struct CachedWrite: Sendable {
    /// Rises with each write.
    var sequence: UInt64
    var lba: UInt64
    var blockCount: Int
    /// nil for zeroes.
    var bytes: [UInt8]?
    /// How many of its blocks reads still find here.
    var visibleBlocks: Int
    /// A failed flush has given it up: it is read, and never stored any more.
    var isGivenUp = false

    var addresses: Range<UInt64> { lba..<lba + UInt64(blockCount) }

    /// Lends the bytes of block `index` (nil for zeroes) to `body`.
    func withBlock<R>(_ index: Int, _ body: (Slice<UnsafeRawBufferPointer>?) -> R) -> R {
        guard let bytes else { return body(nil) }
        return bytes.withUnsafeBytes { all in
            body(all[index * simulatedBlockSize..<(index + 1) * simulatedBlockSize])
        }
    }
}

/// The writes that a disk has acknowledged and may still lose. Reads see the newest.
struct WriteCache: Sendable {
    private var writes: [UInt64: CachedWrite] = [:]
    /// The write that a read of a block sees.
    private var newest: [UInt64: UInt64] = [:]
    /// The sequences of the writes that are not stable, from `head`, rising.
    private var unstable: [UInt64] = []
    private var head = 0
    /// How many blocks the unstable writes have, overwritten ones included.
    private(set) var unstableBlocks = 0

    /// Whether a flush would have something to do.
    var isClean: Bool { head == unstable.count }

    /// Whether reads of the block at `lba` are served from here.
    func holds(_ lba: UInt64) -> Bool { newest[lba] != nil }

    /// Copies the block at `lba` to `target`; false when it is not cached.
    func read(_ lba: UInt64, into target: UnsafeMutableRawBufferPointer) -> Bool {
        guard let sequence = newest[lba], let write = writes[sequence] else { return false }
        write.withBlock(Int(lba - write.lba)) { source in
            if let source {
                target.copyBytes(from: source)
            } else {
                target.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
        return true
    }

    mutating func add(_ write: CachedWrite) {
        var write = write
        for lba in write.addresses {
            hide(lba)
            newest[lba] = write.sequence
        }
        write.visibleBlocks = write.blockCount
        unstableBlocks += write.blockCount
        unstable.append(write.sequence)
        writes[write.sequence] = write
    }

    /// Lets reads of the block at `lba` go to the medium.
    mutating func hide(_ lba: UInt64) {
        guard let sequence = newest.removeValue(forKey: lba) else { return }
        writes[sequence]?.visibleBlocks -= 1
        if let write = writes[sequence], write.isGivenUp, write.visibleBlocks == 0 {
            writes[sequence] = nil
        }
    }

    /// Takes out the oldest unstable write, for the medium.
    mutating func takeOldest() -> CachedWrite? {
        guard head < unstable.count, let write = writes.removeValue(forKey: unstable[head]) else {
            return nil
        }
        head += 1
        if head > 1024, head * 2 > unstable.count {
            unstable.removeFirst(head)
            head = 0
        }
        unstableBlocks -= write.blockCount
        for lba in write.addresses where newest[lba] == write.sequence { newest[lba] = nil }
        return write
    }

    /// The unstable writes, oldest first.
    var unstableWrites: [CachedWrite] { unstable[head...].compactMap { writes[$0] } }

    /// Gives the unstable writes up: reads go on seeing them, flushes do not.
    mutating func giveUp() {
        for sequence in unstable[head...] {
            writes[sequence]?.isGivenUp = true
            if writes[sequence]?.visibleBlocks == 0 { writes[sequence] = nil }
        }
        unstable.removeAll()
        head = 0
        unstableBlocks = 0
    }

    /// Flips bit `bit` of the block at `lba` where it is cached.
    mutating func flip(_ lba: UInt64, bit: Int) {
        guard let sequence = newest[lba], let write = writes[sequence] else { return }
        let zeroes = Array(repeating: 0 as UInt8, count: write.blockCount * simulatedBlockSize)
        var bytes = write.bytes ?? zeroes
        bytes[Int(lba - write.lba) * simulatedBlockSize + bit / 8] ^= 1 << UInt8(bit % 8)
        writes[sequence]?.bytes = bytes
    }

    mutating func removeAll() { self = WriteCache() }
}
