public import KapokModel
public import KapokWorld

/// Names a request for as long as the process runs.
public struct RequestID: Hashable, Comparable, Sendable {
    /// The number; rises with each request.
    public var number: UInt64
    /// The request of that number.
    public init(_ number: UInt64) { self.number = number }
    /// Asked for earlier.
    public static func < (a: RequestID, b: RequestID) -> Bool { a.number < b.number }
}

/// Whether a request wants a good price or a quick answer (Bedrock's `performanceConfig.latency`).
public enum LatencyMode: String, Sendable, CaseIterable {
    case standard
    case optimized
}

/// What the scheduler knows of a request.
public struct ScheduledRequest: Sendable {
    /// Its name, used for no other request of this process.
    public var id: RequestID
    /// The prompt's tokens; at least one.
    public var prompt: [TokenID]
    /// The most tokens to generate; at least one.
    public var maximumNewTokens: Int
    /// The mode that was asked for; `SchedulerEffect.admitted` says which one is served.
    public var mode: LatencyMode
    /// Whose request it is (the number of an API key): fairness and quotas go by it.
    public var tenant: UInt32
    /// When the request is given up, however far it is.
    public var deadline: Instant?
    /// Keys and values only, no token: what a decode role asks of a prefill role.
    public var prefillOnly: Bool
    /// Whether pages of equal prompts may be used and left behind.
    public var usesPrefixCache: Bool
    /// Whether the driver may propose tokens for it (`StepEntry.drafts`).
    public var speculates = false

    /// A request of `prompt`.
    public init(
        id: RequestID, prompt: [TokenID], maximumNewTokens: Int, mode: LatencyMode = .standard,
        tenant: UInt32 = 0, deadline: Instant? = nil, prefillOnly: Bool = false,
        usesPrefixCache: Bool = true
    ) {
        self.id = id
        self.prompt = prompt
        self.maximumNewTokens = maximumNewTokens
        self.mode = mode
        self.tenant = tenant
        self.deadline = deadline
        self.prefillOnly = prefillOnly
        self.usesPrefixCache = usesPrefixCache
    }
}

/// Why a request ended.
public enum FinishReason: String, Sendable, CaseIterable {
    /// A stop text, an end token or the end of what a schema allows.
    case stop
    /// As many tokens as asked for, or the context is full.
    case length
    /// The client went away or cancelled.
    case cancelled
    /// Its deadline passed.
    case deadline
    /// The engine failed.
    case failed
}

/// Why a request was not taken.
public enum RefusalReason: Hashable, Sendable {
    /// The queue is full: try again later.
    case queueFull(limit: Int)
    /// Prompt and new tokens can never fit: tokens asked for, tokens possible.
    case tooLong(tokens: Int, limit: Int)
    /// The tenant has as many requests as it may have.
    case tenantLimit(limit: Int)
    /// The server is going down.
    case draining
}
