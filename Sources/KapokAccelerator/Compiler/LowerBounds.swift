/// Computes times that no order of a kernel's instructions can undercut.
struct LowerBounds {
    private let kernel: WorkingKernel
    private let layout: PoolLayout
    private let costs: CostModel
    private let times: ScheduleGraph.FixedTimes

    init(_ kernel: WorkingKernel, _ layout: PoolLayout, costs: CostModel) {
        self.kernel = kernel
        self.layout = layout
        self.costs = costs
        times = ScheduleGraph.FixedTimes(costs.machine)
    }

    /// All bounds: each unit working without a pause, the DMA engines, the busiest descriptor
    /// generator, and the longest path through the data flow.
    func all() -> [LowerBound] {
        var busy = [Int64](repeating: 0, count: Unit.engineUnitCount)
        var transferTicks: Int64 = 0
        var descriptors = [Int64](repeating: 0, count: Engine.allCases.count)
        for instruction in kernel.instructions {
            busy[Int(instruction.unit.rawValue)] +=
                costs.cost(of: instruction, patterns: layout.patterns).interval
            guard instruction.opcode.isDMA else { continue }
            transferTicks += transfer(instruction).totalTicks1024
            descriptors[Int(instruction.engine.rawValue)] += times.descriptor
        }
        let engines = Int64(costs.machine.dmaEngines)
        let units: [(LowerBound.Kind, Unit)] = [
            (.tensorMultiply, .tensorMultiply), (.tensorLoad, .tensorLoad), (.vector, .vector),
            (.scalar, .scalar), (.gpsimd, .gpsimd), (.sync, .sync),
        ]
        return units.map { LowerBound(kind: $0, ticks: busy[Int($1.rawValue)]) } + [
            LowerBound(kind: .dma, ticks: transferTicks / 1024 / engines),
            LowerBound(kind: .descriptors, ticks: descriptors.max() ?? 0),
            LowerBound(kind: .path, ticks: longestPath()),
        ]
    }

    private func transfer(_ instruction: Instruction) -> TransferCost {
        costs.transferCost(of: instruction, patterns: layout.patterns)
    }

    /// From the first input to the last output, each instruction as fast as it can be, waiting for
    /// its data only.
    private func longestPath() -> Int64 {
        let dependences = layout.dependences
        var end = [Int64](repeating: 0, count: kernel.instructions.count)
        var free = end
        for (index, instruction) in kernel.instructions.enumerated() {
            var start: Int64 = 0
            for edge in dependences.start[index]..<dependences.start[index + 1]
            where dependences.kinds[edge] == .flow {
                let producer = Int(dependences.producers[edge])
                let isSynchronised = SemaphoreSynthesis.needsSemaphore(
                    kernel.instructions[producer], instruction, .flow)
                start = max(
                    start, isSynchronised ? end[producer] + times.semaphore : free[producer])
            }
            let cost = costs.cost(of: instruction, patterns: layout.patterns)
            free[index] = start + cost.interval
            end[index] = free[index] + cost.latency
            guard instruction.opcode.isDMA else { continue }
            let moving = transfer(instruction)
            let used = Int64(max(1, min(costs.machine.dmaEngines, moving.packets)))
            end[index] +=
                times.descriptor + times.dmaStart + moving.totalTicks1024 / 1024 / used
                + times.dmaCompletion
        }
        return end.max() ?? 0
    }
}
