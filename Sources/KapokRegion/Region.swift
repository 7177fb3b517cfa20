import Foundation
import KapokLinux
import KapokS3
public import KapokStore
public import Logging
import Metrics
import ServiceLifecycle
import UnixSignals

/// How a region is run.
public struct RegionOptions: Sendable {
    /// How the store is opened or made.
    public var store: StoreOptions
    /// Where S3 is served.
    public var s3Host: String
    /// 0 for any free port.
    public var s3Port: Int
    public var apiHost: String
    /// 0 for any free port.
    public var apiPort: Int
    /// Domains under which buckets are host names.
    public var baseDomains: [String]
    /// `KAPOK_ACCESS_KEY` and `KAPOK_SECRET_KEY` are looked for here.
    public var environment: [String: String]

    public init(
        store: StoreOptions, s3Host: String = "127.0.0.1", s3Port: Int = 9000,
        apiHost: String = "127.0.0.1", apiPort: Int = 9001, baseDomains: [String] = ["localhost"],
        environment: [String: String] = [:]
    ) {
        self.store = store
        self.s3Host = s3Host
        self.s3Port = s3Port
        self.apiHost = apiHost
        self.apiPort = apiPort
        self.baseDomains = baseDomains
        self.environment = environment
    }
}

/// What a person or a script is told when a region is ready.
public struct RegionAddress: Codable, Sendable {
    /// The S3 endpoint, as a URL.
    public var s3: String
    /// The endpoint for status and metrics, as a URL.
    public var api: String
    public var accessKey: String
    public var secretKey: String
    /// The state directory.
    public var data: String
}

/// All parts of a region in one process: a store, its S3 front end, and an endpoint for status and
/// metrics. One region at a time owns a state directory.
public final class Region: Sendable {
    /// The store itself.
    public let store: StoreService
    /// Who may use it.
    public let keys: RegionKeys
    private let options: RegionOptions
    private let lock: FileLock
    private let registry: PrometheusRegistry
    private let logger: Logger

    /// Where a running region says how it can be reached.
    public static func addressPath(in directory: String) -> String { directory + "/region.json" }

    /// Opens the store, making it if there is none.
    public init(_ options: RegionOptions, logger: Logger) throws {
        self.options = options
        self.logger = logger
        let directory = options.store.directory
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        do throws(FileLockError) {
            lock = try FileLock(path: directory + "/lock")
        } catch {
            guard case .held(_, let holder) = error else { throw RegionError("\(error)") }
            throw RegionError(
                "a region is running on \(directory) already (\(holder)): stop it first, or give "
                    + "this one another directory with --data")
        }
        keys = try RegionKeys.load(directory: directory, environment: options.environment)
        registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)
        store = try StoreService.open(options.store)
    }

    /// Serves until SIGINT or SIGTERM (or the task is cancelled), lets requests under way finish
    /// for a few seconds, and closes the store.
    ///
    /// - Parameter onReady: called once, when both endpoints accept connections.
    public func run(onReady: @escaping @Sendable (RegionAddress) -> Void) async throws {
        let ready = ReadyPorts()
        let announce: @Sendable ((s3: Int, api: Int)?) -> Void = { [self] ports in
            guard let ports else { return }
            let address = RegionAddress(
                s3: Self.url(options.s3Host, ports.s3), api: Self.url(options.apiHost, ports.api),
                accessKey: keys.primary.id,
                secretKey: keys.primary.secret, data: options.store.directory)
            leaveAddress(address)
            onReady(address)
        }
        let s3 = s3Server()
        let api = regionAPI()
        let (apiHost, apiPort) = (options.apiHost, options.apiPort)
        var configuration = ServiceGroupConfiguration(
            services: [
                Endpoint { try await s3.run { announce(ready.set(s3: $0)) } },
                Endpoint {
                    try await api.run(host: apiHost, port: apiPort) { announce(ready.set(api: $0)) }
                },
            ],
            gracefulShutdownSignals: [.sigint, .sigterm], logger: Self.quiet(logger))
        configuration.maximumGracefulShutdownDuration = .seconds(5)
        do { try await ServiceGroup(configuration: configuration).run() } catch is CancellationError
        {
            // Asked to stop.
        } catch {
            await close()
            throw RegionError(describe(error))
        }
        await close()
    }

    /// IPv6 addresses stand in brackets.
    private static func url(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
    }

    private func s3Server() -> S3Server {
        let configuration = S3Configuration(
            host: options.s3Host, port: options.s3Port, accessKeys: AccessKeyStore(keys.all),
            baseDomains: options.baseDomains)
        return S3Server(configuration: configuration, store: store, logger: logger)
    }

    private func regionAPI() -> RegionAPI {
        let store = store
        return RegionAPI(
            store: store, registry: registry, secrets: keys.all.map(\.secret),
            objectCount: {
                try await store.count(from: ObjectSpace.keys.from, to: ObjectSpace.keys.to)
            }, logger: logger)
    }

    /// One of the region's servers.
    private struct Endpoint: Service {
        let body: @Sendable () async throws -> Void
        func run() async throws { try await body() }
    }

    /// The group tells of every step of an orderly end as if something were wrong.
    private static func quiet(_ logger: Logger) -> Logger {
        var quiet = logger
        quiet.logLevel = .critical
        return quiet
    }

    private func describe(_ error: any Error) -> String {
        "the endpoints cannot be served: \(error). Is something else listening on "
            + "\(options.s3Host):\(options.s3Port) or \(options.apiHost):\(options.apiPort)? "
            + "Choose others with --s3 and --api"
    }

    /// For other commands on the same state.
    private func leaveAddress(_ address: RegionAddress) {
        let content: [String: Any] = [
            "s3": address.s3, "api": address.api, "pid": Int(getpid()),
        ]
        let path = Self.addressPath(in: options.store.directory)
        do {
            try PrivateFile.write(
                try JSONSerialization.data(withJSONObject: content, options: [.sortedKeys]),
                to: path)
        } catch {
            logger.warning("other commands will not find this region: \(error)")
        }
    }

    private func close() async {
        try? FileManager.default.removeItem(
            atPath: Self.addressPath(in: options.store.directory))
        await store.close()
        lock.release()
    }
}

/// Tells when both ports are known.
private final class ReadyPorts: @unchecked Sendable {
    private let lock = NSLock()
    private var s3: Int?
    private var api: Int?

    func set(s3: Int? = nil, api: Int? = nil) -> (s3: Int, api: Int)? {
        lock.withLock {
            self.s3 = s3 ?? self.s3
            self.api = api ?? self.api
            guard let s3 = self.s3, let api = self.api else { return nil }
            return (s3, api)
        }
    }
}
