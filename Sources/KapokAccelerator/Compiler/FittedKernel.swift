/// A kernel whose tiles fit into SBUF, and what that took.
struct FittedKernel: Sendable {
    /// The kernel, with spills and reloads where they are needed.
    var kernel: WorkingKernel
    /// Bytes stored to HBM, and bytes loaded once more.
    var spilledBytes: Int64 = 0
    var reloadedBytes: Int64 = 0
    /// What sets it apart from other versions: empty, or `1/8 of the buffers kept back`.
    var name = ""

    /// Parts of the buffers that are kept back, so that tiles can be loaded ahead of their use.
    private static let keptBack: [(part: Double, name: String)] = [
        (1.0 / 16, "1/16"), (1.0 / 8, "1/8"), (1.0 / 4, "1/4"),
    ]

    /// Versions of `kernel` that fit; the kernel itself when nothing has to be done.
    ///
    /// - Throws: ``CompilerError`` when a single instruction does not fit, or spilling is
    ///   forbidden.
    static func versions(
        of kernel: WorkingKernel, machine: Machine, options: CompilerOptions
    ) throws(CompilerError) -> [FittedKernel] {
        let planner = MemoryPlanner(kernel, machine: machine, maximumExtra: 0)
        if planner.fitsSBUF { return [FittedKernel(kernel: kernel)] }
        guard options.allowsSpilling else { throw planner.sbufOverflow() }
        guard let best = leastTraffic(kernel, planner, machine) else {
            throw planner.instructionOverflow()
        }
        var result = [best.fitted]
        for (part, name) in keptBack {
            guard let budget = best.budget.keepingBack(part) else { continue }
            let fitted = spilled(kernel, budget, name: name + " of the buffers kept back")
            if MemoryPlanner(fitted.kernel, machine: machine, maximumExtra: 0).fitsSBUF {
                result.append(fitted)
            }
        }
        return result
    }

    /// The version that moves the fewest bytes: with buffers for each size of tile if possible,
    /// with memory in pieces otherwise.
    private static func leastTraffic(
        _ kernel: WorkingKernel, _ planner: MemoryPlanner, _ machine: Machine
    ) -> (budget: SpillBudget, fitted: FittedKernel)? {
        var best: (budget: SpillBudget, fitted: FittedKernel)?
        for budget in planner.spillBudget().reduced(to: machine.sbufBytesPerPartition) {
            let fitted = spilled(kernel, budget, name: "")
            if best.map({ fitted.traffic < $0.fitted.traffic }) ?? true { best = (budget, fitted) }
        }
        if let best { return best }
        for budget in planner.spillBudgetsInBytes() {
            let fitted = spilled(kernel, budget, name: "")
            if MemoryPlanner(fitted.kernel, machine: machine, maximumExtra: 0).fitsSBUF {
                return (budget, fitted)
            }
        }
        return nil
    }

    private var traffic: Int64 { spilledBytes + reloadedBytes }

    private static func spilled(
        _ kernel: WorkingKernel, _ budget: SpillBudget, name: String
    ) -> FittedKernel {
        var spiller = Spiller(kernel, budget: budget)
        let result = spiller.run()
        return FittedKernel(
            kernel: result, spilledBytes: spiller.spilledBytes,
            reloadedBytes: spiller.reloadedBytes, name: name)
    }
}
