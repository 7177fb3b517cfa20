import CNetlink
import Glibc
import KapokLinux
import Synchronization

/// What an operator or the planner asks of an agent.
enum AgentRequest: Sendable {
    /// What it knows and does.
    case status
    /// Its counters, as Prometheus reads them.
    case metrics
    /// Keep this signed plan.
    case plan([UInt8])
    /// Use the plan of this epoch.
    case activate(UInt64)
    /// Drain a port, or end that.
    case drain(port: String, isDrained: Bool)
    /// End.
    case stop
}

/// What it answers.
enum AgentResponse: Sendable {
    case done
    case status(AgentStatus)
    case text(String)
    case plan(epoch: UInt64, state: String)
    case refused(String)
}

/// Where requests wait for the agent's loop.
final class AgentMailbox: Sendable {
    /// A request, and who waits for the answer.
    struct Letter: Sendable {
        var request: AgentRequest
        var reply: @Sendable (AgentResponse) -> Void
    }

    /// The most requests that wait.
    static let bound = 64

    /// Becomes readable when there is a letter.
    let descriptor: Int32
    private let writer: Int32
    private let letters = Mutex<[Letter]>([])

    init() throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        let code = kapok_private_pipe(&ends)
        guard code == 0 else { throw SystemError(code: code, call: "pipe2") }
        descriptor = ends[0]
        writer = ends[1]
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    }

    deinit {
        close(descriptor)
        close(writer)
    }

    /// Puts a request in; false when too many wait.
    func post(
        _ request: AgentRequest, reply: @escaping @Sendable (AgentResponse) -> Void = { _ in }
    ) -> Bool {
        let isTaken = letters.withLock { letters in
            guard letters.count < Self.bound else { return false }
            letters.append(Letter(request: request, reply: reply))
            return true
        }
        // A full pipe wakes the loop just as well.
        var byte: UInt8 = 1
        _ = write(writer, &byte, 1)
        return isTaken
    }

    /// Takes all letters out.
    func takeAll() -> [Letter] {
        var bytes = [UInt8](repeating: 0, count: 256)
        while read(descriptor, &bytes, bytes.count) == bytes.count {}
        return letters.withLock { letters in
            let all = letters
            letters.removeAll()
            return all
        }
    }
}
