/// A point in time in nanoseconds since an origin that the world chooses: boot time on Linux,
/// zero in the simulator. Cores compare instants and add intervals; they never read a clock.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since the world's origin.
    public var nanoseconds: UInt64

    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The world's origin.
    public static let zero = Instant(nanoseconds: 0)

    /// Earlier than.
    @inlinable
    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// The instant that much later.
    @inlinable
    public static func + (a: Instant, b: Interval) -> Instant {
        Instant(nanoseconds: a.nanoseconds &+ b.nanoseconds)
    }

    /// The time from `b` to `a`; zero when `b` lies later.
    @inlinable
    public static func - (a: Instant, b: Instant) -> Interval {
        Interval(nanoseconds: a.nanoseconds > b.nanoseconds ? a.nanoseconds - b.nanoseconds : 0)
    }
}

/// A length of time in nanoseconds, never negative.
public struct Interval: Comparable, Hashable, Sendable {
    /// The length in nanoseconds.
    public var nanoseconds: UInt64

    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// No time at all.
    public static let zero = Interval(nanoseconds: 0)

    /// A number of microseconds.
    @inlinable
    public static func microseconds(_ n: UInt64) -> Interval { Interval(nanoseconds: n &* 1_000) }
    /// A number of milliseconds.
    @inlinable
    public static func milliseconds(_ n: UInt64) -> Interval {
        Interval(nanoseconds: n &* 1_000_000)
    }
    /// A number of seconds.
    @inlinable
    public static func seconds(_ n: UInt64) -> Interval {
        Interval(nanoseconds: n &* 1_000_000_000)
    }

    /// Shorter than.
    @inlinable
    public static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
}
