/// Follows the voltage of a run window by window, and notes what the detector makes of it.
struct SupplyObserver: Sendable {
    /// The next window.
    private(set) var window = 0
    /// What the tensor engine is to be held back by.
    private(set) var throttle: [ThrottleInterval] = []
    private(set) var droops: [SupplyDroop] = []
    private(set) var minimumVolts = Double.infinity
    private(set) var curve: SupplyCurve

    private let parts: Int
    private var supply: SupplySimulation
    private var controller: ThrottleController
    private var allowed: Int
    private var shares: RecentShares
    /// Whose burst the present throttle is for, and the last droop was.
    private var culprit = ThrottleInterval.noCulprit
    private var droopCulprit = ThrottleInterval.noCulprit

    /// Steps of the network in a window.
    private static let stepsPerWindow = 2

    init(
        _ network: SupplyNetwork, _ power: EnginePower, _ policy: ThrottlePolicy,
        windowNanoseconds: Double
    ) {
        parts = policy.parts
        supply = SupplySimulation(
            network, step: windowNanoseconds / Double(Self.stepsPerWindow), idleAmperes: power.idle)
        controller = ThrottleController(
            policy, voltage: network.voltage, windowNanoseconds: windowNanoseconds)
        curve = SupplyCurve(windowNanoseconds: windowNanoseconds)
        allowed = controller.allowedParts(after: -1)
        shares = RecentShares(count: Int(policy.lookback / windowNanoseconds) + 1)
    }

    /// Takes the next window.
    ///
    /// The current is that which a throttle leaves, also when the run that is observed was not
    /// throttled yet: its next round comes close to what is seen here.
    mutating func advance(_ waveform: ActivityWaveform, _ search: BurstSearch) {
        let isWorking = waveform.tensorWorks[window]
        let share = Double(allowed) / Double(parts)
        shares.append(share)
        let amperes = waveform.amperes(window, share: share)
        let volts = lowestVolts(toAmperes: amperes)
        minimumVolts = min(minimumVolts, volts)
        curve.add(volts: volts, amperes: amperes, share: share)
        let outcome = controller.note(window: window, volts: volts, isWorking: isWorking)
        if outcome.rampBegan { culprit = search.firstTensorInstruction(in: window) }
        if allowed < parts, isWorking { extendThrottle(ticks: waveform.windowTicks) }
        noteDroop(outcome, volts: volts, search, ticks: waveform.windowTicks)
        if controller.isThrottling { culprit = droopCulprit }
        allowed = controller.allowedParts(after: window)
        window += 1
    }

    private mutating func noteDroop(
        _ outcome: ThrottleController.Outcome, volts: Double, _ search: BurstSearch, ticks: Int64
    ) {
        if outcome.fired {
            let burst = search.burst(before: window, shares: shares)
            droopCulprit = burst.instruction
            droops.append(
                SupplyDroop(
                    time: Int64(window + 1) * ticks, minimumVolts: volts,
                    culprit: burst.instruction, burstStart: burst.start, rise: burst.rise))
        } else if controller.isReacting, let last = droops.indices.last {
            droops[last].minimumVolts = min(droops[last].minimumVolts, volts)
        }
    }

    /// Lets a window pass; the lowest voltage in it.
    private mutating func lowestVolts(toAmperes amperes: Double) -> Double {
        let before = supply.amperes
        var lowest = Double.infinity
        for step in 1...Self.stepsPerWindow {
            let share = Double(step) / Double(Self.stepsPerWindow)
            supply.advance(toAmperes: before + (amperes - before) * share)
            lowest = min(lowest, supply.dieVoltage)
        }
        return lowest
    }

    /// Adds the window to the throttle, to its last interval if that goes on.
    private mutating func extendThrottle(ticks: Int64) {
        let start = Int64(window) * ticks
        if let last = throttle.last, last.end == start, last.allowed == allowed,
            last.culprit == culprit
        {
            throttle[throttle.count - 1].end = start + ticks
        } else {
            throttle.append(
                ThrottleInterval(
                    start: start, end: start + ticks, allowed: allowed, outOf: parts,
                    culprit: culprit))
        }
    }
}
