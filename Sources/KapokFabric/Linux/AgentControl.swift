public import Foundation
import Glibc
import KapokLinux
import Synchronization

/// One request on an agent's control socket: a line of JSON.
public struct AgentControlRequest: Codable, Hashable, Sendable {
    /// What can be asked.
    public enum Command: String, Codable, Hashable, Sendable, CaseIterable {
        /// What the agent knows and does.
        case status
        /// Its counters in the text format of Prometheus.
        case metrics
        /// Keep the signed plan in `plan`.
        case plan
        /// Use the kept plan of `epoch`.
        case activate
        /// Drain `port`.
        case drain
        /// End the drain of `port`.
        case undrain
        /// End the agent; the kernel goes on forwarding.
        case stop
    }

    /// What is asked.
    public var command: Command
    /// A signed plan; base64 in JSON.
    public var plan: Data?
    /// A plan's number.
    public var epoch: UInt64?
    /// A port: `swp1`, or the name of its interface.
    public var port: String?

    public init(_ command: Command, plan: Data? = nil, epoch: UInt64? = nil, port: String? = nil) {
        self.command = command
        self.plan = plan
        self.epoch = epoch
        self.port = port
    }

    func request() throws(DataPlaneFailure) -> AgentRequest {
        switch command {
        case .status: return .status
        case .metrics: return .metrics
        case .stop: return .stop
        case .plan:
            guard let plan else { throw DataPlaneFailure("the request has no \"plan\"") }
            return .plan(Array(plan))
        case .activate:
            guard let epoch else { throw DataPlaneFailure("the request has no \"epoch\"") }
            return .activate(epoch)
        case .drain, .undrain:
            guard let port else { throw DataPlaneFailure("the request has no \"port\"") }
            return .drain(port: port, isDrained: command == .drain)
        }
    }
}

/// The answer to a request: a line of JSON.
public struct AgentControlResponse: Codable, Hashable, Sendable {
    /// Whether it was done.
    public var ok: Bool
    /// Why not.
    public var error: String?
    /// The answer to `status`.
    public var status: AgentStatus?
    /// The answer to `metrics`.
    public var text: String?
    /// The plan that `plan` and `activate` were about, and whether it is `stored` or `active`.
    public var epoch: UInt64?
    public var state: String?

    init(_ response: AgentResponse) {
        ok = true
        switch response {
        case .done: break
        case .status(let status): self.status = status
        case .text(let text): self.text = text
        case .plan(let epoch, let state):
            self.epoch = epoch
            self.state = state
        case .refused(let why):
            ok = false
            error = why
        }
    }

    init(error: String) {
        ok = false
        self.error = error
    }
}

/// The control socket of an agent.
public enum AgentControl {
    /// The longest line: a plan of the largest size in base64.
    static let longestRequest = 12 << 20
    /// The longest answer.
    static let longestAnswer = 64 << 20

    /// Asks the agent that listens at `path`; waits at most `seconds` for its answer.
    public static func ask(
        _ request: AgentControlRequest, at path: String, seconds: Int = 10
    ) throws(DataPlaneFailure) -> AgentControlResponse {
        let descriptor = try open(path)
        defer { close(descriptor) }
        guard connect(descriptor, path) == 0 else {
            throw DataPlaneFailure(
                "no agent answers at \(path): \(String(cString: strerror(errno)))")
        }
        limitWaits(descriptor, seconds: seconds)
        guard var line = try? encoder().encode(request) else {
            throw DataPlaneFailure("the request cannot be written as JSON")
        }
        line.append(10)
        guard write(Array(line), to: descriptor) else {
            throw DataPlaneFailure("the agent at \(path) does not take the request")
        }
        guard let answer = readLine(descriptor, atMost: longestAnswer) else {
            throw DataPlaneFailure("the agent at \(path) did not answer within \(seconds) s")
        }
        do { return try JSONDecoder().decode(AgentControlResponse.self, from: Data(answer)) } catch
        {
            throw DataPlaneFailure("the agent at \(path) answers something else: \(error)")
        }
    }

