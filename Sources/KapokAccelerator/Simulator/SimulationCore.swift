/// The loop of the simulator: instructions start, and transfers reach the DMA engines, in order of
/// time.
///
/// Each queue, and each descriptor generator, has at most one event to come: its first instruction
/// starting, its oldest transfer moving. The events stand as words in `keys` (time, then priority),
/// and the smallest one is next; a queue whose instruction waits for a signal that is not known yet
/// has none. At the same tick, instructions that a structural hazard delayed come first, then other
/// instructions by engine, then transfers by generator.
struct SimulationCore<Detail: SimulationDetail>: ~Copyable {
    /// Slots of `keys`: the engines' queues, the generators, and in detail the queue of
    /// `tensorLoad`.
    static var firstGenerator: Int { 5 }
    static var loadQueue: Int { 8 }
    static var slotCount: Int { 9 }
    /// Set in keys of events that no hazard delayed.
    static var undelayed: Int64 { 16 }
    static var neverKey: Int64 { .max }

    let plan: SimulationPlan
    let instructions: UnsafeBufferPointer<Instruction>
    let costs: FlatBuffer<SimulatedCost>
    let latencies: SimulationLatencies
    let removed: RemovedReasons
    var throttle: ThrottleSchedule
    let isThrottled: Bool

    let keys: FlatBuffer<Int64>
    let queues: FlatBuffer<QueueState>
    let units: FlatBuffer<UnitState>
    let semaphores: FlatBuffer<SemaphoreState>
    let signalTimes: FlatBuffer<Int64>
    let signalLists: SignalLists
    var loadEnd: Int64 = 0
    var makespan: Int64 = 0

    let generators: FlatBuffer<GeneratorState>
    let pending: FlatBuffer<PendingTransfer>
    let engineFree: FlatBuffer<Int64>
    let ringEnd: FlatBuffer<Int64>
    var transfersTriggered = 0
    var nextEngine = 0

    var record: SimulationRecord
    var detail: DetailState

    /// Runs until nothing can go on.
    mutating func run() {
        for queue in 0..<SimulationPlan.queueCount { refresh(queue) }
        if Detail.isDetailed { refresh(Self.loadQueue) }
        let limit = SimulationPlan.timeLimit << 5
        while true {
            let key = smallestKey()
            if key >= limit { return }
            let slot = Int(truncatingIfNeeded: key & 15)
            let time = key >> 5
            if slot < Self.firstGenerator || slot == Self.loadQueue {
                step(slot, at: time)
            } else {
                move(slot - Self.firstGenerator, at: time)
            }
        }
    }

    @inline(__always)
    private func smallestKey() -> Int64 {
        let a = min(min(keys[0], keys[1]), min(keys[2], keys[3]))
        let b = min(min(keys[4], keys[5]), min(keys[6], keys[7]))
        return Detail.isDetailed ? min(min(a, b), keys[8]) : min(a, b)
    }

    @inline(__always)
    func unit(of instruction: borrowing Instruction, in queue: Int) -> Int {
        if queue == 0 || queue == Self.loadQueue {
            return instruction.opcode == .loadStationary ? 0 : 1
        }
        return queue + 1
    }

    /// Starts the first instruction of a queue, unless a structural hazard delays it.
    @inline(__always)
    private mutating func step(_ queue: Int, at time: Int64) {
        let index = Int(queues[queue].head)
        let unit = unit(of: instructions[index], in: queue)
        let cost = Int(plan.links[index].cost)
        let resources = resources(of: index, cost)
        if resources != 0 {
            let free = conflictEnd(index, resources, unit, at: time)
            if free > time {
                keys[queue] = free << 5 | Int64(queue)
                return
            }
        }
        if Detail.isDetailed { recordCause(index, queue, unit, resources, at: time) }
        start(index, queue, unit, cost, resources, at: time)
    }

