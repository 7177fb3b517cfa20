/// Simulates programs and explains where their time went.
public struct Profiler: Sendable {
    /// The machine.
    public let machine: Machine

    public init(machine: Machine) { self.machine = machine }

    /// Runs `program` and attributes every idle tick of every unit.
    ///
    /// - Parameter options: the conditions; everything is recorded whatever they say.
    /// - Throws: as ``Simulator/run(_:options:)``.
    public func profile(
        _ program: Program, options: SimulationOptions = SimulationOptions()
    ) throws(SimulationError) -> Profile {
        var options = options
        options.recording = .everything
        let result = try Simulator(machine: machine).run(program, options: options)
        return Profile(try ProfiledRun(program, machine, options, result))
    }
}

extension Profile {
    /// Makes the profile of a run of which everything was recorded.
    init(_ run: ProfiledRun) {
        let attribution = StallAttribution.attribute(run)
        self.init(
            program: run.program, machine: run.machine, timeline: run.timeline,
            stalls: attribution.stalls, units: attribution.units,
            criticalPath: CriticalPathWalk.steps(of: run),
            metrics: ProfileMetrics(run, units: attribution.units))
        work = run.program.instructions.indices.map { run.cost($0).work }
    }
}
