import Metrics
import Synchronization

/// What the front end counts, through swift-metrics. Instruments are made once and kept: making one
/// for each request would cost more than small requests do.
final class S3Metrics: Sendable {
    private struct Key: Hashable {
        var operation: S3Operation?
        var status: UInt
    }

    private let requests = Mutex<[Key: Counter]>([:])
    private let durations = Mutex<[S3Operation?: Metrics.Timer]>([:])
    private let bytesIn = Counter(label: "kapok_s3_received_bytes_total")
    private let bytesOut = Counter(label: "kapok_s3_sent_bytes_total")

    /// Counts a request that was answered.
    ///
    /// - Parameters:
    ///   - operation: nil when the request was refused before it was known.
    ///   - received: bytes of its body.
    ///   - sent: bytes of the answer's body.
    func record(
        _ operation: S3Operation?, status: UInt, durationNanoseconds: Int64, received: UInt64,
        sent: UInt64
    ) {
        let key = Key(operation: operation, status: status)
        let label = operation?.rawValue ?? "Unknown"
        let counter = requests.withLock { counters in
            if let counter = counters[key] { return counter }
            let counter = Counter(
                label: "kapok_s3_requests_total",
                dimensions: [("operation", label), ("status", String(status))])
            counters[key] = counter
            return counter
        }
        counter.increment()
        let timer = durations.withLock { timers in
            if let timer = timers[operation] { return timer }
            let timer = Metrics.Timer(
                label: "kapok_s3_request_seconds", dimensions: [("operation", label)])
            timers[operation] = timer
            return timer
        }
        timer.recordNanoseconds(durationNanoseconds)
        if received > 0 { bytesIn.increment(by: Int64(clamping: received)) }
        if sent > 0 { bytesOut.increment(by: Int64(clamping: sent)) }
    }
}
