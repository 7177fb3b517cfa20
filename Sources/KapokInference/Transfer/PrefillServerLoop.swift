import Glibc
import KapokLinux
import KapokModel
import KapokWorld
import Logging

/// The thread of a `PrefillServer`.
final class PrefillServerLoop: TransferChannelOwner {
    /// A connection: in its handshake first.
    private final class Peer {
        let id: TransferConnectionID
        let channel: TransferChannel
        var handshake: TransferHandshake?
        let opened: Instant
        /// Set when it is to be closed: once the last words are out, or at once.
        var ending: String?

        init(_ id: TransferConnectionID, _ channel: TransferChannel, at opened: Instant) {
            self.id = id
            self.channel = channel
            self.opened = opened
        }
    }

    /// How long a handshake may take.
    private static let handshakeTime = Interval.seconds(5)
    /// The longest message of a peer that has not proven anything yet.
    private static let strangersMessage = HandshakeMessage.maximumEvidence + 256

    private let listener: Int32
    private let host: any PrefillHost
    private let options: TransferOptions
    private let configuration: LeaseConfiguration
    private let mailbox: TransferMailbox<PrefillServer.Letter>
    private let figures: PrefillServerFigures
    private let logger: Logger
    private let memory: any KVPageMemory
    private var leases: PrefillLeases
    private var effects = EffectBuffer<LeaseEffect>()
    private var peers: [TransferConnectionID: Peer] = [:]
    private var nextConnection: UInt64 = 1
    private var timer: Instant?
    private var values = PrefillServerFigures.Values()
    private var sentByFormer: UInt64 = 0
    private var stopped: (@Sendable () -> Void)?
    /// The peer whose channel calls.
    private var current: Peer?

    init(
        listener: Int32, host: any PrefillHost, leases: LeaseConfiguration,
        options: TransferOptions, mailbox: TransferMailbox<PrefillServer.Letter>,
        figures: PrefillServerFigures, logger: Logger
    ) {
        self.listener = listener
        self.host = host
        self.options = options
        self.mailbox = mailbox
        self.figures = figures
        self.logger = logger
        configuration = leases
        memory = host.memory
        self.leases = PrefillLeases(leases)
    }

    /// Runs until it is told to stop.
    func run() {
        while stopped == nil {
            let order = peers.keys.sorted()
            var items = [mailbox.descriptor, listener].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            for id in order {
                guard let peer = peers[id] else { continue }
                let output = peer.channel.hasOutput ? Int16(POLLOUT) : 0
                items.append(
                    pollfd(
                        fd: peer.channel.descriptor, events: Int16(POLLIN) | output, revents: 0))
            }
            TransferSockets.wait(&items, until: nextInstant)
            if items[0].revents != 0 { readMailbox() }
            if items[1].revents != 0 { accept() }
            for (index, id) in order.enumerated() where items[index + 2].revents != 0 {
                if let peer = peers[id] { read(peer) }
            }
            let now = MonotonicClock.now()
            if let timer, now >= timer {
                self.timer = nil
                handle(.timer)
            }
            endHandshakes(now)
            flush()
            publish()
        }
        for id in peers.keys.sorted() { drop(id, "the prefill role stops") }
        publish()
        close(listener)
        stopped?()
    }

    private var nextInstant: Instant? {
        var next = timer
        for peer in peers.values where peer.handshake != nil {
            let end = peer.opened + Self.handshakeTime
            next = min(next ?? end, end)
        }
        return next
    }

    private func publish() {
        values.counts = leases.counts
        values.transfers = leases.openTransfers
        values.connections = peers.count
        values.pinnedPages = leases.pinnedPages
        values.waitingTokens = leases.waitingTokens
        values.sentBytes = peers.values.reduce(sentByFormer) { $0 + $1.channel.sentBytes }
        figures.set(values)
    }

    private func readMailbox() {
        for letter in mailbox.takeAll() {
            switch letter {
            case .report(let job, let report): handle(.report(job: job, report))
            case .drain: handle(.drain)
            case .stop(let done): stopped = done
            }
        }
    }

    // MARK: Connections

