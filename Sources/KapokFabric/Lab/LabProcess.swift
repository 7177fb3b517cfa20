import CNetlink
import Foundation

/// A process of the lab. Its number and the time of its start name it: a number alone may by now
/// belong to somebody else's process.
struct LabProcess: Codable, Hashable, Sendable {
    /// The process's number.
    var pid: Int32
    /// When it started, in clock ticks since boot (field 22 of /proc/PID/stat).
    var startTicks: UInt64
    /// What it is, for messages.
    var name: String

    /// Whether it still runs.
    var isAlive: Bool {
        // One that we started and that ended is a zombie until it is waited for.
        var status: Int32 = 0
        _ = waitpid(pid, &status, WNOHANG)
        return Self.stat(of: pid).map { $0.startTicks == startTicks && $0.state != "Z" } ?? false
    }

    /// Sends a signal, unless the process is gone.
    func signal(_ number: Int32) {
        if isAlive { kill(pid, number) }
    }

    /// The process of a number, as it is now; nil when there is none.
    init?(pid: Int32, name: String) {
        guard let stat = Self.stat(of: pid) else { return nil }
        self.pid = pid
        startTicks = stat.startTicks
        self.name = name
    }

    private static func stat(of pid: Int32) -> (state: Substring, startTicks: UInt64)? {
        guard let text = LabFiles.text(of: "/proc/\(pid)/stat"),
            let close = text.lastIndex(of: ")")
        else { return nil }
        // The name before it may hold spaces; behind it follow field 3, 4, ...
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 19, let ticks = UInt64(fields[19]) else { return nil }
        return (fields[0], ticks)
    }

    /// Asks processes to end, and ends those that do not within `seconds`.
    static func stop(_ processes: [LabProcess], within seconds: Double = 2) {
        for process in processes { process.signal(SIGTERM) }
        var living = processes.filter(\.isAlive)
        let end = Date(timeIntervalSinceNow: seconds)
        while !living.isEmpty && Date() < end {
            usleep(10_000)
            living = living.filter(\.isAlive)
        }
        for process in living { process.signal(SIGKILL) }
        while living.contains(where: \.isAlive) && Date() < end.addingTimeInterval(2) {
            usleep(10_000)
        }
    }
}

/// Starts programs.
enum LabProgram {
    /// Folders in which programs are looked for besides PATH: those of an administrator.
    private static let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"]

    /// The path of a program; fails with the package that would bring it.
    static func path(of name: String, package: String) throws -> String {
        if name.contains("/") {
            if access(name, X_OK) == 0 { return name }
        } else {
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            for folder in path.split(separator: ":").map(String.init) + folders
            where access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
        }
        throw LabFailure("\(name) is not installed: apt-get install \(package)")
    }

    /// Where a new process's streams lead.
    struct Streams {
        var input: Int32 = -1
        var output: Int32 = -1
        /// Both output and errors go to the end of this file.
        var log: String?
    }

    /// Starts a program in a session of its own; it inherits the namespace of the calling thread.
    static func start(_ words: [String], _ streams: Streams) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if streams.input >= 0 {
            posix_spawn_file_actions_adddup2(&actions, streams.input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        if streams.output >= 0 {
            posix_spawn_file_actions_adddup2(&actions, streams.output, 1)
            posix_spawn_file_actions_adddup2(&actions, streams.output, 2)
        } else {
            posix_spawn_file_actions_addopen(
                &actions, 1, streams.log ?? "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0o644)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        kapok_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var nothing = sigset_t()
        sigemptyset(&nothing)
        posix_spawnattr_setsigmask(&attributes, &nothing)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for number in [SIGINT, SIGTERM, SIGPIPE, SIGHUP] { sigaddset(&defaults, number) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | 0x80  // POSIX_SPAWN_SETSID
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, words[0], &actions, &attributes, arguments, environ)
        guard code == 0 else {
            throw LabFailure("cannot start \(words[0]): \(String(cString: strerror(code)))")
        }
        return pid
    }

    /// Runs a program to its end, at most `seconds`; fails with its words when it fails.
    @discardableResult
    static func run(_ words: [String], input: String = "", seconds: Double = 20) throws -> String {
        try Session(words).finish(input, seconds: seconds)
    }

    /// A program that waits for its input.
    final class Session: @unchecked Sendable {
        // One thread at a time uses it: the one that made it, or the one it was handed to.
        private let words: [String]
        private let pid: Int32
        private var input: Int32
        private let output: Int32
        private var hasEnded = false

        /// Starts the program; it has all of its descriptors in pipes.
        init(_ words: [String]) throws {
            self.words = words
            var toChild: [Int32] = [0, 0]
            var fromChild: [Int32] = [0, 0]
            guard kapok_private_pipe(&toChild) == 0 else { throw LabFailure("no more pipes") }
            guard kapok_private_pipe(&fromChild) == 0 else {
                close(toChild[0])
                close(toChild[1])
                throw LabFailure("no more pipes")
            }
            defer {
                close(toChild[0])
                close(fromChild[1])
            }
            input = toChild[1]
            output = fromChild[0]
            do { pid = try start(words, Streams(input: toChild[0], output: fromChild[1])) } catch {
                close(toChild[1])
                close(fromChild[0])
                throw error
            }
        }

        deinit {
            closeInput()
            if !hasEnded {
                kill(pid, SIGKILL)
                var status: Int32 = 0
                waitpid(pid, &status, 0)
            }
            close(output)
        }

        private func closeInput() {
            if input >= 0 { close(input) }
            input = -1
        }

        /// Hands over input and closes it; what comes out comes back.
        func finish(_ text: String, seconds: Double = 20) throws -> String {
            // Inputs are far smaller than what a pipe holds before the program reads.
            var bytes = Array(text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
                guard count > 0 else { break }
                bytes = bytes.dropFirst(count)
            }
            closeInput()
            let result = try collect(until: Date(timeIntervalSinceNow: seconds))
            guard result.status == 0 else {
                let command = words.joined(separator: " ")
                throw LabFailure(
                    "\(command) failed (\(result.status)): "
                        + result.output.prefix(2000).trimmingCharacters(in: .whitespacesAndNewlines)
                )
            }
            return result.output
        }

        private func collect(until end: Date) throws -> (status: Int32, output: String) {
            var collected: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                var poller = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
                let left = end.timeIntervalSinceNow
                guard left > 0 else {
                    throw LabFailure("\(words.joined(separator: " ")) did not end in time")
                }
                guard poll(&poller, 1, Int32(min(left * 1000 + 1, 60_000))) > 0 else { continue }
                let count = read(output, &buffer, buffer.count)
                guard count > 0 else { break }
                if collected.count < 1 << 22 { collected.append(contentsOf: buffer[..<count]) }
            }
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            hasEnded = true
            let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
            return (code, String(decoding: collected, as: UTF8.self))
        }
    }
}
