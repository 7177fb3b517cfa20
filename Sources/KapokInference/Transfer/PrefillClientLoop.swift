import Glibc
import KapokLinux
import KapokModel
import KapokWorld
import Logging

/// The thread of a `PrefillClient`.
final class PrefillClientLoop: TransferChannelOwner {
    /// The connection to a host.
    private final class Link {
        enum Phase {
            case none
            /// A name is being looked up.
            case resolving
            /// A connection is being made; these addresses are left to try.
            case connecting(Int32, others: [TransferAddress])
            case shaking(TransferHandshake)
            case open
        }
        var phase = Phase.none
        var channel: TransferChannel?
        /// The number of the attempt to connect: what is left of older ones is ignored.
        var attempt: UInt64 = 0
        /// The header of the page that arrives.
        var arriving: PageHeader?
        /// What was said of it last, so that a host that is away is named once.
        var lastWord = ""
    }

    private struct Waiting {
        var memory: any KVPageMemory
        var completion: @Sendable (Int) -> Void
    }

    /// The longest message of a host: evidence in the handshake, renewals later.
    private static let maximumMessage = HandshakeMessage.maximumEvidence + 256

    private let hosts: [TransferEndpoint]
    private let pageBytes: Int
    private let options: TransferOptions
    private let mailbox: TransferMailbox<PrefillClient.Letter>
    private let figures: PrefillClientFigures
    private let logger: Logger
    private var machine: PullMachine
    private var effects = EffectBuffer<PullEffect>()
    private let links: [Link]
    private var waiting: [RequestID: Waiting] = [:]
    private var timer: Instant?
    private var values = PrefillClientFigures.Values()
    private var receivedByFormer: UInt64 = 0
    private var stopped: (@Sendable () -> Void)?
    /// The host whose channel calls.
    private var current = 0

    init(
        hosts: [TransferEndpoint], pageBytes: Int, options: TransferOptions,
        configuration: PullConfiguration, mailbox: TransferMailbox<PrefillClient.Letter>,
        figures: PrefillClientFigures, logger: Logger
    ) {
        self.hosts = hosts
        self.pageBytes = pageBytes
        self.options = options
        self.mailbox = mailbox
        self.figures = figures
        self.logger = logger
        machine = PullMachine(configuration)
        links = hosts.map { _ in Link() }
    }

    /// Runs until it is told to stop.
    func run() {
        handle(.start)
        while stopped == nil {
            var items = [pollfd(fd: mailbox.descriptor, events: Int16(POLLIN), revents: 0)]
            var order: [Int] = []
            for (host, link) in links.enumerated() {
                guard let item = item(of: link) else { continue }
                items.append(item)
                order.append(host)
            }
            TransferSockets.wait(&items, until: timer)
            if items[0].revents != 0 { readMailbox() }
            for (index, host) in order.enumerated() where items[index + 1].revents != 0 {
                turn(host, items[index + 1].fd)
            }
            if let timer, MonotonicClock.now() >= timer {
                self.timer = nil
                handle(.timer)
            }
            flush()
            publish()
        }
        for request in waiting.keys.sorted() { handle(.abandon(request)) }
        for host in links.indices { reset(links[host]) }
        publish()
        stopped?()
    }

    private func item(of link: Link) -> pollfd? {
        switch link.phase {
        case .none, .resolving: return nil
        case .connecting(let descriptor, _):
            return pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        case .shaking, .open:
            guard let channel = link.channel else { return nil }
            let output = channel.hasOutput ? Int16(POLLOUT) : 0
            return pollfd(fd: channel.descriptor, events: Int16(POLLIN) | output, revents: 0)
        }
    }

    private func publish() {
        values.counts = machine.counts
        values.pulls = machine.openPulls
        values.isReady = links.map { if case .open = $0.phase { true } else { false } }
        values.receivedBytes = links.reduce(receivedByFormer) {
            $0 + ($1.channel?.receivedBytes ?? 0)
        }
        figures.set(values)
    }

    private func readMailbox() {
        for letter in mailbox.takeAll() {
            switch letter {
            case .pull(let order, let memory, let completion):
                precondition(memory.pageBytes == pageBytes, "pages of another size")
                waiting[order.request] = Waiting(memory: memory, completion: completion)
                handle(.pull(order))
            case .abandon(let request): handle(.abandon(request))
            case .resolved(let host, let attempt, let result):
                guard links[host].attempt == attempt else { continue }
                do { try connect(host, try result.get()) } catch { fail(host, "\(error)") }
            case .stop(let done): stopped = done
            }
        }
    }

    // MARK: Connections

    private func begin(_ host: Int) {
        let link = links[host]
        reset(link)
        let attempt = link.attempt
        let endpoint = hosts[host]
        if let addresses = try? TransferSockets.resolve(endpoint, numeric: true, passive: false) {
            do { try connect(host, addresses) } catch { fail(host, "\(error)") }
            return
        }
        // The resolver may take its time, and other hosts' pages must not wait for it.
        link.phase = .resolving
        let mailbox = mailbox
        do {
            _ = try NativeThread(name: "kv-resolve") {
                let result: Result<[TransferAddress], TransferFault>
                do throws(TransferFault) {
                    result = .success(
                        try TransferSockets.resolve(endpoint, numeric: false, passive: false))
                } catch { result = .failure(error) }
                _ = mailbox.post(.resolved(host: host, attempt: attempt, result))
            }
        } catch { fail(host, "\(error)") }
    }

