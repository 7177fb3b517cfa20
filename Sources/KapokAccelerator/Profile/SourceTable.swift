/// Sums of a profile by groups of instructions.
struct SourceTable {
    private(set) var groups: [SourceUsage]

    /// - Parameter group: the group of an instruction, below `count`.
    init(_ profile: Profile, groups count: Int, group: (Int) -> Int) {
        groups = [SourceUsage](repeating: SourceUsage(), count: max(1, count))
        for (index, instruction) in profile.program.instructions.enumerated() {
            let number = group(index)
            groups[number].count += 1
            let ticks =
                profile.work.isEmpty
                ? profile.timeline.busyEnd[index] - profile.timeline.start[index]
                : profile.work[index]
            groups[number].busy[Int(instruction.unit.rawValue)] += ticks
        }
        for segment in profile.timeline.segments {
            groups[group(Int(segment.instruction))].busy[Unit.engineUnitCount] +=
                segment.end - segment.start
        }
        for stall in profile.stalls where stall.reason != .programEnd {
            let isDMA = stall.unit.dmaIndex != nil
            if stall.culprit != Stall.none {
                let sum: WritableKeyPath<SourceUsage, Int64> =
                    isDMA ? \.dmaStallsCaused : \.engineStallsCaused
                groups[group(Int(stall.culprit))][keyPath: sum] += stall.duration
            }
            if stall.victim != Stall.none {
                let sum: WritableKeyPath<SourceUsage, Int64> =
                    isDMA ? \.dmaStallsSuffered : \.engineStallsSuffered
                groups[group(Int(stall.victim))][keyPath: sum] += stall.duration
            }
        }
        for step in profile.criticalPath {
            groups[group(Int(step.instruction))].criticalTicks += step.end - step.start
        }
    }
}

/// The loops of a program as they stand in each other: a node for each loop and enclosing node.
struct LoopTree {
    struct Node {
        var loop: Int
        var parent: Int?
        var depth: Int
        var iterations = 0
    }

    /// A parent before its children.
    private(set) var nodes: [Node] = []
    /// The node of each iteration of the program.
    private(set) var nodeOfIteration: [Int] = []

    /// Iterations whose parent does not come before them count as outermost.
    init(_ program: Program) {
        var known: [NodeKey: Int] = [:]
        for (number, iteration) in program.iterations.enumerated() {
            let parent =
                Int(iteration.parent) < number ? nodeOfIteration[Int(iteration.parent)] : nil
            let key = NodeKey(loop: iteration.loop, parent: parent)
            let node = known[key] ?? nodes.count
            if node == nodes.count {
                known[key] = node
                nodes.append(
                    Node(
                        loop: Int(iteration.loop), parent: parent,
                        depth: parent.map { nodes[$0].depth + 1 } ?? 0))
            }
            nodes[node].iterations += 1
            nodeOfIteration.append(node)
        }
    }

    private struct NodeKey: Hashable {
        var loop: UInt32
        var parent: Int?
    }

    /// What the nodes used, inner loops counted into outer ones; in the order of a walk through the
    /// tree.
    func usage(_ direct: [SourceUsage]) -> [LoopUsage] {
        var sums = direct
        for (number, node) in nodes.enumerated().reversed() {
            if let parent = node.parent { sums[parent] += sums[number] }
        }
        var children = [[Int]](repeating: [], count: nodes.count)
        var pending: [Int] = []
        for (number, node) in nodes.enumerated().reversed() {
            if let parent = node.parent {
                children[parent].append(number)
            } else {
                pending.append(number)
            }
        }
        var usage: [LoopUsage] = []
        while let number = pending.popLast() {
            let node = nodes[number]
            usage.append(
                LoopUsage(
                    loop: node.loop, parent: node.parent.map { nodes[$0].loop },
                    depth: node.depth, iterations: node.iterations, usage: sums[number]))
            pending += children[number]
        }
        return usage
    }
}
