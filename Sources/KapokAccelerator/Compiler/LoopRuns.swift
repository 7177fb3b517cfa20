/// An innermost loop, from its first iteration to its last, all of them alike.
struct LoopRun: Sendable {
    /// Index of the loop in the kernel.
    var loop: UInt32
    /// Its first bundle; iteration `i` begins at `first + i * body`.
    var first: Int
    /// Bundles of an iteration, and iterations.
    var body: Int
    var count: Int

    /// The bundles, as a range.
    var bundles: Range<Int> { first..<(first + body * count) }
}

/// Finds innermost loops whose iterations are alike: the same instructions at the same costs.
struct LoopRuns {
    private let kernel: WorkingKernel
    private let graph: ScheduleGraph
    private let iterations: [LoopIteration]
    private let isInnermost: [Bool]

    /// Iterations that make a loop worth it.
    private static let fewest = 4

    init(_ kernel: WorkingKernel, _ graph: ScheduleGraph, iterations: [LoopIteration]) {
        self.kernel = kernel
        self.graph = graph
        self.iterations = iterations
        var innermost = [Bool](repeating: true, count: iterations.count)
        for iteration in iterations where iteration.parent != LoopIteration.none {
            innermost[Int(iteration.parent)] = false
        }
        isInnermost = innermost
    }

    /// All runs, in the kernel's order.
    func find() -> [LoopRun] {
        var runs: [LoopRun] = []
        var bundle = 0
        while bundle < kernel.bundleCount {
            guard let iteration = iteration(of: bundle), isInnermost[iteration] else {
                bundle += 1
                continue
            }
            let body = length(of: iteration, from: bundle)
            var count = 1
            var next = bundle + body
            while let other = self.iteration(of: next), follows(other, iteration),
                length(of: other, from: next) == body, isAlike(bundle, next, body)
            {
                count += 1
                next += body
            }
            if count >= Self.fewest {
                runs.append(
                    LoopRun(
                        loop: iterations[iteration].loop, first: bundle, body: body, count: count))
            }
            bundle = next
        }
        return runs
    }

    private func iteration(of bundle: Int) -> Int? {
        guard bundle < kernel.bundleCount else { return nil }
        let index = kernel.iterations[kernel.bundle(bundle).lowerBound]
        return index < iterations.count ? Int(index) : nil
    }

    /// Bundles in a row of the same iteration.
    private func length(of iteration: Int, from bundle: Int) -> Int {
        var end = bundle
        while self.iteration(of: end) == iteration { end += 1 }
        return end - bundle
    }

    private func follows(_ other: Int, _ iteration: Int) -> Bool {
        isInnermost[other] && iterations[other].loop == iterations[iteration].loop
            && iterations[other].parent == iterations[iteration].parent
    }

    private func isAlike(_ first: Int, _ second: Int, _ body: Int) -> Bool {
        for offset in 0..<body {
            let a = kernel.bundle(first + offset)
            let b = kernel.bundle(second + offset)
            guard a.count == b.count,
                kernel.instructions[a.lowerBound].opcode
                    == kernel.instructions[b.lowerBound].opcode,
                graph.nodes[first + offset] == graph.nodes[second + offset]
            else { return false }
        }
        return true
    }
}
