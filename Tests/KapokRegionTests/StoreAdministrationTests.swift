import Foundation
import KapokStore
import Logging
import Testing

@testable import KapokRegion

@Suite("Administration of a state directory", .serialized)
struct StoreAdministrationTests {
    private let environment = [
        "KAPOK_ACCESS_KEY": "test-key", "KAPOK_SECRET_KEY": "test-secret-key",
    ]

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/kapok-admin-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private func options(_ directory: String) -> StoreOptions {
        var options = StoreOptions(directory: directory)
        options.driveCount = 3
        options.coding = (2, 1)
        options.driveSizeBytes = 64 << 20
        return options
    }

    @Test("refuses a directory without a store, and leaves nothing there")
    func nothing() async throws {
        try await withDirectory { directory in
            #expect(throws: RegionError.self) {
                try StoreAdministration(directory: directory, environment: [:])
            }
            #expect(throws: RegionError.self) {
                try StoreAdministration.rebuildIndex(directory: directory) { _, _ in }
            }
            #expect(!FileManager.default.fileExists(atPath: directory))
        }
    }

    @Test("opens the store itself when no region runs, one command at a time")
    func offline() async throws {
        try await withDirectory { directory in
            try await StoreService.open(options(directory)).close()
            let administration = try StoreAdministration(directory: directory, environment: [:])
            #expect(!administration.isRegionRunning)
            let status = try await administration.status()
            #expect(status.objects == 0 && status.healthyDrives == 3)
            #expect(try await administration.drives().drives.count == 3)
            #expect(try await administration.check { _, _ in }.healthy)
            #expect(throws: RegionError.self) {
                try StoreAdministration(directory: directory, environment: [:])
            }
            await administration.close()
            let next = try StoreAdministration(directory: directory, environment: [:])
            await next.close()
        }
    }

    @Test("replaces a drive and rebuilds the index when no region runs")
    func repairs() async throws {
        try await withDirectory { directory in
            let store = try StoreService.open(options(directory))
            var transaction = Transaction()
            transaction.writes = [Transaction.Write(key: StoreKey([1, 2]), value: [3])]
            _ = try await store.commit(transaction)
            await store.close()
            try FileManager.default.removeItem(atPath: directory + "/index.sqlite")
            var progress: [(done: Int, of: Int)] = []
            let report = try StoreAdministration.rebuildIndex(directory: directory) {
                progress.append(($0, $1))
            }
            #expect(report.entries == 1 && report.unreadableStripes == 0)
            #expect(progress.last.map { $0.done == $0.of } == true)
            try FileManager.default.removeItem(atPath: directory + "/drives/drive-01")
            let administration = try StoreAdministration(directory: directory, environment: [:])
            #expect(try await administration.drives().drives[1].state == "failed")
            #expect(try await administration.replaceDrive(1).state == "healthy")
            #expect(try await administration.drives().drives[1].state == "healthy")
            await administration.close()
        }
    }

    /// The only region of this process: metrics can be bootstrapped once.
    @Test("asks the region that runs, and leaves the index to it")
    func online() async throws {
        try await withDirectory { directory in
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let region = try Region(
                RegionOptions(
                    store: options(directory), s3Port: 0, apiPort: 0, environment: environment),
                logger: logger)
            let (addresses, continuation) = AsyncStream.makeStream(of: RegionAddress.self)
            let running = Task {
                defer { continuation.finish() }
                try await region.run { continuation.yield($0) }
            }
            do {
                var iterator = addresses.makeAsyncIterator()
                _ = try #require(await iterator.next())
                try await judge(directory)
            } catch { Issue.record(error) }
            running.cancel()
            try await running.value
            let after = try StoreAdministration(directory: directory, environment: [:])
            #expect(!after.isRegionRunning)
            await after.close()
        }
    }

    private func judge(_ directory: String) async throws {
        let administration = try StoreAdministration(
            directory: directory, environment: environment)
        #expect(administration.isRegionRunning)
        #expect(try await administration.status().healthyDrives == 3)
        #expect(try await administration.drives().drives.count == 3)
        #expect(try await administration.check { _, _ in }.healthy)
        await #expect(throws: RegionError.self) {
            _ = try await administration.replaceDrive(0)
        }
        // Its keys are in its environment, and making others would help nobody.
        #expect(throws: RegionError.self) {
            try StoreAdministration(directory: directory, environment: [:])
        }
        #expect(!FileManager.default.fileExists(atPath: directory + "/keys.json"))
        #expect(throws: RegionError.self) {
            try StoreAdministration.rebuildIndex(directory: directory) { _, _ in }
        }
        await administration.close()
    }
}
