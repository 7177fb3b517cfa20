import KapokWorld

/// One end of one link: what was heard, how far both ends have come, and how patient to be. It
/// decides by itself and tells what it decided; the agent acts on it.
///
/// The phases are those of BFD (RFC 5880, section 6.8) with the hold-down in the middle: `down`
/// until the other end is heard, `waiting` until the other end hears this one and the link has been
/// sound for the hold-down, then `up`. The link is *agreed* when both ends are up, and *in use* a
/// little later, when the news of it is out.
struct PortSession: Sendable {
    enum Phase: Hashable, Sendable {
        case down(PortReason)
        case waiting
        case up
    }

    /// What a session decided when it was given a hello or time.
    enum Step: Hashable, Sendable {
        case nothing
        /// The link is out of service.
        case failed(PortReason)
        /// Both ends are ready: tell it.
        case agreed
        /// It was told long enough ago: use it.
        case use
    }

    let port: Int
    let far: PortID
    let link: LinkID
    let key: SipHashKey
    let isMissing: Bool

    // MARK: What was heard

    var hasCarrier = true
    var seen: PortID?
    var peerIncarnation: UInt64 = 0
    var peerSequence: UInt64 = 0
    var peerState = HelloState.down
    var peerFlags: HelloFlags = []
    var peerEpoch: UInt64?
    var peerInterval = Interval.zero
    var peerDigest: UInt32 = 0
    var peerLost: UInt32 = 0
    var peerHearsMe = false
    var lastHello: Instant
    var lastEcho: Instant
    var received: UInt64 = 0
    var lost: UInt64 = 0
    var loss = LossMonitor()

    // MARK: How far this end has come

    var phase = Phase.down(.new)
    var isInUse = false
    /// Until when a port counts as in use though nothing was heard, after a start of the agent.
    var optimisticUntil: Instant?
    /// Hellos of another link that came in a row since the start, each newer than the last.
    private var strangers: (sender: PortID, sequence: UInt64, count: Int)?
    var soundSince: Instant
    var lastGap = Instant.zero
    /// The incarnation of the other end that this end agreed with; 0 before.
    var agreedIncarnation: UInt64 = 0
    var agreedAt = Instant.zero
    /// Until when the other end, started again, has time to come up again.
    var graceUntil: Instant?
    var failures = 0
    var goodSince = Instant.zero

    // MARK: Silence

    var unansweredSince: Instant?
    var excusedUntil = Instant.zero
    var excuses = 0
    var echoRounds = 0
    var isAgentSilent = false

    // MARK: Drains

    var isDrainedByOperator = false
    var isPeerTooOld = false
    /// This end has promised to do without the link.
    var mayDrain = false
    var greySince = Instant.zero
    var greyEpisodes = 0
    var nextDrainTry = Instant.zero
    /// The hardware's counters at the last report.
    var frames: (arrived: UInt64, damaged: UInt64)?
    var burstSince: Instant?

    // MARK: Telling

    var sequence: UInt64 = 0
    var hopSequence: UInt64 = 0
    var peerHopSequence: UInt64 = 0
    var told: LinkCondition?
    var mismatchSince: Instant?
    var lastSummary = Instant.zero
    var summaryCursor = 0
    /// The epoch that was complained about last.
    var strangeEpoch: UInt64?

    init(
        port: Int, neighbor: Neighbor, key: SipHashKey, isMissing: Bool, at now: Instant,
        interval: Interval
    ) {
        self.port = port
        far = neighbor.far
        link = neighbor.link
        self.key = key
        self.isMissing = isMissing
        phase = .down(isMissing ? .missing : .new)
        lastHello = now
        lastEcho = now
        soundSince = now
        peerInterval = interval
    }

    /// Whether both ends say that packets may pass: what is told to others.
    var isOffered: Bool {
        if optimisticUntil != nil { return true }
        return phase == .up && agreedIncarnation != 0
    }

    /// Whether a datagram for the neighbour's agent has a chance.
    var canCarryNews: Bool { hasCarrier && peerIncarnation != 0 && phase != .down(.silent) }

    /// How this end shows itself in hellos.
    var state: HelloState {
        switch phase {
        case .down: .down
        case .waiting: .waiting
        case .up: .up
        }
    }

