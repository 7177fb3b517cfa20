import KapokDrive
package import KapokWorld

/// The first 128 bytes of a shard. Everything that makes a shard this shard is under its checksum:
/// where it lies, which stripe of which extent it belongs to, and who wrote it, so that
/// misdirected, stale and foreign data are told from the right one.
package struct ShardHeader: Equatable {
    package static let byteCount = 128
    private static let magic: UInt64 = 0x31_44_52_48_53_4B_50_4B  // "KPKSHRD1"

    /// The low half of the region's identity.
    package var regionTag: UInt64
    package var shardIndex: UInt8
    package var dataShards: UInt8
    package var parityShards: UInt8
    package var extent: ExtentID
    /// The stripe's first block within the slot.
    package var block: UInt32
    /// Blocks of this shard, header included.
    package var shardBlocks: UInt32
    /// Rises with every stripe a region writes; tells two stripes at one address apart.
    package var stripe: UInt64
    package var epoch: Epoch
    /// Bytes of the stripe's payload that are in use.
    package var logicalLength: UInt32
    /// The drive's position in the pool.
    package var drive: UInt32
    /// The absolute address on the drive.
    package var lba: UInt64
    /// The blob whose chunk fills the stripe; 0 for a stripe of packed records.
    package var object: UInt64
    /// CRC-64/NVME of the payload, which is the rest of the shard.
    package var payloadCRC: UInt64

    /// Bytes of payload in a shard of `shardBlocks`.
    package static func payloadBytes(shardBlocks: Int) -> Int {
        shardBlocks * driveBlockSize - byteCount
    }

    /// Writes the header, with its checksum in the last eight bytes, to `target`.
    package func write(to target: UnsafeMutableRawPointer) {
        target.initializeMemory(as: UInt8.self, repeating: 0, count: Self.byteCount)
        func put<T: FixedWidthInteger>(_ value: T, _ offset: Int) {
            target.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
        }
        put(Self.magic, 0)
        put(UInt16(1), 8)
        put(shardIndex, 10)
        put(dataShards, 11)
        put(parityShards, 12)
        put(extent.number, 16)
        put(block, 24)
        put(shardBlocks, 28)
        put(stripe, 32)
        put(epoch.number, 40)
        put(logicalLength, 48)
        put(drive, 52)
        put(lba, 56)
        put(object, 64)
        put(payloadCRC, 72)
        put(regionTag, 80)
        let crc = CRC64NVME.checksum(
            UnsafeRawBufferPointer(start: target, count: Self.byteCount - 8))
        put(crc, 120)
    }

    package init(
        regionTag: UInt64, shardIndex: UInt8, dataShards: UInt8, parityShards: UInt8,
        extent: ExtentID, block: UInt32, shardBlocks: UInt32, stripe: UInt64, epoch: Epoch,
        logicalLength: UInt32, drive: UInt32, lba: UInt64, object: UInt64, payloadCRC: UInt64
    ) {
        self.regionTag = regionTag
        self.shardIndex = shardIndex
        self.dataShards = dataShards
        self.parityShards = parityShards
        self.extent = extent
        self.block = block
        self.shardBlocks = shardBlocks
        self.stripe = stripe
        self.epoch = epoch
        self.logicalLength = logicalLength
        self.drive = drive
        self.lba = lba
        self.object = object
        self.payloadCRC = payloadCRC
    }

    /// Reads a header; nil when magic, version, checksum or the region is wrong.
    package init?(_ source: UnsafeRawBufferPointer, regionTag expected: UInt64) {
        guard source.count >= Self.byteCount else { return nil }
        func get<T: FixedWidthInteger>(_ offset: Int, as type: T.Type) -> T {
            T(littleEndian: source.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        guard get(0, as: UInt64.self) == Self.magic, get(8, as: UInt16.self) == 1,
            get(80, as: UInt64.self) == expected
        else { return nil }
        let crc = CRC64NVME.checksum(
            UnsafeRawBufferPointer(rebasing: source[0..<Self.byteCount - 8]))
        guard crc == get(120, as: UInt64.self) else { return nil }
        regionTag = expected
        shardIndex = get(10, as: UInt8.self)
        dataShards = get(11, as: UInt8.self)
        parityShards = get(12, as: UInt8.self)
        extent = ExtentID(get(16, as: UInt64.self))
        block = get(24, as: UInt32.self)
        shardBlocks = get(28, as: UInt32.self)
        stripe = get(32, as: UInt64.self)
        epoch = Epoch(get(40, as: UInt64.self))
        logicalLength = get(48, as: UInt32.self)
        drive = get(52, as: UInt32.self)
        lba = get(56, as: UInt64.self)
        object = get(64, as: UInt64.self)
        payloadCRC = get(72, as: UInt64.self)
        guard shardBlocks > 0, shardBlocks <= driveMaximumTransferBlocks,
            shardIndex < dataShards + parityShards
        else { return nil }
    }
}
