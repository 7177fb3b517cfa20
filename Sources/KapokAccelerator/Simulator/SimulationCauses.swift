/// What only the detailed simulation needs: causes, and the order between the tensor engine's
/// units.
struct DetailState: ~Copyable {
    let causes: FlatBuffer<StartCause>
    /// For instructions of the tensor engine the one before in its queue, and the last
    /// `loadStationary` before.
    let predecessors: FlatBuffer<UInt32>
    let loads: FlatBuffer<UInt32>

    /// - Parameter count: instructions; 0 when there is no detail.
    init(count: Int) {
        causes = FlatBuffer(repeating: StartCause(), count: count)
        predecessors = FlatBuffer(repeating: SimulationPlan.none, count: count)
        loads = FlatBuffer(repeating: SimulationPlan.none, count: count)
    }

    /// Splits the tensor engine's queue into one list for each of its units.
    ///
    /// - Returns: the first instruction of `tensorMultiply` and of `tensorLoad`.
    func splitTensorQueue(
        _ plan: borrowing SimulationPlan, _ instructions: UnsafeBufferPointer<Instruction>
    ) -> (multiply: UInt32, load: UInt32) {
        let none = SimulationPlan.none
        var heads = (none, none)
        var tails = (none, none)
        var previous = none
        var current = plan.heads[0]
        while current != none {
            let next = plan.links[Int(current)].next
            plan.links[Int(current)].next = none
            predecessors[Int(current)] = previous
            loads[Int(current)] = tails.1
            if instructions[Int(current)].opcode == .loadStationary {
                if tails.1 == none {
                    heads.1 = current
                } else {
                    plan.links[Int(tails.1)].next = current
                }
                tails.1 = current
            } else {
                if tails.0 == none {
                    heads.0 = current
                } else {
                    plan.links[Int(tails.0)].next = current
                }
                tails.0 = current
            }
            previous = current
            current = next
        }
        return (heads.0, heads.1)
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
    /// As ``earliestStart``, leaving out what is to be left out.
    mutating func detailedStart(_ index: Int, _ queue: Int) -> Int64 {
        let unit = unit(of: instructions[index], in: queue)
        let victim = UInt32(index)
        var time = max(queues[queue].issue, unitFree(unit, for: victim))
        let predecessor = detail.predecessors[index]
        if isBoundByOrder(victim, after: predecessor) {
            if record.start[Int(predecessor)] < 0 { return -1 }
            time = max(time, record.start[Int(predecessor)])
        }
        if let load = load(of: index) {
            if record.start[load] < 0 { return -1 }
            time = max(time, record.busyEnd[load])
        }
        for wait in [
            instructions[index].wait0, instructions[index].wait1, instructions[index].wait2,
        ] where holds(wait, victim) {
            let release = release(wait, queue)
            if release < 0 { return -1 }
            time = max(time, release)
        }
        return time
    }

    private func unitFree(_ unit: Int, for victim: UInt32) -> Int64 {
        removed.contains(units[unit].last, for: victim) ? units[unit].workEnd : units[unit].free
    }

    private func isBoundByOrder(_ victim: UInt32, after predecessor: UInt32) -> Bool {
        predecessor != SimulationPlan.none && !removed.contains(.queueOrder)
            && !removed.contains(predecessor, for: victim)
    }

    /// The `loadStationary` that a multiplication must wait for.
    private func load(of index: Int) -> Int? {
        let load = detail.loads[index]
        guard instructions[index].opcode == .multiplyMoving, load != SimulationPlan.none,
            !removed.contains(load, for: UInt32(index))
        else { return nil }
        return Int(load)
    }

    private func holds(_ wait: SemaphoreWait, _ victim: UInt32) -> Bool {
        if !wait.isPresent || wait.value == 0 { return false }
        if removed.contains(waitOf: StartCause.Kind(wait)) { return false }
        guard let producer = producer(of: wait) else { return true }
        return !removed.contains(producer, for: victim)
    }

    /// The instruction whose signal satisfies `wait`; nil when none does.
    func producer(of wait: SemaphoreWait) -> UInt32? {
        guard Int64(wait.value) <= plan.signals[Int(wait.semaphore)].total else { return nil }
        return signalLists.producers[signal(wait)]
    }

    /// When the instruction before `index` in its engine's queue started.
    func issueTime(of index: Int, _ queue: Int) -> Int64 {
        let predecessor = detail.predecessors[index]
        if predecessor == SimulationPlan.none { return queues[queue].issue }
        return max(0, record.start[Int(predecessor)])
    }

    /// Notes which constraint was released last, just before an instruction starts.
    mutating func recordCause(
        _ index: Int, _ queue: Int, _ unit: Int, _ resources: UInt64, at time: Int64
    ) {
        guard time > 0 else { return }
        let victim = UInt32(index)
        var cause = StartCause()
        func consider(_ kind: StartCause.Kind, _ culprit: UInt32, released: Int64) {
            guard released == time, culprit != SimulationPlan.none else { return }
            if cause.kind == .programStart {
                cause = StartCause(culprit: culprit, kind: kind)
            } else if culprit != cause.culprit {
                cause.isShared = true
            }
        }
        for wait in [
            instructions[index].wait0, instructions[index].wait1, instructions[index].wait2,
        ] where holds(wait, victim) {
            let position = signal(wait)
            consider(
                StartCause.Kind(wait), signalLists.producers[position],
                released: signalTimes[position] + latencies.semaphore)
        }
        if let load = load(of: index) {
            consider(.load, UInt32(load), released: record.busyEnd[load])
        }
        for other in 1...4 where other != unit {
            let state = units[other]
            for (word, until, holder) in [
                (state.held, state.heldUntil, state.holder),
                (state.heldBefore, state.heldBeforeUntil, state.holderBefore),
            ] where word & resources != 0 && !removed.contains(holder, for: victim) {
                let isBank = word & resources & StructuralResources.banks != 0
                consider(isBank ? .bankConflict : .busConflict, holder, released: until)
            }
        }
        consider(.unit, units[unit].last, released: unitFree(unit, for: victim))
        let predecessor = detail.predecessors[index]
        if isBoundByOrder(victim, after: predecessor) {
            consider(.queue, predecessor, released: record.start[Int(predecessor)])
        }
        // Only where the instruction before it was left out is its dispatch the last constraint.
        if cause.kind == .programStart {
            cause = StartCause(culprit: queues[queue].last, kind: .queue)
        }
        detail.causes[index] = cause
    }

    /// Notes that an instruction uses its unit and resources, just before it starts.
    mutating func recordUse(
        _ index: Int, _ unit: Int, _ resources: UInt64, workEnd: Int64
    ) {
        units[unit].last = UInt32(index)
        units[unit].workEnd = workEnd
        if resources != 0 {
            units[unit].heldBefore = units[unit].held
            units[unit].heldBeforeUntil = units[unit].heldUntil
            units[unit].holderBefore = units[unit].holder
            units[unit].holder = UInt32(index)
        }
    }
}
