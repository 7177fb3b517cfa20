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

extension FleetCosts {
    /// A load as clients saw it.
    public struct ObservedLoad: Sendable {
        /// The requests, in order of time.
        public var load: ServingLoad
        /// Seconds to the first token of each request; nil for none.
        public var timesToFirstToken: [Double?]

        /// What clients saw of a load.
        public init(load: ServingLoad, timesToFirstToken: [Double?]) {
            self.load = load
            self.timesToFirstToken = timesToFirstToken
        }
    }

    /// Requests came after little when little had come in this time before them, in seconds: about
    /// what the requests of a small model take.
    private static let quietSeconds = 2.0
    /// The fewest first tokens that say something.
    private static let fewestPoints = 10

    /// A request's prompt, and how much later than simulated its first token came.
    private typealias Point = (tokens: Double, seconds: Double, preceding: Int)

    /// Fits what lies between clients and the engine (reading a request, making its prompt,
    /// writing its answer): the difference of first tokens' times between real clients and a
    /// simulation of the same load without it, as a straight line over the prompt's length. Those
    /// third of all requests count that came after the least work: in queues small differences
    /// grow to large ones.
    /// - Parameters:
    ///   - observed: loads, each of which a machine alone served from its start.
    ///   - seed: of the first load's simulation; the others follow.
    /// - Throws: ``FleetError`` when the machine cannot be simulated.
    public mutating func fitRequests(
        _ observed: [ObservedLoad], seed: UInt64
    ) throws(FleetError) {
        costs.requestSeconds = 0
        costs.requestSecondsPerToken = 0
        let fleet = FleetConfiguration(
            pools: [pool(.alone, machines: 1)], pageBytes: engine.pageBytes)
        var points: [Point] = []
        for (number, part) in observed.enumerated() {
            let simulated = try FleetSimulation(
                fleet, load: part.load, objectives: .none, seed: seed &+ UInt64(number)
            ).run().records
            let preceding = part.load.precedingTokens(within: Self.quietSeconds)
            for (index, arrival) in part.load.arrivals.enumerated() {
                guard let real = part.timesToFirstToken[index],
                    let other = simulated[index].timeToFirstToken
                else { continue }
                points.append((Double(arrival.promptTokens), real - other, preceding[index]))
            }
        }
        points.sort { $0.preceding < $1.preceding }
        if let most = points.dropFirst(points.count / 3).first?.preceding {
            points.removeAll { $0.preceding > most }
        }
        guard points.count >= Self.fewestPoints else { return }
        fit(points)
    }

    /// A line through the medians of the shorter and of the longer half: single requests that
    /// waited for something else do not move them.
    private mutating func fit(_ points: [Point]) {
        let sorted = points.sorted { $0.tokens < $1.tokens }
        func median(_ part: ArraySlice<Point>) -> (tokens: Double, seconds: Double) {
            let tokens = part.map(\.tokens).sorted()
            let seconds = part.map(\.seconds).sorted()
            return (tokens[tokens.count / 2], seconds[seconds.count / 2])
        }
        let short = median(sorted[..<(sorted.count / 2)])
        let long = median(sorted[(sorted.count / 2)...])
        let slope =
            long.tokens > short.tokens
            ? max(0, (long.seconds - short.seconds) / (long.tokens - short.tokens)) : 0
        costs.requestSecondsPerToken = slope
        costs.requestSeconds = max(
            0, (short.seconds + long.seconds - slope * (short.tokens + long.tokens)) / 2)
    }
}

extension ServingLoad {
    /// For each request the tokens, prompts and answers, of those that arrived within `seconds`
    /// before it.
    func precedingTokens(within seconds: Double) -> [Int] {
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

extension ServingObjectives {
    /// Objectives that every request keeps.
    static let none = ServingObjectives(
        timeToFirstTokenMilliseconds: .greatestFiniteMagnitude,
        timePerOutputTokenMilliseconds: .greatestFiniteMagnitude)
}
