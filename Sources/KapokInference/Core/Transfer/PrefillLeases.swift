import KapokModel
public import KapokWorld

/// The prefill role's side of transfers: who may pull which pages, and until when.
///
/// A transfer belongs to the connection that asked for it, and ends with it; pages stay pinned as
/// long as its lease runs, which the decode role renews, and in no case longer than
/// `LeaseConfiguration.longestLife`. Before the engine gets pages back, the last byte that was
/// being sent out of them has left; a peer that does not read loses its connection for it.
public struct PrefillLeases: StateMachine {
    private struct Transfer {
        var connection: TransferConnectionID
        var id: TransferID
        var tokens: Int
        var chains: [TransferDigest]
        var pages: [PageID] = []
        var computed = 0
        var leaseUntil: Instant
        let lifeUntil: Instant
        /// Pages that are being sent.
        var sends = 0
        /// Nobody wants it any more: it waits for `sends` to become none.
        var isOver = false
        /// The engine said that its pages are gone.
        var hasEnded = false
    }

    private struct Connection {
        /// Transfers that are not over, by their jobs' numbers.
        var jobs: [TransferID: UInt64] = [:]
        var lastTransfer: TransferID?
        var lastHeard: Instant
        var sends = 0
        var isClosing = false
    }

    private let configuration: LeaseConfiguration
    private var connections: [TransferConnectionID: Connection] = [:]
    private var transfers: [UInt64: Transfer] = [:]
    private var nextJob: UInt64 = 1
    private var isDraining = false
    private var timer: Instant?
    /// What was done up to now.
    public private(set) var counts = LeaseCounts()

    /// Leases without any transfer.
    public init(_ configuration: LeaseConfiguration) { self.configuration = configuration }

    /// Transfers that hold pages, or will.
    public var openTransfers: Int { transfers.count }
    /// Connections that are open.
    public var openConnections: Int { connections.count }
    /// Pages that are pinned for transfers.
    public var pinnedPages: Int { transfers.values.reduce(0) { $0 + $1.pages.count } }
    /// Tokens that are asked for and not computed.
    public var waitingTokens: Int { transfers.values.reduce(0) { $0 + $1.tokens - $1.computed } }

    /// Takes in what happened.
    public mutating func handle(
        _ event: LeaseEvent, at now: Instant, into effects: inout EffectBuffer<LeaseEffect>
    ) {
        switch event {
        case .opened(let id): open(id, at: now, &effects)
        case .closed(let id): closed(id, &effects)
        case .message(let id, let request): receive(request, from: id, at: now, &effects)
        case .report(let job, let report): take(report, of: job, &effects)
        case .pageSent(let job): sent(job, &effects)
        case .timer:
            timer = nil
            tick(now, &effects)
        case .drain: isDraining = true
        }
        setTimer(&effects)
    }

    // MARK: Connections

    private mutating func open(
        _ id: TransferConnectionID, at now: Instant, _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        precondition(connections[id] == nil, "a connection opened twice")
        connections[id] = Connection(lastHeard: now)
        if connections.count > configuration.maximumConnections {
            close(id, "more than \(configuration.maximumConnections) connections", &effects)
        }
    }

    private mutating func close(
        _ id: TransferConnectionID, _ why: String, _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        guard connections[id]?.isClosing == false else { return }
        connections[id]?.isClosing = true
        counts.closed += 1
        effects.append(.close(id, why))
    }

    private mutating func closed(
        _ id: TransferConnectionID, _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        guard connections.removeValue(forKey: id) != nil else { return }
        guard configuration.defect != .keepAfterClose else { return }
        for job in transfers.keys.sorted() where transfers[job]?.connection == id {
            if transfers[job]?.isOver == false { counts.lost += 1 }
            transfers[job]?.isOver = true
            transfers[job]?.sends = 0
            giveUpIfFree(job, &effects)
        }
    }

    // MARK: Messages

