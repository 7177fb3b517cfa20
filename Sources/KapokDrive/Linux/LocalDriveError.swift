public import KapokLinux

/// Why a drive cannot be formatted or opened.
public enum LocalDriveError: Error, Sendable, Equatable, CustomStringConvertible {
    case system(SystemError)
    /// Formatting found a file, or a block device that already is a drive.
    case alreadyExists(path: String)
    /// The size leaves no room beside the superblocks.
    case tooSmall(sizeBytes: UInt64)
    /// Neither superblock is valid; the errors of the first and the last.
    case notADrive(path: String, SuperblockError?, SuperblockError?)
    /// The media are smaller than when the drive was formatted.
    case shrunk(path: String, expectedBlocks: UInt64, actualBytes: UInt64)
    /// Another process, or another `LocalDrive` of this one, has it open.
    case inUse(path: String)

    public var description: String {
        switch self {
        case .system(let error): "\(error)"
        case .alreadyExists(let path):
            "\(path) exists already; formatting would destroy what it holds"
        case .tooSmall(let size): "\(size) bytes are too few for a drive"
        case .notADrive(let path, let first, let last):
            "\(path) is no drive: no valid superblock "
                + "(first: \(first.map { "\($0)" } ?? "unread"), "
                + "last: \(last.map { "\($0)" } ?? "unread"))"
        case .shrunk(let path, let expected, let actual):
            "\(path) has \(actual) bytes, too few for the \(expected) blocks it was formatted "
                + "with: part of it is lost"
        case .inUse(let path): "\(path) is in use by another process"
        }
    }
}
