/// Rows or bytes of a plane that lie side by side: `start ..< end`.
struct PlaneRun: Hashable {
    var start: Int
    var end: Int
}

/// A set of positions that nested steps reach from a start: bytes of a partition, or rows.
struct StridedSet {
    /// The first position.
    private let start: Int
    /// Positions side by side at each step.
    private let length: Int
    /// Steps that leave gaps, the longest first.
    private let steps: [Step]
    /// Whether some position is reached more than once for certain: a step of zero.
    private let hasZeroStep: Bool
    /// Whether each step is longer than all inner ones together reach, so that runs neither overlap
    /// nor change order.
    private let isNested: Bool
    /// Positions, counted as often as they are reached.
    private let reached: Int

    /// `count` times `stride` positions on.
    struct Step: Hashable {
        var count: Int
        var stride: Int
    }

    /// - Parameters:
    ///   - length: positions side by side at each step, at least 1.
    ///   - steps: in any order; strides are not negative.
    init(start: Int, length: Int, steps: [Step]) {
        self.start = start
        reached = steps.reduce(length) { $0 * $1.count }
        hasZeroStep = steps.contains { $0.count > 1 && $0.stride == 0 }
        var merged = length
        var gapped: [Step] = []
        var reach = length
        var isNested = true
        var isInner = true
        let sorted = steps.filter { $0.count > 1 && $0.stride > 0 }.sorted { $0.stride < $1.stride }
        for step in sorted {
            if step.stride < reach { isNested = false }
            reach += (step.count - 1) * step.stride
            if isInner, step.stride <= merged {
                merged += (step.count - 1) * step.stride
            } else {
                isInner = false
                gapped.append(step)
            }
        }
        self.length = merged
        self.steps = gapped.reversed()
        self.isNested = isNested
    }

    /// The bytes of `pattern` in one of its partitions, or in HBM in all rows.
    init(inOnePlane pattern: AccessPattern) {
        let size = pattern.type.byteCount
        self.init(
            start: Int(pattern.offset), length: size,
            steps: Self.steps(of: pattern, withRows: pattern.space == .hbm))
    }

    /// The steps of a pattern in bytes.
    static func steps(of pattern: AccessPattern, withRows: Bool) -> [Step] {
        let size = pattern.type.byteCount
        var steps = (0..<4).map { k in
            let dimension = pattern.dimension(k)
            return Step(count: Int(dimension.count), stride: Int(dimension.stride) * size)
        }
        if withRows {
            steps.append(
                Step(
                    count: Int(pattern.partitionCount),
                    stride: Int(pattern.partitionStride) * size))
        }
        return steps
    }

    /// Runs before those that touch are joined: what ``runs()`` costs.
    var runCount: Int { steps.reduce(1) { $0 * $1.count } }

    /// Whether some position is reached more than once. Sets that would take too long to look at
    /// (``maximumRuns``) count as if not.
    var repeatsItself: Bool {
        if hasZeroStep { return true }
        if isNested || runCount > Self.maximumRuns { return false }
        return runs().reduce(0) { $0 + $1.end - $1.start } < reached
    }

    /// The most runs that are looked at for ``repeatsItself``.
    static let maximumRuns = 1 << 16

    /// The set as runs in ascending order that do not touch.
    func runs() -> [PlaneRun] {
        var starts = [start]
        for step in steps {
            var next: [Int] = []
            next.reserveCapacity(starts.count * step.count)
            for origin in starts {
                for k in 0..<step.count { next.append(origin + k * step.stride) }
            }
            starts = next
        }
        if !isNested { starts.sort() }
        var runs: [PlaneRun] = []
        for start in starts {
            if let last = runs.last, start <= last.end {
                runs[runs.count - 1].end = max(last.end, start + length)
            } else {
                runs.append(PlaneRun(start: start, end: start + length))
            }
        }
        return runs
    }
}
