import KapokModel
import KapokWorld

/// What a decode role knows of one prefill host.
struct PrefillHostState {
    enum Link {
        /// A connection is being made since then.
        case connecting(since: Instant)
        /// It stands.
        case ready
        /// Left alone until then.
        case waiting(until: Instant)
    }

    var link: Link
    /// Failures since something last went right.
    var failures = 0
    /// Which run of the host was seen last.
    var incarnation: UniqueID?
    /// When it was last heard and when it last heard from here.
    var lastHeard = Instant.zero
    var lastRenewal = Instant.zero
    /// It makes no progress: others are asked until then.
    var avoidedUntil = Instant.zero
    /// Pages asked for and not here yet.
    var outstanding = 0

    var isReady: Bool { if case .ready = link { true } else { false } }

    /// Whether a pull may be given to it: connected, or about to be for the first time.
    func isCandidate(at now: Instant) -> Bool {
        guard now >= avoidedUntil else { return false }
        switch link {
        case .ready: return true
        case .connecting: return failures == 0
        case .waiting: return false
        }
    }

    /// How long it is left alone after its failures, which are at least one.
    func backoff(_ configuration: PullConfiguration) -> Interval {
        let doublings = UInt64(min(max(failures, 1) - 1, 20))
        return min(
            Interval(nanoseconds: configuration.firstBackoff.nanoseconds << doublings),
            configuration.longestBackoff)
    }

    /// When something is to be done about it.
    func due(_ configuration: PullConfiguration) -> Instant {
        switch link {
        case .connecting(let since): since + configuration.connectTimeout
        case .waiting(let until): until
        case .ready:
            min(lastHeard + configuration.silence, lastRenewal + configuration.renewal)
        }
    }
}

/// One pull.
struct OpenPull {
    let order: PullOrder
    /// `TokenChain`'s digests of all pages of the prompt.
    let chains: [TransferDigest]
    let began: Instant
    /// Which pages of the order are here and verified.
    var isGood: [Bool]
    /// The hosts that were asked, the last one being asked now.
    var tried: [Int] = []
    /// The transfer at the last one.
    var transfer: TransferID?
    /// Whether the last host has been asked (it may not be connected yet).
    var isAsked = false
    /// Tokens that it has computed.
    var computed = 0
    /// Pages of the prompt that are asked for; true for those that came corrupt once.
    var outstanding: [Int: Bool] = [:]
    /// The first page that was not asked for yet.
    var nextPage: Int
    var lastProgress: Instant

    init(_ order: PullOrder, at now: Instant) {
        self.order = order
        chains = TokenChain.digests(of: order.tokens)
        began = now
        isGood = Array(repeating: false, count: order.pages.count)
        nextPage = order.from / KVPage.tokens
        lastProgress = now
    }

    var host: Int? { tried.last }
    var firstPage: Int { order.from / KVPage.tokens }

    /// Up to which token page `page` reaches.
    func end(of page: Int) -> Int { min((page + 1) * KVPage.tokens, order.tokens.count) }

    /// The tokens of the prompt that are in place without a gap.
    var goodTokens: Int {
        let count = isGood.firstIndex(of: false) ?? isGood.count
        return count == 0 ? order.from : end(of: firstPage + count - 1)
    }

    /// When it is given up, whatever happens.
    func lastInstant(_ configuration: PullConfiguration) -> Instant {
        let longest = began + configuration.totalTimeout
        return order.deadline.map { min($0, longest) } ?? longest
    }
}
