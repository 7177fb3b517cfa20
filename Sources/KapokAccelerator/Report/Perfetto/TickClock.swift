/// Ticks as the whole nanoseconds that traces count in, without losing any.
///
/// A tick falls into nanosecond `floor(tick x 1e9 / ticksPerSecond)`. Several ticks fall into the
/// same one; the remainder counts them from 0, so that nanosecond and remainder together are the
/// tick.
struct TickClock: Hashable, Sendable {
    /// A tick is `numerator / denominator` nanoseconds.
    let numerator: Int64
    let denominator: Int64
    /// Ticks that may fall into one nanosecond: remainders are less than this.
    let remainders: Int64

    /// - Parameter ticksPerSecond: rounded to whole kilohertz (which all known machines are).
    init(ticksPerSecond: Double) {
        let kilohertz = Int64((ticksPerSecond / 1e3).rounded())
        precondition(kilohertz > 0)
        let divisor = Self.greatestCommonDivisor(1_000_000, kilohertz)
        numerator = 1_000_000 / divisor
        denominator = kilohertz / divisor
        remainders = (denominator + numerator - 1) / numerator
    }

    /// The nanosecond that a tick falls into, and which of its ticks it is.
    @inline(__always)
    func split(_ tick: Int64) -> (nanosecond: Int64, remainder: Int64) {
        let (nanosecond, rest) = (tick * numerator).quotientAndRemainder(dividingBy: denominator)
        return (nanosecond, rest / numerator)
    }

    /// The first tick that falls into a nanosecond.
    @inline(__always)
    func firstTick(of nanosecond: Int64) -> Int64 {
        (nanosecond * denominator + numerator - 1) / numerator
    }

    private static func greatestCommonDivisor(_ a: Int64, _ b: Int64) -> Int64 {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }
}