    private mutating func receive(
        _ request: TransferRequest, from id: TransferConnectionID, at now: Instant,
        _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        guard connections[id]?.isClosing == false else { return }
        connections[id]?.lastHeard = now
        switch request {
        case .prefill(let ask): start(ask, from: id, at: now, &effects)
        case .pull(let transfer, let page): pull(page, of: transfer, from: id, &effects)
        case .renew(let named): renew(named, from: id, at: now, &effects)
        case .release(let transfer):
            guard let job = connections[id]?.jobs[transfer] else { return }
            counts.released += 1
            // What is being sent gets a lease's time to leave.
            transfers[job]?.leaseUntil = now + configuration.lease
            end(job, &effects)
        case .fault(let why): close(id, "the decode role says: \(why)", &effects)
        }
    }

    private mutating func start(
        _ ask: PrefillAsk, from id: TransferConnectionID, at now: Instant,
        _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        // A number that was used is not served again, so nothing old can pass for something new.
        guard ask.transfer > connections[id]?.lastTransfer ?? TransferID(0) else {
            return close(id, "transfer \(ask.transfer.number) is named twice", &effects)
        }
        connections[id]?.lastTransfer = ask.transfer
        if let reason = objection(to: ask) {
            counts.refused += 1
            effects.append(.send(id, .ended(ask.transfer, reason)))
            return
        }
        let job = nextJob
        nextJob += 1
        counts.accepted += 1
        transfers[job] = Transfer(
            connection: id, id: ask.transfer, tokens: ask.tokens.count,
            chains: TokenChain.digests(of: ask.tokens), leaseUntil: now + configuration.lease,
            lifeUntil: now + configuration.longestLife)
        connections[id]?.jobs[ask.transfer] = job
        let lease = UInt32(clamping: configuration.lease.nanoseconds / 1_000_000)
        effects.append(.send(id, .accepted(ask.transfer, leaseMilliseconds: lease)))
        let deadline =
            ask.patienceMilliseconds == 0
            ? nil : now + .milliseconds(UInt64(ask.patienceMilliseconds))
        effects.append(
            .submit(
                PrefillJob(
                    number: job, tokens: ask.tokens, mode: ask.mode, tenant: ask.tenant,
                    deadline: deadline)))
    }

    private func objection(to ask: PrefillAsk) -> TransferEnd? {
        if isDraining { return .draining }
        if transfers.count >= configuration.maximumTransfers { return .busy }
        let isSound =
            !ask.tokens.isEmpty && ask.tokens.count <= configuration.maximumTokens
            && ask.tokens.allSatisfy { $0 >= 0 && Int($0) < configuration.vocabularySize }
        return isSound ? nil : .unacceptable
    }

    private mutating func pull(
        _ page: Int, of id: TransferID, from connection: TransferConnectionID,
        _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        guard let job = connections[connection]?.jobs[id], let transfer = transfers[job] else {
            effects.append(.send(connection, .ended(id, .unknown)))
            return
        }
        let end = min((page + 1) * KVPage.tokens, transfer.tokens)
        guard page < transfer.chains.count, end <= transfer.computed else {
            return close(connection, "page \(page) was pulled before it was computed", &effects)
        }
        guard connections[connection]?.sends ?? 0 < configuration.maximumSends else {
            return close(
                connection, "more than \(configuration.maximumSends) pages pulled at a time",
                &effects)
        }
        transfers[job]?.sends += 1
        connections[connection]?.sends += 1
        counts.pages += 1
        var memory = transfer.pages[page]
        if configuration.defect == .serveOtherTransfer,
            let other = transfers.values.first(where: { $0.id != id && $0.pages.count > page })
        {
            memory = other.pages[page]
        }
        effects.append(
            .sendPage(
                connection,
                PageSend(
                    job: job, memory: memory,
                    header: PageHeader(
                        transfer: id, page: page, tokens: end, chain: transfer.chains[page],
                        digest: TransferDigest(low: 0, high: 0)))))
    }

