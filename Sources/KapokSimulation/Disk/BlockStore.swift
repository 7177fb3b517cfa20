import KapokWorld

/// Sparse blocks by address: what was never written reads as zeroes.
///
/// The dictionary is only ever looked up; whoever needs an order takes that of the slots, in which
/// blocks were first written, or sorts.
struct BlockStore: Sendable {
    private var slotByAddress: [UInt64: Int] = [:]
    private var addresses: [UInt64] = []
    private var contents: [[UInt8]] = []

    /// How many blocks are stored.
    var count: Int { addresses.count }

    /// The address of the block in `slot`, 0 ..< count.
    func address(ofSlot slot: Int) -> UInt64 { addresses[slot] }

    /// All addresses, rising.
    var sortedAddresses: [UInt64] { addresses.sorted() }

    /// Copies the block at `lba` to `target`, which has room for it.
    func read(_ lba: UInt64, into target: UnsafeMutableRawBufferPointer) {
        if let slot = slotByAddress[lba] {
            target.copyBytes(from: contents[slot])
        } else {
            target.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    /// Overwrites the bytes of the block at `lba` from `offset` with `source`; nil means zeroes for
    /// the whole block.
    mutating func write(_ lba: UInt64, offset: Int = 0, _ source: Slice<UnsafeRawBufferPointer>?) {
        guard let source else {
            remove(lba)
            return
        }
        let slot = slot(for: lba)
        contents[slot].withUnsafeMutableBytes { block in
            UnsafeMutableRawBufferPointer(rebasing: block[offset..<offset + source.count])
                .copyBytes(from: source)
        }
    }

    /// Flips bit `bit` of the block at `lba`, storing it if it was absent.
    mutating func flip(_ lba: UInt64, bit: Int) {
        contents[slot(for: lba)][bit / 8] ^= 1 << UInt8(bit % 8)
    }

    /// Makes the block at `lba` read as zeroes. The last slot moves into its place.
    mutating func remove(_ lba: UInt64) {
        guard let slot = slotByAddress.removeValue(forKey: lba) else { return }
        let last = addresses.count - 1
        if slot != last {
            addresses[slot] = addresses[last]
            contents.swapAt(slot, last)
            slotByAddress[addresses[slot]] = slot
        }
        addresses.removeLast()
        contents.removeLast()
    }

    private mutating func slot(for lba: UInt64) -> Int {
        if let slot = slotByAddress[lba] { return slot }
        slotByAddress[lba] = addresses.count
        addresses.append(lba)
        contents.append(Array(repeating: 0, count: simulatedBlockSize))
        return addresses.count - 1
    }
}
