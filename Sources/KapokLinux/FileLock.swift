import Glibc

/// Why a lock was not taken.
public enum FileLockError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Another process (or another `FileLock` of this one) holds it; the text is what it left
    /// there.
    case held(path: String, holder: String)
    case system(SystemError)

    public var description: String {
        switch self {
        case .held(let path, let holder):
            holder.isEmpty ? "\(path) is in use" : "\(path) is in use by \(holder)"
        case .system(let error): error.description
        }
    }
}

/// An exclusive lock on a file: one holder at a time, ended by the kernel when the process dies
/// however it dies. The file stays behind; deleting it would let two hold "the same" lock.
public final class FileLock: Sendable {
    /// The longest holder text that is read back, in bytes.
    public static let maximumHolderBytes = 256

    private let file: OpenFile

    /// Takes the lock at `path`, making the file if needed, or says who has it. `holder` is the
    /// text that others are shown, by default the process number.
    public init(path: String, holder: String? = nil) throws(FileLockError) {
        let isTaken: Bool
        do throws(SystemError) {
            file = try OpenFile(path: path, mode: .any, direct: false)
            isTaken = try file.lockExclusively()
            if isTaken { try Self.leave(holder ?? "process \(getpid())", in: file) }
        } catch {
            throw .system(error)
        }
        guard isTaken else { throw .held(path: path, holder: Self.holder(in: file)) }
    }

    /// Gives the lock back, as does the last reference going away.
    public func release() {
        ftruncate(file.descriptor, 0)
        file.unlock()
    }

    private static func leave(_ text: String, in file: OpenFile) throws(SystemError) {
        let bytes = Array(text.utf8.prefix(maximumHolderBytes))
        guard ftruncate(file.descriptor, 0) == 0,
            retrying({ pwrite(file.descriptor, bytes, bytes.count, 0) }) == bytes.count
        else { throw .last("write", file.path) }
    }

    private static func holder(in file: OpenFile) -> String {
        var bytes = [UInt8](repeating: 0, count: maximumHolderBytes)
        let count = retrying { pread(file.descriptor, &bytes, bytes.count, 0) }
        // Shown to a person: nothing that could steer a terminal.
        let printable = bytes.prefix(max(0, count)).filter { $0 >= 0x20 && $0 < 0x7F }
        return String(decoding: printable, as: UTF8.self)
    }
}
