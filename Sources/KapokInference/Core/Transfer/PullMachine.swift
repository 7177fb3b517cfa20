public import KapokModel
public import KapokWorld

/// The decode role's side of transfers: which host is asked, which pages are pulled when, and which
/// of them are good.
///
/// A pull asks one host, pulls pages as fast as the host reports them to be computed, and takes
/// each only when its code and its tokens are right; a corrupt page is pulled once more. Whatever
/// goes wrong, another host is asked for what is missing, and when there is none left, the pull
/// ends with the tokens that are good: the decode role computes the rest itself.
public struct PullMachine: StateMachine {
    private let configuration: PullConfiguration
    private var hosts: [PrefillHostState]
    private var pulls: [RequestID: OpenPull] = [:]
    /// Which request a transfer that still goes on belongs to.
    private var requests: [TransferID: RequestID] = [:]
    private var nextTransfer: UInt64 = 1
    private var timer: Instant?
    /// What was pulled up to now.
    public private(set) var counts = PullCounts()

    /// No pulls and no connection yet.
    public init(_ configuration: PullConfiguration) {
        self.configuration = configuration
        let idle = PrefillHostState(link: .waiting(until: .zero))
        hosts = Array(repeating: idle, count: configuration.hosts)
    }

    /// Pulls that go on.
    public var openPulls: Int { pulls.count }
    /// Hosts that are connected.
    public var readyHosts: Int { hosts.count(where: \.isReady) }

    /// Where the bytes of a page go that begins to arrive; nil when nobody wants it (any more): its
    /// bytes are thrown away. Asked once for each page, when its header has come.
    public func destination(
        host: Int, _ header: PageHeader
    ) -> (request: RequestID, page: PageID)? {
        guard let request = requests[header.transfer], let pull = pulls[request],
            pull.host == host
        else { return nil }
        let isAwaited =
            pull.outstanding[header.page] != nil
            || (configuration.defect == .writeTwice && header.page < pull.nextPage
                && header.page >= pull.firstPage)
        return isAwaited ? (request, pull.order.pages[header.page - pull.firstPage]) : nil
    }

    /// Takes in what happened.
    public mutating func handle(
        _ event: PullEvent, at now: Instant, into effects: inout EffectBuffer<PullEffect>
    ) {
        switch event {
        case .start: for host in hosts.indices { connect(host, at: now, &effects) }
        case .pull(let order): begin(order, at: now, &effects)
        case .abandon(let request): finish(request, .abandoned, &effects)
        case .connected(let host, let incarnation):
            connected(host, incarnation, at: now, &effects)
        case .disconnected(let host, _):
            guard !isWaiting(host) else { break }
            lose(host, at: now, &effects)
        case .message(let host, let reply): receive(reply, from: host, at: now, &effects)
        case .page(let host, let header, let computed):
            take(header, computed: computed, from: host, at: now, &effects)
        case .timer:
            timer = nil
            tick(now, &effects)
        }
        for host in hosts.indices { pump(host, &effects) }
        setTimer(&effects)
    }

    // MARK: Pulls

    private mutating func begin(
        _ order: PullOrder, at now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        precondition(
            order.from % KVPage.tokens == 0 && order.from >= 0 && order.from < order.tokens.count,
            "a pull begins at a page and has something to pull")
        precondition(
            order.pages.count == TokenChain.pages(of: order.tokens.count - order.from),
            "a pull has a page for each of its pages")
        precondition(pulls[order.request] == nil, "a request pulls once at a time")
        guard pulls.count < configuration.maximumPulls else {
            counts.ends[.busy, default: 0] += 1
            effects.append(.finished(order.request, tokens: order.from, .busy))
            return
        }
        pulls[order.request] = OpenPull(order, at: now)
        assign(order.request, at: now, &effects)
    }

    /// Gives the pull to the host that has least to do; ends it where there is none.
    private mutating func assign(
        _ request: RequestID, at now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        guard let pull = pulls[request] else { return }
        let load = outstandingTokens()
        let host = hosts.indices.filter { host in
            hosts[host].isCandidate(at: now) && !pull.tried.contains(host)
        }.min { a, b in
            // One that still connects comes after those that are there.
            (hosts[a].isReady ? 0 : 1, load[a], a) < (hosts[b].isReady ? 0 : 1, load[b], b)
        }
        guard let host, pull.tried.count < configuration.attempts else {
            return finish(request, pull.tried.isEmpty ? .noHost : .failed, &effects)
        }
        if !pull.tried.isEmpty { counts.secondAttempts += 1 }
        pulls[request]?.tried.append(host)
        pulls[request]?.isAsked = false
        pulls[request]?.computed = 0
        pulls[request]?.nextPage = pull.firstPage
        pulls[request]?.lastProgress = now
        if hosts[host].isReady { ask(request, at: now, &effects) }
    }

