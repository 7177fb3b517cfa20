internal import Histogram

/// The result of a measurement. The names of the stored properties are the keys of `--json`.
public struct S3LoadReport: Sendable, Codable, Equatable {
    /// The URL measured.
    public var endpoint: String
    /// What was sent.
    public var operation: S3LoadOperation
    /// The size of each object in bytes.
    public var sizeBytes: Int
    /// The number of connections.
    public var connections: Int
    /// The number of different objects.
    public var objects: Int
    /// From the first request to the last answer.
    public var elapsedSeconds: Double
    /// Requests answered rightly. Failed ones are counted under errors only.
    public var operations: Int
    /// Those among them that were GETs.
    public var gets: Int
    /// Those among them that were PUTs.
    public var puts: Int
    /// Objects read back after the measured time and found right.
    public var readBack: Int
    /// Operations divided by the elapsed time.
    public var opsPerSecond: Double
    /// Object bytes of those operations, in millions a second.
    public var megabytesPerSecond: Double
    /// The latency that half of the operations stayed within.
    public var p50Milliseconds: Double
    /// The latency that 99 % of the operations stayed within.
    public var p99Milliseconds: Double
    /// The latency that 99.9 % of the operations stayed within.
    public var p999Milliseconds: Double
    /// The longest latency.
    public var maxMilliseconds: Double
    /// All failed requests, those of reading back included.
    public var errors: Int
    /// The same by kind.
    public var errorsByKind: LoadErrors
    /// What the first failed request met.
    public var firstError: String?

    init(options: S3LoadOptions, tally: LoadTally, elapsedSeconds: Double) {
        func percentile(_ percent: Double) -> Double {
            Double(tally.latencies.valueAtPercentile(percent)) / 1e6
        }
        endpoint = options.endpoint.description
        operation = options.operation
        sizeBytes = options.size.bytes
        connections = options.connections
        objects = options.objectCount
        self.elapsedSeconds = elapsedSeconds
        operations = tally.gets + tally.puts
        gets = tally.gets
        puts = tally.puts
        readBack = tally.readBack
        opsPerSecond = Double(tally.gets + tally.puts) / elapsedSeconds
        megabytesPerSecond = Double(tally.bytes) / elapsedSeconds / 1e6
        p50Milliseconds = percentile(50)
        p99Milliseconds = percentile(99)
        p999Milliseconds = percentile(99.9)
        maxMilliseconds = percentile(100)
        errors = tally.errors.total
        errorsByKind = tally.errors
        firstError = tally.firstError
    }
}
