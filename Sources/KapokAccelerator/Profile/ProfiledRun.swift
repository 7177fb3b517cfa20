/// A run of which everything was recorded, with the tables that explaining it needs.
struct ProfiledRun {
    let program: Program
    let machine: Machine
    let timeline: Timeline
    let causes: [StartCause]
    let latencies: SimulationLatencies
    let throttle: ThrottleSchedule
    /// For each instruction its transfer, or -1.
    let transferOf: [Int32]
    /// For each transfer the one before it in its descriptor generator and on its ring, or -1.
    let previousInGenerator: [Int32]
    let previousOnRing: [Int32]
    /// The instruction that ended last; the first of them when there are several.
    let last: UInt32
    /// Whether there are several.
    let isLastShared: Bool

    private let costIndex: [UInt32]
    private let costs: [SimulatedCost]

    /// - Throws: ``SimulationError/invalidOptions(_:)``; never for options that were simulated
    ///   with.
    init(
        _ program: Program, _ machine: Machine, _ options: SimulationOptions,
        _ result: SimulationResult
    ) throws(SimulationError) {
        precondition(
            result.costIndex.count == program.instructions.count, "everything must be recorded")
        let removed = RemovedReasons(options.removed)
        self.program = program
        self.machine = machine
        timeline = result.timeline
        causes = result.causes
        costIndex = result.costIndex
        costs = result.costs
        latencies = SimulationLatencies(machine, removed: removed)
        throttle = try ThrottleSchedule(
            removed.contains(.throttle) ? [] : options.throttle,
            ticksPerCycle: machine.ticksPerCycle[Int(Engine.tensor.rawValue)])
        (transferOf, previousInGenerator, previousOnRing) = Self.tables(program, timeline)
        let makespan = result.makespan
        let ends = timeline.end.indices.lazy.filter { result.timeline.end[$0] == makespan }
        var (first, count) = (Stall.none, 0)
        for index in ends {
            if count == 0 { first = UInt32(index) }
            count += 1
        }
        last = first
        isLastShared = count > 1
    }

    private static func tables(
        _ program: Program, _ timeline: Timeline
    ) -> (transferOf: [Int32], inGenerator: [Int32], onRing: [Int32]) {
        var transferOf = [Int32](repeating: -1, count: program.instructions.count)
        var inGenerator: [Int32] = []
        var onRing: [Int32] = []
        var lastOfEngine = [Int32](repeating: -1, count: Engine.allCases.count)
        var lastOfRing = [Int32](repeating: -1, count: 256)
        for (number, transfer) in timeline.transfers.enumerated() {
            let index = Int(transfer.instruction)
            let engine = Int(program.instructions[index].engine.rawValue)
            transferOf[index] = Int32(number)
            inGenerator.append(lastOfEngine[engine])
            onRing.append(lastOfRing[Int(transfer.ring)])
            lastOfEngine[engine] = Int32(number)
            lastOfRing[Int(transfer.ring)] = Int32(number)
        }
        return (transferOf, inGenerator, onRing)
    }

    /// The costs of an instruction.
    func cost(_ index: Int) -> SimulatedCost { costs[Int(costIndex[index])] }

    /// The transfer of an instruction; nil when it is none.
    func transfer(_ index: Int) -> Transfer? {
        transferOf[index] < 0 ? nil : timeline.transfers[Int(transferOf[index])]
    }

    /// Ticks that an instruction lost to power management.
    func throttledTicks(_ index: Int) -> Int64 {
        timeline.busyEnd[index] - timeline.start[index] - cost(index).interval
    }

    /// The ticks at the end of a transfer that it would not have taken with the HBM for itself.
    func contention(_ index: Int) -> Int64 {
        let cost = cost(index)
        return cost.enginesWithMore > 0
            ? cost.ticksWithMore - cost.aloneWithMore : cost.ticksWithFewer - cost.aloneWithFewer
    }

    /// The ticks at the end of a segment of a transfer that it would not have taken alone.
    func contention(in segment: TransferSegment) -> Int64 {
        let cost = cost(Int(segment.instruction))
        let length = segment.end - segment.start
        let alone = length == cost.ticksWithMore ? cost.aloneWithMore : cost.aloneWithFewer
        return max(0, length - alone)
    }
}
