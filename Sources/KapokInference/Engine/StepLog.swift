import Foundation
import KapokModel
import Synchronization

/// The first line of a step log: what the engine was.
public struct StepLogHeader: Codable, Equatable, Sendable {
    /// The name under which the model was served.
    public var model: String
    /// Threads of all executors.
    public var threads: Int
    /// Names of the executors.
    public var executors: [String]
    /// Pages of the cache, and bytes of each.
    public var pages: Int
    public var pageBytes: Int
    public var contextLimit: Int
    public var prefillTokensPerStep: Int
    public var maximumSequences: Int
    public var maximumDrafts: Int

    init(_ configuration: SchedulerConfiguration, model: String, threads: Int, pageBytes: Int) {
        self.model = model
        self.threads = threads
        self.pageBytes = pageBytes
        executors = configuration.executors.map { "\($0)" }
        pages = configuration.pages
        contextLimit = configuration.contextLimit
        prefillTokensPerStep = configuration.prefillTokensPerStep
        maximumSequences = configuration.maximumDecodeSequences
        maximumDrafts = configuration.maximumDrafts
    }

    /// The configuration of a scheduler that decides as the engine's did.
    public var schedulerConfiguration: SchedulerConfiguration {
        var configuration = SchedulerConfiguration(pages: pages, contextLimit: contextLimit)
        configuration.executors = executors.count == 2 ? [.prefill, .decode] : [.both]
        configuration.prefillTokensPerStep = prefillTokensPerStep
        configuration.maximumDecodeSequences = maximumSequences
        configuration.maximumDrafts = maximumDrafts
        return configuration
    }
}

/// A file with a line of JSON for each step, after one for the engine.
final class StepLog: Sendable {
    private let file: Mutex<FileHandle>

    /// Makes or empties the file at `path`.
    init(path: String, header: StepLogHeader) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else { throw EngineError("cannot write the step log \(path)") }
        self.file = Mutex(file)
        write(line: header)
    }

    /// Adds a step.
    func write(_ sample: StepSample) { write(line: sample) }

    private func write(line value: some Encodable) {
        guard var line = try? JSONEncoder().encode(value) else { return }
        line.append(0x0A)
        file.withLock { file in
            // A full disk loses figures, not answers.
            try? file.write(contentsOf: line)
        }
    }
}
