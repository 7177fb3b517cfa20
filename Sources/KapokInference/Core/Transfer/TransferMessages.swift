public import KapokModel

/// What a decode role asks first: keys and values of a prompt.
public struct PrefillAsk: Hashable, Sendable {
    /// The transfer that this begins.
    public var transfer: TransferID
    /// The tokens whose keys and values are wanted, from the prompt's first one on.
    public var tokens: [TokenID]
    /// How urgent it is.
    public var mode: LatencyMode
    /// Whose request it is.
    public var tenant: UInt32
    /// After so many milliseconds nobody waits any more; 0 when nobody said so. An interval and not
    /// a time, because the two hosts' clocks have nothing to do with one another.
    public var patienceMilliseconds: UInt32

    /// An ask from its parts.
    public init(
        transfer: TransferID, tokens: [TokenID], mode: LatencyMode = .standard,
        tenant: UInt32 = 0, patienceMilliseconds: UInt32 = 0
    ) {
        self.transfer = transfer
        self.tokens = tokens
        self.mode = mode
        self.tenant = tenant
        self.patienceMilliseconds = patienceMilliseconds
    }
}

/// What goes from the decode role to the prefill role.
public enum TransferRequest: Hashable, Sendable {
    /// Compute keys and values.
    case prefill(PrefillAsk)
    /// Send page `page` (0 for the prompt's first), which `progress` has said to be computed.
    case pull(TransferID, page: Int)
    /// These transfers are still wanted: extend their leases. With none it only says that the
    /// decode role lives. Answered with `renewed`.
    case renew([TransferID])
    /// The transfer is over, done or cancelled: give up its pages.
    case release(TransferID)
    /// The connection ends, and why.
    case fault(String)
}

/// Why a transfer is not taken, or over before its release.
public enum TransferEnd: UInt8, Hashable, Sendable, CaseIterable {
    /// As many transfers are open as may be: ask another host, or later.
    case busy = 1
    /// The host is going down.
    case draining = 2
    /// More tokens than the host takes, none, or tokens that are not in its vocabulary.
    case unacceptable = 3
    /// The engine refused it or gave it up.
    case failed = 4
    /// The lease ran out before it was renewed.
    case expired = 5
    /// There is no such transfer: it is over, or belongs to another connection.
    case unknown = 6
}

/// What is said of a page that follows.
public struct PageHeader: Hashable, Sendable {
    /// Whose page it is.
    public var transfer: TransferID
    /// Which one, 0 for the prompt's first.
    public var page: Int
    /// Up to which token of the prompt the page holds keys and values; what it holds behind them
    /// is undefined.
    public var tokens: Int
    /// `TokenChain`'s digest of these tokens.
    public var chain: TransferDigest
    /// The authentication code of the page's bytes as sent, all of them.
    public var digest: TransferDigest

    /// A header from its parts.
    public init(
        transfer: TransferID, page: Int, tokens: Int, chain: TransferDigest,
        digest: TransferDigest
    ) {
        self.transfer = transfer
        self.page = page
        self.tokens = tokens
        self.chain = chain
        self.digest = digest
    }
}

/// What goes from the prefill role to the decode role.
public enum TransferReply: Hashable, Sendable {
    /// The transfer is open; its lease runs out after so many milliseconds without a renewal.
    case accepted(TransferID, leaseMilliseconds: UInt32)
    /// Keys and values of so many of its tokens are computed.
    case progress(TransferID, tokens: Int)
    /// A page; its bytes follow.
    case page(PageHeader)
    /// The transfer is not taken, or over.
    case ended(TransferID, TransferEnd)
    /// These leases were extended; others that were named are over.
    case renewed([TransferID])
    /// The connection ends, and why.
    case fault(String)
}