    private mutating func ask(
        _ request: RequestID, at now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        guard let pull = pulls[request], let host = pull.host else { return }
        let transfer = TransferID(nextTransfer)
        nextTransfer += 1
        requests[transfer] = request
        pulls[request]?.isAsked = true
        pulls[request]?.transfer = transfer
        pulls[request]?.lastProgress = now
        let patience = (pull.lastInstant(configuration) - now).nanoseconds / 1_000_000
        effects.append(
            .send(
                host: host,
                .prefill(
                    PrefillAsk(
                        transfer: transfer, tokens: pull.order.tokens, mode: pull.order.mode,
                        tenant: pull.order.tenant,
                        patienceMilliseconds: UInt32(clamping: max(patience, 1))))))
    }

    /// Lets go of the host that the pull is with.
    private mutating func detach(
        _ request: RequestID, _ effects: inout EffectBuffer<PullEffect>
    ) {
        guard let pull = pulls[request], let host = pull.host else { return }
        hosts[host].outstanding -= pull.outstanding.count
        pulls[request]?.outstanding.removeAll()
        guard pull.isAsked, let transfer = pull.transfer else { return }
        if configuration.defect != .keepWriting {
            effects.append(.discard(host: host, transfer))
        }
        if requests.removeValue(forKey: transfer) != nil, hosts[host].isReady {
            effects.append(.send(host: host, .release(transfer)))
        }
        pulls[request]?.isAsked = false
    }

    /// The host cannot or will not go on with the pull: asks the next one.
    private mutating func retry(
        _ request: RequestID, at now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        detach(request, &effects)
        assign(request, at: now, &effects)
    }

    private mutating func finish(
        _ request: RequestID, _ end: PullEnd, _ effects: inout EffectBuffer<PullEffect>
    ) {
        detach(request, &effects)
        guard let pull = pulls.removeValue(forKey: request) else { return }
        var good = pull.goodTokens
        if configuration.defect == .countBehindGap, let last = pull.isGood.lastIndex(of: true) {
            good = pull.end(of: pull.firstPage + last)
        }
        counts.ends[end, default: 0] += 1
        counts.tokens += UInt64(good - pull.order.from)
        let finished = PullEffect.finished(request, tokens: good, end)
        effects.append(finished)
        if configuration.defect == .reportTwice, end == .abandoned { effects.append(finished) }
    }

    /// Asks for pages that are computed, the most urgent pull first, as far as the windows allow.
    private mutating func pump(_ host: Int, _ effects: inout EffectBuffer<PullEffect>) {
        guard hosts[host].isReady, hosts[host].outstanding < configuration.hostWindow else {
            return
        }
        let waiting = pulls.values.filter { pull in
            pull.host == host && pull.isAsked && hasMore(pull)
        }.sorted { a, b in
            (a.order.mode == .optimized ? 0 : 1, a.order.request)
                < (b.order.mode == .optimized ? 0 : 1, b.order.request)
        }
        for var pull in waiting {
            guard let transfer = pull.transfer else { continue }
            while hosts[host].outstanding < configuration.hostWindow, hasMore(pull) {
                let page = pull.nextPage
                pull.nextPage += 1
                guard !pull.isGood[page - pull.firstPage] else { continue }
                pull.outstanding[page] = false
                hosts[host].outstanding += 1
                effects.append(.send(host: host, .pull(transfer, page: page)))
            }
            pulls[pull.order.request] = pull
        }
    }

    private func hasMore(_ pull: OpenPull) -> Bool {
        pull.nextPage < pull.chains.count && pull.end(of: pull.nextPage) <= pull.computed
            && pull.outstanding.count < configuration.window
    }

    // MARK: Hosts

    private func outstandingTokens() -> [Int] {
        var tokens = Array(repeating: 0, count: hosts.count)
        for pull in pulls.values {
            guard let host = pull.host else { continue }
            tokens[host] += pull.order.tokens.count - pull.goodTokens
        }
        return tokens
    }

    private func requests(with host: Int) -> [RequestID] {
        pulls.values.filter { $0.host == host }.map(\.order.request).sorted()
    }

    private func isWaiting(_ host: Int) -> Bool {
        if case .waiting = hosts[host].link { true } else { false }
    }

    private mutating func connect(
        _ host: Int, at now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        hosts[host].link = .connecting(since: now)
        effects.append(.connect(host: host))
    }

    private mutating func connected(
        _ host: Int, _ incarnation: UniqueID, at now: Instant,
        _ effects: inout EffectBuffer<PullEffect>
    ) {
        guard case .connecting = hosts[host].link else { return }
        if let known = hosts[host].incarnation, known != incarnation { counts.hostRestarts += 1 }
        hosts[host].incarnation = incarnation
        hosts[host].link = .ready
        hosts[host].lastHeard = now
        hosts[host].lastRenewal = now
        for request in requests(with: host) { ask(request, at: now, &effects) }
    }