    // MARK: Hearing

    /// Whether a hello is fresh: later than all before it in the same life of the sender, or of a
    /// later life. An earlier life than the last counts only when the link is down and the sender
    /// answers to what this end said just now (its clock may have been set back).
    func isFresh(_ hello: HelloMessage, own incarnation: UInt64) -> Bool {
        if hello.incarnation == peerIncarnation { return hello.sequence > peerSequence }
        if hello.incarnation > peerIncarnation { return true }
        guard case .down = phase, hello.heardIncarnation == incarnation else { return false }
        return UInt32(truncatingIfNeeded: sequence) &- hello.heardSequence <= Self.freshness
    }

    /// How many hellos old an answer may be that proves freshness.
    private static let freshness: UInt32 = 64

    /// Takes in a fresh hello of the right neighbour. `isTrusted` is false while the own loop is
    /// late, when missing hellos say nothing about the link.
    mutating func hear(
        _ hello: HelloMessage, at arrival: Instant, own incarnation: UInt64, timers: AgentTimers,
        isTrusted: Bool
    ) -> Step {
        let isSameLife = hello.incarnation == peerIncarnation
        let gap =
            isSameLife && hello.sequence > peerSequence
            ? hello.sequence - peerSequence - 1 : 0
        received += 1
        if gap > 0, isTrusted, phase != .down(.silent) {
            lost &+= gap
            noteGap(at: arrival)
        }
        if isTrusted {
            loss.heard(
                gap: gap, limitPerMillion: timers.greyLossPerMillion, window: timers.greyWindow,
                at: arrival)
        }
        if !isSameLife {
            // Whoever is first heard when the time to agree is nearly over gets all of it.
            let grace = timers.hello * SwitchAgent.startGrace
            if peerIncarnation == 0, let until = optimisticUntil, (until - arrival) * 2 < grace {
                optimisticUntil = arrival + grace
            }
            peerHopSequence = 0
            peerIncarnation = hello.incarnation
        }
        peerSequence = hello.sequence
        peerState = hello.state
        peerFlags = hello.flags
        peerEpoch = hello.epoch
        peerInterval = hello.interval
        peerDigest = hello.digest
        peerLost = hello.lost
        peerHearsMe = hello.heardIncarnation == incarnation && hello.state != .down
        seen = hello.sender
        lastHello = max(lastHello, arrival)
        unansweredSince = nil
        excuses = 0
        echoRounds = 0
        return follow(at: arrival, timers: timers)
    }

    private mutating func noteGap(at arrival: Instant) {
        // Two losses within a second are not sound; one is chance.
        if phase == .waiting, arrival - lastGap < .seconds(1) { soundSince = arrival }
        lastGap = arrival
    }

    /// Goes along with what the other end says of itself.
    private mutating func follow(at arrival: Instant, timers: AgentTimers) -> Step {
        switch phase {
        case .down(.missing): return .nothing
        case .down:
            guard hasCarrier else { return .nothing }
            phase = .waiting
            soundSince = arrival
        case .waiting:
            if !peerHearsMe { soundSince = arrival }
        case .up where agreedIncarnation == 0:
            if !peerHearsMe {
                phase = .waiting
                soundSince = arrival
            }
        case .up where agreedIncarnation != peerIncarnation:
            // The other end's agent was started again: its kernel has not stopped forwarding.
            if peerHearsMe, peerState == .up {
                agreedIncarnation = peerIncarnation
                graceUntil = nil
            } else if graceUntil == nil {
                graceUntil = arrival + timers.hello * Self.restartGrace
            }
        case .up:
            if peerState != .up || !peerHearsMe { return .failed(.otherEnd) }
        }
        return advance(at: arrival, timers: timers)
    }

    /// Intervals that an agent that was started again has to come up again.
    private static let restartGrace: UInt64 = 100
    /// Intervals between telling that a link is up and using it again.
    private static let settling: UInt64 = 10

