public import KapokWorld

/// The bounds and times of a decode role's pulls.
public struct PullConfiguration: Sendable {
    /// How many prefill hosts there are.
    public var hosts: Int
    /// Pages of one pull that are asked for and not here yet.
    public var window = 8
    /// Pages of one host, of all its pulls, that are asked for and not here yet.
    public var hostWindow = 16
    /// Pulls at a time; beyond them a prompt is computed here.
    public var maximumPulls = 256
    /// Hosts that are tried for a pull.
    public var attempts = 2
    /// How long a connection and its handshake may take.
    public var connectTimeout = Interval.seconds(3)
    /// How long a pull may go without any progress.
    public var progressTimeout = Interval.seconds(10)
    /// How long a pull may take in all.
    public var totalTimeout = Interval.seconds(120)
    /// How often a host hears that its transfers are still wanted.
    public var renewal = Interval.seconds(2)
    /// How long a host may be silent: it answers each renewal.
    public var silence = Interval.seconds(8)
    /// How long a host is left alone after its first failure; doubles with each further one.
    public var firstBackoff = Interval.milliseconds(100)
    /// The longest that a host is left alone.
    public var longestBackoff = Interval.seconds(5)

    /// A deliberate mistake, for the simulation.
    package var defect: TransferDefect?

    /// Bounds for so many hosts.
    public init(hosts: Int) { self.hosts = hosts }

    /// Makes a deliberate mistake.
    package mutating func sabotage(_ defect: TransferDefect?) { self.defect = defect }
}

/// What happens to a decode role's pulls.
public enum PullEvent: Sendable {
    /// Connect to all hosts.
    case start
    /// Pull pages.
    case pull(PullOrder)
    /// Nobody wants them any more.
    case abandon(RequestID)
    /// A host is connected, its handshake done.
    case connected(host: Int, incarnation: UniqueID)
    /// A host's connection failed or is gone.
    case disconnected(host: Int, String)
    /// A message of a host; pages come as `page`.
    case message(host: Int, TransferReply)
    /// A page has arrived, all of it, at the place that `destination` said when it began.
    /// `computed` is the code of the bytes as they arrived.
    case page(host: Int, PageHeader, computed: TransferDigest)
    /// The time of `setTimer` has come.
    case timer
}

/// Why a pull is over.
public enum PullEnd: String, Hashable, Sendable, CaseIterable {
    /// All pages are here.
    case complete
    /// Nobody wants them any more.
    case abandoned
    /// Its time is over: the request's, or the longest of a pull.
    case late
    /// As many pulls are open as may be.
    case busy
    /// No host is there that can be asked.
    case noHost
    /// All hosts that were asked failed.
    case failed
}

/// What a decode role's pulls want done.
public enum PullEffect: Sendable {
    /// Connect to a host; answer with `connected` or `disconnected`.
    case connect(host: Int)
    /// Close a host's connection at once, without an answer: its pages stop to arrive.
    case disconnect(host: Int, String)
    /// Send a message.
    case send(host: Int, TransferRequest)
    /// From now on nothing of that transfer is written to any page, also not the rest of a page
    /// that has begun to arrive: it is over, and its pages are others' now.
    case discard(host: Int, TransferID)
    /// A pull is over: `tokens` of its prompt are in place.
    case finished(RequestID, tokens: Int, PullEnd)
    /// Send `timer` at that time; replaces an earlier one.
    case setTimer(at: Instant)
}

/// What a decode role has pulled.
public struct PullCounts: Hashable, Sendable {
    /// Pulls by how they ended.
    public var ends: [PullEnd: UInt64] = [:]
    /// Pages taken.
    public var pages: UInt64 = 0
    /// Pages whose code or tokens were not right.
    public var corruptPages: UInt64 = 0
    /// Tokens whose keys and values were pulled.
    public var tokens: UInt64 = 0
    /// Connections lost or given up.
    public var hostFailures: UInt64 = 0
    /// Hosts that came back as another run.
    public var hostRestarts: UInt64 = 0
    /// Pulls that went on with another host.
    public var secondAttempts: UInt64 = 0
    /// Nothing pulled.
    public init() {}
}