    static func encoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    static func open(_ path: String) throws(DataPlaneFailure) -> Int32 {
        guard (1...107).contains(path.utf8.count) else {
            throw DataPlaneFailure("the path of a control socket has 1 to 107 bytes: \(path)")
        }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else {
            throw DataPlaneFailure("no socket: \(String(cString: strerror(errno)))")
        }
        return descriptor
    }

    static func connect(_ descriptor: Int32, _ path: String) -> Int32 {
        withAddress(path) { Glibc.connect(descriptor, $0, $1) }
    }

    static func withAddress<R>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in
            target.copyBytes(from: Array(path.utf8).prefix(target.count - 1))
        }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Lets reads and writes fail that take longer.
    static func limitWaits(_ descriptor: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, size)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, size)
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// The bytes up to the next line feed; nil at the end, at an error, and beyond the bound.
    static func readLine(_ descriptor: Int32, atMost bound: Int) -> [UInt8]? {
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while all.count <= bound {
            let count = recv(descriptor, &part, part.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            all += part[..<count]
            if all.last == 10 { return all.dropLast() }
        }
        return nil
    }
}

/// Serves an agent's control socket: one client at a time, one request a line, on a thread of its
/// own. Only the owner of the socket's file may connect.
final class AgentControlServer: Sendable {
    private let listener: Int32
    private let path: String
    private let mailbox: AgentMailbox

    init(_ path: String, mailbox: AgentMailbox) throws(DataPlaneFailure) {
        self.path = path
        self.mailbox = mailbox
        let probe = try AgentControl.open(path)
        let isTaken = AgentControl.connect(probe, path) == 0
        close(probe)
        guard !isTaken else {
            throw DataPlaneFailure("another agent listens at \(path)")
        }
        unlink(path)
        listener = try AgentControl.open(path)
        let previous = umask(0o177)
        let bound = AgentControl.withAddress(path) { bind(listener, $0, $1) }
        umask(previous)
        guard bound == 0, listen(listener, 8) == 0 else {
            let why = String(cString: strerror(errno))
            close(listener)
            throw DataPlaneFailure("cannot listen at \(path): \(why)")
        }
    }

    /// Starts the thread.
    func start() {
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listener, nil, nil)
                if client < 0 {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    return
                }
                AgentControl.limitWaits(client, seconds: 5)
                serve(client)
                close(client)
            }
        }
    }

    /// Ends the service and takes the file away.
    func stop() {
        unlink(path)
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func serve(_ client: Int32) {
        while let line = AgentControl.readLine(client, atMost: AgentControl.longestRequest) {
            let response = answer(line)
            guard var bytes = try? AgentControl.encoder().encode(response) else { return }
            bytes.append(10)
            guard AgentControl.write(Array(bytes), to: client) else { return }
        }
    }

    private func answer(_ line: [UInt8]) -> AgentControlResponse {
        let request: AgentRequest
        do {
            let coded = try JSONDecoder().decode(AgentControlRequest.self, from: Data(line))
            request = try coded.request()
        } catch let failure as DataPlaneFailure {
            return AgentControlResponse(error: failure.description)
        } catch {
            let known = AgentControlRequest.Command.allCases.map(\.rawValue)
            return AgentControlResponse(
                error: "not a request; write {\"command\":\"status\"} on one line; commands are "
                    + known.joined(separator: ", "))
        }
        let holder = AnswerHolder()
        guard mailbox.post(request, reply: { holder.put($0) }) else {
            return AgentControlResponse(error: "too many requests wait; try again")
        }
        return holder.wait().map(AgentControlResponse.init)
            ?? AgentControlResponse(error: "the agent's loop did not answer within 5 s")
    }
}

/// Where an answer is handed from the agent's loop to the thread that waits for it.
private final class AnswerHolder: Sendable {
    private let answer = Mutex<AgentResponse?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    func put(_ response: AgentResponse) {
        answer.withLock { $0 = response }
        isThere.signal()
    }

    func wait() -> AgentResponse? {
        _ = isThere.wait(timeout: .now() + 5)
        return answer.withLock { $0 }
    }
}
