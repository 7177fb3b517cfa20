public import KapokStore
public import Logging

import HummingbirdCore
import NIOCore
import NIOPosix

/// The S3 front end: an HTTP/1.1 server that speaks Amazon's S3 protocol over a store.
public struct S3Server: Sendable {
    private let configuration: S3Configuration
    private let service: S3Service
    private let logger: Logger

    /// A front end whose objects are Kapok's own.
    ///
    /// - Parameters:
    ///   - store: holds the objects.
    ///   - logger: tells of requests that failed inside; requests that went well are counted, not
    ///     logged.
    public init(configuration: S3Configuration, store: any StoreClient, logger: Logger) {
        let catalog = Catalog(
            store: store, clock: { UInt64(WallClock.nowNanoseconds() / 1_000_000) })
        self.init(configuration: configuration, backend: catalog, store: store, logger: logger)
    }

    /// A front end to `backend`, whose objects' blobs are in `store`.
    public init(
        configuration: S3Configuration, backend: any S3Backend, store: any StoreClient,
        logger: Logger
    ) {
        self.configuration = configuration
        self.logger = logger
        service = S3Service(
            configuration: configuration, backend: backend, store: store, logger: logger)
    }

    /// Listens and serves until the task is cancelled or its service group shuts down gracefully.
    ///
    /// - Parameter onReady: is told the port that is listened on, as soon as connections are
    ///   accepted.
    /// - Throws: when the address cannot be listened on.
    public func run(onReady: (@Sendable (_ port: Int) async -> Void)? = nil) async throws {
        var quiet = logger
        // Hummingbird tells of each start at info level; the region prints its own lines.
        quiet.logLevel = max(logger.logLevel, .notice)
        let server = Server(
            childChannelSetup: S3Connection(service: service),
            configuration: ServerConfiguration(
                address: .hostname(configuration.host, port: configuration.port), backlog: 1024,
                availableConnectionsDelegate: .maximum(
                    configuration.limits.connections, logger: quiet)),
            onServerRunning: { channel in
                await onReady?(channel.localAddress?.port ?? configuration.port)
            },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: quiet)
        try await server.run()
    }
}
