/// Percentiles of durations, in milliseconds.
public struct LatencyPercentiles: Codable, Sendable {
    /// How many durations.
    public var count: Int
    /// Their mean.
    public var mean: Double
    /// What half of them stayed within.
    public var p50: Double
    /// What 90 % of them stayed within.
    public var p90: Double
    /// What 95 % of them stayed within.
    public var p95: Double
    /// What 99 % of them stayed within.
    public var p99: Double
    /// The longest.
    public var maximum: Double

    /// Percentiles of `seconds` (nearest rank).
    public init(seconds: [Double]) {
        let sorted = seconds.sorted()
        func rank(_ share: Double) -> Double {
            guard !sorted.isEmpty else { return 0 }
            let index = Int((share * Double(sorted.count)).rounded(.up)) - 1
            return sorted[min(max(index, 0), sorted.count - 1)] * 1000
        }
        count = sorted.count
        mean = sorted.isEmpty ? 0 : sorted.reduce(0, +) / Double(sorted.count) * 1000
        p50 = rank(0.5)
        p90 = rank(0.9)
        p95 = rank(0.95)
        p99 = rank(0.99)
        maximum = rank(1)
    }
}

/// What a request must keep to count as good.
public struct ServingObjectives: Codable, Sendable {
    /// Milliseconds to the first token, and per further token.
    public var timeToFirstTokenMilliseconds: Double
    public var timePerOutputTokenMilliseconds: Double

    /// Two bounds in milliseconds.
    public init(
        timeToFirstTokenMilliseconds: Double, timePerOutputTokenMilliseconds: Double
    ) {
        self.timeToFirstTokenMilliseconds = timeToFirstTokenMilliseconds
        self.timePerOutputTokenMilliseconds = timePerOutputTokenMilliseconds
    }

    /// Whether a request with these times, in seconds, counts as good.
    public func areKept(_ timeToFirstToken: Double, _ timePerOutputToken: Double) -> Bool {
        timeToFirstToken * 1000 <= timeToFirstTokenMilliseconds
            && timePerOutputToken * 1000 <= timePerOutputTokenMilliseconds
    }
}
