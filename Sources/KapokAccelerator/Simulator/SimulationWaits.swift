extension SimulationCore {
    /// Finds out when the first instruction of a queue can start, as far as that is known.
    @inline(__always)
    mutating func refresh(_ queue: Int) {
        let head = queues[queue].head
        if head == SimulationPlan.none {
            keys[queue] = Self.neverKey
            return
        }
        let index = Int(head)
        let time =
            Detail.isDetailed ? detailedStart(index, queue) : earliestStart(index, queue)
        keys[queue] =
            time < 0 ? Self.neverKey : time << 5 | Self.undelayed | Int64(queue)
    }

    /// The earliest start of an instruction, hazards aside; -1 when a signal is missing.
    @inline(__always)
    private func earliestStart(_ index: Int, _ queue: Int) -> Int64 {
        let unit = unit(of: instructions[index], in: queue)
        var time = max(queues[queue].issue, units[unit].free)
        if instructions[index].opcode == .multiplyMoving { time = max(time, loadEnd) }
        let wait0 = instructions[index].wait0
        if wait0.isPresent {
            let release = release(wait0, queue)
            if release < 0 { return -1 }
            time = max(time, release)
        }
        let wait1 = instructions[index].wait1
        if wait1.isPresent {
            let release = release(wait1, queue)
            if release < 0 { return -1 }
            time = max(time, release)
        }
        let wait2 = instructions[index].wait2
        if wait2.isPresent {
            let release = release(wait2, queue)
            if release < 0 { return -1 }
            time = max(time, release)
        }
        return time
    }

    /// When a wait lets its instruction go on; -1, and a mark at the semaphore, when that is not
    /// known yet.
    @inline(__always)
    func release(_ wait: SemaphoreWait, _ queue: Int) -> Int64 {
        let semaphore = Int(wait.semaphore)
        if Int64(wait.value) > semaphores[semaphore].reached {
            semaphores[semaphore].waiters |= 1 << UInt32(queue)
            return -1
        }
        if wait.value == 0 { return 0 }
        return signalTimes[signal(wait)] + latencies.semaphore
    }

    /// The position in the list of signals of the one that satisfies `wait`, whose value is at
    /// least 1 and can be reached.
    @inline(__always)
    func signal(_ wait: SemaphoreWait) -> Int {
        let semaphore = Int(wait.semaphore)
        let first = semaphores[semaphore].first
        let amount = semaphores[semaphore].amount
        if amount == 1 { return first + Int(wait.value) - 1 }
        if amount > 1 { return first + Int((wait.value - 1) / amount) }
        return signalLists.search(
            first..<(first + Int(plan.signals[semaphore].count)), Int64(wait.value))
    }
}

/// What is known of signals before the simulation begins: streams complete in order, so the n-th
/// signal of a semaphore always comes from the same instruction.
struct SignalLists: ~Copyable {
    /// For each semaphore where its list begins.
    private(set) var first: [Int]
    /// The values that semaphores reach; empty when every semaphore grows by equal amounts.
    let values: FlatBuffer<Int64>
    /// The instructions that signal; empty when not needed.
    let producers: FlatBuffer<UInt32>

    init(
        _ signals: [SimulationPlan.Signals], instructions: UnsafeBufferPointer<Instruction>,
        withProducers: Bool
    ) {
        first = []
        first.reserveCapacity(signals.count + 1)
        var count = 0
        for signal in signals {
            first.append(count)
            count += Int(signal.count)
        }
        first.append(count)
        let needsValues = signals.contains { $0.count > 0 && $0.amount == 0 }
        values = FlatBuffer(repeating: 0, count: needsValues ? count : 0)
        producers = FlatBuffer(
            repeating: SimulationPlan.none, count: withProducers ? count : 0)
        if needsValues || withProducers { fill(instructions) }
    }

    /// The number of all signals.
    var count: Int { first[first.count - 1] }

    private func fill(_ instructions: UnsafeBufferPointer<Instruction>) {
        var next = first
        var value = [Int64](repeating: 0, count: first.count)
        for (index, instruction) in instructions.enumerated()
        where instruction.signal != SemaphoreWait.none && instruction.signalAmount > 0 {
            let semaphore = Int(instruction.signal)
            value[semaphore] += Int64(instruction.signalAmount)
            if values.count > 0 { values[next[semaphore]] = value[semaphore] }
            if producers.count > 0 { producers[next[semaphore]] = UInt32(index) }
            next[semaphore] += 1
        }
    }

    /// Binary search for the first signal in `range` that reaches `value`.
    func search(_ range: Range<Int>, _ value: Int64) -> Int {
        var (low, high) = (range.lowerBound, range.upperBound - 1)
        while low < high {
            let middle = (low + high) / 2
            if values[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
