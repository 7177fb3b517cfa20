/// What a scheduler sees of a kernel: bundles, what they cost, and which must follow which.
struct ScheduleGraph: Sendable {
    /// What a bundle costs, in ticks.
    struct Node: Hashable, Sendable {
        /// The queue that issues it.
        var engine: Engine
        /// For a transfer: its descriptor generator; nil otherwise.
        var generator: Int?
        /// How long its unit (for a transfer: the triggering one) is busy.
        var interval: Int64
        /// From there until the result is in memory, without what a transfer waits for.
        var latency: Int64
        /// Loading the stationary matrix, and the last of its multiplications.
        var load: Int64 = 0
        var lastMultiplication: Int64 = 0
        /// For a transfer: the time of all DMA engines together, and of its longest part.
        var share: Int64 = 0
        var duration: Int64 = 0
    }

    /// A bundle that depends on another.
    struct Edge: Sendable {
        /// The other end.
        var node: UInt32
        /// Whether it takes a semaphore; otherwise the order of the queue is enough.
        var isSynchronised: Bool
    }

    /// The bundles.
    private(set) var nodes: [Node] = []
    /// Successors of node `n` stand at `successorStart[n] ..< successorStart[n + 1]`.
    private(set) var successorStart: [Int] = []
    private(set) var successors: [Edge] = []
    /// The same for predecessors.
    private(set) var predecessorStart: [Int] = [0]
    private(set) var predecessors: [Edge] = []
    /// Fixed times, in ticks.
    let times: FixedTimes

    /// Times that are the same for all instructions, in ticks.
    struct FixedTimes: Sendable {
        var semaphore: Int64
        var descriptor: Int64
        var dmaStart: Int64
        var dmaCompletion: Int64

        init(_ machine: Machine) {
            semaphore = machine.ticks(nanoseconds: machine.value(.semaphoreLatency))
            descriptor = machine.ticks(nanoseconds: machine.value(.descriptorTime))
            dmaStart = machine.ticks(nanoseconds: machine.value(.dmaStartLatency))
            dmaCompletion = machine.ticks(nanoseconds: machine.value(.dmaCompletionLatency))
        }
    }

    init(
        _ kernel: WorkingKernel, patterns: [AccessPattern], dependences: DependenceGraph,
        costs: CostModel
    ) {
        times = FixedTimes(costs.machine)
        nodes.reserveCapacity(kernel.bundleCount)
        for bundle in 0..<kernel.bundleCount {
            nodes.append(
                Self.node(kernel.instructions[kernel.bundle(bundle)], patterns, costs))
        }
        addPredecessors(kernel, dependences)
        reverse()
    }

    private static func node(
        _ bundle: ArraySlice<Instruction>, _ patterns: [AccessPattern], _ costs: CostModel
    ) -> Node {
        let first = bundle[bundle.startIndex]
        var node = Node(engine: first.engine, generator: nil, interval: 0, latency: 0)
        for instruction in bundle {
            let cost = costs.cost(of: instruction, patterns: patterns)
            if instruction.opcode == .loadStationary {
                node.load = cost.interval
            } else {
                node.interval += cost.interval
                node.lastMultiplication = cost.interval
                node.latency = cost.latency
            }
        }
        if first.opcode.isDMA {
            node.generator = first.engine == .sync ? 0 : first.engine == .scalar ? 1 : 2
            let transfer = costs.transferCost(of: first, patterns: patterns)
            let engines = costs.machine.dmaEngines
            let ticks = (transfer.totalTicks1024 + 1023) / 1024
            node.share = (ticks + Int64(engines) - 1) / Int64(engines)
            let used = Int64(min(engines, max(transfer.packets, 1)))
            node.duration = (ticks + used - 1) / used
        }
        return node
    }

    private mutating func addPredecessors(
        _ kernel: WorkingKernel, _ dependences: DependenceGraph
    ) {
        var bundleOf: [UInt32] = []
        bundleOf.reserveCapacity(kernel.instructions.count)
        for bundle in 0..<kernel.bundleCount {
            for _ in kernel.bundle(bundle) { bundleOf.append(UInt32(bundle)) }
        }
        var edgeFrom = [Int](repeating: -1, count: kernel.bundleCount)
        for bundle in 0..<kernel.bundleCount {
            let firstEdge = predecessors.count
            for consumer in kernel.bundle(bundle) {
                for edge in dependences.start[consumer]..<dependences.start[consumer + 1] {
                    let producer = Int(dependences.producers[edge])
                    let node = bundleOf[producer]
                    guard node != bundle else { continue }
                    let isSynchronised = SemaphoreSynthesis.needsSemaphore(
                        kernel.instructions[producer], kernel.instructions[consumer],
                        dependences.kinds[edge])
                    if edgeFrom[Int(node)] >= firstEdge {
                        if isSynchronised {
                            predecessors[edgeFrom[Int(node)]].isSynchronised = true
                        }
                    } else {
                        edgeFrom[Int(node)] = predecessors.count
                        predecessors.append(Edge(node: node, isSynchronised: isSynchronised))
                    }
                }
            }
            predecessorStart.append(predecessors.count)
        }
    }

    private mutating func reverse() {
        successorStart = Array(repeating: 0, count: nodes.count + 1)
        for edge in predecessors { successorStart[Int(edge.node) + 1] += 1 }
        for node in nodes.indices { successorStart[node + 1] += successorStart[node] }
        var next = successorStart
        successors = Array(
            repeating: Edge(node: 0, isSynchronised: false), count: predecessors.count)
        for node in nodes.indices {
            for edge in predecessors[predecessorStart[node]..<predecessorStart[node + 1]] {
                successors[next[Int(edge.node)]] = Edge(
                    node: UInt32(node), isSynchronised: edge.isSynchronised)
                next[Int(edge.node)] += 1
            }
        }
    }
}