    @inline(__always)
    private func resources(of index: Int, _ cost: Int) -> UInt64 {
        let kept = costs[cost].keptResources
        if kept == 0 { return costs[cost].addedResources }
        var used: UInt64 = 0
        func add(_ pattern: UInt32) {
            if pattern != Instruction.noPattern {
                used |= plan.patterns.entries[Int(pattern)].resources
            }
        }
        add(instructions[index].destination)
        add(instructions[index].source0)
        if !instructions[index].hasCoefficients {
            add(instructions[index].source1)
            add(instructions[index].source2)
        }
        return used & kept | costs[cost].addedResources
    }

    /// When the units that exclude an instruction have finished; at most `time` when none does.
    @inline(__always)
    private func conflictEnd(
        _ index: Int, _ resources: UInt64, _ unit: Int, at time: Int64
    ) -> Int64 {
        var free: Int64 = 0
        for other in 1...4 where other != unit {
            if units[other].held & resources != 0, units[other].heldUntil > free {
                if Detail.isDetailed,
                    removed.contains(units[other].holder, for: UInt32(index))
                {
                    continue
                }
                free = units[other].heldUntil
            }
        }
        return free
    }

    @inline(__always)
    private mutating func start(
        _ index: Int, _ queue: Int, _ unit: Int, _ cost: Int, _ resources: UInt64, at time: Int64
    ) {
        let interval = costs[cost].interval
        var busyEnd = time + interval
        if isThrottled, unit < 2 {
            busyEnd = throttledEnd(of: index, interval, from: time)
        }
        let isRemoved = Detail.isDetailed && removed.culprits.contains(UInt32(index))
        if !isRemoved {
            if Detail.isDetailed {
                recordUse(index, unit, resources, workEnd: busyEnd - interval + costs[cost].work)
            }
            units[unit].free = busyEnd
            if resources != 0 {
                units[unit].held = resources
                units[unit].heldUntil = busyEnd
            }
            if unit == 0 { loadEnd = busyEnd }
        }
        if Detail.keepsTimes {
            let issue = Detail.isDetailed ? issueTime(of: index, queue) : queues[queue].issue
            record.add(index, issue: issue, start: time, busyEnd: busyEnd)
        }
        queues[queue].issue = time
        if Detail.isDetailed { queues[queue].last = UInt32(index) }
        if instructions[index].opcode.isDMA {
            trigger(index, queue, at: busyEnd)
        } else {
            let end = max(busyEnd + costs[cost].latency, units[unit].end)
            if !isRemoved { units[unit].end = end }
            complete(index, at: end)
        }
        queues[queue].head = plan.links[index].next
        refresh(queue)
        if Detail.isDetailed, unit < 2 { refresh(queue == 0 ? Self.loadQueue : 0) }
    }

    /// Counts an instruction's end and gives its signal.
    @inline(__always)
    mutating func complete(_ index: Int, at end: Int64) {
        if !Detail.isDetailed || !removed.culprits.contains(UInt32(index)) {
            makespan = max(makespan, end)
        }
        if Detail.keepsTimes { record.end[index] = end }
        let semaphore = Int(instructions[index].signal)
        let amount = instructions[index].signalAmount
        if semaphore == Int(SemaphoreWait.none) || amount == 0 { return }
        let position = semaphores[semaphore].first + Int(semaphores[semaphore].count)
        signalTimes[position] = end
        semaphores[semaphore].count += 1
        semaphores[semaphore].reached += Int64(amount)
        if semaphores[semaphore].waiters != 0 { wake(semaphore) }
    }

    private mutating func throttledEnd(
        of index: Int, _ interval: Int64, from time: Int64
    ) -> Int64 {
        throttle.end(of: interval, from: time) { culprit in
            removed.contains(culprit, for: UInt32(index))
        }
    }

    private mutating func wake(_ semaphore: Int) {
        var waiters = semaphores[semaphore].waiters
        semaphores[semaphore].waiters = 0
        while waiters != 0 {
            let queue = waiters.trailingZeroBitCount
            waiters &= waiters - 1
            refresh(queue)
        }
    }
}
