import CNetlink
import Glibc
import KapokLinux
import KapokWorld
import Logging

/// The agent of a switch on Linux: the loop that hands events to `SwitchAgent` and carries out what
/// it wants. One thread does everything that has to be in time.
///
/// Ticks are points of a fixed grid of the monotonic clock. News and carrier changes wake the loop
/// at once; hellos and echoes are read at ticks, with the kernel's timestamps, so that a thousand
/// of them a second cost one wake-up each. When a link dies its groups are in the kernel before
/// anybody is told.
final class AgentLoop {
    private let options: AgentOptions
    private let logger: AgentLogger
    private let mailbox: AgentMailbox
    private var agent: SwitchAgent
    private var effects = EffectBuffer<AgentEffect>()
    let dataPlane: DataPlane
    private let hello: DatagramSocket
    private let news: DatagramSocket
    private let echo: DatagramSocket
    private var echoes = EchoBook()
    private var lastRead = Instant.zero
    private var due = Instant.zero
    private var hasWork = false
    private var isStopping = false
    private var storedPlans: [UInt64: [UInt8]] = [:]
    private(set) var counts = AgentLoopCounts()

    /// Datagrams that are read of one socket in a turn of the loop.
    private static let mostAtOnce = 512
    /// What a datagram that has crossed one link arrives with; routers would have lowered it.
    private static let wholeTTL: UInt32 = 255

    /// Sets up everything but the plan, in the network namespace of the calling thread.
    init(_ options: AgentOptions, logger: AgentLogger, mailbox: AgentMailbox)
        throws(DataPlaneFailure)
    {
        self.options = options
        self.logger = logger
        self.mailbox = mailbox
        guard let keys = FabricKeys(secret: options.secret) else {
            throw DataPlaneFailure("the fabric's secret has \(options.secret.count) bytes, not 32")
        }
        let bytes = AgentFiles.read(options.planPath, atMost: SignedPlan.maximumBytes)
        var plan: SwitchPlan?
        if let bytes {
            do { plan = try SignedPlan.verify(bytes, trusting: options.planner) } catch {
                logger.warning("the plan in \(options.planPath) is not used: \(error)")
            }
        }
        guard let id = options.switchID ?? plan?.switchID else {
            throw DataPlaneFailure(
                "\(options.planPath) holds no plan that the planner signed, so this switch does "
                    + "not know which one it is: give it its plan, or say --switch NUMBER")
        }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let incarnation = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        agent = SwitchAgent(
            identity: AgentIdentity(
                switchID: id, incarnation: incarnation, identity: options.identity),
            keys: keys, planner: options.planner, initialPlan: plan == nil ? nil : bytes)
        do {
            dataPlane = try DataPlane()
            hello = try DatagramSocket(udp: FabricPorts.hello)
            news = try DatagramSocket(udp: FabricPorts.news)
            echo = try DatagramSocket.echo()
        } catch {
            throw DataPlaneFailure("cannot open the sockets of a switch (\(error)); run as root")
        }
        if let plan, plan.switchID == id {
            // All that takes long comes before the agent's first hello.
            try dataPlane.use(plan, names: options.interfaces)
            dataPlane.finishWork()
            preparedEpoch = plan.epoch
            note(dataPlane.missingSettings)
        }
    }

    private var preparedEpoch: UInt64?

    private func note(_ missing: [String]) {
        for text in missing { logger.info("a setting is left as it is: \(text)") }
    }

    // MARK: The loop

    /// Runs until somebody asks it to stop.
    func run() {
        // Any event makes the agent take up its initial plan.
        handle(.selfEchoReply(arrival: MonotonicClock.now()))
        for port in dataPlane.interfaces.ports.indices {
            let isUp = dataPlane.interfaces.ports[port].isRunning
            handle(.carrier(port: port, isUp: isUp))
        }
        due = MonotonicClock.now() + agent.tickInterval
        lastRead = MonotonicClock.now()
        logger.info(agent.stateLine)
        var items = [dataPlane.descriptor, news.descriptor, mailbox.descriptor].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        while !isStopping {
            // What is left is done between ticks, but not instead of them.
            let deadline = hasWork ? Instant.zero : due
            _ = kapok_wait_until(&items, Int32(items.count), deadline.nanoseconds)
            counts.turns += 1
            // Carriers first: they say what hellos can only suspect.
            if items[0].revents != 0 { readKernel() }
            if items[1].revents != 0 { readNews() }
            if items[2].revents != 0 { readMailbox() }
            if MonotonicClock.now() >= due { tick() }
            if hasWork { hasWork = dataPlane.work() }
            flush()
        }
        if options.cleansUp { dataPlane.clean() }
    }

