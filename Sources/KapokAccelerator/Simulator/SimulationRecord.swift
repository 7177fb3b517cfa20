/// What a simulation writes down as it goes: the arrays of a ``Timeline``.
struct SimulationRecord: ~Copyable {
    private(set) var issue: [Int64]
    /// -1 until the instruction has started.
    private(set) var start: [Int64]
    private(set) var busyEnd: [Int64]
    var end: [Int64]
    var transfers: [Transfer] = []
    private var segments: [TransferSegment] = []
    private var segmentEngines: [UInt8] = []

    /// - Parameter count: instructions; 0 when times are not kept.
    init(count: Int) {
        issue = [Int64](repeating: 0, count: count)
        start = [Int64](repeating: -1, count: count)
        busyEnd = [Int64](repeating: 0, count: count)
        end = [Int64](repeating: 0, count: count)
    }

    @inline(__always)
    mutating func add(_ index: Int, issue: Int64, start: Int64, busyEnd: Int64) {
        self.issue[index] = issue
        self.start[index] = start
        self.busyEnd[index] = busyEnd
    }

    mutating func add(_ engine: Int, _ segment: TransferSegment) {
        segments.append(segment)
        segmentEngines.append(UInt8(truncatingIfNeeded: engine))
    }

    /// The arrays, with segments sorted by engine; within an engine they are in order of time.
    consuming func timeline(makespan: Int64, engines: Int) -> Timeline {
        var timeline = Timeline()
        timeline.makespan = makespan
        timeline.issue = issue
        timeline.start = start
        timeline.busyEnd = busyEnd
        timeline.end = end
        timeline.transfers = transfers
        var next = [Int](repeating: 0, count: engines + 1)
        for engine in segmentEngines { next[Int(engine) + 1] += 1 }
        for engine in 0..<engines { next[engine + 1] += next[engine] }
        timeline.segmentStart = next
        let none = TransferSegment(instruction: SimulationPlan.none, start: 0, end: 0)
        timeline.segments = [TransferSegment](repeating: none, count: segments.count)
        for (index, engine) in segmentEngines.enumerated() {
            timeline.segments[next[Int(engine)]] = segments[index]
            next[Int(engine)] += 1
        }
        return timeline
    }
}
