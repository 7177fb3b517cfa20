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
        guard program.instructions.count < Int(SimulationPlan.none) else { throw .tooLong }
        return try program.instructions.withUnsafeBufferPointer {
            (instructions) throws(SimulationError) in
            let lists = try SignalLists.make(
                program, instructions, semaphoreCount: machine.semaphoreCount,
                withProducers: Detail.isDetailed)
            let patterns = try SimulatedPatterns(program.patterns, machine: machine)
            let plan = SimulationPlan(
                program, instructions, patterns, self, isSplit: Detail.isDetailed)
            var core = SimulationCore<Detail>(self, plan, lists, instructions)
            core.run()
            try core.checkEnd(program)
            return core.result()
        }
    }
}

extension SimulationCore {
    init(
        _ setup: SimulationSetup, _ plan: consuming SimulationPlan,
        _ lists: consuming SignalLists, _ instructions: UnsafeBufferPointer<Instruction>
    ) {
        self.instructions = instructions
        latencies = SimulationLatencies(setup.machine, removed: setup.removed)
        removed = setup.removed
        throttle = setup.throttle
        isThrottled = !setup.throttle.isEmpty
        keys = FlatBuffer(repeating: Self.neverKey, count: Self.slotCount)
        queues = FlatBuffer(repeating: QueueState(), count: Self.slotCount)
        for engine in 0..<lists.engineCounts.count {
            queues[engine].remaining = lists.engineCounts[engine]
        }
        if Detail.isDetailed {
            queues[0].remaining -= lists.loadCount
            queues[Self.loadQueue].remaining = lists.loadCount
        }
        units = FlatBuffer(repeating: UnitState(), count: Unit.engineUnitCount)
        signalTimes = FlatBuffer(uninitializedCount: lists.count + 1)
        signalTimes[lists.count] = -latencies.semaphore
        semaphores = Self.semaphores(lists)
        generators = FlatBuffer(repeating: GeneratorState(), count: 3)
        pending = FlatBuffer(uninitializedCount: lists.transferCount)
        engineFree = FlatBuffer(repeating: 0, count: setup.machine.dmaEngines)
        ringEnd = FlatBuffer(repeating: 0, count: setup.machine.dmaRings)
        record = SimulationRecord(count: Detail.keepsTimes ? instructions.count : 0)
        detail = DetailState(
            Detail.isDetailed ? instructions : UnsafeBufferPointer(start: nil, count: 0))
        self.lists = lists
        self.plan = plan
    }

    /// All at 0, and a last one that is always above.
    private static func semaphores(
        _ lists: borrowing SignalLists
    ) -> FlatBuffer<SemaphoreState> {
        let count = lists.signals.count
        let states = FlatBuffer(repeating: SemaphoreState(), count: count + 1)
        for semaphore in 0..<count {
            states[semaphore].first = lists.signals[semaphore].start
            states[semaphore].growsByOne = lists.signals[semaphore].amount == 1
        }
        states[count].first = lists.count
        states[count].growsByOne = true
        states[count].reached = .max
        return states
    }

    /// - Throws: when instructions are left, or times ran over.
    mutating func checkEnd(_ program: Program) throws(SimulationError) {
        if let failure { throw failure }
        // What is wrong with instructions that were never reached counts more than a deadlock.
        while !plan.isComplete { try plan.planBlock() }
        var isTooLong = makespan >= SimulationPlan.timeLimit
        for slot in 0..<Self.slotCount
        where keys[slot] != Self.neverKey && keys[slot] >> 5 >= SimulationPlan.timeLimit {
            isTooLong = true
        }
        if isTooLong { throw .tooLong }
        var blocked: [BlockedInstruction] = []
        for slot in 0..<Self.slotCount where queues[slot].remaining > 0 {
            let index = Int(plan.queues.first(of: Self.planQueue(slot)).index)
            if let instruction = blockedInstruction(index, program) {
                blocked.append(instruction)
            }
        }
        if !blocked.isEmpty { throw .deadlock(Deadlock(blocked: blocked)) }
    }

    private func blockedInstruction(_ index: Int, _ program: Program) -> BlockedInstruction? {
        for slot in 0..<3 {
            let wait = instructions[index].wait(slot)
            if !wait.isPresent { continue }
            let semaphore = Int(wait.semaphore)
            let reached = semaphores[semaphore].reached
            if reached >= Int64(wait.value) { continue }
            let producer = missingProducer(wait)
            return BlockedInstruction(
                place: InstructionPlace(index, in: program), semaphore: semaphore,
                needed: Int(wait.value), reached: Int(reached),
                reachable: Int(lists.signals[semaphore].total),
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
        let engines = engineFree.count
        let costIndex = detail.costs.copied()
        let costs =
            Detail.isDetailed ? (0..<plan.costs.count).map { plan.costs.entries[$0] } : []
        let causes = detail.causes.copied()
        let makespan = makespan
        var result = SimulationResult(
            timeline: record.timeline(makespan: makespan, engines: engines))
        result.causes = causes
        result.costIndex = costIndex
        result.costs = costs
        return result
    }
}
