import KapokDrive
package import KapokWorld

/// The shape of a pool of drives: how many, how they are coded, how each is cut into slots. Written
/// at LBA 0 of every drive, so that the drives alone tell how to read them.
package struct PoolDescriptor: Sendable, Equatable {
    /// The region the drives belong to; its low half tags every shard header, so that no bytes a
    /// user may store can pass for a header.
    package var region: UniqueID
    /// How many drives the pool has.
    package var driveCount: UInt32
    /// Data shards of a stripe (K).
    package var dataShards: UInt8
    /// Parity shards of a stripe (M).
    package var parityShards: UInt8
    /// Blocks of one slot: what one extent takes on one drive.
    package var slotBlocks: UInt32
    /// Slots that fit on each drive.
    package var slotsPerDrive: UInt32

    package init(
        region: UniqueID, driveCount: UInt32, dataShards: UInt8, parityShards: UInt8,
        slotBlocks: UInt32, slotsPerDrive: UInt32
    ) {
        self.region = region
        self.driveCount = driveCount
        self.dataShards = dataShards
        self.parityShards = parityShards
        self.slotBlocks = slotBlocks
        self.slotsPerDrive = slotsPerDrive
    }

    /// K + M.
    package var width: Int { Int(dataShards) + Int(parityShards) }

    /// The first block of the first slot: slots are aligned to 32 KiB.
    static let firstSlotLBA: UInt64 = 8

    /// The first block of `slot` on any drive.
    package func lba(ofSlot slot: UInt32) -> UInt64 {
        Self.firstSlotLBA + UInt64(slot) * UInt64(slotBlocks)
    }

    /// Chooses slots for drives of `capacityBlocks`: 16 MiB each, or a 64th of a small drive, and
    /// never below 1 MiB.
    package static func slots(forCapacityBlocks capacityBlocks: UInt64) -> (
        slotBlocks: UInt32, slotsPerDrive: UInt32
    ) {
        let usable = capacityBlocks > firstSlotLBA ? capacityBlocks - firstSlotLBA : 0
        let slotBlocks = min(4096, max(256, usable / 64 / 8 * 8))
        return (UInt32(slotBlocks), UInt32(clamping: usable / slotBlocks))
    }

    static let magic: UInt64 = 0x31_4C_4F_4F_50_4B_50_4B  // "KPKPOOL1"

    /// One block, checksummed.
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: driveBlockSize)
        writer.uint64(Self.magic)
        writer.uint64(region.high)
        writer.uint64(region.low)
        writer.uint32(driveCount)
        writer.uint8(dataShards)
        writer.uint8(parityShards)
        writer.uint16(1)  // format version
        writer.uint32(slotBlocks)
        writer.uint32(slotsPerDrive)
        return sealedBlock(writer)
    }

    /// Reads what `encoded` wrote; nil when the block is anything else.
    package init?(block: UnsafeRawBufferPointer) {
        guard var reader = openedBlock(block) else { return nil }
        do {
            guard try reader.uint64() == Self.magic else { return nil }
            region = UniqueID(high: try reader.uint64(), low: try reader.uint64())
            driveCount = try reader.uint32()
            dataShards = try reader.uint8()
            parityShards = try reader.uint8()
            guard try reader.uint16() == 1 else { return nil }
            slotBlocks = try reader.uint32()
            slotsPerDrive = try reader.uint32()
        } catch { return nil }
        guard dataShards > 0, Int(dataShards) + Int(parityShards) <= 32,
            Int(driveCount) >= Int(dataShards) + Int(parityShards),
            slotBlocks >= 2, slotsPerDrive > 0
        else { return nil }
    }
}

/// Pads to a block whose last eight bytes are its CRC-64/NVME.
private func sealedBlock(_ writer: ByteWriter) -> [UInt8] {
    var block = writer.bytes
    precondition(block.count <= driveBlockSize - 8)
    block.append(contentsOf: repeatElement(0, count: driveBlockSize - 8 - block.count))
    let crc = block.withUnsafeBytes { CRC64NVME.checksum($0) }
    withUnsafeBytes(of: crc.littleEndian) { block.append(contentsOf: $0) }
    return block
}

/// A reader over a block that `sealedBlock` made; nil when its checksum is wrong.
private func openedBlock(_ block: UnsafeRawBufferPointer) -> ByteReader? {
    guard block.count >= driveBlockSize else { return nil }
    let body = UnsafeRawBufferPointer(rebasing: block[0..<driveBlockSize - 8])
    let stored = block.loadUnaligned(fromByteOffset: driveBlockSize - 8, as: UInt64.self)
    guard CRC64NVME.checksum(body) == UInt64(littleEndian: stored) else { return nil }
    return ByteReader(Array(body))
}

/// The identity of an extent: never used twice.
package struct ExtentID: Hashable, Comparable, Sendable {
    package var number: UInt64
    package init(_ number: UInt64) { self.number = number }
    package static func < (a: ExtentID, b: ExtentID) -> Bool { a.number < b.number }
}

/// One drive's share of an extent.
package struct ExtentMember: Hashable, Sendable {
    /// The drive's position in the pool.
    package var drive: UInt32
    /// The slot on that drive.
    package var slot: UInt32

    package init(drive: UInt32, slot: UInt32) {
        self.drive = drive
        self.slot = slot
    }
}

/// The first block of each of an extent's slots: which extent, and where its other slots are.
package struct ExtentHeader: Sendable, Equatable {
    package var region: UniqueID
    package var id: ExtentID
    /// The head that opened it.
    package var epoch: Epoch
    /// Which shard of each stripe lies here.
    package var shardIndex: UInt8
    /// The K + M slots in shard order.
    package var members: [ExtentMember]

    static let magic: UInt64 = 0x31_54_58_45_4B_50_4B_00  // "KPKEXT1"

    func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: driveBlockSize)
        writer.uint64(Self.magic)
        writer.uint64(region.high)
        writer.uint64(region.low)
        writer.uint64(id.number)
        writer.uint64(epoch.number)
        writer.uint8(shardIndex)
        writer.uint8(UInt8(members.count))
        for member in members {
            writer.uint32(member.drive)
            writer.uint32(member.slot)
        }
        return sealedBlock(writer)
    }

    init(region: UniqueID, id: ExtentID, epoch: Epoch, shardIndex: UInt8, members: [ExtentMember]) {
        self.region = region
        self.id = id
        self.epoch = epoch
        self.shardIndex = shardIndex
        self.members = members
    }

    init?(block: UnsafeRawBufferPointer) {
        guard var reader = openedBlock(block) else { return nil }
        do {
            guard try reader.uint64() == Self.magic else { return nil }
            region = UniqueID(high: try reader.uint64(), low: try reader.uint64())
            id = ExtentID(try reader.uint64())
            epoch = Epoch(try reader.uint64())
            shardIndex = try reader.uint8()
            let count = try reader.uint8()
            guard count <= 32, shardIndex < count else { return nil }
            members = []
            for _ in 0..<count {
                members.append(
                    ExtentMember(drive: try reader.uint32(), slot: try reader.uint32()))
            }
        } catch { return nil }
    }
}
