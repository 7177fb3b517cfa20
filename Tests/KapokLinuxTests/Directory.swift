import Foundation

/// A directory that goes away with the last reference.
final class Directory: Sendable {
    let path: String

    init(under root: String = FileManager.default.temporaryDirectory.path) throws {
        path = root + "/kapok-linux-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}
