import CNetlink
import Foundation

/// A network namespace with a name, as `ip netns` makes them.
struct LabNamespace: Sendable {
    /// Its name.
    var name: String

    /// Where `ip netns` keeps them.
    static let folder = "/run/netns"

    /// Whether it is there.
    var exists: Bool { access("\(Self.folder)/\(name)", F_OK) == 0 }

    /// Runs `body` on a thread of its own inside the namespace and waits for it. What is opened or
    /// started there (sockets, processes, files under /proc/sys/net) stays in the namespace.
    func inside<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) throws -> Value {
        let path = "\(Self.folder)/\(name)"
        let result = LabThread.run { () throws -> Value in
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw LabFailure("cannot open \(path): \(String(cString: strerror(errno)))")
            }
            defer { close(descriptor) }
            let code = kapok_enter_network_namespace(descriptor)
            guard code == 0 else {
                throw LabFailure("cannot enter \(name): \(String(cString: strerror(code)))")
            }
            return try body()
        }
        return try result.get()
    }

    /// Writes kernel settings (`net/ipv4/ip_forward`: `1`).
    func set(_ settings: [(String, String)]) throws {
        try inside {
            for (path, value) in settings {
                let full = "/proc/sys/\(path)"
                let descriptor = open(full, O_WRONLY | O_CLOEXEC)
                guard descriptor >= 0 else {
                    throw LabFailure("cannot set \(full): \(String(cString: strerror(errno)))")
                }
                defer { close(descriptor) }
                let written = value.withCString { write(descriptor, $0, strlen($0)) }
                guard written == value.utf8.count else {
                    throw LabFailure(
                        "cannot set \(full) to \(value): \(String(cString: strerror(errno)))")
                }
            }
        }
    }

    /// Packets received and sent by each interface, since it was made.
    func packetCounts() throws -> [String: LabPacketCount] {
        try inside {
            let text = LabFiles.text(of: "/proc/thread-self/net/dev") ?? ""
            var counts: [String: LabPacketCount] = [:]
            for line in text.split(separator: "\n").dropFirst(2) {
                guard let colon = line.firstIndex(of: ":") else { continue }
                let name = line[..<colon].trimmingCharacters(in: .whitespaces)
                let fields = line[line.index(after: colon)...].split(separator: " ")
                guard fields.count >= 10, let received = Int(fields[1]), let sent = Int(fields[9])
                else { continue }
                counts[name] = LabPacketCount(received: received, sent: sent)
            }
            return counts
        }
    }
}

/// What went through an interface.
struct LabPacketCount: Sendable {
    var received: Int
    var sent: Int
}

/// Threads of the lab's own.
enum LabThread {
    private final class Box<Value>: @unchecked Sendable {
        // Written by the thread before it signals, read by the waiter after.
        var result: Result<Value, any Error>?
    }

    /// Runs `body` on a new thread and waits for its end.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) -> Result<Value, any Error> {
        start(name: "lab", body)()
    }

    /// Starts a thread; the function that comes back waits for its result.
    static func start<Value: Sendable>(
        name: String, _ body: @escaping @Sendable () throws -> Value
    ) -> @Sendable () -> Result<Value, any Error> {
        let box = Box<Value>()
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            box.result = Result { try body() }
            done.signal()
        }
        thread.name = name
        thread.start()
        return {
            done.wait()
            done.signal()
            guard let result = box.result else { preconditionFailure("a thread without an end") }
            return result
        }
    }

    /// Gives the calling thread a place before all ordinary ones; false when that is not permitted.
    static func runFirst(priority: Int32) -> Bool {
        var parameters = sched_param()
        parameters.sched_priority = priority
        return pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters) == 0
    }
}

/// Small files.
enum LabFiles {
    /// All of a file that has no size of its own, such as those under /proc; nil without one.
    static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < 1 << 22 {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes.append(contentsOf: buffer[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes a small file, in place of what was there.
    static func write(_ text: String, to path: String) throws {
        do { try Data(text.utf8).write(to: URL(filePath: path)) } catch {
            throw LabFailure("cannot write \(path): \(error.localizedDescription)")
        }
    }
}
