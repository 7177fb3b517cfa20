import KapokWorld

/// Counts what happens and keeps the log short: of each counter's lines the first ten come at once,
/// then one a second.
struct AgentLedger: Sendable {
    private(set) var counters: [String: UInt64] = [:]
    private var lastLogged: [String: Instant] = [:]

    private static let freeLines: UInt64 = 10
    private static let pause = Interval.seconds(1)

    mutating func count(_ counter: String) { counters[counter, default: 0] += 1 }

    /// Counts, and says how often so far when a line may be written now.
    mutating func admit(_ counter: String, at now: Instant) -> UInt64? {
        let seen = counters[counter, default: 0] + 1
        counters[counter] = seen
        if seen > Self.freeLines, let last = lastLogged[counter], now - last < Self.pause {
            return nil
        }
        lastLogged[counter] = now
        return seen
    }
}

extension SwitchAgent {
    /// Counts, and logs a line unless there were too many of its kind.
    mutating func note(
        _ level: AgentLog.Level, _ counter: String, at now: Instant,
        into effects: inout EffectBuffer<AgentEffect>, _ text: (SwitchAgent) -> String
    ) {
        guard let seen = ledger.admit(counter, at: now) else { return }
        let suffix = seen > 10 ? " (\(seen) so far)" : ""
        effects.append(.log(AgentLog(level, counter: counter, text(self) + suffix)))
    }
}
