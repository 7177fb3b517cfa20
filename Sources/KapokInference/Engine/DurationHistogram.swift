/// Counts durations in buckets, as Prometheus does.
struct DurationHistogram {
    /// Upper bounds in seconds: 0.5 ms to 64 s, four to a doubling, so that a percentile read from
    /// it is within a fifth.
    static let bounds: [Double] = (0...68).map { 0.0005 * exp2Quarter($0) }

    private var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    private var sum = 0.0

    private static func exp2Quarter(_ quarters: Int) -> Double {
        // 2 to 0, 1/4, 1/2, 3/4.
        let parts = [1, 1.189_207_115_002_721, 1.414_213_562_373_095_1, 1.681_792_830_507_429]
        return Double(1 << (quarters / 4)) * parts[quarters % 4]
    }

    /// Counts a duration.
    mutating func record(seconds: Double, times: UInt64 = 1) {
        var low = 0
        var high = Self.bounds.count
        while low < high {
            let middle = (low + high) / 2
            if Self.bounds[middle] < seconds { low = middle + 1 } else { high = middle }
        }
        counts[low] += times
        sum += seconds * Double(times)
    }

    /// The lines of one series in Prometheus' text format; `labels` as in `mode="standard"`.
    func write(_ name: String, labels: String, to text: inout String) {
        var total: UInt64 = 0
        let comma = labels.isEmpty ? "" : ","
        for (bound, count) in zip(Self.bounds, counts) {
            total += count
            text += "\(name)_bucket{\(labels)\(comma)le=\"\(bound)\"} \(total)\n"
        }
        total += counts[Self.bounds.count]
        text += "\(name)_bucket{\(labels)\(comma)le=\"+Inf\"} \(total)\n"
        let braces = labels.isEmpty ? "" : "{\(labels)}"
        text += "\(name)_sum\(braces) \(sum)\n\(name)_count\(braces) \(total)\n"
    }
}
