/// Computes when each instruction of a program runs on one core: exact, in whole ticks, and always
/// the same for the same program.
///
/// Values are not computed. The rules of time are those of the machine's ``CostModel`` and:
///
/// - Engines issue in order. An instruction starts when the one before it in its queue has started,
///   its unit is free, its semaphores have reached their values (and `semaphoreLatency` has
///   passed), and no other unit uses a PSUM bank or a path to memory that it needs and cannot
///   share.
/// - Units and rings complete in order; an instruction signals on completion.
/// - A transfer passes its engine's descriptor generator, waits out the start latency and then
///   occupies the DMA engines, which serve transfers in the order in which they become ready.
public struct Simulator: Sendable {
    /// The machine.
    public let machine: Machine
    /// Made once, since programs in a search are small; an error is thrown by each run.
    private let models: Result<CostModels, SimulationError>

    public init(machine: Machine) {
        self.machine = machine
        models = CostModels.make(machine, coresSharingHBM: 1)
    }

    /// Runs `program`.
    ///
    /// Complexity: linear in instructions and transfers.
    ///
    /// - Throws: ``SimulationError`` for deadlocks, for programs that signal a semaphore from two
    ///   streams or name what is not there, and for senseless options.
    public func run(
        _ program: Program, options: SimulationOptions = SimulationOptions()
    ) throws(SimulationError) -> SimulationResult {
        guard (1...1024).contains(options.coresSharingHBM) else {
            throw .invalidOptions("\(options.coresSharingHBM) cores cannot share HBM")
        }
        let removed = RemovedReasons(options.removed)
        let setup = SimulationSetup(
            machine: machine,
            models: try models(options.coresSharingHBM),
            removed: removed,
            throttle: try ThrottleSchedule(
                removed.contains(.throttle) ? [] : options.throttle,
                ticksPerCycle: machine.ticksPerCycle[Int(Engine.tensor.rawValue)]))
        if options.recording == .everything || removed.needsDetail {
            var result = try setup.run(program, FullDetail.self)
            if options.recording == .makespan {
                result = SimulationResult(timeline: Timeline(makespan: result.makespan))
            }
            return result
        }
        if options.recording == .instructions {
            return try setup.run(program, TimesDetail.self)
        }
        return try setup.run(program, MakespanDetail.self)
    }

    private func models(_ coresSharingHBM: Int) throws(SimulationError) -> CostModels {
        coresSharingHBM == 1
            ? try models.get() : try CostModels(machine, coresSharingHBM: coresSharingHBM)
    }

    /// The length of `program` in ticks: the fastest way to compare schedules.
    ///
    /// - Throws: as ``run(_:options:)``.
    public func makespan(of program: Program) throws(SimulationError) -> Int64 {
        try run(program, options: SimulationOptions(recording: .makespan)).makespan
    }
}

extension Timeline {
    /// A timeline of which only the length is known.
    init(makespan: Int64) {
        self.init()
        self.makespan = makespan
    }
}
