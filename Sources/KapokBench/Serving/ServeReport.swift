public import KapokInference

/// What a load on a model server came to.
public struct ServeReport: Codable, Sendable {
    /// Requests sent.
    public var requests: Int
    /// Requests that were not answered to their end.
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
    public var timeToFirstToken: LatencyPercentiles
    public var timePerOutputToken: LatencyPercentiles
    /// Between pieces of text, over all requests.
    public var interTokenLatency: LatencyPercentiles
    public var duration: LatencyPercentiles
    /// How much later than planned requests were sent: the generator's own fault.
    public var lateness: LatencyPercentiles
    public var objectives: ServingObjectives
    /// Requests per second that kept both objectives, and their share.
    public var goodputPerSecond: Double
    public var goodShare: Double

    /// The report of `records`.
    public init(_ records: [ServeRecord], objectives: ServingObjectives) {
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
        timeToFirstToken = LatencyPercentiles(seconds: good.compactMap(\.timeToFirstToken))
        timePerOutputToken = LatencyPercentiles(seconds: good.compactMap(\.timePerOutputToken))
        interTokenLatency = LatencyPercentiles(seconds: good.flatMap(\.gaps))
        duration = LatencyPercentiles(seconds: good.map(\.duration))
        lateness = LatencyPercentiles(seconds: records.map { max(0, $0.sent - $0.scheduled) })
        self.objectives = objectives
        let kept = good.filter { record in
            guard let first = record.timeToFirstToken else { return false }
            return objectives.areKept(first, record.timePerOutputToken ?? 0)
        }
        goodputPerSecond = Double(kept.count) * rate
        goodShare = records.isEmpty ? 0 : Double(kept.count) / Double(records.count)
    }
}
