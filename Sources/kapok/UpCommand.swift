import ArgumentParser
import Foundation
import KapokBench
import KapokRegion
import KapokStore
import Logging

/// `kapok up`: a region on this machine.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run a region on this machine: an S3 store on drives in one directory.",
        discussion: """
            The first start makes the drives and the keys; later ones find them. Keys come from \
            KAPOK_ACCESS_KEY and KAPOK_SECRET_KEY, else they are made once and kept in keys.json \
            in the state directory. Ctrl-C stops cleanly.
            """)

    @Option(help: "The state directory. (default: $KAPOK_DATA, else ~/.kapok)")
    var data: String?
    @Option(help: "How many drives a new store gets. (default: 6)")
    var drives: Int?
    @Option(
        help: "Data and parity shards of a new store, K+M. (default: 4+2)",
        transform: parseCoding)
    var coding: Coding?
    @Option(
        help: """
            The size of each drive of a new store, as in 4GiB. (default: half of the free space \
            over all drives, at most 4GiB each)
            """,
        transform: parseSize)
    var driveSize: ByteSize?
    @Option(help: "Where S3 is served, HOST:PORT; port 0 for any.", transform: parseAddress)
    var s3 = Address(host: "127.0.0.1", port: 9000)
    @Option(
        help: "Where status and metrics are served, HOST:PORT; port 0 for any.",
        transform: parseAddress)
    var api = Address(host: "127.0.0.1", port: 9001)
    @Option(
        help: """
            When a write is acknowledged: 'flush' when it is on stable media on all of its drives, \
            'write' when it is written to them.
            """)
    var durability = Durability.flush
    @Option(help: "A domain under which buckets are host names. May be given several times.")
    var domain = ["localhost"]
    @Flag(help: "Print one line of JSON when ready, and nothing else.")
    var json = false

    mutating func run() async throws {
        let began = ContinuousClock.now
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "kapok")
        logger.logLevel = .notice
        var store = StoreOptions(
            directory: absolutePath(data ?? defaultDataDirectory()), durability: durability)
        store.driveCount = drives
        store.coding = coding.map { ($0.dataShards, $0.parityShards) }
        store.driveSizeBytes = driveSize.map { UInt64($0.bytes) }
        let options = RegionOptions(
            store: store, s3Host: s3.host, s3Port: s3.port, apiHost: api.host, apiPort: api.port,
            baseDomains: domain, environment: ProcessInfo.processInfo.environment)
        let region: Region
        do { region = try Region(options, logger: logger) } catch {
            throw CommandFailure(description: "\(error)")
        }
        let asJSON = json
        do {
            try await region.run { address in
                print(asJSON ? Self.line(address) : Self.greeting(address, region, began))
                fflush(nil)
            }
        } catch { throw CommandFailure(description: "\(error)") }
    }

    private static func line(_ address: RegionAddress) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(address) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    private static func greeting(
        _ address: RegionAddress, _ region: Region, _ began: ContinuousClock.Instant
    ) -> String {
        let report = region.store.report()
        let failed = report.drives.filter { $0.failure != nil }
        var lines = [
            "Kapok is up (\(milliseconds(since: began)) ms).",
            "",
            "  S3 endpoint   \(address.s3)",
            "  access key    \(address.accessKey)",
            "  secret key    \(address.secretKey)",
            "  status        \(address.api)/v1/status   metrics: \(address.api)/metrics",
            "  state         \(address.data)",
            "  drives        \(report.drives.count) drives, coded \(report.dataShards)+"
                + "\(report.parityShards): any \(report.parityShards) may fail; "
                + "room for \(sizeText(report.capacityBytes))",
        ]
        for drive in failed {
            lines.append(
                "  FAILED        drive \(drive.position): \(drive.failure ?? "unknown")")
        }
        if let reason = report.refusesWrites { lines.append("  READ ONLY     \(reason)") }
        if region.store.replayedTransactions > 0 {
            lines.append(
                "  recovered     \(region.store.replayedTransactions) writes that the last run had "
                    + "acknowledged and not yet indexed")
        }
        lines += [
            "",
            "Try it:",
            "  export AWS_ACCESS_KEY_ID=\(address.accessKey)"
                + " AWS_SECRET_ACCESS_KEY=\(address.secretKey) AWS_DEFAULT_REGION=us-east-1",
            "  aws --endpoint-url \(address.s3) s3 mb s3://first",
            "  aws --endpoint-url \(address.s3) s3 sync /usr/share/doc s3://first/doc",
            "",
            "Ctrl-C stops it.",
        ]
        return lines.joined(separator: "\n")
    }

    private static func milliseconds(since began: ContinuousClock.Instant) -> Int {
        let duration = ContinuousClock.now - began
        return Int(duration.components.seconds) * 1000
            + Int(duration.components.attoseconds / 1_000_000_000_000_000)
    }
}