    /// Goes on as far as time and the other end allow.
    mutating func advance(at now: Instant, timers: AgentTimers) -> Step {
        switch phase {
        case .down:
            if isOptimismOver(at: now, timers: timers) { return .failed(.notAgreed) }
            return .nothing
        case .waiting:
            if peerHearsMe, now - soundSince >= holdDown(timers) {
                phase = .up
                agreedIncarnation = 0
                fallthrough
            }
            if isOptimismOver(at: now, timers: timers) { return .failed(.notAgreed) }
            return .nothing
        case .up:
            if agreedIncarnation == 0 {
                if peerState == .up, peerHearsMe {
                    agreedIncarnation = peerIncarnation
                    agreedAt = now
                    if optimisticUntil != nil {
                        optimisticUntil = nil
                        goodSince = now
                    }
                    return .agreed
                }
                if isOptimismOver(at: now, timers: timers) { return .failed(.notAgreed) }
                return .nothing
            }
            if let until = graceUntil, now >= until { return .failed(.otherEnd) }
            if !isInUse, now - agreedAt >= timers.hello * Self.settling {
                isInUse = true
                goodSince = now
                return .use
            }
            forgive(at: now, timers: timers)
            return .nothing
        }
    }

    /// Whether a port that counts as in use since the start of the agent had time enough to agree.
    /// While only the other end's agent is silent and its kernel answers, the link works, and the
    /// time begins again when that agent speaks. But not for ever: where no agent ever started, the
    /// kernel has no routes.
    private mutating func isOptimismOver(at now: Instant, timers: AgentTimers) -> Bool {
        guard let until = optimisticUntil, now >= until else { return false }
        guard now - lastHello >= timers.hello * UInt64(timers.multiplier),
            now - lastEcho <= timers.hello * Self.echoMemory,
            now - lastHello <= timers.hello * Self.longestOptimism
        else { return true }
        optimisticUntil = now + timers.hello * SwitchAgent.startGrace
        return false
    }

    /// Intervals for which an echo reply proves that the other end's kernel works.
    private static let echoMemory: UInt64 = 8
    /// Intervals after which a neighbour whose agent never spoke is taken to have none.
    private static let longestOptimism: UInt64 = 12_000

    // MARK: Failing

    /// Takes in a genuine hello of another link; true once enough of them came in a row.
    mutating func countsStranger(_ hello: HelloMessage) -> Bool {
        guard let before = strangers, before.sender == hello.sender else {
            strangers = (hello.sender, hello.sequence, 1)
            return false
        }
        guard hello.sequence > before.sequence else { return false }
        strangers = (hello.sender, hello.sequence, before.count + 1)
        return before.count + 1 >= Self.strangersThatConvince
    }

    /// Hellos of one stranger in a row that make a cable count as misplaced after a start.
    private static let strangersThatConvince = 8

    /// Takes the link out of service.
    mutating func fail(_ reason: PortReason, at now: Instant) {
        if isInUse, optimisticUntil == nil { failures = min(failures + 1, 32) }
        phase = .down(reason)
        isInUse = false
        optimisticUntil = nil
        agreedIncarnation = 0
        graceUntil = nil
        unansweredSince = nil
        excuses = 0
        echoRounds = 0
        isAgentSilent = false
        mayDrain = false
        burstSince = nil
        loss.reset()
        soundSince = now
    }

    /// How long the link must be sound before it is used again: nothing before the first failure,
    /// then the plan's hold-down, doubled by each failure, up to the longest.
    func holdDown(_ timers: AgentTimers) -> Interval {
        guard failures > 0 else { return .zero }
        var hold = timers.holdDown
        var doublings = failures - 1
        while doublings > 0, hold < timers.longestHoldDown {
            hold = hold * 2
            doublings -= 1
        }
        return min(hold, timers.longestHoldDown)
    }

    /// How long a grey link stays so at least: the hold-down of as many failures.
    func greyHold(_ timers: AgentTimers) -> Interval {
        var hold = max(timers.holdDown, .seconds(10))
        var doublings = greyEpisodes - 1
        while doublings > 0, hold < timers.longestHoldDown {
            hold = hold * 2
            doublings -= 1
        }
        return min(hold, max(timers.longestHoldDown, .seconds(10)))
    }

    /// Forgets one failure for every ten hold-downs, at least a minute, that went well.
    private mutating func forgive(at now: Instant, timers: AgentTimers) {
        guard failures > 0, isInUse,
            now - goodSince >= max(holdDown(timers) * 10, .seconds(60))
        else { return }
        failures -= 1
        goodSince = now
    }
}
