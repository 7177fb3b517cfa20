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
        let window = machine.nanoseconds(ticks: windowTicks)
        var throttle: [ThrottleInterval] = []
        var timeline = try simulate(throttle)
        let freeMakespan = timeline.makespan
        var checkpoints = [SupplyObserver(network, power, policy, windowNanoseconds: window)]
        var round = 1
        while true {
            let waveform = try ActivityWaveform(
                timeline, of: program, power: power, windowTicks: windowTicks)
            let observer = observe(waveform, &checkpoints, windowNanoseconds: window)
            let isSettled = observer.throttle == throttle
            if isSettled || round == Self.largestRounds {
                return PowerReport(
                    network: network, freeMakespan: freeMakespan, makespan: timeline.makespan,
                    minimumVolts: observer.minimumVolts,
                    throttledShare: Double(throttle.reduce(0) { $0 + $1.end - $1.start })
                        / Double(max(1, timeline.makespan)), throttle: throttle,
                    droops: observer.droops, curve: observer.curve.points, rounds: round,
                    isSettled: isSettled)
            }
            let same = Self.commonTicks(throttle, observer.throttle) / windowTicks
            let unsure = response(windowNanoseconds: window) + 1
            while checkpoints.count > 1, checkpoints[checkpoints.count - 1].window + unsure > same {
                checkpoints.removeLast()
            }
            throttle = observer.throttle
            timeline = try simulate(throttle)
            round += 1
        }
    }

    /// How long two throttles are the same: until then, so are runs and voltages.
    static func commonTicks(_ a: [ThrottleInterval], _ b: [ThrottleInterval]) -> Int64 {
        for (one, other) in zip(a, b) where one != other {
            guard one.start == other.start, one.allowed == other.allowed,
                one.culprit == other.culprit
            else { return min(one.start, other.start) }
            return min(one.end, other.end)
        }
        guard a.count != b.count else { return .max }
        return (a.count < b.count ? b[a.count] : a[b.count]).start
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

    private func response(windowNanoseconds: Double) -> Int {
        Int((policy.response / windowNanoseconds).rounded(.up))
    }

    /// Observes a run from the last checkpoint to its end, and leaves checkpoints on the way.
    private func observe(
        _ waveform: ActivityWaveform, _ checkpoints: inout [SupplyObserver],
        windowNanoseconds: Double
    ) -> SupplyObserver {
        let search = BurstSearch(
            waveform, power: power, lookback: Int(policy.lookback / windowNanoseconds),
            response: response(windowNanoseconds: windowNanoseconds))
        let spacing = max(1024, waveform.count / 64)
        var observer = checkpoints[checkpoints.count - 1]
        while observer.window < waveform.count {
            observer.advance(waveform, search)
            if observer.window % spacing == 0 { checkpoints.append(observer) }
        }
        return observer
    }
}
