public import KapokWorld

/// How long something takes, as a distribution that integers alone can draw from: the mathematics
/// library's logarithms differ between machines, and with them a trace would.
public enum DelayDistribution: Hashable, Sendable {
    /// Always the same.
    case constant(Interval)
    /// Each nanosecond from the first to the second equally likely.
    case uniform(Interval, Interval)
    /// At least `minimum`, and on average `meanExcess` more, with a tail that halves its density
    /// with each octave as the exponential distribution does: piecewise linear between the octaves,
    /// where the exponential is curved.
    case tailed(minimum: Interval, meanExcess: Interval)

    /// Draws a delay; exactly one number of `random` is used up.
    @inlinable
    public func draw(_ random: inout RandomStream) -> Interval {
        let bits = random.next()
        switch self {
        case .constant(let delay): return delay
        case .uniform(let low, let high):
            let span = high.nanoseconds - low.nanoseconds &+ 1
            let offset = span == 0 ? bits : span.multipliedFullWidth(by: bits).high
            return Interval(nanoseconds: low.nanoseconds + offset)
        case .tailed(let minimum, let meanExcess):
            // -log2 of a uniform number, with a straight line inside each octave: 1.5 on average.
            // In units of 2^-32 octaves; the whole part is at most 32.
            let octaves = UInt64(UInt32(truncatingIfNeeded: bits >> 32).leadingZeroBitCount)
            let position = octaves << 32 | bits & 0xFFFF_FFFF
            let scaled = meanExcess.nanoseconds.multipliedFullWidth(by: position)
            let excess = scaled.high << 32 | scaled.low >> 32
            return Interval(nanoseconds: minimum.nanoseconds + excess / 3 * 2)
        }
    }

    /// Stops the program when the bounds are the wrong way round.
    func validate() {
        if case .uniform(let low, let high) = self {
            precondition(low <= high, "a uniform delay from high to low")
        }
    }
}