    private func accept() {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            TransferSockets.makePrivate(descriptor)
            TransferSockets.sendAtOnce(descriptor)
            // Strangers get as many places again as those who have proven themselves.
            guard peers.count < 2 * configuration.maximumConnections else {
                close(descriptor)
                continue
            }
            let id = TransferConnectionID(nextConnection)
            nextConnection += 1
            let channel = TransferChannel(
                descriptor: descriptor, pageBytes: memory.pageBytes, takesPages: false,
                maximumMessage: Self.strangersMessage)
            let peer = Peer(id, channel, at: MonotonicClock.now())
            peer.handshake = TransferHandshake(
                options.identity(.prefill, pageBytes: memory.pageBytes),
                nonce: TransferSockets.randomBytes(TransferHello.nonceBytes),
                attestation: options.attestation)
            peers[id] = peer
            shake(peer, .connected)
        }
    }

    private func shake(_ peer: Peer, _ event: HandshakeEvent) {
        var wanted = EffectBuffer<HandshakeEffect>()
        peer.handshake?.handle(event, at: MonotonicClock.now(), into: &wanted)
        for effect in wanted.takeAll() {
            switch effect {
            case .send(let message): peer.channel.send(message)
            case .established(let session):
                peer.handshake = nil
                peer.channel.maximumMessage = 64 + 4 * configuration.maximumTokens
                peer.channel.seal(session)
                handle(.opened(peer.id))
                logger.info(
                    "a decode role is connected",
                    metadata: [
                        "incarnation": "\(session.peerIncarnation)",
                        "authenticated": "\(session.isAuthenticated)",
                        "attestation": "\(options.attestation.statement)",
                    ])
            case .refused(let why):
                values.refusedPeers += 1
                peer.ending = "\(why)"
            }
        }
    }

    private func endHandshakes(_ now: Instant) {
        for id in peers.keys.sorted() {
            guard let peer = peers[id], peer.handshake != nil,
                now >= peer.opened + Self.handshakeTime
            else { continue }
            drop(id, "the handshake took too long")
        }
    }

    private func read(_ peer: Peer) {
        guard peer.ending == nil else { return }
        current = peer
        defer { current = nil }
        do { try peer.channel.receive(self) } catch { drop(peer.id, "\(error)") }
    }

    private func flush() {
        for id in peers.keys.sorted() {
            guard let peer = peers[id] else { continue }
            do {
                try peer.channel.flush(self)
                if let ending = peer.ending { drop(id, ending) }
            } catch { drop(id, "\(error)") }
        }
    }

    private func drop(_ id: TransferConnectionID, _ why: String) {
        guard let peer = peers.removeValue(forKey: id) else { return }
        sentByFormer += peer.channel.sentBytes
        logger.info("a decode role's connection ends", metadata: ["why": "\(why)"])
        if peer.handshake == nil { handle(.closed(id)) }
    }

    // MARK: Channels

    func channel(
        _ channel: TransferChannel, received frame: ReceivedFrame
    ) throws(TransferFault) -> UnsafeMutableRawBufferPointer? {
        guard let peer = current else { return nil }
        if peer.handshake != nil {
            shake(peer, .received(Array(frame.message)))
            return nil
        }
        guard peer.ending == nil else { return nil }
        do {
            handle(.message(peer.id, try TransferRequest(decoding: frame.message)))
        } catch { throw TransferFault("a message that cannot be read: \(error)") }
        return nil
    }

    func channel(_ channel: TransferChannel, finishedPage code: TransferDigest?) {}

    func channel(_ channel: TransferChannel, sentPageOf job: UInt64) { handle(.pageSent(job: job)) }

    // MARK: The core

    private func handle(_ event: LeaseEvent) {
        leases.handle(event, at: MonotonicClock.now(), into: &effects)
        for effect in effects.takeAll() { carryOut(effect) }
    }

    private func carryOut(_ effect: LeaseEffect) {
        switch effect {
        case .send(let id, let reply): peers[id]?.channel.send(reply.encoded)
        case .sendPage(let id, let send): self.send(send, to: id)
        case .submit(let job):
            let mailbox = mailbox
            host.prefill(job) { report in
                // A later report makes an earlier one of the same job worthless, so there are
                // never more of them than jobs.
                mailbox.post(.report(job: job.number, report)) { letter in
                    if case .report(job.number, .progress) = letter { true } else { false }
                }
            }
        case .release(let job): host.release(job)
        case .close(let id, let why): peers[id]?.ending = peers[id]?.ending ?? why
        case .setTimer(let instant): timer = instant
        }
    }

    private func send(_ send: PageSend, to id: TransferConnectionID) {
        guard let peer = peers[id] else { return }
        let page = UnsafeRawBufferPointer(memory.memory(of: send.memory))
        let isSent = peer.channel.send(send.header, page: page, job: send.job) {
            host.holds(send.job, page: send.memory)
        }
        guard !isSent else { return }
        // The engine gave the job up, and its report is on the way.
        peer.channel.send(TransferReply.ended(send.header.transfer, .failed).encoded)
        handle(.pageSent(job: send.job))
    }
}
