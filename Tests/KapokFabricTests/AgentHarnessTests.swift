import Crypto
import KapokFabric
import KapokWorld
import Testing

/// A few agents wired back to back in virtual time: kernels that stamp and queue datagrams and
/// answer echoes, loops that run late, links that are cut in one direction, lose or are slow.
struct AgentNet {
    enum Happening {
        case tick(Int)
        case arrival(to: Int, port: Int, bytes: [UInt8])
        case echo(to: Int, port: Int)
        case selfEcho(to: Int)
        case wake(Int)
    }

    struct Host {
        var agent: SwitchAgent
        var inbox: [AgentEvent] = []
        /// Until when its agent's process gets no time.
        var stalledUntil = Instant.zero
        /// Until when its kernel moves no packets either.
        var frozenUntil = Instant.zero
        var dueTick: Instant
        var isDead = false
    }

    struct Entry {
        var at: Instant
        var host: Int
        var log: AgentLog?
        var dead: LinkSet?
        var avoided: LinkSet?
        var answer: AgentAnswer?
    }

    static let delay = Interval.microseconds(10)
    static let secret = (0..<32).map { UInt8($0) }
    static let signer = PlannerSigner(seed: Array(repeating: 7, count: 32))!

    let fabric: Fabric
    let name: String
    var timers: AgentTimers
    var hosts: [Host] = []
    var now = Instant(nanoseconds: 1_000_000_000)
    private var queue: [(at: Instant, number: UInt64, what: Happening)] = []
    private var number: UInt64 = 0
    var entries: [Entry] = []
    /// Directions that carry nothing, by the sending end.
    var cut: Set<PortID> = []
    /// Cables that are not where the plan has them: from each of these ends to another port.
    var moved: [PortID: PortID] = [:]
    /// Losses of a million, by the sending end.
    var lossPerMillion: [PortID: UInt64] = [:]
    /// Sees every datagram that is sent; what it returns is sent instead.
    var tap: ((_ from: PortID, _ bytes: [UInt8]) -> [UInt8]?)?
    var random: RandomStream

    init(
        _ name: String, seed: UInt64 = 1, timers: AgentTimers = AgentTimers(),
        phases: [UInt64]? = nil
    ) throws {
        self.name = name
        self.timers = timers
        fabric = try TopologyName(name).fabric
        random = RandomStream(seed: seed)
        for index in 0..<fabric.switchCount {
            let phase =
                phases?[index] ?? random.below(timers.hello.nanoseconds)
            let due = now + Interval(nanoseconds: phase)
            hosts.append(Host(agent: try makeAgent(index, epoch: 1), dueTick: due))
            schedule(.tick(index), at: due)
        }
    }

    func makeAgent(_ index: Int, epoch: UInt64, incarnation: UInt64? = nil) throws -> SwitchAgent {
        SwitchAgent(
            identity: AgentIdentity(
                switchID: SwitchID(index), incarnation: incarnation ?? now.nanoseconds),
            keys: try #require(FabricKeys(secret: Self.secret)), planner: Self.signer.publicKey,
            initialPlan: plan(index, epoch: epoch))
    }

    func plan(_ index: Int, epoch: UInt64, change: (inout SwitchPlan) -> Void = { _ in })
        -> [UInt8]
    {
        var plan = SwitchPlan(
            epoch: epoch, switchID: SwitchID(index), fabric: fabric, topologyName: name,
            timers: timers)
        change(&plan)
        return SignedPlan(plan, signedBy: Self.signer).encoded()
    }

    // MARK: Time

