import Foundation
import KapokStore
import Logging
import Metrics
import Testing

@testable import KapokRegion

@Suite("The region's api", .serialized)
struct RegionAPITests {
    private static let secret = "correct horse battery staple"

    @Test("tells that all is well, and shows the state and the drives")
    func status() async throws {
        try await withAPI { client, _ in
            let health = try await client.send(.get, "/healthz", as: HealthDocument.self)
            #expect(health.status == "ok" && health.reads && health.writes)
            #expect(health.reason == nil)
            let status = try await client.send(.get, "/v1/status", as: StatusDocument.self)
            #expect(status.objects == 17)
            #expect(status.dataShards == 2 && status.parityShards == 1)
            #expect(status.healthyDrives == 3 && status.failedDrives == 0)
            #expect(status.freeBytes > 0 && status.freeBytes <= status.capacityBytes)
            let drives = try await client.send(.get, "/v1/drives", as: DrivesDocument.self)
            #expect(drives.drives == status.drives)
            #expect(drives.drives.map(\.position) == [0, 1, 2])
        }
    }

    @Test("is degraded but alive without M drives, and failed without more")
    func health() async throws {
        try await withAPI { client, store in
            try await store.lose([1])
            let degraded = try await client.send(.get, "/healthz", as: HealthDocument.self)
            #expect(degraded.status == "degraded" && degraded.reads && !degraded.writes)
            try await store.lose([1, 2])
            // An answer of 503 is an error to the client.
            await #expect(throws: RegionError.self) {
                _ = try await client.send(.get, "/healthz", as: HealthDocument.self)
            }
        }
    }

    @Test("streams a check: progress, then what was found")
    func check() async throws {
        try await withAPI { client, store in
            try await store.fill(entries: 40)
            try await store.lose([2])
            var lines: [CheckLine] = []
            try await client.send(.post, "/v1/check") { line in
                lines.append(try JSONDecoder().decode(CheckLine.self, from: line))
            }
            let last = try #require(lines.last)
            let report = try #require(last.report)
            #expect(last.healthy == false)
            #expect(report.missingShards == report.stripes && report.stripes > 0)
            #expect(report.drives[2].failure != nil)
            let progress = lines.dropLast().compactMap(\.progress)
            #expect(progress.count == lines.count - 1)
            #expect(progress.last?.done == report.stripes)
        }
    }

    @Test("replaces a failed drive, and no other")
    func replacement() async throws {
        try await withAPI { client, store in
            try await store.lose([0])
            let drive = try await client.send(
                .post, "/v1/drives/0/replace", as: DriveDocument.self)
            #expect(drive.state == "healthy")
            #expect(store.service.report().drives.allSatisfy { $0.failure == nil })
            for path in ["/v1/drives/1/replace", "/v1/drives/3/replace", "/v1/drives/x/replace"] {
                await #expect(throws: RegionError.self, "\(path)") {
                    _ = try await client.send(.post, path, as: DriveDocument.self)
                }
            }
        }
    }

    @Test(
        "refuses administration without the secret",
        arguments: ["wrong", "", "correct horse battery staple and more", "correct horse battery"])
    func refusal(_ secret: String) async throws {
        try await withAPI { client, store in
            let stranger = try APIClient(url: "http://127.0.0.1:\(client.port)", secret: secret)
            try await store.lose([0])
            for path in ["/v1/check", "/v1/drives/0/replace"] {
                let error = await #expect(throws: RegionError.self) {
                    try await stranger.send(.post, path) { _ in Issue.record("it was let in") }
                }
                #expect(
                    error?.description == "the secret key is none of this region's"
                        || error?.description.contains("Authorization: Bearer") == true)
            }
            #expect(store.service.report().drives[0].failure != nil)
            _ = try await stranger.send(.get, "/healthz", as: HealthDocument.self)
        }
    }

    @Test("lets one check run at a time")
    func turns() throws {
        let turns = CheckTurns()
        var first = turns.take()
        #expect(first != nil)
        #expect(turns.take() == nil)
        first = nil
        #expect(turns.take() != nil)
    }

    @Test("answers what it does not know with an error of its own")
    func unknown() async throws {
        try await withAPI { client, _ in
            let error = await #expect(throws: RegionError.self) {
                try await client.send(.get, "/nothing/here") { _ in }
            }
            #expect(error?.description == "GET /nothing/here: Not Found")
        }
    }

    @Test("serves the registry's metrics with the store's and the process's, each family once")
    func metrics() async throws {
        try await withAPI { client, store in
            try await store.fill(entries: 3)
            store.registry.makeCounter(label: "kapok_test_total", dimensions: []).increment(by: 9)
            var lines: [String] = []
            try await client.send(.get, "/metrics") {
                lines.append(String(decoding: $0, as: UTF8.self))
            }
            #expect(lines.contains("kapok_test_total 9"))
            #expect(lines.contains("kapok_store_commits_total 3"))
            #expect(lines.contains("kapok_store_drives{state=\"healthy\"} 3"))
            #expect(lines.contains("kapok_drive_healthy{drive=\"2\"} 1"))
            func value(_ name: String) -> Double? {
                lines.first { $0.hasPrefix(name + " ") }?.split(separator: " ").last
                    .flatMap { Double($0) }
            }
            #expect((value("process_resident_memory_bytes") ?? 0) > 1_048_576)
            #expect((value("process_open_fds") ?? 0) > 3)
            let types = lines.filter { $0.hasPrefix("# TYPE") }
            #expect(Set(types).count == types.count)
        }
    }

    // MARK: A region's api over a small store

    private struct SmallStore: Sendable {
        let service: StoreService
        let registry: PrometheusRegistry
        let directory: String

        /// Deletes drives; a check, which looks at all of them, has the store notice.
        func lose(_ drives: [Int]) async throws {
            for drive in drives {
                try? FileManager.default.removeItem(atPath: "\(directory)/drives/drive-0\(drive)")
            }
            _ = try await service.check { _, _ in }
        }

        func fill(entries: Int) async throws {
            for number in 0..<entries {
                var transaction = Transaction()
                transaction.writes = [
                    Transaction.Write(
                        key: StoreKey([UInt8(number)]), value: [UInt8](repeating: 7, count: 3000))
                ]
                _ = try await service.commit(transaction)
            }
        }
    }

    private func withAPI(
        _ body: (APIClient, SmallStore) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/kapok-api-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var options = StoreOptions(directory: directory)
        options.driveCount = 3
        options.coding = (2, 1)
        options.driveSizeBytes = 64 << 20
        let store = SmallStore(
            service: try StoreService.open(options), registry: PrometheusRegistry(),
            directory: directory)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let api = RegionAPI(
            store: store.service, registry: store.registry, secrets: ["other", Self.secret],
            objectCount: { 17 }, logger: logger)
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        let serving = Task {
            defer { continuation.finish() }
            try await api.run(host: "127.0.0.1", port: 0) { continuation.yield($0) }
        }
        do {
            var iterator = ports.makeAsyncIterator()
            let port = try #require(await iterator.next())
            try await body(
                try APIClient(url: "http://127.0.0.1:\(port)", secret: Self.secret), store)
        } catch {
            Issue.record(error)
        }
        // Cancelling is how a region stops it: a run that would not end would hang the test.
        serving.cancel()
        _ = await serving.result
        await store.service.close()
    }
}
