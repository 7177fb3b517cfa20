/// A run and its supply, each depending on the other: activity draws current, current makes the
/// voltage droop, droop throttles, throttling changes the activity.
///
/// Found by simulating again with the throttle that the last run's voltage led to, until nothing
/// changes. Causes come before effects, so each round is right for longer than the one before.
public struct PowerLoop: Sendable {
    /// The network.
    public let network: SupplyNetwork
    /// What the engines draw.
    public let power: EnginePower
    /// How the chip reacts.
    public let policy: ThrottlePolicy
    /// Nanoseconds of a window of constant mean current.
    public let windowNanoseconds: Double

    /// Rounds at most.
    public static let largestRounds = 100
    /// Steps of the network in a window.
    private static let stepsPerWindow = 2

    /// - Throws: ``PowerError/invalid(_:)`` when network or policy make no sense.
    public init(
        network: SupplyNetwork, power: EnginePower = .illustrative,
        policy: ThrottlePolicy = .illustrative, windowNanoseconds: Double = 5
    ) throws(PowerError) {
        if let problem = network.problem ?? policy.problem { throw .invalid(problem) }
        guard windowNanoseconds >= 1, windowNanoseconds <= 1000 else {
            throw .invalid("windows of \(windowNanoseconds) ns are not between 1 and 1000 ns long")
        }
        self.network = network
        self.power = power
        self.policy = policy
        self.windowNanoseconds = windowNanoseconds
    }

    /// Simulates until run and supply agree.
    ///
    /// - Parameters:
    ///   - simulate: runs `program` with a throttle. Its timeline needs the segments of the DMA
    ///     engines if their current is to count.
    /// - Throws: ``PowerError``, and what `simulate` throws.
    public func run(
        _ program: Program, on machine: Machine,
        simulate: (_ throttle: [ThrottleInterval]) throws -> Timeline
    ) throws -> PowerReport {
        let windowTicks = max(1, machine.ticks(nanoseconds: windowNanoseconds))
        var throttle: [ThrottleInterval] = []
        var timeline = try simulate(throttle)
        let freeMakespan = timeline.makespan
        var freeMinimum: Double?
        for round in 1... {
            let waveform = try ActivityWaveform(
                timeline, of: program, power: power, windowTicks: windowTicks, throttle: throttle)
            let observation = observe(
                waveform, windowNanoseconds: machine.nanoseconds(ticks: windowTicks))
            let minimum = freeMinimum ?? observation.minimumVolts
            freeMinimum = minimum
            let isSettled = observation.throttle == throttle
            if isSettled || round == Self.largestRounds {
                return PowerReport(
                    network: network, freeMakespan: freeMakespan, makespan: timeline.makespan,
                    freeMinimumVolts: minimum, minimumVolts: observation.minimumVolts,
                    throttledShare: Double(throttle.reduce(0) { $0 + $1.end - $1.start })
                        / Double(max(1, timeline.makespan)), throttle: throttle,
                    droops: observation.droops, curve: observation.curve, rounds: round,
                    isSettled: isSettled)
            }
            throttle = observation.throttle
            timeline = try simulate(throttle)
        }
        preconditionFailure("the loop returns")
    }

    /// The same with the simulator of one core, all cores of the chip running in step.
    ///
    /// - Throws: ``PowerError`` and ``SimulationError``.
    public func run(_ program: Program, on machine: Machine) throws -> PowerReport {
        let simulator = Simulator(machine: machine)
        return try run(program, on: machine) { throttle in
            let options = SimulationOptions(recording: .everything, throttle: throttle)
            return try simulator.run(program, options: options).timeline
        }
    }

    /// What a run's voltage leads to.
    private struct Observation {
        var throttle: [ThrottleInterval] = []
        var droops: [SupplyDroop] = []
        var minimumVolts = Double.infinity
        var curve: [SupplyPoint] = []
    }

    private func observe(_ waveform: ActivityWaveform, windowNanoseconds: Double) -> Observation {
        let search = BurstSearch(
            waveform, power: power, lookback: Int(policy.lookback / windowNanoseconds),
            response: Int((policy.response / windowNanoseconds).rounded(.up)))
        var supply = SupplySimulation(
            network, step: windowNanoseconds / Double(Self.stepsPerWindow), idleAmperes: power.idle)
        var controller = ThrottleController(
            policy, voltage: network.voltage, windowNanoseconds: windowNanoseconds)
        var curve = SupplyCurve(windowNanoseconds: windowNanoseconds)
        var observation = Observation()
        var culprit = ThrottleInterval.noCulprit
        var droopCulprit = ThrottleInterval.noCulprit
        var allowed = controller.allowedParts(after: -1)
        for window in waveform.amperes.indices {
            let isWorking = waveform.tensorWorks[window]
            let volts = Self.pass(&supply, toAmperes: waveform.amperes[window])
            observation.minimumVolts = min(observation.minimumVolts, volts)
            curve.add(
                volts: volts, amperes: waveform.amperes[window],
                share: Double(allowed) / Double(policy.parts))
            let outcome = controller.note(window: window, volts: volts, isWorking: isWorking)
            if outcome.rampBegan { culprit = search.firstTensorInstruction(in: window) }
            if allowed < policy.parts, isWorking {
                Self.extend(
                    &observation.throttle, window: window, ticks: waveform.windowTicks,
                    allowed: allowed, outOf: policy.parts, culprit: culprit)
            }
            if outcome.fired {
                let burst = search.burst(before: window)
                droopCulprit = burst.instruction
                observation.droops.append(
                    SupplyDroop(
                        time: Int64(window + 1) * waveform.windowTicks, minimumVolts: volts,
                        culprit: burst.instruction, burstStart: burst.start, rise: burst.rise))
            } else if controller.isReacting,
                let last = observation.droops.indices.last
            {
                observation.droops[last].minimumVolts = min(
                    observation.droops[last].minimumVolts, volts)
            }
            if controller.isThrottling { culprit = droopCulprit }
            allowed = controller.allowedParts(after: window)
        }
        observation.curve = curve.points
        return observation
    }

    /// Lets a window pass; the lowest voltage in it.
    private static func pass(_ supply: inout SupplySimulation, toAmperes amperes: Double) -> Double
    {
        let before = supply.amperes
        var lowest = Double.infinity
        for step in 1...stepsPerWindow {
            let share = Double(step) / Double(stepsPerWindow)
            supply.advance(toAmperes: before + (amperes - before) * share)
            lowest = min(lowest, supply.dieVoltage)
        }
        return lowest
    }

    /// Adds a window to the throttle, to its last interval if that goes on.
    private static func extend(
        _ throttle: inout [ThrottleInterval], window: Int, ticks: Int64, allowed: Int, outOf: Int,
        culprit: UInt32
    ) {
        let start = Int64(window) * ticks
        if let last = throttle.last, last.end == start, last.allowed == allowed,
            last.culprit == culprit
        {
            throttle[throttle.count - 1].end = start + ticks
        } else {
            throttle.append(
                ThrottleInterval(
                    start: start, end: start + ticks, allowed: allowed, outOf: outOf,
                    culprit: culprit))
        }
    }
}
