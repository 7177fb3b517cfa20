import KapokWorld

/// How punctual the agent's own loop is, and how much patience with others follows from that.
struct LoopHealth: Hashable, Sendable {
    /// Added to every deadline: as late as the own loop has lately been, up to `bound` intervals.
    private(set) var allowance = Interval.zero
    /// Whether the present tick came so late that nothing seen in this window counts as evidence.
    private(set) var isLate = false

    /// The most that the own loop's lateness adds to a deadline, in hello intervals.
    static let bound: UInt64 = 8
    /// Ticks after which the allowance has fallen to 1/e: a quarter of a second at 1 ms.
    private static let memory: UInt64 = 256

    /// Takes in one tick. A quarter of an interval is the ordinary jitter of a timer; a tick is
    /// late when it exceeds that by another quarter, and by a quarter more than what has lately
    /// been usual.
    mutating func tick(lateness: Interval, interval: Interval) {
        let jitter = interval.nanoseconds / 4
        let excess = lateness.nanoseconds > jitter ? lateness.nanoseconds - jitter : 0
        isLate = excess > max(jitter, allowance.nanoseconds + allowance.nanoseconds / 4)
        let fallen = allowance.nanoseconds - allowance.nanoseconds / Self.memory
        let kept = fallen < Self.memory ? 0 : fallen
        allowance = Interval(
            nanoseconds: max(kept, min(excess, interval.nanoseconds * Self.bound)))
    }
}

extension Interval {
    /// So many times as long.
    static func * (a: Interval, b: UInt64) -> Interval {
        Interval(nanoseconds: a.nanoseconds &* b)
    }

    /// Both, one after the other.
    static func + (a: Interval, b: Interval) -> Interval {
        Interval(nanoseconds: a.nanoseconds &+ b.nanoseconds)
    }
}
