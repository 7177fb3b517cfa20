import Glibc
import KapokLinux

/// Where a store's state lies: `drives/drive-00` and so on, and `index.sqlite`.
struct StateDirectory {
    let path: String

    /// The most drives looked for.
    static let driveLimit = 256

    var drivesPath: String { path + "/drives" }
    var indexPath: String { path + "/index.sqlite" }
    /// Exists while the store is being made: what was made so far is then worthless.
    var unfinishedPath: String { path + "/unfinished" }

    func drivePath(_ position: Int) -> String {
        let number = String(position)
        return drivesPath + "/drive-" + (number.count < 2 ? "0" : "") + number
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0
    }

    /// Makes a directory and those above it, readable by the owner only.
    static func create(_ path: String) throws(SystemError) {
        guard !exists(path) else { return }
        let parent = FileSystem.directory(of: path)
        if parent != path, !parent.isEmpty { try create(parent) }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw SystemError(code: errno, call: "mkdir", path: path)
        }
    }

    /// Writes a small file durably.
    static func write(_ text: String, to path: String) throws(SystemError) {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError(code: errno, call: "open", path: path) }
        defer { Glibc.close(descriptor) }
        let bytes = Array(text.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0
        else { throw SystemError(code: errno, call: "write", path: path) }
        try FileSystem.synchronizeDirectory(FileSystem.directory(of: path))
    }
}
