import CNetlink
import Foundation
import KapokLinux
public import Logging
import Synchronization

/// The agent of a switch as a process runs it: the loop on a thread of its own, and the control
/// socket. It works in the network namespace of the thread that calls `run`.
public final class FabricAgent: Sendable {
    private let options: AgentOptions
    private let logger: AgentLogger
    private let mailbox: AgentMailbox

    /// An agent that has not begun yet.
    public init(_ options: AgentOptions, logger: Logger) throws(DataPlaneFailure) {
        self.options = options
        self.logger = AgentLogger(logger)
        do { mailbox = try AgentMailbox() } catch { throw DataPlaneFailure("\(error)") }
    }

    /// Asks a running agent to end. The kernel goes on forwarding.
    public func stop() { _ = mailbox.post(.stop) }

    /// Runs until `stop`; `ready` is called when the tables are in the kernel and hellos are sent.
    /// Fails when the data plane cannot be set up.
    public func run(ready: @escaping @Sendable () -> Void = {}) throws(DataPlaneFailure) {
        let end = AgentEnd()
        // Threads start in the namespace of the one that makes them.
        let thread = Thread { [self] in
            do {
                try work(ready: ready)
                end.put(nil)
            } catch let failure as DataPlaneFailure {
                end.put(failure)
            } catch { end.put(DataPlaneFailure("\(error)")) }
        }
        thread.name = "kapok-agent"
        thread.stackSize = 1 << 20
        thread.start()
        if let failure = end.wait() { throw failure }
    }

    private func work(ready: () -> Void) throws(DataPlaneFailure) {
        let server =
            options.controlPath.isEmpty
            ? nil : try AgentControlServer(options.controlPath, mailbox: mailbox)
        defer { server?.stop() }
        let loop = try AgentLoop(options, logger: logger, mailbox: mailbox)
        runFirst()
        server?.start()
        ready()
        loop.run()
    }

    /// Makes the thread one that runs before others, where that is permitted.
    private func runFirst() {
        kapok_wait_exactly()
        let locked = kapok_lock_memory()
        if locked != 0 {
            logger.info("memory is not locked: \(String(cString: strerror(locked)))")
        }
        let result = kapok_run_first(Int32(options.priority))
        if result != 0 {
            logger.warning(
                "no priority (\(String(cString: strerror(result)))): on a loaded machine "
                    + "the agent's patience grows; run as root or grant CAP_SYS_NICE")
        }
    }
}

/// How a thread's end is handed to the one that waits for it.
private final class AgentEnd: Sendable {
    private let failure = Mutex<DataPlaneFailure?>(nil)
    private let isOver = DispatchSemaphore(value: 0)

    func put(_ value: DataPlaneFailure?) {
        failure.withLock { $0 = value }
        isOver.signal()
    }

    func wait() -> DataPlaneFailure? {
        isOver.wait()
        return failure.withLock { $0 }
    }
}
