public import KapokModel
public import KapokWorld

/// The bounds and times of a prefill role.
public struct LeaseConfiguration: Sendable {
    /// Tokens in the vocabulary: others are refused.
    public var vocabularySize: Int
    /// The longest prompt that is taken, in tokens.
    public var maximumTokens: Int
    /// Transfers at a time; beyond them asks are refused as `busy`.
    public var maximumTransfers = 64
    /// Connections at a time; beyond them new ones are closed.
    public var maximumConnections = 64
    /// Pages of one connection that are being sent at a time; a decode role that asks for more
    /// breaks the protocol.
    public var maximumSends = 64
    /// How long a transfer lives without a renewal.
    public var lease = Interval.seconds(10)
    /// How long a transfer lives at all, whatever is renewed.
    public var longestLife = Interval.seconds(600)
    /// How long a connection may be silent: decode roles renew, or say that they live, far oftener.
    public var silence = Interval.seconds(30)

    /// A deliberate mistake, for the simulation.
    package var defect: TransferDefect?

    /// Bounds for a model of that vocabulary and a cache for prompts up to `maximumTokens`.
    public init(vocabularySize: Int, maximumTokens: Int) {
        self.vocabularySize = vocabularySize
        self.maximumTokens = min(maximumTokens, TransferCoding.maximumTokens)
    }

    /// Makes a deliberate mistake.
    package mutating func sabotage(_ defect: TransferDefect?) { self.defect = defect }
}

/// What happens to the leases of a prefill role.
public enum LeaseEvent: Sendable {
    /// A decode role is connected, its handshake done.
    case opened(TransferConnectionID)
    /// The connection is gone; nothing is sent on it and no page read for it any more.
    case closed(TransferConnectionID)
    /// A message of a decode role.
    case message(TransferConnectionID, TransferRequest)
    /// The engine says how far a job is.
    case report(job: UInt64, PrefillReport)
    /// All bytes of a page of that job were handed to the kernel.
    case pageSent(job: UInt64)
    /// The time of `setTimer` has come.
    case timer
    /// Take no more transfers.
    case drain
}

/// A page to send.
public struct PageSend: Hashable, Sendable {
    /// The job that holds it: named in `pageSent`.
    public var job: UInt64
    /// The page's memory.
    public var memory: PageID
    /// What is said of it; its `digest` is the driver's to fill in.
    public var header: PageHeader
}

/// What a prefill role's leases want done.
public enum LeaseEffect: Sendable {
    /// Send a message.
    case send(TransferConnectionID, TransferReply)
    /// Send a page out of its memory; answer with `pageSent`, unless the connection closes.
    case sendPage(TransferConnectionID, PageSend)
    /// Have the engine compute.
    case submit(PrefillJob)
    /// The engine may have the job's pages back. Comes once for each job that did not report its
    /// end, and after the last byte of its pages is sent.
    case release(UInt64)
    /// Close the connection at once, and say `closed`.
    case close(TransferConnectionID, String)
    /// Send `timer` at that time; replaces an earlier one.
    case setTimer(at: Instant)
}

/// What a prefill role has done.
public struct LeaseCounts: Hashable, Sendable {
    /// Transfers that were taken.
    public var accepted: UInt64 = 0
    /// Transfers that were refused.
    public var refused: UInt64 = 0
    /// Transfers that their decode role released.
    public var released: UInt64 = 0
    /// Transfers whose lease ran out.
    public var expired: UInt64 = 0
    /// Transfers whose connection was lost.
    public var lost: UInt64 = 0
    /// Transfers that the engine gave up.
    public var failed: UInt64 = 0
    /// Pages sent.
    public var pages: UInt64 = 0
    /// Connections that were closed for silence or breach of the protocol.
    public var closed: UInt64 = 0
    /// Nothing done.
    public init() {}
}
