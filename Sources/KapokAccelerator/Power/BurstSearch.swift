/// Finds the burst of activity that made a supply droop.
struct BurstSearch: Sendable {
    private let waveform: ActivityWaveform
    private let power: EnginePower
    private let lookback: Int
    private let response: Int

    /// - Parameters:
    ///   - lookback: windows before the droop in which its cause may lie.
    ///   - response: windows after it that no throttle has changed yet: the burst goes on in them.
    init(_ waveform: ActivityWaveform, power: EnginePower, lookback: Int, response: Int) {
        self.waveform = waveform
        self.power = power
        self.lookback = lookback
        self.response = response
    }

    /// A rise of the current, and the instruction that did most for it.
    struct Burst: Hashable, Sendable {
        var instruction: UInt32
        /// When that instruction started, in ticks.
        var start: Int64
        /// From the lowest to the highest current, in amperes.
        var rise: Double
    }

    /// The largest rise of the current from the lookback before `window` until a throttle takes
    /// effect.
    ///
    /// The unit that added most to the current at its highest is to blame, and of its instructions
    /// the first one since it last paused; when none started during the rise, the one among those
    /// at work that draws the most.
    ///
    /// - Parameter shares: of the time, in which the tensor engine was allowed to work.
    func burst(before window: Int, shares: RecentShares) -> Burst {
        let first = max(0, window - lookback)
        let last = max(window, min(window + response - 1, waveform.count - 1))
        var low = (window: first, amperes: Double.infinity)
        var best = (from: first, to: window, rise: 0.0)
        for index in first...last {
            let amperes = waveform.amperes(index, share: shares[index])
            if amperes < low.amperes { low = (index, amperes) }
            if amperes - low.amperes > best.rise {
                best = (low.window, index, amperes - low.amperes)
            }
        }
        let from = Int64(best.from) * waveform.windowTicks
        let to = Int64(best.to + 1) * waveform.windowTicks
        let culprit = firstOfHeaviestUnit(from: from, to: to) ?? heaviestAtWork(until: to)
        return Burst(
            instruction: culprit?.instruction ?? ThrottleInterval.noCulprit,
            start: culprit?.start ?? from, rise: best.rise)
    }

    /// The first instruction of the tensor engine that starts in `window`.
    func firstTensorInstruction(in window: Int) -> UInt32 {
        let from = Int64(window) * waveform.windowTicks
        var index = firstIndex(startingAtOrAfter: from)
        while index < waveform.activities.count {
            let activity = waveform.activities[index]
            if activity.start >= from + waveform.windowTicks { break }
            if activity.unit <= .tensorMultiply { return activity.instruction }
            index += 1
        }
        return ThrottleInterval.noCulprit
    }

    private func firstOfHeaviestUnit(from: Int64, to: Int64) -> ActivityWaveform.Activity? {
        var charges = [Double](repeating: 0, count: 256)
        var firsts = [ActivityWaveform.Activity?](repeating: nil, count: 256)
        var ends = [Int64](repeating: 0, count: 256)
        var heaviest: Int?
        var index = firstIndex(startingAtOrAfter: from)
        while index < waveform.activities.count, waveform.activities[index].start < to {
            let activity = waveform.activities[index]
            let unit = Int(activity.unit.rawValue)
            if firsts[unit] == nil || activity.start > ends[unit] + waveform.windowTicks {
                firsts[unit] = activity
            }
            ends[unit] = activity.end
            let atPeak = min(activity.end, to) - max(activity.start, to - waveform.windowTicks)
            charges[unit] += power.amperes(of: activity.unit) * Double(max(0, atPeak))
            if charges[unit] > (heaviest.map { charges[$0] } ?? 0) { heaviest = unit }
            index += 1
        }
        return heaviest.flatMap { firsts[$0] }
    }

    private func heaviestAtWork(until time: Int64) -> ActivityWaveform.Activity? {
        // Activities are sorted by start, not by end: looks at no more than some thousand before.
        let last = firstIndex(startingAtOrAfter: time)
        let atWork = waveform.activities[max(0, last - 4096)..<last].filter { $0.end > time - 1 }
        return atWork.max { power.amperes(of: $0.unit) < power.amperes(of: $1.unit) }
    }

    private func firstIndex(startingAtOrAfter time: Int64) -> Int {
        var (low, high) = (0, waveform.activities.count)
        while low < high {
            let middle = (low + high) / 2
            if waveform.activities[middle].start < time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Shares of the time in which the tensor engine was allowed to work, in the last windows.
struct RecentShares: Sendable {
    private var values: [Double]
    private var latest = -1

    /// - Parameter count: windows that are remembered.
    init(count: Int) { values = Array(repeating: 1, count: max(1, count)) }

    /// Adds the next window's.
    mutating func append(_ share: Double) {
        latest += 1
        values[latest % values.count] = share
    }

    /// That of a window; of one to come, the latest.
    subscript(window: Int) -> Double {
        latest < 0 ? 1 : values[min(window, latest) % values.count]
    }
}

extension ThrottleInterval {
    /// Stands for no instruction in ``culprit``.
    public static let noCulprit: UInt32 = .max
}
