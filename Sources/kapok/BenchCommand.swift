import ArgumentParser
import Foundation
import KapokBench

/// `kapok bench`: measures endpoints.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure an endpoint, Kapok's or somebody else's.",
        subcommands: [S3.self, Serve.self])
}

extension BenchCommand {
    /// `kapok bench s3`: the load generator for S3 endpoints.
    struct S3: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "s3",
            abstract: "Send S3 requests and check every byte that comes back.",
            discussion: """
                Keys come from the options, else from KAPOK_ACCESS_KEY and KAPOK_SECRET_KEY, else \
                from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. The bucket is created when it \
                does not exist; the objects stay in it. A failed request is never counted as an \
                operation. The exit code is 0 when something was measured, whatever it was.
                """)

        @Option(help: "The endpoint: http://host:port.")
        var endpoint: String
        @Option(help: "The bucket to use.")
        var bucket = "kapok-bench"
        @Option(help: "The access key id.")
        var accessKey: String?
        @Option(help: "The secret key.")
        var secretKey: String?
        @Option(help: "The region to sign for.")
        var region = "us-east-1"
        @Option(help: "put, get or mixed.", transform: parseOperation)
        var operation = S3LoadOperation.get
        @Option(help: "The size of an object: 4KiB, 64MiB, 5GiB.", transform: parseSize)
        var size = ByteSize(bytes: 4096)
        @Option(help: "Connections, each with one request at a time.")
        var connections = 64
        @Option(help: "How long to send requests.")
        var seconds = 10.0
        @Option(help: "How many different objects (default: 10,000, at most 1 GiB altogether).")
        var objects: Int?
        @Option(help: "The share of GETs in mixed.")
        var getPercent = 50
        @Option(help: "How many written objects to read back afterwards.")
        var readBack = 64
        @Option(help: "Threads of the load generator.")
        var threads = 1
        @Option(help: "Chooses content and order.")
        var seed: UInt64 = 1
        @Flag(help: "Sign the bodies of PUTs instead of sending UNSIGNED-PAYLOAD.")
        var signedPayload = false
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let load = try S3Load(try options())
            let showsProgress = isatty(STDERR_FILENO) == 1
            let report = try await load.run { progress in
                guard showsProgress else { return }
                let line =
                    "\(progress.activity): \(progress.operations) operations, "
                    + "\(progress.errors) errors"
                FileHandle.standardError.write(Data("\r\u{1B}[K\(line)".utf8))
            }
            if showsProgress { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
            print(json ? try report.json() : report.table())
        }

        private func options() throws -> S3LoadOptions {
            let environment = ProcessInfo.processInfo.environment
            func key(_ given: String?, _ names: String...) -> String {
                given ?? names.lazy.compactMap { environment[$0] }.first ?? ""
            }
            var options = S3LoadOptions(
                endpoint: try Endpoint(parsing: endpoint),
                accessKey: key(accessKey, "KAPOK_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
                secretKey: key(secretKey, "KAPOK_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"))
            options.bucket = bucket
            options.region = region
            options.operation = operation
            options.size = size
            options.connections = connections
            options.seconds = seconds
            options.objects = objects
            options.getPercent = getPercent
            options.readBack = readBack
            options.threads = threads
            options.seed = seed
            options.signsPayload = signedPayload
            return options
        }
    }
}

/// Reads `put`, `get` or `mixed`.
private func parseOperation(_ text: String) throws -> S3LoadOperation {
    guard let operation = S3LoadOperation(rawValue: text) else {
        throw ValidationError("\"\(text)\" is neither put nor get nor mixed")
    }
    return operation
}