    private func connect(_ host: Int, _ addresses: [TransferAddress]) throws(TransferFault) {
        guard let first = addresses.first else { throw TransferFault("no address") }
        let descriptor = try TransferSockets.connecting(to: first)
        links[host].phase = .connecting(descriptor, others: Array(addresses.dropFirst()))
    }

    private func turn(_ host: Int, _ polled: Int32) {
        let link = links[host]
        switch link.phase {
        case .none, .resolving: return
        case .connecting(let descriptor, let others):
            guard descriptor == polled else { return }
            if let why = TransferSockets.failure(of: descriptor) {
                close(descriptor)
                link.phase = .none
                guard !others.isEmpty else { return fail(host, why) }
                do { try connect(host, others) } catch { fail(host, "\(error)") }
                return
            }
            link.channel = TransferChannel(
                descriptor: descriptor, pageBytes: pageBytes, takesPages: true,
                maximumMessage: Self.maximumMessage)
            link.phase = .shaking(
                TransferHandshake(
                    options.identity(.decode, pageBytes: pageBytes),
                    nonce: TransferSockets.randomBytes(TransferHello.nonceBytes),
                    attestation: options.attestation))
            shake(host, .connected)
        case .shaking, .open:
            guard let channel = link.channel, channel.descriptor == polled else { return }
            current = host
            do { try channel.receive(self) } catch {
                // The core may have given it up while it was read from.
                if link.channel === channel { fail(host, "\(error)") }
            }
        }
    }

    private func shake(_ host: Int, _ event: HandshakeEvent) {
        guard case .shaking(var handshake) = links[host].phase else { return }
        var wanted = EffectBuffer<HandshakeEffect>()
        handshake.handle(event, at: MonotonicClock.now(), into: &wanted)
        links[host].phase = .shaking(handshake)
        for effect in wanted.takeAll() {
            switch effect {
            case .send(let message): links[host].channel?.send(message)
            case .established(let session):
                links[host].phase = .open
                links[host].lastWord = ""
                links[host].channel?.seal(session)
                logger.info(
                    "a prefill host is connected",
                    metadata: [
                        "host": "\(hosts[host])", "incarnation": "\(session.peerIncarnation)",
                        "authenticated": "\(session.isAuthenticated)",
                        "attestation": "\(options.attestation.statement)",
                    ])
                handle(.connected(host: host, incarnation: session.peerIncarnation))
            case .refused(let why):
                values.refusals += 1
                try? links[host].channel?.flush(self)
                fail(host, "\(why)")
            }
        }
    }

    private func flush() {
        for host in links.indices {
            current = host
            do { try links[host].channel?.flush(self) } catch { fail(host, "\(error)") }
        }
    }

    /// The connection is over, and the core does not know it yet.
    private func fail(_ host: Int, _ why: String) {
        reset(links[host])
        note(host, why)
        handle(.disconnected(host: host, why))
    }

    private func note(_ host: Int, _ why: String) {
        guard links[host].lastWord != why else { return }
        links[host].lastWord = why
        logger.warning(
            "a prefill host is away: prompts are computed here or elsewhere",
            metadata: ["host": "\(hosts[host])", "why": "\(why)"])
    }

    private func reset(_ link: Link) {
        if case .connecting(let descriptor, _) = link.phase { close(descriptor) }
        receivedByFormer += link.channel?.receivedBytes ?? 0
        link.channel?.abort()
        link.channel = nil
        link.arriving = nil
        link.phase = .none
        link.attempt += 1
    }

    // MARK: Channels

    func channel(
        _ channel: TransferChannel, received frame: ReceivedFrame
    ) throws(TransferFault) -> UnsafeMutableRawBufferPointer? {
        let host = current
        if case .shaking = links[host].phase {
            shake(host, .received(Array(frame.message)))
            return nil
        }
        let reply: TransferReply
        do { reply = try TransferReply(decoding: frame.message) } catch {
            throw TransferFault("a message that cannot be read: \(error)")
        }
        guard case .page(let header) = reply else {
            guard frame.pageBytes == 0 else { throw TransferFault("a page without its header") }
            handle(.message(host: host, reply))
            return nil
        }
        guard frame.pageBytes == pageBytes else { throw TransferFault("a page without bytes") }
        handle(.message(host: host, reply))
        guard links[host].channel === channel else { return nil }
        links[host].arriving = header
        guard let place = machine.destination(host: host, header),
            let memory = waiting[place.request]?.memory
        else { return nil }
        return memory.memory(of: place.page)
    }

    func channel(_ channel: TransferChannel, finishedPage code: TransferDigest?) {
        guard let header = links[current].arriving else { return }
        links[current].arriving = nil
        guard let code else { return }
        handle(.page(host: current, header, computed: code))
    }

    func channel(_ channel: TransferChannel, sentPageOf job: UInt64) {}

    // MARK: The core

    private func handle(_ event: PullEvent) {
        machine.handle(event, at: MonotonicClock.now(), into: &effects)
        for effect in effects.takeAll() { carryOut(effect) }
    }

    private func carryOut(_ effect: PullEffect) {
        switch effect {
        case .connect(let host): begin(host)
        case .disconnect(let host, let why):
            reset(links[host])
            note(host, why)
        case .send(let host, let request): links[host].channel?.send(request.encoded)
        case .discard(let host, let transfer):
            if links[host].arriving?.transfer == transfer { links[host].channel?.discardPage() }
        case .finished(let request, let tokens, _):
            waiting.removeValue(forKey: request)?.completion(tokens)
        case .setTimer(let instant): timer = instant
        }
    }
}
