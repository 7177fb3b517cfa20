/// What came of one request to a model server. Times in seconds.
public struct ServeRecord: Codable, Sendable {
    /// The request's number in the load.
    public var index: Int
    /// When it should have been sent and when it was, from the load's begin.
    public var scheduled: Double
    public var sent: Double
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

    /// Mean time per token after the first, nil with fewer than two tokens.
    public var timePerOutputToken: Double? {
        guard error == nil, completionTokens > 1, !gaps.isEmpty else { return nil }
        return gaps.reduce(0, +) / Double(completionTokens - 1)
    }
}
