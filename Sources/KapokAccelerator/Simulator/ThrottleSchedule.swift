/// Throttle intervals in order of time: how long work takes that power management interrupts.
///
/// Inside an interval, of every `outOf` cycles from its start the first `allowed` are worked in.
struct ThrottleSchedule: Sendable {
    private let intervals: [ThrottleInterval]
    private let ticksPerCycle: Int64
    private var cursor = 0

    /// - Throws: ``SimulationError/invalidOptions(_:)`` when intervals are empty, overlap or are
    ///   not in order, or a share is not between 0 and 1.
    init(_ intervals: [ThrottleInterval], ticksPerCycle: Int) throws(SimulationError) {
        var end: Int64 = 0
        for interval in intervals {
            guard interval.start >= end, interval.end > interval.start,
                interval.end <= SimulationPlan.timeLimit
            else {
                throw .invalidOptions("throttle intervals must follow each other without overlap")
            }
            guard (1...65_536).contains(interval.outOf), (0...interval.outOf) ~= interval.allowed
            else {
                throw .invalidOptions(
                    "a throttle of \(interval.allowed) of \(interval.outOf) cycles is no share")
            }
            end = interval.end
        }
        self.intervals = intervals
        self.ticksPerCycle = Int64(ticksPerCycle)
    }

    var isEmpty: Bool { intervals.isEmpty }

    /// When work of `work` ticks ends that begins at `start`. Starts must not decrease from call to
    /// call.
    ///
    /// - Parameter ignores: says of an interval's culprit whether the interval does not count.
    mutating func end(
        of work: Int64, from start: Int64, ignoring ignores: (UInt32) -> Bool
    ) -> Int64 {
        while cursor < intervals.count, intervals[cursor].end <= start { cursor += 1 }
        var (time, left, index) = (start, work, cursor)
        while left > 0, index < intervals.count {
            let interval = intervals[index]
            if time + left <= interval.start { break }
            if ignores(interval.culprit) {
                index += 1
                continue
            }
            if time < interval.start {
                left -= interval.start - time
                time = interval.start
            }
            let before = worked(in: interval, until: time)
            let capacity = worked(in: interval, until: interval.end) - before
            if left <= capacity { return self.time(in: interval, worked: before + left) }
            left -= capacity
            time = interval.end
            index += 1
        }
        return time + left
    }

    /// Ticks worked in from the interval's start until `time`.
    private func worked(in interval: ThrottleInterval, until time: Int64) -> Int64 {
        let period = Int64(interval.outOf) * ticksPerCycle
        let active = Int64(interval.allowed) * ticksPerCycle
        let elapsed = time - interval.start
        return elapsed / period * active + min(elapsed % period, active)
    }

    /// The first time at which `ticks` (at least 1) have been worked in.
    private func time(in interval: ThrottleInterval, worked ticks: Int64) -> Int64 {
        let period = Int64(interval.outOf) * ticksPerCycle
        let active = Int64(interval.allowed) * ticksPerCycle
        let whole = (ticks - 1) / active
        return interval.start + whole * period + (ticks - whole * active)
    }

    private func firstIndex(endingAfter time: Int64) -> Int {
        var (low, high) = (0, intervals.count)
        while low < high {
            let middle = (low + high) / 2
            if intervals[middle].end <= time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The time that `work` from `start` to `end` lost to each interval, in order of time.
    func losses(of work: Int64, from start: Int64, to end: Int64) -> [ThrottleLoss] {
        var losses: [ThrottleLoss] = []
        for interval in intervals[firstIndex(endingAfter: start)...] {
            if interval.start >= end { break }
            let (from, to) = (max(start, interval.start), min(end, interval.end))
            let active = worked(in: interval, until: to) - worked(in: interval, until: from)
            if to - from > active {
                losses.append(ThrottleLoss(culprit: interval.culprit, ticks: to - from - active))
            }
        }
        return losses
    }
}

/// Ticks that an instruction lost to a throttle interval.
struct ThrottleLoss: Hashable, Sendable {
    /// Whose burst caused the interval.
    var culprit: UInt32
    var ticks: Int64
}
