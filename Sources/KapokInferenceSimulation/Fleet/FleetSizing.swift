public import KapokInference

/// One way to use a number of machines, and what it is good for.
public struct FleetSizing: Codable, Sendable {
    /// Machines that prefill for the others; 0 when all are alone.
    public var prefillMachines: Int
    /// Machines that serve clients.
    public var servingMachines: Int
    /// What the given rate came to.
    public var report: FleetReport
    /// The highest rate, in requests per second, at which the share of good requests is kept;
    /// 0 when it is not at any.
    public var highestRate: Double

    /// Simulates `fleet` at `rate`, and searches for the highest rate.
    /// - Parameter load: the load at a rate.
    public init(
        _ fleet: FleetConfiguration, prefillMachines: Int, machines: Int, goodShare: Double,
        objectives: ServingObjectives, seed: UInt64, rate: Double,
        load: (Double) -> ServingLoad
    ) throws(FleetError) {
        self.prefillMachines = prefillMachines
        servingMachines = machines - prefillMachines
        func simulate(_ rate: Double) throws(FleetError) -> FleetReport {
            try FleetSimulation(fleet, load: load(rate), objectives: objectives, seed: seed)
                .run().report
        }
        report = try simulate(rate)
        // Doubling, then halving the interval to within 2 %.
        var low = 0.0
        var high = 0.125
        while high < 1e5, try simulate(high).goodShare >= goodShare {
            low = high
            high *= 2
        }
        while low > 0, high / low > 1.02 {
            let middle = (low + high) / 2
            if try simulate(middle).goodShare >= goodShare { low = middle } else { high = middle }
        }
        highestRate = low
    }
}
