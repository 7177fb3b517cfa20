import KapokWorld

/// Whether a link loses more packets than it may: evidence from hellos that arrived and hellos that
/// are missing in their sequence.
///
/// The test is a CUSUM of log-likelihood ratios (Page, "Continuous inspection schemes", Biometrika
/// 1954; the increments are those of Wald's sequential test): each lost hello speaks for the loss
/// rate p1 that makes a link grey against the rate p0 = p1 / 100 by ln 100 = 4.605 nats, each
/// hello that arrived speaks against it by p1 - p0 nats. The score never falls below 0; at 20.7
/// nats (five losses close together; odds of 1e9) the link is grey, and it stays so until the
/// score is back at 0. All in whole micro-nats, so that equal inputs give equal verdicts.
struct LossMonitor: Hashable, Sendable {
    /// Micro-nats in favour of loss.
    private(set) var score: Int64 = 0
    /// The verdict.
    private(set) var isGrey = false

    private static let lossNats: Int64 = 4_605_170
    private static let verdict: Int64 = 20_723_266

    /// Buckets of the sliding window.
    private static let buckets = 10
    private var arrived: InlineBuckets = InlineBuckets()
    private var missed: InlineBuckets = InlineBuckets()
    private var bucketStart = Instant.zero

    /// Takes in a hello that arrived behind a gap of `gap` lost ones. A gap is one loss however
    /// long it is: what is lost together speaks for one event, not for a rate.
    mutating func heard(gap: UInt64, limitPerMillion: Int, window: Interval, at now: Instant) {
        slide(to: now, window: window)
        arrived.add(1)
        missed.add(UInt32(clamping: gap))
        weigh(arrived: 1, lost: gap > 0 ? 1 : 0, limitPerMillion: limitPerMillion)
    }

    /// Takes in the counters of the port's hardware since the last report: frames that came and
    /// frames that were damaged. One report alone, however bad, is no verdict; two are.
    mutating func counted(arrived: UInt64, damaged: UInt64, limitPerMillion: Int) {
        let step = Self.evidence(
            arrived: arrived, lost: damaged, limitPerMillion: limitPerMillion)
        add(min(step, Self.verdict / 10 * 6))
    }

    private mutating func weigh(arrived: UInt64, lost: UInt64, limitPerMillion: Int) {
        add(Self.evidence(arrived: arrived, lost: lost, limitPerMillion: limitPerMillion))
    }

    private static func evidence(arrived: UInt64, lost: UInt64, limitPerMillion: Int) -> Int64 {
        // p1 - p0 in micro-nats is the limit in parts per million, less a hundredth.
        let each = Int64(max(1, limitPerMillion - limitPerMillion / 100))
        // Bounded, so that no counter however large overflows the sum.
        let bound: UInt64 = 1 << 32
        return Int64(min(lost, bound)) * lossNats - Int64(min(arrived, bound)) * each
    }

    private mutating func add(_ step: Int64) {
        score = min(max(0, score + step), Self.verdict)
        if score == Self.verdict { isGrey = true }
    }

    /// Ends the verdict; only when the evidence for it is gone.
    mutating func clear() -> Bool {
        guard isGrey, score == 0 else { return false }
        isGrey = false
        return true
    }

    /// Forgets everything.
    mutating func reset() { self = LossMonitor() }

    private mutating func slide(to now: Instant, window: Interval) {
        let width = max(1, window.nanoseconds / UInt64(Self.buckets))
        let steps = (now - bucketStart).nanoseconds / width
        guard steps > 0 else { return }
        for _ in 0..<min(steps, UInt64(Self.buckets)) {
            arrived.turn()
            missed.turn()
        }
        bucketStart = Instant(nanoseconds: bucketStart.nanoseconds &+ steps &* width)
    }

    /// Lost hellos of a million in the sliding window.
    var lossPerMillion: Int {
        let all = UInt64(arrived.total) + UInt64(missed.total)
        return all == 0 ? 0 : Int(UInt64(missed.total) * 1_000_000 / all)
    }
}

/// Ten counters in a ring, without an allocation.
private struct InlineBuckets: Hashable, Sendable {
    private var a: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0)
    private var b: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0)
    private(set) var total: UInt32 = 0

    mutating func add(_ n: UInt32) {
        a.0 &+= n
        total &+= n
    }

    mutating func turn() {
        total &-= b.4
        b = (a.4, b.0, b.1, b.2, b.3)
        a = (0, a.0, a.1, a.2, a.3)
    }

    static func == (x: InlineBuckets, y: InlineBuckets) -> Bool { x.a == y.a && x.b == y.b }
    func hash(into hasher: inout Hasher) { hasher.combine(total) }
}
