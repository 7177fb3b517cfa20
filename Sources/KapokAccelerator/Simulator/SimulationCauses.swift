/// What only the detailed simulation needs: causes, and the order between the tensor engine's
/// units.
struct DetailState: ~Copyable {
    let causes: FlatBuffer<StartCause>
    let costs: FlatBuffer<UInt32>
    /// For instructions of the tensor engine the one before in its queue, and the last
    /// `loadStationary` before.
    let predecessors: FlatBuffer<UInt32>
    let loads: FlatBuffer<UInt32>

    /// - Parameter instructions: empty when there is no detail.
    init(_ instructions: UnsafeBufferPointer<Instruction>) {
        let count = instructions.count
        causes = FlatBuffer(repeating: StartCause(), count: count)
        costs = FlatBuffer(repeating: 0, count: count)
        predecessors = FlatBuffer(repeating: SimulationPlan.none, count: count)
        loads = FlatBuffer(repeating: SimulationPlan.none, count: count)
        var (previous, load) = (SimulationPlan.none, SimulationPlan.none)
        for (index, instruction) in instructions.enumerated()
        where instruction.engine == .tensor {
            predecessors[index] = previous
            loads[index] = load
            previous = UInt32(index)
            if instruction.opcode == .loadStationary { load = previous }
        }
    }
}

extension StartCause.Kind {
    /// The kind of a semaphore wait.
    init(_ wait: SemaphoreWait) {
        switch DependenceKind(rawValue: UInt8(truncatingIfNeeded: wait.kind)) {
        case .anti: self = .anti
        case .output: self = .output
        case .bank: self = .bank
        case .flow, .unknown, nil: self = .flow
        }
    }
}

extension SimulationCore {
    /// As ``earliestStart(_:_:)``, without what is to be left out, and for queues that are split.
    mutating func detailedStart(_ step: PlannedStep, _ queue: Int) -> Int64 {
        let index = Int(step.index)
        var time = max(queues[queue].issue, unitFree(step.unit, for: step.index))
        let predecessor = detail.predecessors[index]
        if isBoundByOrder(step.index, after: predecessor) {
            if record.start[Int(predecessor)] < 0 { return -1 }
            time = max(time, record.start[Int(predecessor)])
        }
        if let load = load(of: index) {
            if record.start[load] < 0 { return -1 }
            time = max(time, record.busyEnd[load])
        }
        for slot in 0..<3 {
            let wait = instructions[index].wait(slot)
            if !holds(wait, step.index) { continue }
            if Int64(wait.value) > semaphores[Int(wait.semaphore)].reached {
                semaphores[Int(wait.semaphore)].waiters |= 1 << UInt32(queue)
                return -1
            }
            time = max(time, releaseTime(wait.semaphore, wait.value))
        }
        return time
    }

    private mutating func unitFree(_ unit: Int, for victim: UInt32) -> Int64 {
        removed.contains(units[unit].last, for: victim) ? units[unit].workEnd : units[unit].free
    }

    private mutating func isBoundByOrder(_ victim: UInt32, after predecessor: UInt32) -> Bool {
        predecessor != SimulationPlan.none && !removed.contains(.queueOrder)
            && !removed.contains(predecessor, for: victim)
    }

    /// The `loadStationary` that a multiplication must wait for.
    private mutating func load(of index: Int) -> Int? {
        let load = detail.loads[index]
        guard instructions[index].opcode == .multiplyMoving, load != SimulationPlan.none,
            !removed.contains(load, for: UInt32(index))
        else { return nil }
        return Int(load)
    }

    private mutating func holds(_ wait: SemaphoreWait, _ victim: UInt32) -> Bool {
        if !wait.isPresent || wait.value == 0 { return false }
        if removed.contains(waitOf: StartCause.Kind(wait)) { return false }
        guard let producer = producer(of: wait) else { return true }
        return !removed.contains(producer, for: victim)
    }

    /// The instruction whose signal satisfies `wait`; nil when none does.
    mutating func producer(of wait: SemaphoreWait) -> UInt32? {
        guard Int64(wait.value) <= lists.signals[Int(wait.semaphore)].total else { return nil }
        return lists.producers[lists.position(wait.semaphore, wait.value)]
    }

    /// When the instruction before a step in its engine's queue started.
    mutating func issueTime(of step: PlannedStep, _ queue: Int) -> Int64 {
        let predecessor = detail.predecessors[Int(step.index)]
        if predecessor == SimulationPlan.none { return queues[queue].issue }
        return max(0, record.start[Int(predecessor)])
    }

    /// Notes which constraint was released last, just before an instruction starts.
    mutating func recordCause(_ step: PlannedStep, _ queue: Int, at time: Int64) {
        let index = Int(step.index)
        detail.costs[index] = step.cost
        guard time > 0 else { return }
        var cause = StartCause()
        func consider(_ kind: StartCause.Kind, _ culprit: UInt32, released: Int64) {
            guard released == time, culprit != SimulationPlan.none else { return }
            if cause.kind == .programStart {
                cause = StartCause(culprit: culprit, kind: kind)
            } else if culprit != cause.culprit {
                cause.isShared = true
            }
        }
        for slot in 0..<3 {
            let wait = instructions[index].wait(slot)
            if !holds(wait, step.index) { continue }
            let position = lists.position(wait.semaphore, wait.value)
            consider(
                StartCause.Kind(wait), lists.producers[position],
                released: signalTimes[position] + latencies.semaphore)
        }
        if let load = load(of: index) {
            consider(.load, UInt32(load), released: record.busyEnd[load])
        }
        considerHolders(of: step) { consider($0, $1, released: $2) }
        consider(.unit, units[step.unit].last, released: unitFree(step.unit, for: step.index))
        let predecessor = detail.predecessors[index]
        if isBoundByOrder(step.index, after: predecessor) {
            consider(.queue, predecessor, released: record.start[Int(predecessor)])
        }
        // Only where the instruction before it was left out is its dispatch the last constraint.
        if cause.kind == .programStart {
            cause = StartCause(culprit: queues[queue].last, kind: .queue)
        }
        detail.causes[index] = cause
    }

    /// Considers the last two instructions of each other unit that exclude a step: one of them may
    /// have ended just now.
    private mutating func considerHolders(
        of step: PlannedStep, _ report: (StartCause.Kind, UInt32, Int64) -> Void
    ) {
        func consider(_ holder: UInt32, _ held: UInt32, _ until: Int64) {
            let common = held & step.resources
            if common == 0 || removed.contains(holder, for: step.index) { return }
            let isBank = common & StructuralResources.banks != 0
            report(isBank ? .bankConflict : .busConflict, holder, until)
        }
        for other in 1...4 where other != step.unit {
            let state = units[other]
            consider(state.holder, state.held, state.heldUntil)
            consider(state.holderBefore, state.heldBefore, state.heldBeforeUntil)
        }
    }

    /// Notes that an instruction uses its unit and resources, just before it starts.
    ///
    /// - Parameter end: when its unit could go on if nothing but its work took time.
    mutating func recordUse(_ step: PlannedStep, _ end: Int64) {
        let unit = step.unit
        units[unit].last = step.index
        units[unit].workEnd = end + plan.costs.entries[Int(step.cost)].work
        if step.resources != 0 {
            units[unit].heldBefore = units[unit].held
            units[unit].heldBeforeUntil = units[unit].heldUntil
            units[unit].holderBefore = units[unit].holder
            units[unit].holder = step.index
        }
    }
}