    private func tick() {
        let now = MonotonicClock.now()
        let lateness = now - due
        let interval = agent.tickInterval
        // Ticks that were missed do not come again.
        due = due + interval
        if due <= now {
            let missed = (now - due).nanoseconds / interval.nanoseconds + 1
            counts.missedTicks += missed
            due = due + Interval(nanoseconds: missed * interval.nanoseconds)
        }
        counts.longestLateness = max(counts.longestLateness, lateness)
        // The kernel's news and those of neighbours were read when the wait ended.
        readHellos()
        if echoes.hasUnanswered(at: now) { readEchoes() }
        lastRead = now
        handle(.tick(lateness: lateness))
        if dataPlane.kernel.mustCompare { hasWork = true }
    }

    // MARK: What comes in

    private func readKernel() {
        do {
            for change in try dataPlane.readNews() {
                hasWork = true
                if case .carrier(let port, let isUp, _) = change {
                    handle(.carrier(port: port, isUp: isUp))
                }
            }
        } catch { logger.warning("the kernel's news cannot be read: \(error)") }
    }

    private func readHellos() { read(hello) }
    private func readNews() { read(news) }

    private func read(_ socket: DatagramSocket) {
        do {
            _ = try socket.receive(limit: Self.mostAtOnce, earliest: lastRead) { datagram in
                guard let port = port(of: datagram), datagram.ttl == Self.wholeTTL else {
                    counts.strangers += 1
                    return
                }
                handle(
                    .received(
                        bytes: Array(datagram.bytes), port: port, arrival: datagram.arrival))
            }
        } catch { logger.warning("a socket cannot be read: \(error)") }
    }

    /// The port that a datagram came in by, when its sender is the neighbour there.
    private func port(of datagram: DatagramSocket.Arrival) -> Int? {
        guard let port = dataPlane.interfaces.port(ofInterface: datagram.interface),
            dataPlane.layout.gateways[port] == datagram.source
        else { return nil }
        return port
    }

    private func readEchoes() {
        do {
            _ = try echo.receive(limit: Self.mostAtOnce, earliest: lastRead) { datagram in
                guard let message = EchoMessage(replyIn: datagram.bytes),
                    let asked = echoes.take(message)
                else {
                    counts.strangers += 1
                    return
                }
                switch asked {
                case .neighbor(let port):
                    guard self.port(of: datagram) == port else {
                        counts.strangers += 1
                        return
                    }
                    handle(.echoReply(port: port, arrival: datagram.arrival))
                case .own: handle(.selfEchoReply(arrival: datagram.arrival))
                }
            }
        } catch { logger.warning("echo replies cannot be read: \(error)") }
    }

    // MARK: What the agent wants

    private func handle(_ event: AgentEvent) {
        agent.handle(event, at: MonotonicClock.now(), into: &effects)
        guard !effects.isEmpty else { return }
        effects.drain { perform($0) }
    }

    private func perform(_ effect: AgentEffect) {
        switch effect {
        case .send(let port, let bytes): send(bytes, by: port)
        case .sendEchoes(let port): sendEchoes(port)
        case .forward(let dead, let avoided, let cause):
            let began = kapok_thread_cpu_nanoseconds()
            dataPlane.forward(dead: dead, avoided: avoided, cause: cause)
            counts.updates += 1
            counts.updateNanoseconds += kapok_thread_cpu_nanoseconds() - began
            hasWork = true
        case .usePlan(let plan): use(plan)
        case .answer(let epoch, let answer): take(answer, epoch: epoch)
        case .log(let line): logger.log(line)
        }
    }

    private func send(_ bytes: [UInt8], by port: Int) {
        let ports = dataPlane.interfaces.ports
        guard ports.indices.contains(port), let interface = ports[port].index,
            ports[port].isRunning
        else { return }
        // The third byte says what a message is: 1 is a hello.
        let isHello = bytes.count > 2 && bytes[2] == 1
        (isHello ? hello : news).enqueue(
            bytes, interface: interface, from: dataPlane.layout.addresses[port],
            to: dataPlane.layout.gateways[port],
            port: isHello ? FabricPorts.hello : FabricPorts.news)
    }

