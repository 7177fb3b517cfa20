/// An order in which innermost loops are modulo scheduled: iterations begin at their interval,
/// those of one run right after those of the run before, so that the end of one overlaps the
/// beginning of the next. What lies between loops keeps its place.
struct PipelinedOrder {
    private let graph: ScheduleGraph
    private let runs: [LoopRun]
    /// The loops, for reports.
    private(set) var loops: [PipelinedLoop] = []
    private var schedules: [Shape: ModuloScheduler.Schedule?] = [:]
    private var placeInReport: [Shape: Int] = [:]

    /// Runs of one loop that look alike are scheduled once.
    private struct Shape: Hashable {
        var loop: UInt32
        var body: Int
        var firstNode: ScheduleGraph.Node
        var lastNode: ScheduleGraph.Node
    }

    init(_ graph: ScheduleGraph, _ runs: [LoopRun]) {
        self.graph = graph
        self.runs = runs
    }

    /// For each bundle, when it should start; nil when no loop could be scheduled.
    mutating func priorities() -> [Int64]? {
        var result = [Int64](repeating: 0, count: graph.nodes.count)
        var now: Int64 = 0
        var bundle = 0
        for run in runs {
            guard let schedule = schedule(of: run) else { continue }
            placeStraight(bundle..<run.first, from: now, &result)
            bundle = run.first
            for iteration in 0..<run.count {
                for offset in schedule.offsets {
                    result[bundle] = now + Int64(iteration) * schedule.interval + offset
                    bundle += 1
                }
            }
            now += Int64(run.count) * schedule.interval
        }
        guard bundle > 0 else { return nil }
        placeStraight(bundle..<result.count, from: now, &result)
        return result
    }

    /// Bundles outside of loops start when their operands are there.
    private func placeStraight(_ bundles: Range<Int>, from now: Int64, _ result: inout [Int64]) {
        for bundle in bundles {
            var start = now
            for edge in graph.predecessors[
                graph.predecessorStart[bundle]..<graph.predecessorStart[bundle + 1]]
            {
                let node = Int(edge.node)
                start = max(start, result[node] + graph.delay(of: node, edge.isSynchronised))
            }
            result[bundle] = start
        }
    }

    private mutating func schedule(of run: LoopRun) -> ModuloScheduler.Schedule? {
        let shape = Shape(
            loop: run.loop, body: run.body, firstNode: graph.nodes[run.first],
            lastNode: graph.nodes[run.first + run.body - 1])
        if let known = schedules[shape] {
            if let place = placeInReport[shape] { loops[place].iterations += run.count }
            return known
        }
        let schedule = ModuloScheduler(graph, run).schedule()
        schedules[shape] = .some(schedule)
        if let schedule {
            placeInReport[shape] = loops.count
            loops.append(
                PipelinedLoop(
                    loop: run.loop, iterations: run.count, instructions: run.body,
                    initiationInterval: schedule.interval,
                    resourceInterval: schedule.resourceInterval,
                    recurrenceInterval: schedule.recurrenceInterval, stages: schedule.stages))
        }
        return schedule
    }
}

extension ScheduleGraph {
    /// Bundles by priority, the smallest first, as far as dependences allow.
    func order(by priority: [Int64]) -> [UInt32] {
        var unmet = (0..<nodes.count).map { predecessorStart[$0 + 1] - predecessorStart[$0] }
        var ready = PriorityHeap()
        for node in nodes.indices where unmet[node] == 0 {
            ready.insert(UInt32(node), key: priority[node])
        }
        var result: [UInt32] = []
        result.reserveCapacity(nodes.count)
        while !ready.isEmpty {
            let node = ready.removeFirst()
            result.append(node)
            for edge in successors[successorStart[Int(node)]..<successorStart[Int(node) + 1]] {
                unmet[Int(edge.node)] -= 1
                if unmet[Int(edge.node)] == 0 {
                    ready.insert(edge.node, key: priority[Int(edge.node)])
                }
            }
        }
        return result
    }
}
