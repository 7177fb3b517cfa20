import KapokLinux
import KapokWorld

extension LocalDrive {
    /// Makes a drive: a new file of `sizeBytes` with all its space allocated, or an existing block
    /// device with the size it has. `identity.capacityBlocks` is not used; it comes out of the
    /// size.
    ///
    /// A file appears under its name only when it is complete, so that a crash leaves no half
    /// drive. Existing files, and block devices that are drives already, are left alone:
    /// `alreadyExists`.
    public static func format(
        path: String, identity: DriveIdentity, sizeBytes: UInt64
    ) throws(LocalDriveError) {
        let found: OpenFile?
        do throws(SystemError) {
            found = try OpenFile(path: path, mode: .existing, direct: true)
        } catch {
            guard error.isNoSuchFile else { throw .system(error) }
            found = nil
        }
        if let found {
            guard found.isBlockDevice else { throw .alreadyExists(path: path) }
            try formatDevice(found, identity: identity)
        } else {
            try formatFile(path: path, identity: identity, sizeBytes: sizeBytes)
        }
    }

    private static func formatDevice(
        _ device: OpenFile, identity: DriveIdentity
    ) throws(LocalDriveError) {
        guard try system({ () throws(SystemError) in try device.lockExclusively() }) else {
            throw .inUse(path: device.path)
        }
        let size = try system { () throws(SystemError) in try device.size() }
        do throws(LocalDriveError) {
            _ = try DriveMedia.readSuperblock(of: device, byteCount: size)
        } catch {
            guard case .notADrive = error else { throw error }
            return try writeSuperblocks(identity, to: device, sizeBytes: size)
        }
        throw .alreadyExists(path: device.path)
    }

    private static func formatFile(
        path: String, identity: DriveIdentity, sizeBytes: UInt64
    ) throws(LocalDriveError) {
        guard MediaLayout.capacityBlocks(ofMediaBytes: sizeBytes) != nil else {
            throw .tooSmall(sizeBytes: sizeBytes)
        }
        let unfinished = path + ".formatting"
        do throws(LocalDriveError) {
            let file = try system { () throws(SystemError) in
                // What an earlier attempt left, which nobody can have used.
                try FileSystem.delete(unfinished)
                let file = try OpenFile(path: unfinished, mode: .new, direct: true)
                try file.preallocate(byteCount: sizeBytes / 4096 * 4096)
                return file
            }
            try writeSuperblocks(identity, to: file, sizeBytes: sizeBytes)
            try system { () throws(SystemError) in
                try FileSystem.renameToNew(unfinished, path)
                try FileSystem.synchronizeDirectory(FileSystem.directory(of: path))
            }
        } catch {
            try? FileSystem.delete(unfinished)
            if case .system(let cause) = error, cause.isFileExists {
                throw .alreadyExists(path: path)
            }
            throw error
        }
    }

    private static func writeSuperblocks(
        _ identity: DriveIdentity, to file: OpenFile, sizeBytes: UInt64
    ) throws(LocalDriveError) {
        guard let capacity = MediaLayout.capacityBlocks(ofMediaBytes: sizeBytes) else {
            throw .tooSmall(sizeBytes: sizeBytes)
        }
        var identity = identity
        identity.capacityBlocks = capacity
        let media = DriveMedia(file: file, capacityBlocks: capacity)
        let block = Superblock(identity: identity).encoded()
        for copy in 0...1 {
            let code = media.operation(for: .writeSuperblock(copy: copy, block: block)).perform()
            guard code == 0 else {
                throw .system(SystemError(code: code, call: "write", path: file.path))
            }
        }
        try system { () throws(SystemError) in try file.synchronize() }
    }

    /// Lets system errors out as the drive's.
    static func system<R>(
        _ body: () throws(SystemError) -> R
    ) throws(LocalDriveError) -> R {
        do throws(SystemError) { return try body() } catch { throw .system(error) }
    }
}
