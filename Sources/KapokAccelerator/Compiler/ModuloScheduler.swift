/// Finds the shortest time after which the next iteration of a loop can begin, and when each bundle
/// of an iteration then runs, counted from the iteration's start.
///
/// Rau's iterative modulo scheduling, without undoing placements: the interval is at least what
/// the busiest resource needs for an iteration, and what the longest cycle of dependences needs for
/// the iterations that it spans. For growing intervals, bundles are placed where their operands are
/// there and their resources free, modulo the interval, until all fit.
struct ModuloScheduler {
    /// A loop's schedule, in ticks.
    struct Schedule: Sendable {
        /// From the start of one iteration to the next, and the two bounds on that.
        var interval: Int64
        var resourceInterval: Int64
        var recurrenceInterval: Int64
        /// When each bundle of an iteration starts.
        var offsets: [Int64]

        /// Iterations under way at the same time.
        var stages: Int { Int((offsets.max() ?? 0) / max(interval, 1)) + 1 }
    }

    private let graph: ScheduleGraph
    private let run: LoopRun
    private var edges: [Edge] = []

    /// A bundle of the body that depends on another one, `distance` iterations earlier.
    private struct Edge {
        var from: Int
        var to: Int
        var delay: Int64
        var distance: Int64
    }

    /// A time in which a bundle keeps a resource busy, counted from its start.
    private struct Use {
        var resource: Int
        var start: Int64
        var length: Int64
    }

    /// Queues, descriptor generators, and all DMA engines as one.
    private static let resources = 9
    /// Bundles of a body at most.
    private static let largestBody = 512

    init(_ graph: ScheduleGraph, _ run: LoopRun) {
        self.graph = graph
        self.run = run
        collectEdges()
    }

    /// The schedule; nil when the body is too large, or no interval up to twice the bound works.
    func schedule() -> Schedule? {
        guard run.body <= Self.largestBody else { return nil }
        let uses = (0..<run.body).map { self.uses(of: $0) }
        var busy = [Int64](repeating: 0, count: Self.resources)
        for use in uses.joined() { busy[use.resource] += use.length }
        let resource = max(1, busy.max() ?? 1)
        let recurrence = recurrenceInterval(from: 1, upTo: edges.reduce(1) { $0 + $1.delay })
        let least = max(resource, recurrence)
        for step in 0..<Int64(64) {
            let interval = least + least * step / 64
            if let offsets = place(uses, interval) {
                return Schedule(
                    interval: interval, resourceInterval: resource,
                    recurrenceInterval: recurrence, offsets: offsets)
            }
        }
        return nil
    }

    /// Dependences of an iteration late in the run, where those on far earlier ones show.
    private mutating func collectEdges() {
        let iteration = run.count * 3 / 4
        for to in 0..<run.body {
            let node = run.first + iteration * run.body + to
            for edge in graph.predecessors[
                graph.predecessorStart[node]..<graph.predecessorStart[node + 1]]
            where run.bundles.contains(Int(edge.node)) {
                let place = Int(edge.node) - run.first
                edges.append(
                    Edge(
                        from: place % run.body, to: to,
                        delay: graph.delay(of: Int(edge.node), edge.isSynchronised),
                        distance: Int64(iteration - place / run.body)))
            }
        }
    }

    private func uses(of bundle: Int) -> [Use] {
        let node = graph.nodes[run.first + bundle]
        var result = [Use(resource: Int(node.engine.rawValue), start: 0, length: node.interval)]
        if let generator = node.generator {
            result.append(
                Use(
                    resource: 5 + generator, start: node.interval,
                    length: graph.times.descriptor))
            result.append(
                Use(
                    resource: 8,
                    start: node.interval + graph.times.descriptor + graph.times.dmaStart,
                    length: node.share))
        }
        return result.filter { $0.length > 0 }
    }

    // MARK: Recurrences

    /// The smallest interval at which no cycle of dependences takes longer than its iterations.
    private func recurrenceInterval(from low: Int64, upTo high: Int64) -> Int64 {
        var low = low
        var high = high
        while low < high {
            let middle = low + (high - low) / 2
            if earliestStarts(middle) == nil { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// When each bundle can start at best, without regard to resources; nil when a cycle of
    /// dependences does not fit into `interval`.
    private func earliestStarts(_ interval: Int64) -> [Int64]? {
        var starts = [Int64](repeating: 0, count: run.body)
        for _ in 0...run.body {
            var hasChanged = false
            for edge in edges {
                let start = starts[edge.from] + edge.delay - edge.distance * interval
                if start > starts[edge.to] {
                    starts[edge.to] = start
                    hasChanged = true
                }
            }
            if !hasChanged { return starts }
        }
        return nil
    }

    // MARK: Placement

    private func place(_ uses: [[Use]], _ interval: Int64) -> [Int64]? {
        guard var starts = earliestStarts(interval) else { return nil }
        var reserved = [[Run]](repeating: [], count: Self.resources)
        // The kernel's order respects all dependences within an iteration.
        for bundle in 0..<run.body {
            for edge in edges where edge.to == bundle && edge.from < bundle {
                starts[bundle] = max(
                    starts[bundle], starts[edge.from] + edge.delay - edge.distance * interval)
            }
            let latest = starts[bundle] + interval
            while let wait = conflict(uses[bundle], at: starts[bundle], reserved, interval) {
                starts[bundle] += wait
                if starts[bundle] > latest { return nil }
            }
            for use in uses[bundle] {
                let start = Int((starts[bundle] + use.start) % interval)
                reserved[use.resource].append(Run(start: start, end: start + Int(use.length)))
            }
        }
        let isKept = edges.allSatisfy {
            starts[$0.to] >= starts[$0.from] + $0.delay - $0.distance * interval
        }
        return isKept ? starts : nil
    }

    /// How long to wait for what is in the way of `uses`; nil for nothing.
    private func conflict(
        _ uses: [Use], at time: Int64, _ reserved: [[Run]], _ interval: Int64
    ) -> Int64? {
        for use in uses {
            let start = Int((time + use.start) % interval)
            let end = start + Int(use.length)
            for other in reserved[use.resource] {
                // Reservations may run over the end of the interval, into its beginning.
                for shift in [-Int(interval), 0, Int(interval)]
                where start < other.end + shift && other.start + shift < end {
                    return Int64(other.end + shift - start)
                }
            }
        }
        return nil
    }
}

extension ScheduleGraph {
    /// How long after its start a bundle's successors can start.
    func delay(of index: Int, _ isSynchronised: Bool) -> Int64 {
        guard isSynchronised else { return 0 }
        let node = nodes[index]
        var delay = node.load + node.interval + node.latency + times.semaphore
        if node.generator != nil {
            delay += times.descriptor + times.dmaStart + node.duration + times.dmaCompletion
        }
        return delay
    }
}
