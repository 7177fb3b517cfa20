public import KapokModel
public import KapokWorld

/// What a decode role has a prefill role compute, and where the pages go.
public struct PullOrder: Sendable {
    /// Whose prompt it is.
    public var request: RequestID
    /// The prompt's tokens whose keys and values are wanted, from the prompt's first token on; the
    /// decode role runs the ones after them itself.
    public var tokens: [TokenID]
    /// The first position that is missing here, a multiple of `KVPage.tokens`, below
    /// `tokens.count`: pages before it are in place already.
    public var from: Int
    /// Where positions `from ..< tokens.count` go, a page for each `KVPage.tokens` of them; the
    /// last one may be filled in part.
    public var pages: [PageID]
    /// How urgent it is.
    public var mode: LatencyMode
    /// Whose request it is, for the prefill role's fairness.
    public var tenant: UInt32
    /// When the request is given up.
    public var deadline: Instant?

    /// An order from its parts.
    public init(
        request: RequestID, tokens: [TokenID], from: Int, pages: [PageID],
        mode: LatencyMode = .standard, tenant: UInt32 = 0, deadline: Instant? = nil
    ) {
        self.request = request
        self.tokens = tokens
        self.from = from
        self.pages = pages
        self.mode = mode
        self.tenant = tenant
        self.deadline = deadline
    }
}

/// Pulls KV pages from prefill roles: what an engine in a decode role carries out
/// `SchedulerEffect.pull` with. `PrefillClient` is the one over the network.
public protocol KVPuller: Sendable {
    /// Pulls the pages of `order` into `memory`.
    ///
    /// `completion` is called exactly once, in bounded time, from any thread (possibly before this
    /// function returns): with the number of the prompt's tokens whose keys and values are in
    /// place and verified, from `order.from` (nothing was pulled) to `order.tokens.count` (all).
    /// After it nothing is written into the order's pages any more.
    func pull(
        _ order: PullOrder, into memory: any KVPageMemory,
        completion: @escaping @Sendable (_ tokens: Int) -> Void)

    /// Ends a pull early, if it still goes on: its `completion` comes at once.
    func abandon(_ request: RequestID)

    /// Figures of the moment, in Prometheus' text format.
    func metricsText() -> String
}
