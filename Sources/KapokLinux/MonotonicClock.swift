import Glibc
public import KapokWorld

/// The clock that never goes back: CLOCK_MONOTONIC, nanoseconds since the machine started.
public enum MonotonicClock {
    /// The time now.
    public static func now() -> Instant {
        var time = timespec()
        // Cannot fail: the clock exists on every Linux and the pointer is valid.
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
