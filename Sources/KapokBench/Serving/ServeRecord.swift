public import KapokInference

/// What came of one request to a model server. Times in seconds.
public struct ServeRecord: Codable, Sendable {
    /// The request's number in the load.
    public var index: Int
    /// When it should have been sent and when it was, from the load's begin.
    public var scheduled: Double
    public var sent: Double
    /// Words of the prompt that was made, and how many of them its group begins with.
    public var promptWords = 0
    public var prefixGroup: Int?
    public var prefixWords = 0
    /// From sending to the first piece of text; nil without one.
    public var timeToFirstToken: Double?
    /// Between pieces of text.
    public var gaps: [Double] = []
    /// From sending to the end of the answer.
    public var duration = 0.0
    /// As the server counts them; 0 where it does not.
    public var promptTokens = 0
    public var cachedTokens = 0
    public var completionTokens = 0
    /// The latency mode that the server says it served, where it says so.
    public var mode: String?
    /// What went wrong: an HTTP status with the server's message, or the connection's end.
    public var error: String?

    /// A request that is sent at `sent` seconds.
    init(index: Int, arrival: ServingLoad.Arrival, sent: Double) {
        self.init(index: index, scheduled: arrival.seconds, sent: sent)
        promptWords = arrival.promptTokens
        prefixGroup = arrival.prefixGroup
        prefixWords = arrival.prefixTokens
    }

    /// A request with nothing known of its answer.
    public init(index: Int, scheduled: Double, sent: Double) {
        self.index = index
        self.scheduled = scheduled
        self.sent = sent
    }

    /// Mean time per token after the first, nil with fewer than two tokens.
    public var timePerOutputToken: Double? {
        guard error == nil, completionTokens > 1, !gaps.isEmpty else { return nil }
        return gaps.reduce(0, +) / Double(completionTokens - 1)
    }
}

extension ServingLoad {
    /// Tokens of a chat template behind the user's words: the end of the turn and the beginning
    /// of the answer. Those before them are the same in all prompts.
    private static let templateTail = 6

    /// The load that these records are of, in tokens as the server counted them.
    public init(replaying records: [ServeRecord]) {
        let answered = records.filter { $0.error == nil && $0.completionTokens > 0 }
        let template = answered.map { $0.promptTokens - $0.promptWords }.min() ?? 0
        self.init(
            arrivals: answered.map { record in
                Arrival(
                    seconds: record.sent, promptTokens: record.promptTokens,
                    newTokens: record.completionTokens, prefixGroup: record.prefixGroup,
                    prefixTokens: record.prefixWords,
                    mode: record.mode == "priority" ? .optimized : .standard)
            })
        commonTokens = max(0, template - Self.templateTail)
    }
}
