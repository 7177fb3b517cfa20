/// What a load on a model server came to.
public struct ServeReport: Codable, Sendable {
    /// Percentiles of durations, in milliseconds.
    public struct Percentiles: Codable, Sendable {
        public var count: Int
        public var mean: Double
        public var p50: Double
        public var p90: Double
        public var p95: Double
        public var p99: Double
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
    public struct Objectives: Codable, Sendable {
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
    }

    public var requests: Int
    public var failed: Int
    /// Messages of failures, the most frequent first, with how often.
    public var errors: [String]
    /// From the first request's sending to the last answer's end.
    public var seconds: Double
    public var promptTokens: Int
    public var cachedTokens: Int
    public var completionTokens: Int
    public var requestsPerSecond: Double
    public var completionTokensPerSecond: Double
    public var timeToFirstToken: Percentiles
    public var timePerOutputToken: Percentiles
    /// Between pieces of text, over all requests.
    public var interTokenLatency: Percentiles
    public var duration: Percentiles
    /// How much later than planned requests were sent: the generator's own fault.
    public var lateness: Percentiles
    public var objectives: Objectives
    /// Requests per second that kept both objectives, and their share.
    public var goodputPerSecond: Double
    public var goodShare: Double

    /// The report of `records`.
    public init(_ records: [ServeRecord], objectives: Objectives) {
        let good = records.filter { $0.error == nil }
        requests = records.count
        failed = records.count - good.count
        let messages = Dictionary(grouping: records.compactMap(\.error)) { $0 }
            .mapValues(\.count).sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        errors = messages.prefix(5).map { "\($0.value) x \($0.key)" }
        let begin = records.map(\.sent).min() ?? 0
        let end = records.map { $0.sent + $0.duration }.max() ?? 0
        seconds = end - begin
        promptTokens = good.reduce(0) { $0 + $1.promptTokens }
        cachedTokens = good.reduce(0) { $0 + $1.cachedTokens }
        completionTokens = good.reduce(0) { $0 + $1.completionTokens }
        let rate = seconds > 0 ? 1 / seconds : 0
        requestsPerSecond = Double(good.count) * rate
        completionTokensPerSecond = Double(completionTokens) * rate
        timeToFirstToken = Percentiles(seconds: good.compactMap(\.timeToFirstToken))
        timePerOutputToken = Percentiles(seconds: good.compactMap(\.timePerOutputToken))
        interTokenLatency = Percentiles(seconds: good.flatMap(\.gaps))
        duration = Percentiles(seconds: good.map(\.duration))
        lateness = Percentiles(seconds: records.map { max(0, $0.sent - $0.scheduled) })
        self.objectives = objectives
        let kept = good.filter { record in
            guard let first = record.timeToFirstToken else { return false }
            return first * 1000 <= objectives.timeToFirstTokenMilliseconds
                && (record.timePerOutputToken ?? 0) * 1000
                    <= objectives.timePerOutputTokenMilliseconds
        }
        goodputPerSecond = Double(kept.count) * rate
        goodShare = records.isEmpty ? 0 : Double(kept.count) / Double(records.count)
    }
}
