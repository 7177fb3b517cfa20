import HTTPTypes
import Hummingbird
public import KapokStore
public import Logging
import NIOCore

/// The region's endpoint for status, metrics and administration: JSON over HTTP/1.1.
///
/// | | |
/// |---|---|
/// | `GET /healthz` | 200 when the store takes reads, 503 when not |
/// | `GET /metrics` | Prometheus text |
/// | `GET /v1/status` | `StatusDocument` |
/// | `GET /v1/drives` | `DrivesDocument` |
/// | `POST /v1/check` | lines of JSON: `{"progress":…}`, and last `{"healthy":…,"report":…}` |
/// | `POST /v1/drives/{n}/replace` | `DriveDocument` |
///
/// What changes something or costs much asks for `Authorization: Bearer` with the secret key of one
/// of the region's access keys. Errors are `{"error":{"code":…,"message":…}}`.
public struct RegionAPI: Sendable {
    /// The most connections at a time.
    static let maximumConnections = 128

    private let store: StoreService
    private let registry: PrometheusRegistry
    private let bearers: BearerSecrets
    private let objectCount: @Sendable () async throws -> Int
    private let logger: Logger
    private let checking = CheckTurns()

    /// - Parameters:
    ///   - registry: what `/metrics` writes beside the store's own numbers.
    ///   - secrets: secret keys, each of which allows everything.
    ///   - objectCount: how many objects the region has.
    public init(
        store: StoreService, registry: PrometheusRegistry, secrets: [String],
        objectCount: @escaping @Sendable () async throws -> Int, logger: Logger
    ) {
        self.store = store
        self.registry = registry
        bearers = BearerSecrets(secrets)
        self.objectCount = objectCount
        self.logger = logger
    }

    /// Listens and serves until the task is cancelled or its service group shuts down gracefully.
    ///
    /// - Parameters:
    ///   - port: 0 for any free one.
    ///   - onReady: is told the port, as soon as connections are accepted.
    /// - Throws: when the address cannot be listened on.
    public func run(
        host: String, port: Int, onReady: @escaping @Sendable (Int) async -> Void
    ) async throws {
        // Hummingbird takes each connection that ends with the region for an error. What requests
        // run into is logged where they are answered.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .critical)
        let application = Application(
            router: router(),
            server: .http1(
                configuration: .init(
                    idleTimeout: .seconds(60),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 8192, maxHeaderListSize: 16384,
                        maxHeaderFieldCount: 100))),
            configuration: ApplicationConfiguration(
                address: .hostname(host, port: port), serverName: "kapok",
                availableConnectionsDelegate: .maximum(Self.maximumConnections, logger: quiet)),
            onServerRunning: { await onReady($0.localAddress?.port ?? port) }, logger: quiet)
        try await application.run()
    }

    private func router() -> Router<BasicRequestContext> {
        let router = Router(options: .autoGenerateHeadEndpoints)
        router.add(middleware: ErrorsAsJSON(logger: logger))
        router.get("/healthz") { _, _ in try await health() }
        router.get("/metrics") { _, _ in metrics() }
        router.get("/v1/status") { _, _ in
            try JSONAnswer.make(StatusDocument(store.report(), objects: try await objectCount()))
        }
        router.get("/v1/drives") { _, _ in try JSONAnswer.make(DrivesDocument(store.report())) }
        router.post("/v1/check") { request, _ in
            try bearers.authorize(request)
            return try check()
        }
        router.post("/v1/drives/:position/replace") { request, context in
            try bearers.authorize(request)
            return try await replaceDrive(context.parameters.get("position") ?? "")
        }
        return router
    }

    // MARK: Reading

    private func health() async throws -> Response {
        var readFailure: String?
        do throws(StoreError) {
            // Any key will do: what counts is that the index answers.
            _ = try await store.get(StoreKey([0]))
        } catch {
            readFailure = "\(error)"
        }
        let document = HealthDocument(store.report(), readFailure: readFailure)
        return try JSONAnswer.make(
            document, status: document.reads ? .ok : .serviceUnavailable)
    }

    private func metrics() -> Response {
        let text =
            registry.exposition()
            + StoreMetrics.exposition(report: store.report(), counters: store.counters())
        return Response(
            status: .ok,
            headers: [.contentType: TextExposition.contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    // MARK: Administration

    /// Runs a check for as long as its answer is being read.
    private func check() throws -> Response {
        guard let turn = checking.take() else {
            throw Refusal(
                .conflict, "CheckRunning", "a check is running already: wait for its end")
        }
        let body = ResponseBody { writer in
            defer { withExtendedLifetime(turn) {} }
            let (steps, continuation) = AsyncStream.makeStream(
                of: CheckLine.Progress.self, bufferingPolicy: .bufferingNewest(1))
            async let outcome = checkStore(continuation)
            for await step in steps {
                try await writer.write(JSONAnswer.line(CheckLine(progress: step)))
            }
            try await writer.write(JSONAnswer.line(await outcome))
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [.contentType: "application/x-ndjson", .cacheControl: "no-store"], body: body)
    }

    /// Checks the store and returns the last line.
    private func checkStore(
        _ steps: AsyncStream<CheckLine.Progress>.Continuation
    ) async -> CheckLine {
        defer { steps.finish() }
        do throws(StoreError) {
            let report = try await store.check { done, of in
                steps.yield(CheckLine.Progress(done: done, of: of))
            }
            return CheckLine(healthy: report.isHealthy, report: report)
        } catch {
            return CheckLine(error: APIError(code: "CheckFailed", message: "\(error)"))
        }
    }

    private func replaceDrive(_ text: String) async throws -> Response {
        let count = store.report().drives.count
        guard let position = Int(text), (0..<count).contains(position) else {
            throw Refusal(
                .notFound, "NoSuchDrive", "there is no drive \(text): they are 0 to \(count - 1)")
        }
        do throws(StoreOpenError) {
            try await store.replaceDrive(position)
        } catch {
            logger.warning("drive \(position) could not be replaced: \(error)")
            if case .options(let reason) = error {
                throw Refusal(.conflict, "NotReplaced", reason)
            }
            throw Refusal(.internalServerError, "NotReplaced", "\(error)")
        }
        logger.notice("drive \(position) was replaced")
        return try JSONAnswer.make(DriveDocument(store.report().drives[position]))
    }
}