    private mutating func renew(
        _ named: [TransferID], from id: TransferConnectionID, at now: Instant,
        _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        var renewed: [TransferID] = []
        for transfer in named {
            guard let job = connections[id]?.jobs[transfer] else { continue }
            transfers[job]?.leaseUntil = now + configuration.lease
            renewed.append(transfer)
        }
        effects.append(.send(id, .renewed(renewed)))
    }

    // MARK: The engine and the pages

    private mutating func take(
        _ report: PrefillReport, of job: UInt64, _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        guard let transfer = transfers[job] else { return }
        switch report {
        case .progress(let tokens, let pages):
            guard !transfer.isOver, tokens > transfer.computed else { return }
            precondition(
                tokens <= transfer.tokens && pages.count >= TokenChain.pages(of: tokens),
                "an engine reports tokens without pages for them")
            transfers[job]?.computed = tokens
            transfers[job]?.pages = pages
            effects.append(
                .send(transfer.connection, .progress(transfer.id, tokens: tokens)))
        case .ended:
            transfers[job]?.hasEnded = true
            guard !transfer.isOver else { return }
            counts.failed += 1
            effects.append(.send(transfer.connection, .ended(transfer.id, .failed)))
            end(job, &effects)
        }
    }

    private mutating func sent(_ job: UInt64, _ effects: inout EffectBuffer<LeaseEffect>) {
        guard let transfer = transfers[job], transfer.sends > 0 else { return }
        transfers[job]?.sends -= 1
        connections[transfer.connection]?.sends -= 1
        giveUpIfFree(job, &effects)
    }

    /// Nobody can pull from it any more; its pages go back when the last send is done.
    private mutating func end(_ job: UInt64, _ effects: inout EffectBuffer<LeaseEffect>) {
        guard let transfer = transfers[job] else { return }
        connections[transfer.connection]?.jobs[transfer.id] = nil
        transfers[job]?.isOver = true
        giveUpIfFree(job, &effects)
    }

    private mutating func giveUpIfFree(
        _ job: UInt64, _ effects: inout EffectBuffer<LeaseEffect>
    ) {
        guard let transfer = transfers[job], transfer.isOver else { return }
        guard transfer.sends == 0 || configuration.defect == .releaseWhileSending else { return }
        transfers[job] = nil
        if !transfer.hasEnded { effects.append(.release(job)) }
    }

    // MARK: Time

    private mutating func tick(_ now: Instant, _ effects: inout EffectBuffer<LeaseEffect>) {
        guard configuration.defect != .leasesForEver else { return }
        for job in transfers.keys.sorted() {
            guard let transfer = transfers[job], now >= limit(of: transfer) else { continue }
            if transfer.isOver {
                close(transfer.connection, "the decode role does not read what it pulled", &effects)
                continue
            }
            counts.expired += 1
            effects.append(.send(transfer.connection, .ended(transfer.id, .expired)))
            // Sends in flight get another lease's time before the connection is closed.
            transfers[job]?.leaseUntil = now + configuration.lease
            end(job, &effects)
        }
        for id in connections.keys.sorted() {
            guard let connection = connections[id] else { continue }
            if now >= connection.lastHeard + configuration.silence {
                close(
                    id, "nothing was heard for \(configuration.silence.nanoseconds / 1_000_000) ms",
                    &effects)
            }
        }
    }

    private func limit(of transfer: Transfer) -> Instant {
        transfer.isOver
            ? transfer.leaseUntil : min(transfer.leaseUntil, transfer.lifeUntil)
    }

    private mutating func setTimer(_ effects: inout EffectBuffer<LeaseEffect>) {
        var next: Instant?
        for transfer in transfers.values where connections[transfer.connection]?.isClosing == false
        {
            next = min(next ?? limit(of: transfer), limit(of: transfer))
        }
        for connection in connections.values where !connection.isClosing {
            let end = connection.lastHeard + configuration.silence
            next = min(next ?? end, end)
        }
        guard let next, next != timer, configuration.defect != .leasesForEver else { return }
        timer = next
        effects.append(.setTimer(at: next))
    }
}
