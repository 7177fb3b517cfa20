/// The answer to "how long would the program take without this cause of waiting?".
public struct WhatIf: Hashable, Sendable {
    /// What was taken away.
    public var removed: RemovedCause
    /// The program's length with and without it, in ticks.
    public var makespan: Int64
    public var makespanWithout: Int64

    public init(removed: RemovedCause, makespan: Int64, makespanWithout: Int64) {
        self.removed = removed
        self.makespan = makespan
        self.makespanWithout = makespanWithout
    }

    /// Ticks that would be gained; negative in the rare case that another order of transfers makes
    /// the program longer.
    public var gain: Int64 { makespan - makespanWithout }
    /// The same as a share of the program's length.
    public var gainShare: Double { makespan > 0 ? Double(gain) / Double(makespan) : 0 }
}

extension Profiler {
    /// Simulates `program` again without one cause of waiting.
    ///
    /// - Parameter options: the conditions, as in ``profile(_:options:)``; what they remove is
    ///   removed on both sides.
    /// - Throws: as ``Simulator/run(_:options:)``.
    public func whatIf(
        _ program: Program, without cause: RemovedCause,
        options: SimulationOptions = SimulationOptions()
    ) throws(SimulationError) -> WhatIf {
        let answers = try whatIf(program, without: [cause], options: options)
        return answers[0]
    }

    /// The same for several causes, each by itself, in the given order.
    public func whatIf(
        _ program: Program, without causes: [RemovedCause],
        options: SimulationOptions = SimulationOptions()
    ) throws(SimulationError) -> [WhatIf] {
        let simulator = Simulator(machine: machine)
        var options = options
        options.recording = .makespan
        let makespan = try simulator.run(program, options: options).makespan
        let given = options.removed
        var answers: [WhatIf] = []
        for cause in causes {
            options.removed = given + [cause]
            answers.append(
                WhatIf(
                    removed: cause, makespan: makespan,
                    makespanWithout: try simulator.run(program, options: options).makespan))
        }
        return answers
    }

    /// What each reason of the closed list costs the program, `programEnd` aside: the largest gain
    /// first, equal ones in the order of the list.
    public func whatIfTable(
        _ program: Program, options: SimulationOptions = SimulationOptions()
    ) throws(SimulationError) -> [WhatIf] {
        let reasons = StallReason.allCases.filter { $0 != .programEnd }
        let answers = try whatIf(program, without: reasons.map { .reason($0) }, options: options)
        let order = answers.indices.sorted { a, b in
            (answers[b].gain, a) < (answers[a].gain, b)
        }
        return order.map { answers[$0] }
    }
}
