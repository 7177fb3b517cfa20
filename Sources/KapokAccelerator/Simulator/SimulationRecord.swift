/// What a simulation writes down as it goes: the arrays of a ``Timeline``.
struct SimulationRecord: ~Copyable {
    let issue: FlatBuffer<Int64>
    /// -1 until the instruction has started.
    let start: FlatBuffer<Int64>
    let busyEnd: FlatBuffer<Int64>
    let end: FlatBuffer<Int64>
    var transfers: [Transfer] = []
    private var segments: [TransferSegment] = []
    private var segmentEngines: [UInt8] = []

    /// - Parameter count: instructions; 0 when times are not kept.
    init(count: Int) {
        issue = FlatBuffer(repeating: 0, count: count)
        start = FlatBuffer(repeating: -1, count: count)
        busyEnd = FlatBuffer(repeating: 0, count: count)
        end = FlatBuffer(repeating: 0, count: count)
    }

    @inline(__always)
    func add(_ index: Int, issue: Int64, start: Int64, busyEnd: Int64) {
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
        timeline.issue = issue.copied()
        timeline.start = start.copied()
        timeline.busyEnd = busyEnd.copied()
        timeline.end = end.copied()
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