    private mutating func schedule(_ what: Happening, at: Instant) {
        number += 1
        queue.append((at, number, what))
        var child = queue.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard Self.isBefore(queue[child], queue[parent]) else { break }
            queue.swapAt(child, parent)
            child = parent
        }
    }

    private static func isBefore(
        _ a: (at: Instant, number: UInt64, what: Happening),
        _ b: (at: Instant, number: UInt64, what: Happening)
    ) -> Bool { (a.at, a.number) < (b.at, b.number) }

    private mutating func popNext() -> (at: Instant, number: UInt64, what: Happening)? {
        guard let first = queue.first, let last = queue.popLast() else { return nil }
        guard !queue.isEmpty else { return first }
        queue[0] = last
        var at = 0
        while true {
            var least = at
            for child in [2 * at + 1, 2 * at + 2]
            where child < queue.count && Self.isBefore(queue[child], queue[least]) {
                least = child
            }
            if least == at { return first }
            queue.swapAt(at, least)
            at = least
        }
    }

    mutating func run(_ time: Interval) { run(until: now + time) }

    mutating func run(until end: Instant) {
        while let next = queue.first, next.at <= end {
            guard let (at, _, what) = popNext() else { break }
            now = at
            carryOut(what)
        }
        now = end
    }

    private mutating func carryOut(_ what: Happening) {
        switch what {
        case .tick(let index), .wake(let index): loop(index)
        case .arrival(let to, let port, let bytes):
            kernel(to) { .received(bytes: bytes, port: port, arrival: $0) }
        case .echo(let to, let port): kernel(to) { .echoReply(port: port, arrival: $0) }
        case .selfEcho(let to): kernel(to) { .selfEchoReply(arrival: $0) }
        }
    }

    /// Something reaches a kernel: it is stamped when the kernel runs, read when the agent does.
    private mutating func kernel(_ index: Int, _ event: (Instant) -> AgentEvent) {
        guard !hosts[index].isDead else { return }
        hosts[index].inbox.append(event(max(now, hosts[index].frozenUntil)))
        if hosts[index].stalledUntil <= now, hosts[index].frozenUntil <= now { read(index) }
    }

    private mutating func read(_ index: Int) {
        let inbox = hosts[index].inbox
        hosts[index].inbox = []
        for event in inbox { give(event, to: index) }
    }

    private mutating func loop(_ index: Int) {
        guard !hosts[index].isDead, now >= hosts[index].dueTick else { return }
        let free = max(hosts[index].stalledUntil, hosts[index].frozenUntil)
        if free > now { return schedule(.wake(index), at: free) }
        read(index)
        let due = hosts[index].dueTick
        give(.tick(lateness: now - due), to: index)
        let interval = hosts[index].agent.tickInterval
        var next = due
        while next <= now { next = next + interval }
        hosts[index].dueTick = next
        schedule(.tick(index), at: next)
    }

    mutating func give(_ event: AgentEvent, to index: Int) {
        var effects = EffectBuffer<AgentEffect>()
        hosts[index].agent.handle(event, at: now, into: &effects)
        for effect in effects.takeAll() { carryOut(effect, of: index) }
    }

    private mutating func carryOut(_ effect: AgentEffect, of index: Int) {
        switch effect {
        case .send(let port, let bytes):
            let end = PortID(SwitchID(index), port)
            guard let bytes = tap == nil ? bytes : tap?(end, bytes) else { return }
            send(bytes, from: end)
        case .sendEchoes(let port):
            let end = PortID(SwitchID(index), port)
            schedule(.selfEcho(to: index), at: now + .microseconds(2))
            guard let next = fabric.neighbor(of: end.owner, port: port), !cut.contains(end),
                !cut.contains(next.far), moved[end] == nil
            else { return }
            let far = hosts[next.far.owner.index]
            guard !far.isDead else { return }
            let there = max(now + Self.delay, far.frozenUntil)
            schedule(.echo(to: index, port: port), at: there + Self.delay)
        case .forward(let dead, let avoided, _):
            entries.append(Entry(at: now, host: index, dead: dead, avoided: avoided))
        case .log(let log): entries.append(Entry(at: now, host: index, log: log))
        case .answer(_, let answer): entries.append(Entry(at: now, host: index, answer: answer))
        case .usePlan: return
        }
    }

    mutating func send(_ bytes: [UInt8], from end: PortID) {
        guard let next = fabric.neighbor(of: end.owner, port: end.port), !cut.contains(end)
        else { return }
        let far = moved[end] ?? next.far
        if let loss = lossPerMillion[end], random.chance(loss, in: 1_000_000) { return }
        schedule(
            .arrival(
                to: far.owner.index, port: far.port, bytes: bytes),
            at: now + Self.delay)
    }

    // MARK: Asking

    func port(_ index: Int, _ port: Int = 0) -> PortSnapshot {
        hosts[index].agent.snapshot(at: now).ports[port]
    }

    /// The whole state of an agent, as far as anybody outside can tell.
    func state(_ index: Int) -> AgentSnapshot { hosts[index].agent.snapshot(at: now) }

    func counter(_ index: Int, _ name: String) -> UInt64 {
        hosts[index].agent.counters[name] ?? 0
    }

    /// When a host's tables first held a link dead after `from`.
    func deadAt(_ link: LinkID, _ index: Int, from: Instant) -> Instant? {
        entries.first { $0.host == index && $0.at > from && $0.dead?.contains(link) == true }?.at
    }

    var falseDeaths: Int { entries.count { $0.log?.counter == "link_down" } }

    mutating func cutBothWays(_ link: LinkID) {
        let (lower, upper) = fabric.ends(of: link)
        cut.insert(lower)
        cut.insert(upper)
    }

    mutating func heal(_ link: LinkID) {
        let (lower, upper) = fabric.ends(of: link)
        cut.remove(lower)
        cut.remove(upper)
    }

    mutating func stall(_ index: Int, for time: Interval) { hosts[index].stalledUntil = now + time }
    mutating func freeze(_ index: Int, for time: Interval) { hosts[index].frozenUntil = now + time }

    /// The agent starts again, with its plan and without a memory; the kernel goes on.
    mutating func restart(_ index: Int) throws {
        let epoch = hosts[index].agent.plan?.epoch ?? 1
        hosts[index].agent = try makeAgent(index, epoch: epoch)
    }
}

