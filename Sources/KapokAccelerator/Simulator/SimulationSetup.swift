/// What a simulation starts from, beside the program.
struct SimulationSetup {
    var machine: Machine
    var models: CostModels
    var removed: RemovedReasons
    var throttle: ThrottleSchedule

    /// Prepares and runs `program`.
    func run<Detail: SimulationDetail>(
        _ program: Program, _: Detail.Type
    ) throws(SimulationError) -> SimulationResult {
        try program.instructions.withUnsafeBufferPointer {
            (instructions) throws(SimulationError) in
            var core = SimulationCore<Detail>(
                self, try SimulationPlan.make(program, instructions, self), instructions)
            core.run()
            try core.checkEnd(program)
            return core.result()
        }
    }
}

extension SimulationCore {
    init(
        _ setup: SimulationSetup, _ plan: consuming SimulationPlan,
        _ instructions: UnsafeBufferPointer<Instruction>
    ) {
        let isDetailed = Detail.isDetailed
        self.instructions = instructions
        latencies = SimulationLatencies(setup.machine, removed: setup.removed)
        removed = setup.removed
        throttle = setup.throttle
        isThrottled = !setup.throttle.isEmpty
        let entries = plan.costs.entries
        costs = FlatBuffer(repeating: SimulatedCost(), count: entries.count)
        for (index, cost) in entries.enumerated() { costs[index] = cost }
        keys = FlatBuffer(repeating: Self.neverKey, count: Self.slotCount)
        queues = FlatBuffer(repeating: QueueState(), count: Self.slotCount)
        units = FlatBuffer(repeating: UnitState(), count: Unit.engineUnitCount)
        signalLists = SignalLists(
            plan.signals, instructions: instructions, withProducers: isDetailed)
        signalTimes = FlatBuffer(repeating: 0, count: signalLists.count)
        semaphores = FlatBuffer(repeating: SemaphoreState(), count: plan.signals.count)
        for (semaphore, signals) in plan.signals.enumerated() {
            semaphores[semaphore].first = signalLists.first[semaphore]
            semaphores[semaphore].amount = signals.amount
        }
        generators = FlatBuffer(repeating: GeneratorState(), count: 3)
        pending = FlatBuffer(
            repeating: PendingTransfer(instruction: SimulationPlan.none, ready: 0),
            count: plan.transferCount)
        engineFree = FlatBuffer(repeating: 0, count: setup.machine.dmaEngines)
        ringEnd = FlatBuffer(repeating: 0, count: setup.machine.dmaRings)
        record = SimulationRecord(count: Detail.keepsTimes ? instructions.count : 0)
        detail = DetailState(count: isDetailed ? instructions.count : 0)
        for queue in 0..<SimulationPlan.queueCount { queues[queue].head = plan.heads[queue] }
        if isDetailed {
            let heads = detail.splitTensorQueue(plan, instructions)
            queues[0].head = heads.multiply
            queues[Self.loadQueue].head = heads.load
        }
        self.plan = plan
    }

    /// - Throws: when instructions are left, or times ran over.
    func checkEnd(_ program: Program) throws(SimulationError) {
        let limit = SimulationPlan.timeLimit
        for slot in 0..<Self.slotCount {
            if keys[slot] != Self.neverKey, keys[slot] >> 5 >= limit { throw .tooLong }
        }
        if makespan >= limit { throw .tooLong }
        var blocked: [BlockedInstruction] = []
        for slot in 0..<Self.slotCount where queues[slot].head != SimulationPlan.none {
            if let instruction = blockedInstruction(queues[slot].head, program) {
                blocked.append(instruction)
            }
        }
        if !blocked.isEmpty { throw .deadlock(Deadlock(blocked: blocked)) }
    }

    private func blockedInstruction(
        _ head: UInt32, _ program: Program
    ) -> BlockedInstruction? {
        let index = Int(head)
        for wait in [
            instructions[index].wait0, instructions[index].wait1, instructions[index].wait2,
        ] where wait.isPresent {
            let semaphore = Int(wait.semaphore)
            let reached = semaphores[semaphore].reached
            if reached >= Int64(wait.value) { continue }
            let producer = missingProducer(wait)
            return BlockedInstruction(
                place: InstructionPlace(index, in: program), semaphore: semaphore,
                needed: Int(wait.value), reached: Int(reached),
                reachable: Int(plan.signals[semaphore].total),
                producer: producer.map { InstructionPlace($0, in: program) })
        }
        return nil
    }

    /// The instruction that would let a wait go on; nil when the program has none.
    private func missingProducer(_ wait: SemaphoreWait) -> Int? {
        var value: Int64 = 0
        for (index, instruction) in instructions.enumerated()
        where instruction.signal == wait.semaphore {
            value += Int64(instruction.signalAmount)
            if value >= Int64(wait.value) { return index }
        }
        return nil
    }

    /// Takes the results together.
    consuming func result() -> SimulationResult {
        let count = instructions.count
        let engines = engineFree.count
        let costIndex = Detail.isDetailed ? (0..<count).map { plan.links[$0].cost } : []
        let entries = Detail.isDetailed ? plan.costs.entries : []
        let causes = detail.causes.copied()
        let makespan = makespan
        var result = SimulationResult(
            timeline: record.timeline(makespan: makespan, engines: engines))
        result.causes = causes
        result.costIndex = costIndex
        result.costs = entries
        return result
    }
}
