import KapokLinux
import KapokModel
import KapokWorld
public import Logging
import Synchronization

/// Serves KV pages to decode roles: the driver of `PrefillLeases`. One thread of its own accepts,
/// reads and writes; the engine computes on its own threads.
public final class PrefillServer: Sendable {
    /// What other threads tell the loop.
    enum Letter: Sendable {
        case report(job: UInt64, PrefillReport)
        case drain
        case stop(@Sendable () -> Void)
    }

    /// The port that it listens on.
    public let port: UInt16
    private let mailbox: TransferMailbox<Letter>
    private let figures: PrefillServerFigures

    /// Listens on `endpoint` and serves pages that `host` computes.
    public init(
        listeningOn endpoint: TransferEndpoint, host: any PrefillHost,
        leases: LeaseConfiguration, options: TransferOptions, logger: Logger
    ) throws(TransferSetupError) {
        try options.check()
        do {
            let (descriptor, port) = try TransferSockets.listening(on: endpoint)
            self.port = port
            let mailbox = try TransferMailbox<Letter>(bound: 1024)
            self.mailbox = mailbox
            let figures = PrefillServerFigures(options)
            self.figures = figures
            _ = try NativeThread(name: "kv-leases") {
                let loop = PrefillServerLoop(
                    listener: descriptor, host: host, leases: leases, options: options,
                    mailbox: mailbox, figures: figures, logger: logger)
                loop.run()
            }
        } catch { throw TransferSetupError("\(error)") }
        logger.info(
            "serving KV pages on \(endpoint.host):\(port)",
            metadata: ["protection": "\(options.protection)"])
    }

    /// Takes no more transfers; those that are open go on.
    public func drain() { _ = mailbox.post(.drain) }

    /// Closes all connections, gives up all pages, and calls `done`.
    public func stop(_ done: @escaping @Sendable () -> Void = {}) { _ = mailbox.post(.stop(done)) }

    /// Figures of the moment, in Prometheus' text format.
    public func metricsText() -> String { figures.text() }
}
