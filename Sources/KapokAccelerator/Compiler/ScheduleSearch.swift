/// Tries orders and numbers of buffers in simulation, and keeps the fastest program.
///
/// The author's order is always among them, so the result is never slower. Ties go to what was tried
/// first.
struct ScheduleSearch {
    private let kernel: WorkingKernel
    private let template: Program
    private let machine: Machine
    private let options: CompilerOptions
    private let costs: CostModel
    private let simulator: Simulator
    private var best: Best?
    private var candidates: [ScheduleCandidate] = []

    private struct Best {
        var assembled: AssembledProgram
        var layout: PoolLayout
        var makespan: Int64
        var name: String
    }

    /// Shares of the free memory that are given to more buffers.
    private static let shares = [1.0, 0.25, 0.0625]

    init(
        _ kernel: WorkingKernel, template: Program, machine: Machine, options: CompilerOptions
    ) {
        self.kernel = kernel
        self.template = template
        self.machine = machine
        self.options = options
        costs = CostModel(machine)
        simulator = Simulator(machine: machine)
    }

    /// Tries what the options ask for and the budget allows.
    mutating func run() throws(CompilerError) -> CompiledKernel {
        let planner = MemoryPlanner(
            kernel, machine: machine, maximumExtra: options.maximumExtraBuffers)
        for share in options.schedule == .source ? [1.0] : Self.shares {
            guard mayGoOn || share == 1 else { break }
            guard let layout = try planner.layout(share: share) else {
                throw planner.sbufOverflow()
            }
            try tryOrders(layout, suffix: Self.suffix(share))
        }
        guard let best else {
            throw CompilerError(
                kind: .notSimulated, line: nil, problem: "no schedule could be simulated",
                remedy: "Allow at least one candidate")
        }
        return result(best)
    }

    private static func suffix(_ share: Double) -> String {
        share == 1 ? "" : ", \(Int(share * 10_000)) of 10000 of the free memory"
    }

    /// Whether another candidate is within the limits.
    private var mayGoOn: Bool {
        candidates.count < options.maximumCandidates
            && (candidates.count < 2
                || (candidates.count + 1) * kernel.instructions.count <= options.searchBudget)
    }

    private mutating func tryOrders(
        _ layout: PoolLayout, suffix: String
    ) throws(CompilerError) {
        let assembly = ProgramAssembly(
            kernel, patterns: layout.patterns, dependences: layout.dependences, machine: machine)
        let count = kernel.bundleCount
        if options.schedule != .list || candidates.isEmpty {
            try attempt(
                (0..<count).map { UInt32($0) }, "source" + suffix, layout, assembly)
        }
        guard options.schedule != .source else { return }
        let graph = ScheduleGraph(
            kernel, patterns: layout.patterns, dependences: layout.dependences, costs: costs)
        // The later a bundle may be, the less urgent it is.
        let backward = ListScheduler.schedule(
            graph, priority: (0..<count).map { Int64(count - $0) }, .backward)
        guard mayGoOn else { return }
        let forward = ListScheduler.schedule(
            graph, priority: backward.end.map { -$0 }, .forward)
        try attempt(forward.order, "deadline" + suffix, layout, assembly)
        guard mayGoOn else { return }
        let eager = ListScheduler.schedule(
            graph, priority: (0..<count).map { Int64($0) }, .forward)
        try attempt(eager.order, "eager" + suffix, layout, assembly)
        guard mayGoOn else { return }
        let tighter = ListScheduler.schedule(
            graph, priority: forward.end.map { -$0 }, .backward)
        let justified = ListScheduler.schedule(
            graph, priority: tighter.end.map { -$0 }, .forward)
        try attempt(justified.order, "justified" + suffix, layout, assembly)
    }

    private mutating func attempt(
        _ order: [UInt32], _ name: String, _ layout: PoolLayout, _ assembly: ProgramAssembly
    ) throws(CompilerError) {
        var base = template
        base.patterns = layout.patterns
        base.tensors = kernel.tensors
        let assembled = assembly.program(bundles: order, template: base)
        let makespan: Int64
        do {
            makespan = try simulator.makespan(of: assembled.program)
        } catch {
            throw CompilerError(
                kind: .notSimulated, line: nil, problem: "schedule \(name): \(error)",
                remedy: "Report this kernel: the compiler made a program that cannot run")
        }
        candidates.append(ScheduleCandidate(name: name, makespan: makespan))
        if best.map({ makespan < $0.makespan }) ?? true {
            best = Best(assembled: assembled, layout: layout, makespan: makespan, name: name)
        }
    }

    private func result(_ best: Best) -> CompiledKernel {
        var program = best.assembled.program
        program.tiles = best.layout.tiles(kernel)
        program.recordTileUses()
        var report = CompilationReport()
        report.makespan = best.makespan
        report.schedule = best.name
        report.candidates = candidates
        report.pools = best.layout.report(kernel)
        report.dependences = best.layout.dependences.producers.count
        report.synchronisedDependences = best.assembled.synchronisedDependences
        report.waits = best.assembled.waits
        report.nops = best.assembled.nops
        return CompiledKernel(program: program, report: report)
    }
}

extension Program {
    /// Fills in the first and last uses of all tiles.
    fileprivate mutating func recordTileUses() {
        var isUsed = [Bool](repeating: false, count: tiles.count)
        for (index, instruction) in instructions.enumerated() {
            let operands = OperandAccesses(instruction)
            for slot in 0..<operands.count {
                let pattern = patterns[Int(operands[slot].pattern)]
                guard pattern.space != .hbm else { continue }
                let tile = Int(pattern.tile)
                if !isUsed[tile] {
                    isUsed[tile] = true
                    tiles[tile].firstUse = UInt32(index)
                }
                tiles[tile].lastUse = UInt32(index)
            }
        }
    }
}