    /// The connection is gone.
    private mutating func lose(
        _ host: Int, at now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        counts.hostFailures += 1
        hosts[host].failures += 1
        hosts[host].link = .waiting(until: now + hosts[host].backoff(configuration))
        for request in requests(with: host) { retry(request, at: now, &effects) }
    }

    private mutating func giveUp(
        _ host: Int, _ why: String, at now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        effects.append(.disconnect(host: host, why))
        lose(host, at: now, &effects)
    }

    // MARK: Messages

    private mutating func receive(
        _ reply: TransferReply, from host: Int, at now: Instant,
        _ effects: inout EffectBuffer<PullEffect>
    ) {
        guard hosts[host].isReady else { return }
        hosts[host].lastHeard = now
        switch reply {
        case .accepted(let transfer, _): noteProgress(of: transfer, at: now)
        case .progress(let transfer, let tokens):
            guard let request = requests[transfer], let pull = pulls[request],
                tokens > pull.computed, tokens <= pull.order.tokens.count
            else { return }
            pulls[request]?.computed = tokens
            noteProgress(of: transfer, at: now)
        case .ended(let transfer, _):
            guard let request = requests.removeValue(forKey: transfer) else { return }
            retry(request, at: now, &effects)
        case .renewed: hosts[host].failures = 0
        case .page: return
        case .fault(let why): giveUp(host, "the prefill role says: \(why)", at: now, &effects)
        }
    }

    private mutating func noteProgress(of transfer: TransferID, at now: Instant) {
        guard let request = requests[transfer] else { return }
        pulls[request]?.lastProgress = now
    }

    private mutating func take(
        _ header: PageHeader, computed: TransferDigest, from host: Int, at now: Instant,
        _ effects: inout EffectBuffer<PullEffect>
    ) {
        guard hosts[host].isReady else { return }
        hosts[host].lastHeard = now
        guard let request = requests[header.transfer], let pull = pulls[request],
            pull.host == host, let wasCorrupt = pull.outstanding[header.page]
        else { return }
        let isRight =
            (header.digest == computed || configuration.defect == .acceptAnyDigest)
            && header.chain == pull.chains[header.page]
            && header.tokens == pull.end(of: header.page)
        guard isRight else {
            counts.corruptPages += 1
            guard !wasCorrupt else {
                return giveUp(host, "page \(header.page) came corrupt twice", at: now, &effects)
            }
            pulls[request]?.outstanding[header.page] = true
            effects.append(.send(host: host, .pull(header.transfer, page: header.page)))
            return
        }
        counts.pages += 1
        hosts[host].failures = 0
        hosts[host].outstanding -= 1
        pulls[request]?.outstanding[header.page] = nil
        pulls[request]?.isGood[header.page - pull.firstPage] = true
        pulls[request]?.lastProgress = now
        if pulls[request]?.isGood.allSatisfy({ $0 }) == true {
            finish(request, .complete, &effects)
        }
    }

    // MARK: Time

    private mutating func tick(_ now: Instant, _ effects: inout EffectBuffer<PullEffect>) {
        for host in hosts.indices { tick(host: host, now, &effects) }
        guard configuration.defect != .waitForEver else { return }
        for request in pulls.keys.sorted() {
            guard let pull = pulls[request] else { continue }
            if now >= pull.lastInstant(configuration) {
                finish(request, .late, &effects)
            } else if now >= pull.lastProgress + configuration.progressTimeout {
                if let host = pull.host {
                    hosts[host].avoidedUntil = now + configuration.longestBackoff
                }
                retry(request, at: now, &effects)
            }
        }
    }

    private mutating func tick(
        host: Int, _ now: Instant, _ effects: inout EffectBuffer<PullEffect>
    ) {
        guard now >= hosts[host].due(configuration) else { return }
        switch hosts[host].link {
        case .waiting: connect(host, at: now, &effects)
        case .connecting: giveUp(host, "no connection in time", at: now, &effects)
        case .ready where now >= hosts[host].lastHeard + configuration.silence:
            giveUp(host, "the prefill role is silent", at: now, &effects)
        case .ready:
            hosts[host].lastRenewal = now
            let transfers = requests(with: host).compactMap { request -> TransferID? in
                guard let pull = pulls[request], pull.isAsked else { return nil }
                return pull.transfer
            }
            let named = transfers.prefix(TransferCoding.maximumRenewals)
            effects.append(.send(host: host, .renew(Array(named))))
        }
    }

    private mutating func setTimer(_ effects: inout EffectBuffer<PullEffect>) {
        var next: Instant?
        for host in hosts { next = min(next ?? host.due(configuration), host.due(configuration)) }
        if configuration.defect != .waitForEver {
            for pull in pulls.values {
                let due = min(
                    pull.lastInstant(configuration),
                    pull.lastProgress + configuration.progressTimeout)
                next = min(next ?? due, due)
            }
        }
        guard let next, next != timer else { return }
        timer = next
        effects.append(.setTimer(at: next))
    }
}
