import Dispatch
import Glibc
import Logging
import Synchronization

/// Reads and writes the few small files of an agent.
enum AgentFiles {
    /// The bytes of a file; nil when it cannot be read or has more than `bound`.
    static func read(_ path: String, atMost bound: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0, all.count + count <= bound else { return nil }
            if count == 0 { return all }
            all += part[..<count]
        }
    }

    /// Puts bytes in the place of a file, so that there is always the old or the new one; later,
    /// on another thread, as disks may take their time.
    static func save(_ bytes: [UInt8], _ path: String, _ logger: AgentLogger) {
        queue.async {
            let temporary = "\(path).new"
            let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else {
                return logger.warning("the plan cannot be kept in \(path): \(lastErrorText())")
            }
            let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            let isKept = written == bytes.count && fsync(descriptor) == 0
            close(descriptor)
            guard isKept, rename(temporary, path) == 0 else {
                return logger.warning("the plan cannot be kept in \(path): \(lastErrorText())")
            }
        }
    }

    private static let queue = DispatchQueue(label: "kapok.fabric.files")

    private static func lastErrorText() -> String { String(cString: strerror(errno)) }
}

/// The agent's log. Lines are written by another thread: nobody who reads the log slowly can hold
/// the agent up; what does not fit is counted and said later.
final class AgentLogger: Sendable {
    /// The most lines that wait.
    static let bound = 1_024

    private let logger: Logger
    private let queue = DispatchQueue(label: "kapok.fabric.log")
    private let waiting = Atomic<Int>(0)
    private let lost = Atomic<Int>(0)

    init(_ logger: Logger) { self.logger = logger }

    func log(_ line: AgentLog) {
        switch line.level {
        case .debug: write(.debug, line.text)
        case .info: write(.info, line.text)
        case .warning: write(.warning, line.text)
        }
    }

    func info(_ text: String) { write(.info, text) }
    func warning(_ text: String) { write(.warning, text) }

    private func write(_ level: Logger.Level, _ text: String) {
        guard logger.logLevel <= level else { return }
        guard waiting.load(ordering: .relaxed) < Self.bound else {
            lost.add(1, ordering: .relaxed)
            return
        }
        waiting.add(1, ordering: .relaxed)
        queue.async { [self] in
            waiting.subtract(1, ordering: .relaxed)
            let missing = lost.exchange(0, ordering: .relaxed)
            if missing > 0 { logger.warning("\(missing) lines of the log were left out") }
            logger.log(level: level, "\(text)")
        }
    }
}
