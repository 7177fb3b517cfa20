import KapokLinux
import KapokWorld

/// A drive's file or block device, with everything where `MediaLayout` puts it.
struct DriveMedia: Sendable {
    let file: OpenFile
    /// Blocks of the namespace.
    let capacityBlocks: UInt64

    /// The size that the media must have, in bytes.
    var byteCount: UInt64 { MediaLayout.mediaBytes(forCapacityBlocks: capacityBlocks) }

    /// What `action` comes to on the file.
    func operation(for action: MediaOperation.Action) -> FileOperation {
        FileOperation(fileAction(for: action), on: file)
    }

    private func fileAction(for action: MediaOperation.Action) -> FileOperation.Action {
        switch action {
        case .read(let lba, let count, let buffer, let bufferOffset):
            .read(
                buffer: buffer, bufferOffset: bufferOffset,
                byteCount: Int(count) * driveBlockSize, offset: MediaLayout.byteOffset(ofLBA: lba))
        case .write(let lba, let count, let buffer, let bufferOffset, let isForced):
            .write(
                buffer: buffer, bufferOffset: bufferOffset,
                byteCount: Int(count) * driveBlockSize, offset: MediaLayout.byteOffset(ofLBA: lba),
                isDurable: isForced)
        case .flush: .synchronizeData
        case .writeZeroes(let lba, let count, let isForced):
            .writeZeroes(
                byteCount: Int(count) * driveBlockSize, offset: MediaLayout.byteOffset(ofLBA: lba),
                isDurable: isForced)
        case .writeSuperblock(let copy, let block):
            .write(
                buffer: AlignedBuffer(copying: block), bufferOffset: 0,
                byteCount: driveBlockSize,
                offset: MediaLayout.byteOffset(ofSuperblock: copy, capacityBlocks: capacityBlocks),
                isDurable: true)
        }
    }

    /// Reads the superblocks of media of unknown capacity and returns the one that counts.
    static func readSuperblock(
        of file: OpenFile, byteCount: UInt64
    ) throws(LocalDriveError) -> Superblock {
        guard byteCount >= UInt64(driveBlockSize) else {
            throw .notADrive(path: file.path, .truncated, nil)
        }
        var firstError: SuperblockError?
        var lastError: SuperblockError?
        let first = readCopy(in: file, at: 0, &firstError)
        // The first copy knows where the other lies; without it, it is the last block of the media.
        var lastOffset = (byteCount / UInt64(driveBlockSize) - 1) * UInt64(driveBlockSize)
        if let capacity = first?.identity.capacityBlocks,
            let room = MediaLayout.capacityBlocks(ofMediaBytes: byteCount), capacity <= room
        {
            lastOffset = MediaLayout.byteOffset(ofSuperblock: 1, capacityBlocks: capacity)
        }
        let last = readCopy(in: file, at: lastOffset, &lastError)
        guard let chosen = Superblock.choose(first, last) else {
            throw .notADrive(path: file.path, firstError, lastError)
        }
        return chosen
    }

    /// A block that cannot be read is no superblock, and no reason to give up the other.
    private static func readCopy(
        in file: OpenFile, at offset: UInt64, _ error: inout SuperblockError?
    ) -> Superblock? {
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        let read = FileOperation(
            .read(buffer: buffer, bufferOffset: 0, byteCount: driveBlockSize, offset: offset),
            on: file)
        guard read.perform() == 0 else {
            error = .truncated
            return nil
        }
        do throws(SuperblockError) {
            return try Superblock(block: buffer.bytes)
        } catch let found {
            error = found
            return nil
        }
    }
}

extension AlignedBuffer {
    /// At most a block of bytes, filled up with zeroes.
    convenience init(copying block: [UInt8]) {
        precondition(block.count <= driveBlockSize)
        self.init(byteCount: driveBlockSize)
        zero()
        mutableBytes.copyBytes(from: block)
    }
}
