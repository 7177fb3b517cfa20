/// The cost models of a machine that a simulation needs.
final class CostModels: Sendable {
    /// The machine as it is.
    let usual: CostModel
    /// Without shortest intervals: how long units really work.
    let unbounded: CostModel
    /// With the bandwidth that is left when other cores use the same HBM.
    let contended: CostModel

    /// - Parameter coresSharingHBM: active cores on one stack of HBM, at least 1.
    init(_ machine: Machine, coresSharingHBM: Int) throws(SimulationError) {
        usual = CostModel(machine)
        let description = machine.description
        unbounded = try Self.variant(
            description.simulated(.engineMinimumInterval, 0).simulated(.tensorMinimumInterval, 0))
        let own = machine.value(.dmaBandwidth)
        let share =
            machine.hbmStackBandwidth / Double(coresSharingHBM) / Double(machine.dmaEngines)
        contended =
            share < own ? try Self.variant(description.simulated(.dmaBandwidth, share)) : usual
    }

    /// The models, or why there are none.
    static func make(
        _ machine: Machine, coresSharingHBM: Int
    ) -> Result<CostModels, SimulationError> {
        do throws(SimulationError) {
            return .success(try CostModels(machine, coresSharingHBM: coresSharingHBM))
        } catch {
            return .failure(error)
        }
    }

    /// The generation whose rules apply.
    var generation: Int { usual.machine.description.generation }

    private static func variant(
        _ description: MachineDescription
    ) throws(SimulationError) -> CostModel {
        do { return CostModel(try Machine(description)) } catch { throw .machine(error) }
    }
}

extension MachineDescription {
    /// A variant for one simulation.
    fileprivate func simulated(_ parameter: MachineParameter, _ value: Double) -> Self {
        setting(parameter, to: value, source: "variant for a simulation", confidence: .assumed)
    }
}

extension Machine {
    /// Bandwidth of one stack of HBM, in bytes a nanosecond.
    var hbmStackBandwidth: Double { value(.hbmBandwidthPerChip) / max(1, value(.hbmStacks)) }
}
