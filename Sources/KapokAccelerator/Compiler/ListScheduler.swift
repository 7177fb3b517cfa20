/// Orders bundles as if the machine chose freely: whenever a queue can take something, it takes the
/// most urgent bundle whose dependences are met by then.
///
/// Transfers are held back until their descriptor generator and the DMA engines are about to be
/// free: an order fixed later is fixed with more knowledge, and no time is lost. The same walk runs
/// backwards in time, from the end of the kernel, to find how late each bundle may be.
struct ListScheduler {
    /// The direction of time.
    enum Direction {
        case forward
        case backward
    }

    /// The order in which bundles were taken, and when.
    struct Schedule {
        /// Bundles, in an order that respects all dependences (backward: the reverse).
        var order: [UInt32] = []
        /// When each bundle's unit begins with it, and (backward too) when it is free again.
        var start: [Int64]
        var end: [Int64]
    }

    private let graph: ScheduleGraph
    private let direction: Direction
    private var queues: [Queue]
    private var earliest: [Int64]
    private var unmet: [Int32]
    private var generatorFree = [Int64](repeating: 0, count: 3)
    private var dmaFree: Int64 = 0
    private var loadFree: Int64 = 0
    private var lastMultiplication: Int64 = 0
    private var result: Schedule

    /// A queue: what it may take now, what it may take later, and when it is free.
    private struct Queue {
        var ready = PriorityHeap()
        var later = PriorityHeap()
        var free: Int64 = 0
    }

    private init(_ graph: ScheduleGraph, _ direction: Direction) {
        self.graph = graph
        self.direction = direction
        let count = graph.nodes.count
        queues = Array(repeating: Queue(), count: Engine.allCases.count)
        earliest = Array(repeating: 0, count: count)
        unmet = Array(repeating: 0, count: count)
        result = Schedule(
            start: Array(repeating: 0, count: count), end: Array(repeating: 0, count: count))
        result.order.reserveCapacity(count)
    }

    /// Schedules all bundles.
    ///
    /// - Parameter priority: for each bundle; the smallest is the most urgent.
    static func schedule(
        _ graph: ScheduleGraph, priority: [Int64], _ direction: Direction
    ) -> Schedule {
        var scheduler = ListScheduler(graph, direction)
        scheduler.run(priority)
        return scheduler.result
    }

    private mutating func run(_ priority: [Int64]) {
        let starts =
            direction == .forward ? graph.predecessorStart : graph.successorStart
        for node in graph.nodes.indices {
            unmet[node] = Int32(starts[node + 1] - starts[node])
            if unmet[node] == 0 { admit(UInt32(node)) }
        }
        while let (queue, time) = nextQueue() {
            while queues[queue].later.smallestKey <= time {
                let node = queues[queue].later.removeFirst()
                queues[queue].ready.insert(node, key: priority[Int(node)])
            }
            let node = queues[queue].ready.removeFirst()
            if let wait = heldBack(node, at: time) {
                queues[queue].later.insert(node, key: wait)
            } else {
                take(Int(node), from: queue, at: time)
            }
        }
    }

    /// The queue that can take something first, and when.
    private func nextQueue() -> (Int, Int64)? {
        var best: (Int, Int64)?
        for queue in queues.indices {
            let free = queue == Int(Engine.sync.rawValue) ? syncFree : queues[queue].free
            let time: Int64
            if !queues[queue].ready.isEmpty {
                time = free
            } else if !queues[queue].later.isEmpty {
                time = max(free, queues[queue].later.smallestKey)
            } else {
                continue
            }
            if best.map({ time < $0.1 }) ?? true { best = (queue, time) }
        }
        return best
    }

    /// The sync queue has nothing to do but transfers.
    private var syncFree: Int64 { max(queues[Int(Engine.sync.rawValue)].free, transferTime(0)) }

    /// When triggering another transfer would not only lengthen the generator's or the DMA engines'
    /// queues.
    private func transferTime(_ generator: Int) -> Int64 {
        max(
            generatorFree[generator] - graph.times.semaphore,
            dmaFree - graph.times.descriptor - graph.times.dmaStart)
    }

    /// Until when a transfer in the queue of a computing engine is held back; nil for not at all.
    private func heldBack(_ node: UInt32, at time: Int64) -> Int64? {
        guard let generator = graph.nodes[Int(node)].generator else { return nil }
        let wait = transferTime(generator)
        return wait > time ? wait : nil
    }

    private mutating func admit(_ node: UInt32) {
        queues[Int(graph.nodes[Int(node)].engine.rawValue)].later.insert(
            node, key: earliest[Int(node)])
    }

    private mutating func take(_ index: Int, from queue: Int, at time: Int64) {
        let node = graph.nodes[index]
        var start = time
        if node.engine == .tensor, direction == .forward {
            // The load runs beside the multiplication before, once that has begun.
            let loadStart = max(
                earliest[index], loadFree, queues[queue].free - lastMultiplication)
            loadFree = loadStart + node.load
            start = max(time, loadFree)
            lastMultiplication = node.lastMultiplication
        }
        let end = start + node.interval
        queues[queue].free = end
        let done = node.generator.map { transfer(node, $0, triggered: end) } ?? end
        result.order.append(UInt32(index))
        result.start[index] = start
        result.end[index] = end
        if direction == .forward {
            for edge in graph.successors[
                graph.successorStart[index]..<graph.successorStart[index + 1]]
            {
                let delay = node.latency + graph.times.semaphore
                meet(edge.node, edge.isSynchronised ? done + delay : start)
            }
        } else {
            for edge in graph.predecessors[
                graph.predecessorStart[index]..<graph.predecessorStart[index + 1]]
            {
                let delay = latency(of: graph.nodes[Int(edge.node)]) + graph.times.semaphore
                meet(
                    edge.node,
                    edge.isSynchronised ? max(end, done) + node.load + delay : start)
            }
        }
    }

    /// Passes a transfer through its generator and the DMA engines; returns when it is complete, or
    /// backward in time when its descriptors could have been begun at the latest.
    private mutating func transfer(
        _ node: ScheduleGraph.Node, _ generator: Int, triggered: Int64
    ) -> Int64 {
        let described = max(triggered, generatorFree[generator]) + graph.times.descriptor
        generatorFree[generator] = described
        guard direction == .forward else {
            dmaFree = max(dmaFree, triggered) + node.share
            return described
        }
        let ready = max(described + graph.times.dmaStart, dmaFree)
        dmaFree = ready + node.share
        return ready + node.duration + graph.times.dmaCompletion
    }

    /// What lies between the time in which a bundle occupies its unit and its result.
    private func latency(of node: ScheduleGraph.Node) -> Int64 {
        guard node.generator != nil else { return node.latency }
        return graph.times.dmaStart + node.duration + graph.times.dmaCompletion
    }

    private mutating func meet(_ node: UInt32, _ time: Int64) {
        let index = Int(node)
        // A transfer that stands in its queue before its time blocks those behind it, and times are
        // estimates: it is taken a little later than it could be.
        let slack = graph.nodes[index].generator == nil ? 0 : graph.times.descriptor
        earliest[index] = max(earliest[index], time + slack)
        unmet[index] -= 1
        if unmet[index] == 0 { admit(node) }
    }
}
