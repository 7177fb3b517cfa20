import Foundation
import Synchronization

/// A file with a line of JSON for each step.
final class StepLog: Sendable {
    private let file: Mutex<FileHandle>

    /// Makes or empties the file at `path`.
    init(path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else { throw EngineError("cannot write the step log \(path)") }
        self.file = Mutex(file)
    }

    /// Adds a line.
    func write(_ sample: StepSample) {
        guard var line = try? JSONEncoder().encode(sample) else { return }
        line.append(0x0A)
        file.withLock { file in
            // A full disk loses figures, not answers.
            try? file.write(contentsOf: line)
        }
    }
}
