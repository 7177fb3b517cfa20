import CUring
import Glibc
public import KapokWorld

/// One transfer or flush of a file, done as a whole: short transfers are gone on with, interrupted
/// calls repeated. It holds on to the file and the buffer.
public struct FileOperation: Sendable {
    /// What to do.
    public enum Action: Sendable {
        /// Fills `byteCount` bytes of `buffer` from the file at `offset`.
        case read(buffer: AlignedBuffer, bufferOffset: Int, byteCount: Int, offset: UInt64)
        /// Writes `byteCount` bytes of `buffer` to the file at `offset`; with `isDurable` they are
        /// on stable media at completion.
        case write(
            buffer: AlignedBuffer, bufferOffset: Int, byteCount: Int, offset: UInt64,
            isDurable: Bool)
        /// Writes zeroes. (Punching a hole would be faster now and slower later: the next durable
        /// write there would have to allocate again.)
        case writeZeroes(byteCount: Int, offset: UInt64, isDurable: Bool)
        /// Makes all completed writes stable: fdatasync.
        case synchronizeData
    }

    /// The errno of a read that met the end of the file.
    public static let endOfFile = ENODATA

    var file: OpenFile
    var action: Action

    public init(_ action: Action, on file: OpenFile) {
        self.file = file
        self.action = action
    }

    /// What zeroes are written from.
    static let zeroes: AlignedBuffer = {
        let buffer = AlignedBuffer(byteCount: 256 << 10)
        buffer.zero()
        return buffer
    }()

    /// Carries it out on the calling thread; 0 or an errno.
    public func perform() -> Int32 {
        var progress = Progress()
        while true {
            var result: Int
            switch step(after: progress) {
            case .read(let bytes, let count, let offset):
                result = pread(file.descriptor, bytes, count, off_t(offset))
            case .write(let bytes, let count, let offset, let isDurable):
                result =
                    isDurable
                    ? Int(
                        kapok_pwrite_durable(
                            file.descriptor, bytes, UInt64(count), Int64(offset)))
                    : pwrite(file.descriptor, bytes, count, off_t(offset))
            case .synchronizeData:
                result = Int(fdatasync(file.descriptor))
            }
            if result < 0 { result = -Int(errno) }
            if let end = progress.advance(by: result, of: self) { return end }
        }
    }

    /// The next system call.
    enum Step {
        case read(UnsafeMutableRawPointer, count: Int, offset: UInt64)
        case write(UnsafeRawPointer, count: Int, offset: UInt64, isDurable: Bool)
        case synchronizeData
    }

    /// How far an operation has got.
    struct Progress {
        /// Bytes transferred.
        var done = 0
        private var interruptions = 0
        /// A call that is interrupted so often will not get through.
        private static let interruptionLimit = 1000

        init() {}

        /// Takes in a call's result, a count or a negated errno. 0 or an errno when the operation
        /// has ended, nil when there is another step.
        mutating func advance(by result: Int, of operation: FileOperation) -> Int32? {
            if result < 0 {
                let code = Int32(-result)
                // A flush is tried once: what a failed one has dropped is not brought back by
                // another.
                if case .synchronizeData = operation.action, code != EINTR { return code }
                guard code == EINTR || code == EAGAIN else { return code }
                interruptions += 1
                return interruptions < Self.interruptionLimit ? nil : code
            }
            guard let total = operation.byteCount else { return 0 }
            if result == 0 {
                if case .read = operation.action { return FileOperation.endOfFile }
                // A write of nothing that is no error: no space is the only reason known.
                return ENOSPC
            }
            done += result
            return done >= total ? 0 : nil
        }
    }

    /// Bytes to transfer; nil for a flush.
    private var byteCount: Int? {
        switch action {
        case .read(_, _, let count, _), .write(_, _, let count, _, _),
            .writeZeroes(let count, _, _):
            count
        case .synchronizeData: nil
        }
    }

    func step(after progress: Progress) -> Step {
        let done = progress.done
        switch action {
        case .read(let buffer, let start, let count, let offset):
            return .read(
                buffer.baseAddress + start + done, count: count - done,
                offset: offset + UInt64(done))
        case .write(let buffer, let start, let count, let offset, let isDurable):
            return .write(
                buffer.baseAddress + start + done, count: count - done,
                offset: offset + UInt64(done), isDurable: isDurable)
        case .writeZeroes(let count, let offset, let isDurable):
            let piece = min(count - done, Self.zeroes.count)
            return .write(
                Self.zeroes.baseAddress, count: piece, offset: offset + UInt64(done),
                isDurable: isDurable)
        case .synchronizeData: return .synchronizeData
        }
    }
}
