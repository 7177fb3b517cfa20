internal import Histogram

/// What went wrong, each failed request counted once.
public struct LoadErrors: Sendable, Codable, Equatable {
    /// Answers outside of 2xx.
    public var badStatus = 0
    /// Bodies with a byte that is not the object's.
    public var wrongBytes = 0
    /// Bodies longer or shorter than the object.
    public var wrongLength = 0
    /// Connections refused, reset, stalled or closed within a response; malformed responses.
    public var connection = 0

    /// All of them.
    public var total: Int { badStatus + wrongBytes + wrongLength + connection }

    static func += (a: inout LoadErrors, b: LoadErrors) {
        a.badStatus += b.badStatus
        a.wrongBytes += b.wrongBytes
        a.wrongLength += b.wrongLength
        a.connection += b.connection
    }
}

/// What one event loop has counted.
struct LoadTally: Sendable {
    var gets = 0
    var puts = 0
    var bytes = 0
    /// Read back after the measured time and found right.
    var readBack = 0
    var errors = LoadErrors()
    /// What the first failed request met, for the person who wonders why.
    var firstError: String?
    /// Nanoseconds from sending a request to the last byte of its answer; three digits.
    var latencies = Histogram<UInt64>(
        lowestDiscernibleValue: 128, highestTrackableValue: 4_000_000_000_000,
        numberOfSignificantValueDigits: .three)

    mutating func record(nanoseconds: UInt64) {
        latencies.record(min(nanoseconds, latencies.highestTrackableValue))
    }

    mutating func add(_ other: LoadTally) {
        gets += other.gets
        puts += other.puts
        bytes += other.bytes
        readBack += other.readBack
        errors += other.errors
        firstError = firstError ?? other.firstError
        latencies.add(other.latencies)
    }
}
