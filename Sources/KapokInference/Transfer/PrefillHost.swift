public import KapokModel
public import KapokWorld

/// What a prefill role is to compute for a decode role.
public struct PrefillJob: Sendable {
    /// Names the job between server and host; never used twice while the process runs.
    public var number: UInt64
    /// The tokens whose keys and values are wanted; at least one, all within the vocabulary.
    public var tokens: [TokenID]
    /// How urgent it is.
    public var mode: LatencyMode
    /// Whose request it is.
    public var tenant: UInt32
    /// When it is given up.
    public var deadline: Instant?

    /// A job from its parts.
    public init(
        number: UInt64, tokens: [TokenID], mode: LatencyMode, tenant: UInt32, deadline: Instant?
    ) {
        self.number = number
        self.tokens = tokens
        self.mode = mode
        self.tenant = tenant
        self.deadline = deadline
    }
}

/// What the host says of a job.
public enum PrefillReport: Sendable {
    /// Keys and values of the first `tokens` tokens are in place, in `pages`; these pages are left
    /// alone until `release`, or until `holds` says otherwise. The job is done when these are all
    /// of its tokens.
    case progress(tokens: Int, pages: [PageID])
    /// The job was not taken, or ended early; its pages are gone already.
    case ended(String)
}

/// What `PrefillServer` needs of an engine in a prefill role.
public protocol PrefillHost: Sendable {
    /// Where the pages' bytes are.
    var memory: any KVPageMemory { get }

    /// Starts a job. `report` may be called from any thread, also from within this function:
    /// `progress` with rising counts of tokens, or one `ended`.
    func prefill(_ job: PrefillJob, report: @escaping @Sendable (PrefillReport) -> Void)

    /// Whether `page` still holds what the latest `progress` of the job said. The server asks it
    /// after it has computed a page's code, from a thread of its own: a page that the engine gave
    /// up meanwhile is not sent as if it were sound.
    func holds(_ number: UInt64, page: PageID) -> Bool

    /// Ends the job, however far it is, and gives up its pages. Comes once for each job that did
    /// not report `ended`, and may cross with that report.
    func release(_ number: UInt64)
}
