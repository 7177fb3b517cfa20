public import KapokInference
import KapokSimulation

/// What a load on a simulated fleet came to. All of it is modelled time.
public struct FleetReport: Codable, Sendable {
    /// Requests of the load.
    public var requests: Int
    /// Requests that were not taken.
    public var refused: Int
    /// From the first arrival to the last token.
    public var seconds: Double
    public var completionTokensPerSecond: Double
    public var timeToFirstToken: LatencyPercentiles
    public var timePerOutputToken: LatencyPercentiles
    public var interTokenLatency: LatencyPercentiles
    public var objectives: ServingObjectives
    /// Requests per second that kept both objectives, and their share of all.
    public var goodputPerSecond: Double
    public var goodShare: Double
    /// Prompt tokens found in prefix caches, and pulled from prefill roles.
    public var cachedTokens: Int
    public var pulledTokens: Int
    public var preemptions: Int
    /// Of all trace events: equal for equal seeds, loads and fleets.
    public var traceHash: String

    /// One request's outcome. Times in seconds.
    public struct Record: Codable, Sendable {
        /// The request's number in the load.
        public var index: Int
        /// From the arrival to the first token; nil without one.
        public var timeToFirstToken: Double?
        /// Between tokens.
        public var gaps: [Double] = []
        /// Whether it was not taken.
        public var refused = false
        /// What it used.
        public var account = Account()
        /// What the scheduler counted.
        public struct Account: Codable, Sendable {
            /// Prompt tokens found in the prefix cache.
            public var cachedTokens = 0
            /// Prompt tokens pulled from a prefill role.
            public var pulledTokens = 0
            /// How often it was set back.
            public var preemptions = 0
        }

        /// The mean time per token after the first.
        public var timePerOutputToken: Double? {
            gaps.isEmpty ? nil : gaps.reduce(0, +) / Double(gaps.count)
        }
    }

    /// Several loads, each on a fleet of its own, taken together.
    /// - Parameter runs: what `FleetSimulation.run` returned, at least once.
    public init(
        pooling runs: [(report: FleetReport, records: [Record])], objectives: ServingObjectives
    ) {
        var trace = TraceHash()
        for run in runs { trace.mix(UInt64(run.report.traceHash, radix: 16) ?? 0) }
        self.init(
            runs.flatMap(\.records), seconds: runs.reduce(0) { $0 + $1.report.seconds },
            objectives: objectives, traceHash: trace.value)
    }

    init(
        _ records: [Record], seconds: Double, objectives: ServingObjectives, traceHash: UInt64
    ) {
        let good = records.filter { !$0.refused }
        requests = records.count
        refused = records.count - good.count
        self.seconds = seconds
        let rate = seconds > 0 ? 1 / seconds : 0
        let tokens = good.reduce(0) {
            $0 + $1.gaps.count + ($1.timeToFirstToken == nil ? 0 : 1)
        }
        completionTokensPerSecond = Double(tokens) * rate
        timeToFirstToken = LatencyPercentiles(seconds: good.compactMap(\.timeToFirstToken))
        timePerOutputToken = LatencyPercentiles(seconds: good.compactMap(\.timePerOutputToken))
        interTokenLatency = LatencyPercentiles(seconds: good.flatMap(\.gaps))
        self.objectives = objectives
        let kept = good.filter {
            guard let first = $0.timeToFirstToken else { return false }
            return objectives.areKept(first, $0.timePerOutputToken ?? 0)
        }
        goodputPerSecond = Double(kept.count) * rate
        goodShare = records.isEmpty ? 0 : Double(kept.count) / Double(records.count)
        cachedTokens = good.reduce(0) { $0 + $1.account.cachedTokens }
        pulledTokens = good.reduce(0) { $0 + $1.account.pulledTokens }
        preemptions = good.reduce(0) { $0 + $1.account.preemptions }
        let hex = String(traceHash, radix: 16)
        self.traceHash = String(repeating: "0", count: 16 - hex.count) + hex
    }
}
