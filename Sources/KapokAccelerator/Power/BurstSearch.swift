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
    /// Of the instructions that started during the rise, the one that has drawn the most charge
    /// since is named; when none started, the one among those at work that draws the most.
    func burst(before window: Int) -> Burst {
        let first = max(0, window - lookback)
        var low = first
        var best = (from: first, to: window, rise: 0.0)
        let last = max(window, min(window + response - 1, waveform.amperes.count - 1))
        for index in first...last {
            if waveform.amperes[index] < waveform.amperes[low] { low = index }
            let rise = waveform.amperes[index] - waveform.amperes[low]
            if rise > best.rise { best = (low, index, rise) }
        }
        let from = Int64(best.from) * waveform.windowTicks
        let to = Int64(best.to + 1) * waveform.windowTicks
        let now = Int64(last + 1) * waveform.windowTicks
        let culprit = heaviest(from: from, to: to, now: now) ?? heaviestAtWork(until: to)
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

    private func heaviest(from: Int64, to: Int64, now: Int64) -> ActivityWaveform.Activity? {
        var best: ActivityWaveform.Activity?
        var bestCharge = 0.0
        var index = firstIndex(startingAtOrAfter: from)
        while index < waveform.activities.count, waveform.activities[index].start < to {
            let activity = waveform.activities[index]
            let charge = charge(of: activity, until: now)
            if charge > bestCharge { (best, bestCharge) = (activity, charge) }
            index += 1
        }
        return best
    }

    private func heaviestAtWork(until time: Int64) -> ActivityWaveform.Activity? {
        // Activities are sorted by start, not by end: looks at no more than some thousand before.
        let last = firstIndex(startingAtOrAfter: time)
        let atWork = waveform.activities[max(0, last - 4096)..<last].filter { $0.end > time - 1 }
        return atWork.max { power.amperes(of: $0.unit) < power.amperes(of: $1.unit) }
    }

    private func charge(of activity: ActivityWaveform.Activity, until now: Int64) -> Double {
        power.amperes(of: activity.unit) * Double(min(activity.end, now) - activity.start)
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

extension ThrottleInterval {
    /// Stands for no instruction in ``culprit``.
    public static let noCulprit: UInt32 = .max
}
