/// A step of the load on a supply, with the chip's reaction: no kernel, just a current that rises.
public struct LoadStep: Hashable, Codable, Sendable {
    /// Amperes before the step.
    public var idle: Double
    /// By how much the load rises.
    public var step: Double
    /// Nanoseconds in which it rises.
    public var ramp: Double
    /// Nanoseconds before the step, and after its beginning.
    public var before: Double
    public var after: Double

    public init(
        idle: Double = 150, step: Double = 400, ramp: Double = 50, before: Double = 200,
        after: Double = 4000
    ) {
        self.idle = idle
        self.step = step
        self.ramp = ramp
        self.before = before
        self.after = after
    }

    /// Nanoseconds of a window.
    static let window = 1.0

    /// What is wrong with it; nil when nothing is.
    var problem: String? {
        guard [idle, step, ramp, before, after].allSatisfy({ $0.isFinite && $0 >= 0 }) else {
            return "a load step has no negative values"
        }
        guard before + after <= 1_000_000, after > 0, idle + step <= 1e6 else {
            return "a load step lasts at most a millisecond and draws at most 1000000 A"
        }
        return nil
    }

    /// What `network` and `policy` make of it. The rise is what a throttle scales down, window by
    /// window (1 ns), as it happens.
    ///
    /// - Throws: ``PowerError/invalid(_:)``.
    public func response(
        of network: SupplyNetwork, policy: ThrottlePolicy = .illustrative
    ) throws(PowerError) -> LoadStepResponse {
        if let problem = problem ?? network.problem ?? policy.problem { throw .invalid(problem) }
        var supply = SupplySimulation(network, step: Self.window / 2, idleAmperes: idle)
        var controller = ThrottleController(
            policy, voltage: network.voltage, windowNanoseconds: Self.window)
        var curve = SupplyCurve(windowNanoseconds: Self.window)
        var response = LoadStepResponse(network: network, load: self)
        var (wanted, given) = (0.0, 0.0)
        var throttledWindows = 0
        let count = Int(((before + after) / Self.window).rounded(.up))
        for window in 0..<count {
            let rise = step * share(at: Double(window + 1) * Self.window)
            let allowed = controller.allowedParts(after: window - 1)
            let part = Double(allowed) / Double(policy.parts)
            let amperes = idle + rise * part
            let volts = Self.pass(&supply, toAmperes: amperes)
            let outcome = controller.note(window: window, volts: volts, isWorking: rise > 0)
            curve.add(volts: volts, amperes: amperes, share: part)
            response.minimumVolts = min(response.minimumVolts, volts)
            response.detections += outcome.fired ? 1 : 0
            wanted += rise
            given += rise * part
            throttledWindows += rise > 0 && allowed < policy.parts ? 1 : 0
        }
        response.finalVolts = supply.dieVoltage
        response.throttledNanoseconds = Double(throttledWindows) * Self.window
        response.lostShare = wanted > 0 ? 1 - given / wanted : 0
        response.curve = curve.points
        return response
    }

    /// The share of the step that is there at a time.
    private func share(at time: Double) -> Double {
        guard time > before else { return 0 }
        return ramp > 0 ? min(1, (time - before) / ramp) : 1
    }

    private static func pass(_ supply: inout SupplySimulation, toAmperes amperes: Double) -> Double
    {
        let middle = (supply.amperes + amperes) / 2
        supply.advance(toAmperes: middle)
        let volts = supply.dieVoltage
        supply.advance(toAmperes: amperes)
        return min(volts, supply.dieVoltage)
    }
}

/// How a supply took a load step. All values are modelled, on invented constants.
public struct LoadStepResponse: Hashable, Codable, Sendable {
    /// The network.
    public var network: SupplyNetwork
    /// The load.
    public var load: LoadStep
    /// The lowest voltage of the die.
    public var minimumVolts = Double.infinity
    /// The voltage at the end.
    public var finalVolts = 0.0
    /// How often the droop detector fired.
    public var detections = 0
    /// Nanoseconds in which work was held back.
    public var throttledNanoseconds = 0.0
    /// The share of the wanted work that was not done.
    public var lostShare = 0.0
    /// The voltage over time.
    public var curve: [SupplyPoint] = []

    /// The deepest droop, in volts.
    public var droop: Double { network.voltage - minimumVolts }
}
