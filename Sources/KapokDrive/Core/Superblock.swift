public import KapokWorld

/// Why a block is no superblock.
public enum SuperblockError: Error, Sendable, Equatable {
    /// Fewer bytes than a block.
    case truncated
    /// Something else lies there.
    case wrongMagic
    /// Torn or corrupted.
    case wrongChecksum
    /// A format that this program does not know; the number is what it found.
    case unknownVersion(UInt16)
    /// A capacity of no blocks, or of more than `MediaLayout.maximumCapacityBlocks`.
    case impossibleCapacity(UInt64)
    /// A generation that no drive reaches by writing.
    case impossibleGeneration(UInt64)
}

/// What a drive knows of itself: identity and epoch. It lies twice on the media (`MediaLayout`);
/// the valid copy with the higher generation counts, so that a torn write leaves the other one.
///
/// Format 1, little-endian: magic "KPKDRIVE" (8), version (2), zero (6), drive (16), region (16),
/// position (4), failure domain (4), capacity in blocks (8), epoch (8), generation (8); zeroes; in
/// the last eight bytes the CRC-64/NVME of all before.
public struct Superblock: Sendable, Equatable {
    /// Bytes of a superblock: one block.
    public static let byteCount = driveBlockSize
    /// The format that `encoded` writes.
    public static let version: UInt16 = 1
    private static let magic: UInt64 = 0x4556_4952_444B_504B  // "KPKDRIVE"

    /// What the drive is.
    public var identity: DriveIdentity
    /// Commands of lower epochs are refused.
    public var epoch: Epoch
    /// Rises with each writing.
    public var generation: UInt64

    /// A superblock, as `format` writes the first one.
    public init(identity: DriveIdentity, epoch: Epoch = .none, generation: UInt64 = 1) {
        self.identity = identity
        self.epoch = epoch
        self.generation = generation
    }

    /// One block.
    public func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: Self.byteCount)
        writer.uint64(Self.magic)
        writer.uint16(Self.version)
        writer.raw(repeatElement(0, count: 6))
        writer.uint64(identity.id.high)
        writer.uint64(identity.id.low)
        writer.uint64(identity.region.high)
        writer.uint64(identity.region.low)
        writer.uint32(identity.position)
        writer.uint32(identity.failureDomain)
        writer.uint64(identity.capacityBlocks)
        writer.uint64(epoch.number)
        writer.uint64(generation)
        writer.raw(repeatElement(0, count: Self.byteCount - 8 - writer.count))
        writer.uint64(writer.bytes.withUnsafeBytes { CRC64NVME.checksum($0) })
        return writer.bytes
    }

    /// Reads what `encoded` wrote, from bytes that cannot be trusted.
    public init(block: UnsafeRawBufferPointer) throws(SuperblockError) {
        guard block.count >= Self.byteCount else { throw .truncated }
        func word<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> T {
            T(littleEndian: block.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        guard word(0, UInt64.self) == Self.magic else { throw .wrongMagic }
        let checked = UnsafeRawBufferPointer(rebasing: block[..<(Self.byteCount - 8)])
        guard CRC64NVME.checksum(checked) == word(Self.byteCount - 8, UInt64.self) else {
            throw .wrongChecksum
        }
        let version = word(8, UInt16.self)
        guard version == Self.version else { throw .unknownVersion(version) }
        let capacity = word(56, UInt64.self)
        guard capacity > 0, capacity <= MediaLayout.maximumCapacityBlocks else {
            throw .impossibleCapacity(capacity)
        }
        let generation = word(72, UInt64.self)
        guard generation < 1 << 62 else { throw .impossibleGeneration(generation) }
        identity = DriveIdentity(
            id: UniqueID(high: word(16, UInt64.self), low: word(24, UInt64.self)),
            region: UniqueID(high: word(32, UInt64.self), low: word(40, UInt64.self)),
            position: word(48, UInt32.self), capacityBlocks: capacity,
            failureDomain: word(52, UInt32.self))
        epoch = Epoch(word(64, UInt64.self))
        self.generation = generation
    }

    /// The copy that counts; nil when neither is valid.
    public static func choose(_ a: Superblock?, _ b: Superblock?) -> Superblock? {
        guard let a else { return b }
        guard let b else { return a }
        return a.generation >= b.generation ? a : b
    }
}
