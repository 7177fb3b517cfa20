public import KapokWorld

/// What a drive's media are asked to do. LBAs are those of commands; `MediaLayout` says where they
/// lie.
public struct MediaOperation: Sendable {
    /// What to do.
    public enum Action: Sendable {
        /// Reads blocks into the buffer, from `bufferOffset` bytes on.
        case read(lba: UInt64, blockCount: UInt32, buffer: AlignedBuffer, bufferOffset: Int)
        /// Writes blocks; with `forceUnitAccess` they are stable when the operation ends.
        case write(
            lba: UInt64, blockCount: UInt32, buffer: AlignedBuffer, bufferOffset: Int,
            forceUnitAccess: Bool)
        /// Makes everything that was written before it began stable.
        case flush
        /// Makes blocks read as zeroes.
        case writeZeroes(lba: UInt64, blockCount: UInt32, forceUnitAccess: Bool)
        /// Writes copy 0 or 1 of the superblock and makes it stable before it ends.
        case writeSuperblock(copy: Int, block: [UInt8])
    }

    /// The number that the completion carries.
    public var id: UInt64
    /// What to do.
    public var action: Action

    /// An operation that the media will report as `id`.
    public init(id: UInt64, action: Action) {
        self.id = id
        self.action = action
    }
}

/// Where a drive's blocks lie on its media: superblock copy 0 in the first block, LBA 0 behind a
/// few reserved blocks, superblock copy 1 right behind the last LBA.
public enum MediaLayout {
    /// Blocks in front of LBA 0: the superblock, and room so that LBA 0 lies on a 32 KiB boundary.
    public static let leadingBlocks: UInt64 = 8
    /// Blocks behind the last LBA.
    public static let trailingBlocks: UInt64 = 1
    /// The most blocks a drive may have: 1 EiB, so that no offset overflows a signed 64-bit number.
    public static let maximumCapacityBlocks: UInt64 = 1 << 48

    /// How many blocks commands can address on media of `byteCount`; nil when there is no room for
    /// any.
    public static func capacityBlocks(ofMediaBytes byteCount: UInt64) -> UInt64? {
        let blocks = byteCount / UInt64(driveBlockSize)
        guard blocks > leadingBlocks + trailingBlocks else { return nil }
        return min(blocks - leadingBlocks - trailingBlocks, maximumCapacityBlocks)
    }

    /// The bytes that media for `capacityBlocks` must have.
    public static func mediaBytes(forCapacityBlocks capacityBlocks: UInt64) -> UInt64 {
        (leadingBlocks + capacityBlocks + trailingBlocks) * UInt64(driveBlockSize)
    }

    /// Where `lba` begins, in bytes from the start of the media.
    public static func byteOffset(ofLBA lba: UInt64) -> UInt64 {
        (leadingBlocks + lba) * UInt64(driveBlockSize)
    }

    /// Where a copy of the superblock begins, in bytes from the start of the media.
    public static func byteOffset(ofSuperblock copy: Int, capacityBlocks: UInt64) -> UInt64 {
        copy == 0 ? 0 : byteOffset(ofLBA: capacityBlocks)
    }
}
