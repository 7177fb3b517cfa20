import CUring
import Glibc

/// What kind of file system something lies in and how much space it has.
public struct FileSystem: Sendable, Equatable {
    /// Kinds that matter here, by the magic numbers of statfs(2).
    public enum Kind: Sendable, Equatable {
        case tmpfs
        case ramfs
        case ext4
        case xfs
        case btrfs
        case overlay
        case other(magic: UInt32)

        init(magic: UInt32) {
            self =
                switch magic {
                case 0x0102_1994: .tmpfs
                case 0x8584_58F6: .ramfs
                case 0xEF53: .ext4
                case 0x5846_5342: .xfs
                case 0x9123_683E: .btrfs
                case 0x794C_7630: .overlay
                default: .other(magic: magic)
                }
        }
    }

    /// What kind it is.
    public var kind: Kind
    /// All space in bytes.
    public var totalBytes: UInt64
    /// What an unprivileged process may still take, in bytes.
    public var availableBytes: UInt64

    /// Whether the files live in memory: a flush has nothing to do and a transfer is a copy.
    public var isMemory: Bool { kind == .tmpfs || kind == .ramfs }

    /// The file system that holds `path`, which must exist.
    public init(path: String) throws(SystemError) {
        var status = kapok_file_system()
        guard retrying({ kapok_statfs(path, -1, &status) }) == 0 else {
            throw .last("statfs", path)
        }
        self.init(status)
    }

    init(descriptor: Int32, path: String) throws(SystemError) {
        var status = kapok_file_system()
        guard retrying({ kapok_statfs(nil, descriptor, &status) }) == 0 else {
            throw .last("fstatfs", path)
        }
        self.init(status)
    }

    private init(_ status: kapok_file_system) {
        kind = Kind(magic: status.magic)
        totalBytes = status.total
        availableBytes = status.available
    }

    /// The directory that a path lies in.
    public static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes the names in a directory stable: of files made, renamed and deleted in it.
    public static func synchronizeDirectory(_ path: String) throws(SystemError) {
        let descriptor = retrying { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw .last("open", path) }
        defer { close(descriptor) }
        guard retrying({ fsync(descriptor) }) == 0 else { throw .last("fsync", path) }
    }

    /// Renames a file within one file system; fails with EEXIST when there is one of the new name.
    /// Follow with `synchronizeDirectory`.
    public static func renameToNew(_ old: String, _ new: String) throws(SystemError) {
        // A link fails where a rename would replace, on every file system.
        guard link(old, new) == 0 else { throw .last("link", new) }
        guard unlink(old) == 0 else { throw .last("unlink", old) }
    }

    /// Deletes a file; one that does not exist is no error.
    public static func delete(_ path: String) throws(SystemError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw .last("unlink", path) }
    }
}
