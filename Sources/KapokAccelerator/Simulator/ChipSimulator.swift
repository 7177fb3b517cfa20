/// Simulates several cores of a chip at the same time, each with a program of its own.
///
/// Cores share nothing but HBM: each gets an equal share of its stack's bandwidth for as long as
/// the chip runs. That errs on the slow side for cores that outlast the others, and keeps cores
/// independent of each other: they are simulated on several threads, and the results do not depend
/// on how many.
public struct ChipSimulator: Sendable {
    /// The machine of which the chip has ``Machine/coresPerChip``.
    public let machine: Machine

    public init(machine: Machine) { self.machine = machine }

    /// Runs one program on each core, from core 0 on.
    ///
    /// Core `c` uses stack `c * stacks / cores` of the chip, in whole numbers: neighbours share
    /// one.
    ///
    /// - Parameters: - programs: at most as many as the chip has cores. - options: for every core;
    ///   the number of cores that share HBM is found out, not taken. - threads: at most so many
    ///   threads simulate; at least 1.
    /// - Returns: one result for each program.
    /// - Throws: ``SimulationError`` of the first core that has one.
    public func run(
        _ programs: [Program], options: SimulationOptions = SimulationOptions(), threads: Int = 2
    ) throws(SimulationError) -> [SimulationResult] {
        guard programs.count <= machine.coresPerChip else {
            throw .invalidOptions(
                "\(programs.count) programs for \(machine.coresPerChip) cores")
        }
        let simulator = Simulator(machine: machine)
        let sharing = coresSharingHBM(programs.count)
        let outcomes = ParallelMap.map(count: programs.count, threads: threads) { core in
            var options = options
            options.coresSharingHBM = sharing[core]
            return Self.outcome(simulator, programs[core], options)
        }
        var results: [SimulationResult] = []
        for outcome in outcomes { results.append(try outcome.get()) }
        return results
    }

    private static func outcome(
        _ simulator: Simulator, _ program: Program, _ options: SimulationOptions
    ) -> Result<SimulationResult, SimulationError> {
        do throws(SimulationError) {
            return .success(try simulator.run(program, options: options))
        } catch {
            return .failure(error)
        }
    }

    /// For each active core, how many active cores use its stack of HBM.
    func coresSharingHBM(_ active: Int) -> [Int] {
        let stacks = max(1, Int(machine.value(.hbmStacks)))
        func stack(_ core: Int) -> Int { core * stacks / machine.coresPerChip }
        return (0..<active).map { core in
            (0..<active).count { stack($0) == stack(core) }
        }
    }
}
