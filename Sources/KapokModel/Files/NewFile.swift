import Glibc

/// A file that is written from begin to end and gets its name when it is complete: whoever opens
/// the name finds all of it or what was there before.
final class NewFile {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    init(path: String) throws(ModelFileError) {
        self.path = path
        temporary = "\(path).part-\(getpid())"
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure("create", temporary) }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unlink(temporary)
    }

    func append(_ bytes: [UInt8]) throws(ModelFileError) {
        var offset = 0
        while offset < bytes.count {
            let written = bytes.withUnsafeBytes { buffer in
                write(descriptor, buffer.baseAddress.map { $0 + offset }, bytes.count - offset)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw Self.failure("write", temporary) }
            offset += written
        }
    }

    /// Gives the file its name.
    func finish() throws(ModelFileError) {
        guard close(descriptor) == 0 else {
            descriptor = -1
            unlink(temporary)
            throw Self.failure("close", temporary)
        }
        descriptor = -1
        guard rename(temporary, path) == 0 else {
            let error = Self.failure("rename", path)
            unlink(temporary)
            throw error
        }
    }

    private static func failure(_ call: String, _ path: String) -> ModelFileError {
        ModelFileError(.unreadable, path: path, "\(call): \(String(cString: strerror(errno)))")
    }
}
