public import KapokWorld

/// The kinds of operation whose latencies differ.
public enum DiskOperationKind: Hashable, Sendable {
    case read
    /// A write into the cache.
    case write
    /// A write with force unit access.
    case durableWrite
    case flush
}

/// How long a disk takes: a fixed part with a random addition of up to half of it, and the
/// transfer.
///
/// The presets are modelled: the right order of magnitude for their kind, not a product's data.
public struct DiskLatency: Hashable, Sendable {
    /// The fixed part of each kind.
    public var read: Interval
    public var write: Interval
    public var durableWrite: Interval
    public var flush: Interval
    /// The transfer rate, above zero.
    public var bytesPerSecond: UInt64

    public init(
        read: Interval, write: Interval, durableWrite: Interval, flush: Interval,
        bytesPerSecond: UInt64
    ) {
        precondition(bytesPerSecond > 0)
        self.read = read
        self.write = write
        self.durableWrite = durableWrite
        self.flush = flush
        self.bytesPerSecond = bytesPerSecond
    }

    /// A flash drive with a volatile cache (modelled).
    public static let flash = DiskLatency(
        read: .microseconds(80), write: .microseconds(20), durableWrite: .microseconds(300),
        flush: .milliseconds(1), bytesPerSecond: 2_000_000_000)

    /// A disk of 7,200 revolutions a minute (modelled: half a revolution is 4.2 ms, a seek about
    /// 8).
    public static let spinning = DiskLatency(
        read: .milliseconds(12), write: .microseconds(100), durableWrite: .milliseconds(12),
        flush: .milliseconds(20), bytesPerSecond: 250_000_000)

    /// Draws how long an operation of `byteCount` bytes takes, faults apart.
    func draw(
        _ kind: DiskOperationKind, byteCount: Int, from random: inout RandomStream
    ) -> Interval {
        let fixed: Interval
        switch kind {
        case .read: fixed = read
        case .write: fixed = write
        case .durableWrite: fixed = durableWrite
        case .flush: fixed = flush
        }
        let addition = random.below(fixed.nanoseconds / 2 + 1)
        let transfer = UInt64(byteCount) * 1_000_000_000 / bytesPerSecond
        return Interval(nanoseconds: fixed.nanoseconds + addition + transfer)
    }
}
