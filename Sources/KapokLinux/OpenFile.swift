import CUring
import Glibc

/// An open file or block device. It is closed when the last reference goes, so that a descriptor
/// can never be closed, and its number be given to another file, under an operation on its way.
public final class OpenFile: Sendable {
    /// How to open.
    public enum Mode: Sendable {
        /// An existing file, to read and write.
        case existing
        /// A file that must not exist yet.
        case new
        /// A file that may exist.
        case any
    }

    /// Where it was opened.
    public let path: String
    /// Whether transfers go past the page cache, from 4 KiB aligned memory (O_DIRECT).
    public let isDirect: Bool
    /// What kind of file system holds it.
    public let fileSystem: FileSystem
    /// Whether it is a block device.
    public let isBlockDevice: Bool
    let descriptor: Int32

    /// Opens `path`. With `direct` the page cache is passed by, unless the file system lives in
    /// memory or refuses.
    public init(path: String, mode: Mode, direct: Bool) throws(SystemError) {
        let flags =
            switch mode {
            case .existing: O_RDWR | O_CLOEXEC
            case .new: O_RDWR | O_CLOEXEC | O_CREAT | O_EXCL
            case .any: O_RDWR | O_CLOEXEC | O_CREAT
            }
        let descriptor = retrying { open(path, flags, 0o600) }
        guard descriptor >= 0 else { throw .last("open", path) }
        do throws(SystemError) {
            fileSystem = try FileSystem(descriptor: descriptor, path: path)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let error = SystemError.last("fstat", path)
            Glibc.close(descriptor)
            throw error
        }
        isBlockDevice = status.st_mode & S_IFMT == S_IFBLK
        var isDirect = false
        if direct, isBlockDevice || !fileSystem.isMemory {
            // Set on the open file rather than by a second open: it stays the same file.
            isDirect = kapok_set_direct(descriptor) == 0
        }
        self.path = path
        self.isDirect = isDirect
        self.descriptor = descriptor
    }

    deinit { Glibc.close(descriptor) }

    /// The size in bytes, of a file or a block device.
    public func size() throws(SystemError) -> UInt64 {
        let end = lseek(descriptor, 0, SEEK_END)
        guard end >= 0 else { throw .last("lseek", path) }
        return UInt64(end)
    }

    /// Gives the file its size and, where the file system can, all of its space, so that later
    /// writes cannot run out of space and change no sizes. In memory the size only: memory is taken
    /// as used.
    public func preallocate(byteCount: UInt64) throws(SystemError) {
        guard let length = Int64(exactly: byteCount) else {
            throw SystemError(code: EFBIG, call: "fallocate", path: path)
        }
        if !fileSystem.isMemory {
            if retrying({ kapok_fallocate(descriptor, length) }) == 0 { return }
            guard errno == EOPNOTSUPP || errno == ENOSYS else { throw .last("fallocate", path) }
        }
        guard retrying({ ftruncate(descriptor, off_t(length)) }) == 0 else {
            throw .last("ftruncate", path)
        }
    }

    /// Makes everything of the file stable: data, size, attributes.
    public func synchronize() throws(SystemError) {
        guard retrying({ fsync(descriptor) }) == 0 else { throw .last("fsync", path) }
    }

    /// Whether this descriptor alone may use the file; false when another one holds it. The lock
    /// ends with `unlock`, with the last reference, or with the process.
    public func lockExclusively() throws(SystemError) -> Bool {
        if retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw .last("flock", path) }
        return false
    }

    /// Ends what `lockExclusively` began.
    public func unlock() { _ = flock(descriptor, LOCK_UN) }

    /// Why the open file is no longer what lies at its path with at least `byteCount` bytes; nil
    /// when all is well. `checksPath` also asks what the path leads to; without, it costs one
    /// fstat.
    public func defect(expecting byteCount: UInt64, checksPath: Bool) -> String? {
        var own = stat()
        guard fstat(descriptor, &own) == 0 else {
            return SystemError.last("fstat", path).description
        }
        if isBlockDevice {
            guard checksPath else { return nil }
            let actual = (try? size()) ?? 0
            if actual < byteCount { return "\(path) has shrunk to \(actual) bytes" }
        } else {
            if own.st_nlink == 0 { return "\(path) was deleted" }
            if own.st_size < Int64(byteCount) { return "\(path) was cut to \(own.st_size) bytes" }
        }
        guard checksPath else { return nil }
        var there = stat()
        guard stat(path, &there) == 0 else {
            return errno == ENOENT
                ? "\(path) was deleted or moved" : SystemError.last("stat", path).description
        }
        let isSame =
            isBlockDevice
            ? own.st_rdev == there.st_rdev
            : own.st_ino == there.st_ino && own.st_dev == there.st_dev
        return isSame ? nil : "\(path) was replaced by another file"
    }
}

/// Calls `body` again as long as a signal interrupts it.
func retrying<N: SignedInteger>(_ body: () -> N) -> N {
    while true {
        let result = body()
        if result != -1 || errno != EINTR { return result }
    }
}
