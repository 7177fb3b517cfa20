import KapokLinux
import KapokModel
import KapokWorld
public import Logging
import Synchronization

/// Pulls KV pages from prefill roles over the network: the driver of `PullMachine`. One thread of
/// its own connects, reads pages straight into their place, and checks them.
public final class PrefillClient: KVPuller {
    /// What other threads tell the loop.
    enum Letter: Sendable {
        case pull(PullOrder, any KVPageMemory, @Sendable (Int) -> Void)
        case abandon(RequestID)
        case resolved(host: Int, attempt: UInt64, Result<[TransferAddress], TransferFault>)
        case stop(@Sendable () -> Void)
    }

    /// Letters that may wait: far more than pulls can be open.
    private static let mailboxBound = 4096

    private let mailbox: TransferMailbox<Letter>
    private let figures: PrefillClientFigures

    /// Connects to `hosts`, and again whenever a connection is lost. Every page that it pulls has
    /// `pageBytes` bytes.
    public init(
        hosts: [TransferEndpoint], pageBytes: Int, options: TransferOptions,
        configuration: PullConfiguration? = nil, logger: Logger
    ) throws(TransferSetupError) {
        try options.check()
        guard !hosts.isEmpty else {
            throw TransferSetupError("a decode role needs at least one prefill host: --prefill")
        }
        var configuration = configuration ?? PullConfiguration(hosts: hosts.count)
        configuration.hosts = hosts.count
        let bounds = configuration
        do {
            let mailbox = try TransferMailbox<Letter>(bound: Self.mailboxBound)
            self.mailbox = mailbox
            let figures = PrefillClientFigures(hosts, options)
            self.figures = figures
            _ = try NativeThread(name: "kv-pulls") {
                let loop = PrefillClientLoop(
                    hosts: hosts, pageBytes: pageBytes, options: options, configuration: bounds,
                    mailbox: mailbox, figures: figures, logger: logger)
                loop.run()
            }
        } catch { throw TransferSetupError("\(error)") }
        logger.info(
            "pulling KV pages from \(hosts.map(\.description).joined(separator: ", "))",
            metadata: ["protection": "\(options.protection)"])
    }

    /// Pulls the pages of `order`; see `KVPuller`.
    public func pull(
        _ order: PullOrder, into memory: any KVPageMemory,
        completion: @escaping @Sendable (_ tokens: Int) -> Void
    ) {
        if !mailbox.post(.pull(order, memory, completion)) { completion(order.from) }
    }

    /// Ends a pull early.
    public func abandon(_ request: RequestID) {
        // Where too many letters wait, the pull ends by itself: its time is bounded.
        _ = mailbox.post(.abandon(request))
    }

    /// Ends all pulls with what they have, closes all connections, and calls `done`.
    public func stop(_ done: @escaping @Sendable () -> Void = {}) { _ = mailbox.post(.stop(done)) }

    /// Hosts that are connected now.
    public var readyHosts: Int { figures.readyHosts }

    /// Figures of the moment, in Prometheus' text format.
    public func metricsText() -> String { figures.text() }
}
