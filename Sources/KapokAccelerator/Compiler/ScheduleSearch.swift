/// Tries orders and numbers of buffers in simulation, and keeps the fastest program.
///
/// The author's order is always among them, so the result is never slower. Ties go to what was tried
/// first.
struct ScheduleSearch {
    private let template: Program
    private let machine: Machine
    private let options: CompilerOptions
    private let costs: CostModel
    private let simulator: Simulator
    private var best: Best?
    private var candidates: [ScheduleCandidate] = []
    private var handledInstructions = 0

    private struct Best {
        var assembled: AssembledProgram
        var layout: PoolLayout
        var fitted: FittedKernel
        var makespan: Int64
        var name: String
    }

    /// Shares of the free memory that are given to more buffers.
    private static let shares: [(part: Double, name: String)] = [
        (1, ""), (0.25, "1/4 of the spare buffers"), (0.0625, "1/16 of the spare buffers"),
    ]

    init(template: Program, machine: Machine, options: CompilerOptions) {
        self.template = template
        self.machine = machine
        self.options = options
        costs = CostModel(machine)
        simulator = Simulator(machine: machine)
    }

    /// Tries what the options ask for and the budget allows.
    ///
    /// - Parameter versions: of one kernel, at least one.
    mutating func run(_ versions: [FittedKernel]) throws(CompilerError) -> CompiledKernel {
        for share in Self.shares {
            for fitted in versions {
                guard candidates.isEmpty || (mayGoOn(fitted) && options.schedule != .source)
                else { continue }
                let planner = MemoryPlanner(
                    fitted.kernel, machine: machine, maximumExtra: options.maximumExtraBuffers)
                guard let layout = try planner.layout(share: share.part) else {
                    throw planner.sbufOverflow()
                }
                try tryOrders(fitted, layout, suffix: [fitted.name, share.name])
            }
        }
        guard let best else {
            throw CompilerError(
                kind: .notSimulated, line: nil, problem: "no schedule could be simulated",
                remedy: "Allow at least one candidate")
        }
        return result(best)
    }

    /// Whether another candidate is within the limits.
    private func mayGoOn(_ fitted: FittedKernel) -> Bool {
        candidates.count < 2
            || (candidates.count < options.maximumCandidates
                && handledInstructions + fitted.kernel.instructions.count
                    <= options.searchBudget)
    }

    private mutating func tryOrders(
        _ fitted: FittedKernel, _ layout: PoolLayout, suffix: [String]
    ) throws(CompilerError) {
        let kernel = fitted.kernel
        let setting = Setting(
            fitted: fitted, layout: layout,
            assembly: ProgramAssembly(
                kernel, patterns: layout.patterns, dependences: layout.dependences,
                machine: machine),
            suffix: suffix.filter { !$0.isEmpty }.map { ", \($0)" }.joined())
        let count = kernel.bundleCount
        try attempt((0..<count).map { UInt32($0) }, "source", setting)
        guard options.schedule != .source, mayGoOn(fitted) else { return }
        let graph = ScheduleGraph(
            kernel, patterns: layout.patterns, dependences: layout.dependences, costs: costs)
        // The later a bundle may be, the less urgent it is.
        let backward = ListScheduler.schedule(
            graph, priority: (0..<count).map { Int64(count - $0) }, .backward)
        let forward = ListScheduler.schedule(
            graph, priority: backward.end.map { -$0 }, .forward)
        try attempt(forward.order, "deadline", setting)
        guard mayGoOn(fitted) else { return }
        let eager = ListScheduler.schedule(
            graph, priority: (0..<count).map { Int64($0) }, .forward)
        try attempt(eager.order, "eager", setting)
        guard mayGoOn(fitted) else { return }
        let tighter = ListScheduler.schedule(
            graph, priority: forward.end.map { -$0 }, .backward)
        let justified = ListScheduler.schedule(
            graph, priority: tighter.end.map { -$0 }, .forward)
        try attempt(justified.order, "justified", setting)
    }

    /// What candidates that differ in their order only have in common.
    private struct Setting {
        var fitted: FittedKernel
        var layout: PoolLayout
        var assembly: ProgramAssembly
        var suffix: String
    }

    private mutating func attempt(
        _ order: [UInt32], _ name: String, _ setting: Setting
    ) throws(CompilerError) {
        var base = template
        base.patterns = setting.layout.patterns
        base.tensors = setting.fitted.kernel.tensors
        let assembled = setting.assembly.program(bundles: order, template: base)
        let makespan: Int64
        do {
            makespan = try simulator.makespan(of: assembled.program)
        } catch {
            throw CompilerError(
                kind: .notSimulated, line: nil, problem: "schedule \(name): \(error)",
                remedy: "Report this kernel: the compiler made a program that cannot run")
        }
        handledInstructions += assembled.program.instructions.count
        let fullName = name + setting.suffix
        candidates.append(ScheduleCandidate(name: fullName, makespan: makespan))
        if best.map({ makespan < $0.makespan }) ?? true {
            best = Best(
                assembled: assembled, layout: setting.layout, fitted: setting.fitted,
                makespan: makespan, name: fullName)
        }
    }

    private func result(_ best: Best) -> CompiledKernel {
        var program = best.assembled.program
        program.tiles = best.layout.tiles(best.fitted.kernel)
        program.recordTileUses()
        var report = CompilationReport()
        report.makespan = best.makespan
        report.schedule = best.name
        report.candidates = candidates
        report.bounds = LowerBounds(best.fitted.kernel, best.layout, costs: costs).all()
        report.pools = best.layout.report(best.fitted.kernel)
        report.spilledBytes = best.fitted.spilledBytes
        report.reloadedBytes = best.fitted.reloadedBytes
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
