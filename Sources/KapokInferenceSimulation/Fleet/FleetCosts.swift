public import KapokInference

/// What a fit leaves behind for later simulations: the machine it was fitted on, and its costs.
public struct FleetCosts: Codable, Sendable {
    /// The engine whose steps were logged.
    public var engine: StepLogHeader
    public var costs: StepCostModel

    /// Costs of an engine.
    public init(engine: StepLogHeader, costs: StepCostModel) {
        self.engine = engine
        self.costs = costs
    }

    /// A pool of machines like the one that was measured. Roles that prefill or decode for others
    /// run one executor.
    public func pool(_ role: EngineRole, machines: Int) -> FleetConfiguration.Pool {
        var scheduler = engine.schedulerConfiguration
        if role == .decode { scheduler.pullThreshold = EngineOptions(threads: 1).pullThreshold }
        return FleetConfiguration.Pool(
            role: role, machines: machines, scheduler: scheduler, costs: costs)
    }
}

extension ServingLoad {
    /// For each request the tokens, prompts and answers, of those that arrived within `seconds`
    /// before it.
    public func precedingTokens(within seconds: Double) -> [Int] {
        var first = 0
        var sum = 0
        return arrivals.map { arrival in
            while arrivals[first].seconds < arrival.seconds - seconds {
                sum -= arrivals[first].promptTokens + arrivals[first].newTokens
                first += 1
            }
            defer { sum += arrival.promptTokens + arrival.newTokens }
            return sum
        }
    }
}

extension StepCostModel {
    /// Fits what lies between clients and the engine (reading a request, making its prompt,
    /// writing its answer): the difference of first tokens' times between real clients and a
    /// simulation of the same load without it, as a straight line over the prompt's length. Those
    /// third of all requests count that came after the least work: in queues small differences
    /// grow to large ones.
    /// - Parameters:
    ///   - real: seconds to the first token of each request; nil for none.
    ///   - simulated: the same, of the simulation.
    ///   - promptTokens: of each request.
    ///   - precedingTokens: of the requests that came shortly before each one.
    public mutating func fitRequests(
        real: [Double?], simulated: [Double?], promptTokens: [Int], precedingTokens: [Int]
    ) {
        var points: [(x: Double, y: Double)] = []
        let most = precedingTokens.sorted().dropFirst(precedingTokens.count / 3).first ?? 0
        for index in real.indices where precedingTokens[index] <= most {
            guard let real = real[index], let simulated = simulated[index] else { continue }
            points.append((Double(promptTokens[index]), real - simulated))
        }
        guard points.count >= 10 else { return }
        // Medians of the shorter and of the longer half: single requests that waited for
        // something else do not move them.
        points.sort { $0.x < $1.x }
        let half = points.count / 2
        func median(_ part: ArraySlice<(x: Double, y: Double)>) -> (x: Double, y: Double) {
            let xs = part.map(\.x).sorted()
            let ys = part.map(\.y).sorted()
            return (xs[xs.count / 2], ys[ys.count / 2])
        }
        let short = median(points[..<half])
        let long = median(points[half...])
        let slope = long.x > short.x ? max(0, (long.y - short.y) / (long.x - short.x)) : 0
        requestSecondsPerToken = slope
        requestSeconds = max(0, (short.y + long.y - slope * (short.x + long.x)) / 2)
    }
}