    private func sendEchoes(_ port: Int) {
        let ports = dataPlane.interfaces.ports
        guard ports.indices.contains(port), let interface = ports[port].index else { return }
        echo.enqueue(
            echoes.ask(.neighbor(port), at: lastRead).encodedRequest(), interface: interface,
            from: dataPlane.layout.addresses[port], to: dataPlane.layout.gateways[port], port: 0)
        // One canary a turn is enough for all ports.
        guard !hasCanary else { return }
        hasCanary = true
        let own = dataPlane.layout.addresses[port]
        echo.enqueue(
            echoes.ask(.own, at: lastRead).encodedRequest(), interface: 0, from: own, to: own,
            port: 0)
    }

    private var hasCanary = false

    /// Sends what is in line: news first.
    private func flush() {
        hasCanary = false
        for socket in [news, hello, echo] {
            let (failed, code) = socket.flush()
            counts.unsent += UInt64(failed)
            if failed > 0 { lastSendError = code }
        }
    }

    /// The errno of the last datagram that could not be sent; 0 for none.
    private(set) var lastSendError: Int32 = 0

    // MARK: Plans

    private func use(_ plan: SwitchPlan) {
        if preparedEpoch != plan.epoch {
            do { try dataPlane.use(plan, names: options.interfaces) } catch {
                logger.warning("plan \(plan.epoch) cannot be put into the kernel: \(error)")
            }
            note(dataPlane.missingSettings)
        }
        preparedEpoch = nil
        hasWork = true
        if let bytes = storedPlans[plan.epoch] { AgentFiles.save(bytes, options.planPath, logger) }
        storedPlans.removeAll()
    }

    private var answers: [(epoch: UInt64, answer: AgentAnswer)] = []

    private func take(_ answer: AgentAnswer, epoch: UInt64) {
        answers.append((epoch, answer))
    }

    // MARK: Requests of operators and planner

    private func readMailbox() {
        for letter in mailbox.takeAll() {
            answers.removeAll()
            letter.reply(answer(letter.request))
        }
        answers.removeAll()
    }

    private func answer(_ request: AgentRequest) -> AgentResponse {
        switch request {
        case .stop:
            isStopping = true
            return .done
        case .status:
            return .status(
                AgentStatus(agent, dataPlane, counts, at: MonotonicClock.now()))
        case .metrics:
            return .text(
                AgentMetrics.text(agent, dataPlane, counts, at: MonotonicClock.now()))
        case .plan(let bytes):
            handle(.plan(bytes: bytes))
            // Kept to be written to the file when it is activated; one at a time.
            if let last = answers.last, last.answer == .stored { storedPlans = [last.epoch: bytes] }
            return outcome
        case .activate(let epoch):
            handle(.activate(epoch: epoch))
            return outcome
        case .drain(let name, let isDrained):
            guard let port = port(named: name) else {
                return .refused(
                    "there is no port \(name); ports are swp1 to "
                        + "swp\(dataPlane.interfaces.ports.count)")
            }
            handle(.drain(port: port, isDrained: isDrained))
            return .done
        }
    }

    private var outcome: AgentResponse {
        guard let (epoch, answer) = answers.last else { return .done }
        switch answer {
        case .stored: return .plan(epoch: epoch, state: "stored")
        case .active: return .plan(epoch: epoch, state: "active")
        case .refused(let why): return .refused("plan \(epoch): \(why)")
        }
    }

    private func port(named name: String) -> Int? {
        if let index = dataPlane.layout.interfaces.firstIndex(of: name) { return index }
        guard name.hasPrefix("swp"), let number = Int(name.dropFirst(3)),
            dataPlane.interfaces.ports.indices.contains(number - 1)
        else { return nil }
        return number - 1
    }
}

/// What the loop itself counts.
struct AgentLoopCounts: Hashable, Sendable {
    var turns: UInt64 = 0
    var missedTicks: UInt64 = 0
    var strangers: UInt64 = 0
    var unsent: UInt64 = 0
    var updates: UInt64 = 0
    var updateNanoseconds: UInt64 = 0
    var longestLateness = Interval.zero
}
