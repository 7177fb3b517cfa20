import Glibc

/// A system call that failed: which one, on what, and its errno.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The errno.
    public var code: Int32
    /// The name of the system call.
    public var call: String
    /// The file it was about; empty when about none.
    public var path: String

    public init(code: Int32, call: String, path: String = "") {
        self.code = code
        self.call = call
        self.path = path
    }

    /// What has just failed on this thread. Call it before anything else can change errno.
    static func last(_ call: String, _ path: String = "") -> SystemError {
        SystemError(code: errno, call: call, path: path)
    }

    /// Whether what was named does not exist.
    public var isNoSuchFile: Bool { code == ENOENT }
    /// Whether what was to be made exists already.
    public var isFileExists: Bool { code == EEXIST }

    public var description: String {
        let reason = String(cString: strerror(code))
        return path.isEmpty ? "\(call): \(reason)" : "\(call) \(path): \(reason)"
    }
}
