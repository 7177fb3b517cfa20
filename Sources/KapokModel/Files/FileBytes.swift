import Glibc

/// The bytes of a file, mapped into memory: read when they are touched, shared by all processes
/// that use the file, and dropped again by the kernel when memory is short. The file must not be
/// cut short while it is in use: touching what is gone ends the process (SIGBUS).
public final class FileBytes: @unchecked Sendable {
    /// Where the bytes are from; for messages.
    public let path: String
    /// The bytes, valid as long as this object lives.
    public let bytes: UnsafeRawBufferPointer
    private let isMapped: Bool

    /// Maps a regular file.
    public init(path: String) throws(ModelFileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure("fstat", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ModelFileError(.unreadable, path: path, "not a regular file")
        }
        self.path = path
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            isMapped = false
            return
        }
        guard let start = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
            start != MAP_FAILED
        else { throw Self.failure("mmap", path) }
        bytes = UnsafeRawBufferPointer(start: start, count: size)
        isMapped = true
    }

    /// Bytes in memory in place of a file.
    public init(copying content: [UInt8], path: String) {
        self.path = path
        // At a cache line, as tensors of a mapped file are aligned.
        let copy = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, content.count), alignment: 64)
        copy.copyBytes(from: content)
        bytes = UnsafeRawBufferPointer(rebasing: copy[..<content.count])
        isMapped = false
    }

    deinit {
        guard let start = bytes.baseAddress else { return }
        let memory = UnsafeMutableRawPointer(mutating: start)
        if isMapped { munmap(memory, bytes.count) } else { memory.deallocate() }
    }

    /// Gives `body` the bytes and keeps them until it is done, which `bytes` alone does not: an
    /// object that nobody names any more may go before its bytes were used.
    public func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(bytes)
    }

    /// Whether `path` is a folder.
    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether there is anything at `path`.
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private static func failure(_ call: String, _ path: String) -> ModelFileError {
        let code = errno
        return ModelFileError(
            .unreadable, path: path, "\(call): \(String(cString: strerror(code)))",
            remedy: code == ENOENT ? "check the path" : "")
    }
}