@Suite("Agents: coming up")
struct AgentHarnessTests {
    @Test("two agents bring their link up within five hello intervals and keep it")
    func comesUp() throws {
        var net = try AgentNet("leafspine:1,1,0")
        net.run(.milliseconds(5))
        for index in 0..<2 {
            #expect(net.port(index).state == .up)
            #expect(net.port(index).neighborState == .up)
            #expect(net.port(index).isInUse)
        }
        let requests = net.counter(0, "echo_requests")
        net.run(.milliseconds(500))
        #expect(net.falseDeaths == 0)
        #expect(net.hosts.allSatisfy { $0.agent.dead.isEmpty && $0.agent.avoided.isEmpty })
        // A healthy link costs hellos and nothing else.
        #expect(net.counter(0, "echo_requests") == requests)
        #expect(net.counter(0, "news_sent") == 0)
        #expect(net.hosts[0].agent.stateLine.contains("1 of 1 links in use, 0 dead"))
    }

    @Test("a fabric of twenty switches comes up without a false word")
    func fatTree() throws {
        var net = try AgentNet("k4")
        net.run(.milliseconds(40))
        #expect(net.falseDeaths == 0)
        for host in net.hosts {
            #expect(host.agent.snapshot(at: net.now).ports.allSatisfy { $0.isInUse })
            #expect(host.agent.snapshot(at: net.now).news.isEmpty)
        }
    }

    @Test("a neighbour that never starts is out of service after the grace of a start")
    func absentNeighbour() throws {
        var net = try AgentNet("leafspine:1,1,0")
        net.hosts[1].isDead = true
        net.run(.milliseconds(15))
        #expect(net.port(0).isInUse)
        net.run(.milliseconds(15))
        #expect(!net.port(0).isInUse)
        #expect(net.port(0).reason == .notAgreed)
        #expect(net.hosts[0].agent.dead == [LinkID(0)])
    }

    @Test("equal seeds give equal runs")
    func deterministic() throws {
        func states() throws -> [AgentSnapshot] {
            var net = try AgentNet("k4", seed: 9)
            net.run(.milliseconds(10))
            net.cutBothWays(LinkID(3))
            net.run(.milliseconds(20))
            return net.hosts.map { $0.agent.snapshot(at: net.now) }
        }
        #expect(try states() == states())
    }
}
