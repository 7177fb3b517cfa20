import KapokWorld

extension PortSession {
    /// What silence leads to at a tick.
    struct Verdict: Hashable, Sendable {
        /// Ask the neighbour's kernel, and the own.
        var asksEcho = false
        /// The neighbour's kernel answers and its agent does not: told once.
        var isNewlyAgentSilent = false
        /// The link is dead.
        var death: PortReason?
    }

    /// Rounds of echoes that come with every tick; after that every fourth tick asks.
    private static let eagerRounds = 64
    private static let lazyPace: UInt64 = 4
    /// Late ticks of the own loop in a row that excuse a silence.
    private static let maximumExcuses = 20
    /// Intervals after which a silence kills the link though the own kernel gives no evidence.
    private static let lastResort: UInt64 = 1_000

    /// Judges the silence on a link at a tick.
    ///
    /// From 1.5 intervals without a hello on, echoes are asked for. A link dies when all of this
    /// holds: for `multiplier` intervals, and the allowance for the own loop's lateness, neither a
    /// hello nor an echo reply came; the own loop is on time now and was since the window began; an
    /// echo request has been out for half an interval at least; the own kernel answered an echo to
    /// itself after that request; and the neighbour's did not.
    mutating func watch(
        at now: Instant, timers: AgentTimers, health: LoopHealth, lastSelfEcho: Instant
    ) -> Verdict {
        var verdict = Verdict()
        if case .down = phase {
            // After a start the neighbour's agent may be silent while its kernel forwards.
            verdict.asksEcho = optimisticUntil != nil && hasCarrier
            return verdict
        }
        let interval = max(timers.hello, peerInterval)
        let excusesLateness = health.isLate && excuses < Self.maximumExcuses
        if excusesLateness {
            excuses += 1
            excusedUntil = now
            // What an answer would have proven, nobody was there to see.
            unansweredSince = nil
        }
        let helloSilence = now - lastHello
        guard helloSilence.nanoseconds &* 2 >= interval.nanoseconds &* 3 else { return verdict }
        let pace = echoRounds >= Self.eagerRounds ? Self.lazyPace : 1
        let deadline = interval * (UInt64(timers.multiplier) * pace) + health.allowance
        let silence = now - max(lastHello, lastEcho, excusedUntil)
        if !excusesLateness, silence >= deadline, let since = unansweredSince,
            now - since >= max(Interval(nanoseconds: interval.nanoseconds / 2), health.allowance),
            lastSelfEcho >= since
        {
            verdict.death = .silent
            return verdict
        }
        if silence >= interval * Self.lastResort, lastSelfEcho < lastHello, !health.isLate {
            verdict.death = .noEvidence
            return verdict
        }
        if helloSilence >= interval * UInt64(timers.multiplier), lastEcho > lastHello,
            !isAgentSilent
        {
            isAgentSilent = true
            verdict.isNewlyAgentSilent = true
        }
        if echoRounds < Self.eagerRounds || UInt64(echoRounds) % Self.lazyPace == 0 {
            verdict.asksEcho = true
            if unansweredSince == nil { unansweredSince = now }
        }
        echoRounds += 1
        return verdict
    }

    /// The neighbour's kernel answered.
    mutating func heardEcho(at arrival: Instant) {
        if case .down = phase, optimisticUntil == nil { return }
        guard arrival > lastEcho else { return }
        lastEcho = arrival
        if let since = unansweredSince, arrival >= since { unansweredSince = nil }
    }
}
