import Foundation
import HTTPTypes
import Hummingbird
import KapokModel
public import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// Where and how a model is served.
public struct InferenceServerOptions: Sendable {
    /// Where to listen.
    public var host: String
    /// The port; 0 for any free one.
    public var port: Int
    /// Who may use it: each key is a tenant; `ACCESS:SECRET` is a pair for AWS' clients. None lets
    /// everybody in.
    public var apiKeys: [String] = []
    /// Further names of the model.
    public var aliases: [String] = []
    /// Pages of this origin (`https://chat.example`) may use the server from a browser; `*` for
    /// all, nil for none.
    public var allowedOrigin: String?
    /// The bounds of requests.
    public var limits = APILimits()
    /// Whether SIGINT and SIGTERM end the server.
    public var stopsOnSignals = true

    /// A server at an address.
    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// The HTTP front end of a model: OpenAI's API and Bedrock's runtime, health and metrics.
///
/// It may listen before the model is there: everything but `/health` answers 503 until `serve`.
public final class InferenceServer: Sendable {
    private let options: InferenceServerOptions
    private let logger: Logger
    private let slot = ModelSlot()
    private let metrics = HTTPMetrics()
    private let routes: APIRoutes

    /// A server without a model yet.
    public init(_ options: InferenceServerOptions, logger: Logger) {
        self.options = options
        self.logger = logger
        routes = APIRoutes(
            slot: slot, keys: APIKeys(options.apiKeys), limits: options.limits,
            allowedOrigin: options.allowedOrigin, metrics: metrics,
            logger: logger)
    }

    /// Serves `service` from now on.
    public func serve(_ service: any GenerationService) {
        slot.set(.ready(ServedModel(service: service, aliases: options.aliases)))
    }

    /// There will be no model: requests are told why.
    public func fail(_ why: String) { slot.set(.failed(why)) }

    /// Requests under way.
    public var requestsInFlight: Int { metrics.inFlight }

    /// Listens and serves until SIGINT or SIGTERM or the task is cancelled; then requests under way
    /// may go on for `drainSeconds`.
    ///
    /// - Parameter onListening: is told the port, as soon as connections are accepted.
    /// - Throws: when the address cannot be listened on.
    public func run(onListening: @escaping @Sendable (Int) async -> Void) async throws {
        // Hummingbird takes each connection that ends with the server for an error.
        var quiet = logger
        quiet.logLevel = .critical
        let slot = slot
        var configuration = ServiceGroupConfiguration(
            services: [application(quiet, onListening), DrainNotice { slot.drain() }],
            gracefulShutdownSignals: options.stopsOnSignals ? [.sigint, .sigterm] : [],
            logger: quiet)
        configuration.maximumGracefulShutdownDuration = .seconds(options.limits.drainSeconds)
        do { try await ServiceGroup(configuration: configuration).run() } catch is CancellationError
        {
            // Asked to stop, or requests took longer than they may.
        }
    }

    func application(
        _ logger: Logger, _ onListening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) -> some ApplicationProtocol {
        let limits = options.limits
        let port = options.port
        return Application(
            router: routes.router(),
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [ConnectionWatch()],
                    idleTimeout: .seconds(Int64(limits.idleSeconds)),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: limits.headerBytes,
                        maxHeaderListSize: limits.headerBytes,
                        maxHeaderFieldCount: limits.headerCount))),
            configuration: ApplicationConfiguration(
                address: .hostname(options.host, port: port), serverName: "kapok",
                availableConnectionsDelegate: .maximum(limits.connections, logger: logger)),
            onServerRunning: { await onListening($0.localAddress?.port ?? port) }, logger: logger)
    }

    /// Tells of the beginning of an orderly end.
    private struct DrainNotice: Service {
        let onDrain: @Sendable () -> Void

        func run() async throws {
            try await gracefulShutdown()
            onDrain()
        }
    }
}
