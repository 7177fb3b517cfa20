/// A way to order a kernel's bundles.
enum ScheduleMethod: String, CaseIterable, Sendable {
    /// As the author wrote them.
    case source
    /// Lists, by how late each bundle may be.
    case deadline
    /// Lists, by the author's order.
    case eager
    /// Lists, by how late each bundle may be in a schedule of the method above.
    case justified
    /// Lists, by the longest path to the end.
    case critical
    /// Modulo scheduled innermost loops, iteration by iteration.
    case modulo
    /// Lists, by the times of the method above.
    case relaxedModulo = "relaxed modulo"

    /// The methods that an option stands for.
    static func methods(of schedule: CompilerOptions.Schedule) -> [ScheduleMethod] {
        switch schedule {
        case .source: [.source]
        case .list: [.deadline, .eager, .justified, .critical]
        case .modulo: [.modulo, .relaxedModulo]
        case .best: allCases
        }
    }
}

/// Makes orders of one kernel in one layout.
struct OrderMaker {
    /// An order of bundles, and the loops that were modulo scheduled for it.
    struct Order {
        var bundles: [UInt32]
        var loops: [PipelinedLoop] = []
    }

    private let graph: ScheduleGraph
    private let runs: [LoopRun]
    private var deadline: ListScheduler.Schedule?
    private var pipelined: (priorities: [Int64], loops: [PipelinedLoop])?

    /// - Parameter iterations: of the kernel's loops.
    init(_ kernel: WorkingKernel, _ graph: ScheduleGraph, iterations: [LoopIteration]) {
        self.graph = graph
        runs = LoopRuns(kernel, graph, iterations: iterations).find()
    }

    /// The order that `method` gives; nil when it has nothing to work on.
    mutating func order(_ method: ScheduleMethod) -> Order? {
        let count = graph.nodes.count
        switch method {
        case .source:
            return Order(bundles: (0..<count).map { UInt32($0) })
        case .deadline:
            return Order(bundles: deadlineSchedule().order)
        case .eager:
            return list((0..<count).map { Int64($0) })
        case .justified:
            let tighter = ListScheduler.schedule(
                graph, priority: deadlineSchedule().end.map { -$0 }, .backward)
            return list(tighter.end.map { -$0 })
        case .critical:
            return list(graph.pathsToEnd().map { -$0 })
        case .modulo:
            return pipelinedPriorities().map {
                Order(bundles: graph.order(by: $0.priorities), loops: $0.loops)
            }
        case .relaxedModulo:
            return pipelinedPriorities().map {
                Order(bundles: list($0.priorities).bundles, loops: $0.loops)
            }
        }
    }

    private func list(_ priority: [Int64]) -> Order {
        Order(bundles: ListScheduler.schedule(graph, priority: priority, .forward).order)
    }

    private mutating func deadlineSchedule() -> ListScheduler.Schedule {
        if let deadline { return deadline }
        let count = graph.nodes.count
        // Backwards from the end in the author's order: the later a bundle may be, the less urgent.
        let backward = ListScheduler.schedule(
            graph, priority: (0..<count).map { Int64(count - $0) }, .backward)
        let forward = ListScheduler.schedule(
            graph, priority: backward.end.map { -$0 }, .forward)
        deadline = forward
        return forward
    }

    private mutating func pipelinedPriorities() -> (priorities: [Int64], loops: [PipelinedLoop])? {
        if let pipelined { return pipelined }
        var order = PipelinedOrder(graph, runs)
        guard let priorities = order.priorities() else { return nil }
        pipelined = (priorities, order.loops)
        return pipelined
    }
}

extension ScheduleGraph {
    /// For each bundle, the time from its start to the end of all that depends on it, at best.
    fileprivate func pathsToEnd() -> [Int64] {
        var paths = [Int64](repeating: 0, count: nodes.count)
        for node in nodes.indices.reversed() {
            var longest: Int64 = 0
            for edge in successors[successorStart[node]..<successorStart[node + 1]] {
                longest = max(
                    longest, paths[Int(edge.node)] + delay(of: node, edge.isSynchronised))
            }
            paths[node] = max(longest, delay(of: node, true))
        }
        return paths
    }
}
