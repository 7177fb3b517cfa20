import Metrics
import Synchronization

/// A number that threads add to without a lock.
final class AtomicNumber: Sendable {
    private let bits = Atomic<UInt64>(0.0.bitPattern)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let result = bits.weakCompareExchange(
                expected: old, desired: new, ordering: .relaxed)
            if result.exchanged { return }
            old = result.original
        }
    }
}

/// A count of whole things, which only rises. Past 2^64 - 1 it begins again, as counters may.
final class CounterSeries: CounterHandler, Sendable {
    private let count = Atomic<UInt64>(0)

    var value: UInt64 { count.load(ordering: .relaxed) }

    /// A negative amount is ignored: a counter that falls would be taken for a restart.
    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        count.wrappingAdd(UInt64(amount), ordering: .relaxed)
    }

    func reset() { count.store(0, ordering: .relaxed) }
}

/// A sum of fractions, which only rises.
final class FloatingCounterSeries: FloatingPointCounterHandler, Sendable {
    private let sum = AtomicNumber()

    var value: Double { sum.value }

    /// What is not a positive finite number is ignored.
    func increment(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        sum.add(amount)
    }

    func reset() { sum.set(0) }
}

/// A value that goes up and down.
final class GaugeSeries: MeterHandler, RecorderHandler, Sendable {
    private let number = AtomicNumber()

    var value: Double { number.value }

    func set(_ value: Int64) { number.set(Double(value)) }
    func set(_ value: Double) { number.set(value) }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
    func record(_ value: Int64) { number.set(Double(value)) }
    func record(_ value: Double) { number.set(value) }
}

/// How often values fell below each of some bounds, and their sum.
final class HistogramSeries: RecorderHandler, TimerHandler, Sendable {
    /// Seconds, for durations: from what memory takes to what a person gives up at.
    static let durationBounds: [Double] = [
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
        2.5, 5, 10, 30, 60,
    ]
    /// For anything else, such as bytes and counts: powers of four up to 2^32.
    static let generalBounds: [Double] = (0...16).map { Double(UInt64(1) << (2 * UInt64($0))) }

    /// Ascending; a last bucket without a bound follows.
    let bounds: [Double]
    private let buckets: [CounterSeries]
    private let sum = AtomicNumber()

    init(bounds: [Double]) {
        self.bounds = bounds
        buckets = (0...bounds.count).map { _ in CounterSeries() }
    }

    func record(_ value: Int64) { record(Double(value)) }

    /// What is not a number is ignored: it would spoil the sum for good.
    func record(_ value: Double) {
        guard value.isFinite else { return }
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        buckets[bucket].increment(by: 1)
        sum.add(value)
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    /// How many values lay at or below each bound, the last one being infinity, and their sum. The
    /// count is the last bucket's, so that the two always agree.
    func snapshot() -> (cumulative: [UInt64], sum: Double) {
        var total: UInt64 = 0
        let cumulative = buckets.map { bucket in
            total &+= bucket.value
            return total
        }
        return (cumulative, sum.value)
    }
}

/// Takes what the registry has no room for.
final class DiscardedSeries: CounterHandler, FloatingPointCounterHandler, MeterHandler,
    RecorderHandler, TimerHandler, Sendable
{
    func increment(by: Int64) {}
    func increment(by: Double) {}
    func decrement(by: Double) {}
    func reset() {}
    func set(_ value: Int64) {}
    func set(_ value: Double) {}
    func record(_ value: Int64) {}
    func record(_ value: Double) {}
    func recordNanoseconds(_ duration: Int64) {}
}
