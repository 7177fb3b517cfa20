/// Tries orders and numbers of buffers in simulation, and keeps the fastest program.
///
/// The author's order is always among them, so the result is never slower. Ties go to what was
/// tried first.
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
        var method: ScheduleMethod
        var makespan: Int64
        var name: String
        var loops: [PipelinedLoop]
    }

    /// A smaller part of the memory that is left: tried once, with the best method.
    private static let smallerShare = (part: 0.25, name: "1/4 of the spare buffers")
    /// Rounds of moving buffers from pool to pool at most.
    private static let rounds = 8

    init(template: Program, machine: Machine, options: CompilerOptions) {
        self.template = template
        self.machine = machine
        self.options = options
        costs = CostModel(machine)
        simulator = Simulator(machine: machine)
    }

    /// Tries what the options ask for and the budget allows: all methods on every version of the
    /// kernel, then other numbers of buffers with the best method.
    ///
    /// - Parameter versions: of one kernel, at least one.
    mutating func run(_ versions: [FittedKernel]) throws(CompilerError) -> CompiledKernel {
        let methods = ScheduleMethod.methods(of: options.schedule)
        for fitted in versions where candidates.isEmpty || options.schedule != .source {
            guard mayGoOn(fitted) else { break }
            var setting = try setting(fitted, share: 1, name: fitted.name)
            for method in methods { try attempt(method, &setting) }
            // A kernel without loops that are alike has no modulo schedule.
            if best == nil { try attempt(.deadline, &setting) }
        }
        if options.schedule != .source { try varyBuffers() }
        guard let best else {
            throw CompilerError(
                kind: .notSimulated, line: nil, problem: "no schedule could be simulated",
                remedy: "Report this kernel: every kernel has a schedule")
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

    /// Fewer buffers in SBUF, and buffers moved from pool to pool.
    private mutating func varyBuffers() throws(CompilerError) {
        guard let found = best, mayGoOn(found.fitted) else { return }
        var fewer = try setting(
            found.fitted, share: Self.smallerShare.part, name: Self.smallerShare.name)
        try attempt(found.method, &fewer)
        for _ in 0..<Self.rounds {
            guard let center = best, center.method != .source else { return }
            let planner = planner(center.fitted)
            for move in planner.moves(from: center.layout) {
                guard mayGoOn(center.fitted) else { return }
                var moved = setting(
                    center.fitted, planner.layout(pools: move.pools), name: move.name)
                try attempt(center.method, &moved)
            }
            if best?.makespan == center.makespan { return }
        }
    }

    private func planner(_ fitted: FittedKernel) -> MemoryPlanner {
        MemoryPlanner(
            fitted.kernel, machine: machine, maximumExtra: options.maximumExtraBuffers)
    }

    /// What candidates that differ in their order only have in common.
    private struct Setting {
        var fitted: FittedKernel
        var layout: PoolLayout
        var assembly: ProgramAssembly
        var orders: OrderMaker
        var name: String
    }

    private func setting(
        _ fitted: FittedKernel, share: Double, name: String
    ) throws(CompilerError) -> Setting {
        let planner = planner(fitted)
        guard let layout = try planner.layout(share: share) else { throw planner.sbufOverflow() }
        return setting(fitted, layout, name: name)
    }

    private func setting(
        _ fitted: FittedKernel, _ layout: PoolLayout, name: String
    ) -> Setting {
        let graph = ScheduleGraph(
            fitted.kernel, patterns: layout.patterns, dependences: layout.dependences,
            costs: costs)
        return Setting(
            fitted: fitted, layout: layout,
            assembly: ProgramAssembly(
                fitted.kernel, patterns: layout.patterns, dependences: layout.dependences,
                machine: machine),
            orders: OrderMaker(fitted.kernel, graph, iterations: template.iterations), name: name)
    }

    private mutating func attempt(
        _ method: ScheduleMethod, _ setting: inout Setting
    ) throws(CompilerError) {
        guard mayGoOn(setting.fitted), let order = setting.orders.order(method) else { return }
        let name = setting.name.isEmpty ? method.rawValue : "\(method.rawValue), \(setting.name)"
        var base = template
        base.patterns = setting.layout.patterns
        base.tensors = setting.fitted.kernel.tensors
        let assembled = setting.assembly.program(bundles: order.bundles, template: base)
        let makespan: Int64
        do {
            makespan = try simulator.makespan(of: assembled.program)
        } catch {
            throw CompilerError(
                kind: .notSimulated, line: nil, problem: "schedule \(name): \(error)",
                remedy: "Report this kernel: the compiler made a program that cannot run")
        }
        handledInstructions += assembled.program.instructions.count
        candidates.append(ScheduleCandidate(name: name, makespan: makespan))
        if best.map({ makespan < $0.makespan }) ?? true {
            best = Best(
                assembled: assembled, layout: setting.layout, fitted: setting.fitted,
                method: method, makespan: makespan, name: name, loops: order.loops)
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
        report.loops = best.loops.map { loop in
            var named = loop
            named.name = template.loops[Int(loop.loop)].name
            return named
        }
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
