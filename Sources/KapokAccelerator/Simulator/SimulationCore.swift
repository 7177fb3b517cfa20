/// The loop of the simulator: instructions start, and transfers reach the DMA engines, in order of
/// time.
///
/// Each queue, and each descriptor generator, has at most one event to come: its first instruction
/// starting, its oldest transfer moving. The events stand as words in `keys` (time, then priority),
/// and the smallest one is next; a queue whose instruction waits for a signal that is not known yet
/// has none. At the same tick, instructions that a structural hazard delayed come first, then other
/// instructions by engine, then transfers by generator.
///
/// Functions that are called for each instruction are mutating even if they change nothing: the
/// compiler copies a value of this size to lend it to others.
struct SimulationCore<Detail: SimulationDetail>: ~Copyable {
    /// Slots of `keys`: the engines' queues, the generators, and in detail the queue of
    /// `tensorLoad`.
    static var firstGenerator: Int { 5 }
    static var loadQueue: Int { 8 }
    static var slotCount: Int { 9 }
    /// Set in keys of events that no hazard delayed.
    static var undelayed: Int64 { 16 }
    static var neverKey: Int64 { .max }

    var plan: SimulationPlan
    let lists: SignalLists
    let instructions: UnsafeBufferPointer<Instruction>
    let latencies: SimulationLatencies
    let removed: RemovedReasons
    var throttle: ThrottleSchedule
    let isThrottled: Bool

    let keys: FlatBuffer<Int64>
    let queues: FlatBuffer<QueueState>
    let units: FlatBuffer<UnitState>
    let semaphores: FlatBuffer<SemaphoreState>
    /// When each signal was given, in the order of ``SignalLists``, and a last one that was always.
    let signalTimes: FlatBuffer<Int64>
    var loadEnd: Int64 = 0
    var makespan: Int64 = 0

    let generators: FlatBuffer<GeneratorState>
    let pending: FlatBuffer<PendingTransfer>
    var unusedPending = SimulationPlan.none
    var pendingTouched: UInt32 = 0
    /// When each DMA engine is free; when all are at the same time, only that time is kept.
    let engineFree: FlatBuffer<Int64>
    var areEnginesLevel = true
    var levelFree: Int64 = 0
    let ringEnd: FlatBuffer<Int64>
    var transfersTriggered = 0
    var nextEngine = 0
    /// Why the simulation cannot go on; nil while it can.
    var failure: SimulationError?
    var hasFailed = false

    var record: SimulationRecord
    var detail: DetailState

    /// Runs until nothing can go on.
    mutating func run() {
        for queue in 0..<Self.slotCount where queues[queue].remaining > 0 { prepare(queue) }
        let limit = SimulationPlan.timeLimit << 5
        while true {
            let key = smallestKey()
            if key >= limit || hasFailed { return }
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
    private mutating func smallestKey() -> Int64 {
        let a = min(min(keys[0], keys[1]), min(keys[2], keys[3]))
        let b = min(min(keys[4], keys[5]), min(keys[6], keys[7]))
        return Detail.isDetailed ? min(min(a, b), keys[8]) : min(a, b)
    }

    /// Starts the first instruction of a queue, unless a structural hazard delays it.
    @inline(__always)
    private mutating func step(_ queue: Int, at time: Int64) {
        let step = plan.queues.first(of: Self.planQueue(queue))
        if step.resources != 0 {
            let free = conflictEnd(step)
            if free > time {
                keys[queue] = free << 5 | Int64(queue)
                return
            }
        }
        if Detail.isDetailed { recordCause(step, queue, at: time) }
        start(step, queue, at: time)
        advance(queue)
    }

    /// When the units that exclude an instruction have finished.
    @inline(__always)
    private mutating func conflictEnd(_ step: PlannedStep) -> Int64 {
        var free: Int64 = 0
        for other in 1...4 where other != step.unit && units[other].held & step.resources != 0 {
            if Detail.isDetailed, removed.contains(units[other].holder, for: step.index) {
                continue
            }
            free = max(free, units[other].heldUntil)
        }
        return free
    }

    @inline(__always)
    private mutating func start(_ step: PlannedStep, _ queue: Int, at time: Int64) {
        let unit = step.unit
        let interval = plan.costs.entries[Int(step.cost)].interval
        var busyEnd = time &+ interval
        if isThrottled, unit < 2 { busyEnd = throttledEnd(of: step, interval, from: time) }
        let isRemoved = Detail.isDetailed && removed.culprits.contains(step.index)
        if !isRemoved {
            if Detail.isDetailed { recordUse(step, busyEnd - interval) }
            units[unit].free = busyEnd
            if step.resources != 0 {
                units[unit].held = step.resources
                units[unit].heldUntil = busyEnd
            }
            if unit == 0 { loadEnd = busyEnd }
        }
        if Detail.keepsTimes {
            let issue = Detail.isDetailed ? issueTime(of: step, queue) : queues[queue].issue
            record.add(Int(step.index), issue: issue, start: time, busyEnd: busyEnd)
        }
        queues[queue].issue = time
        if Detail.isDetailed { queues[queue].last = step.index }
        if step.isTransfer {
            trigger(step, queue, at: busyEnd)
        } else {
            let end = max(busyEnd &+ plan.costs.entries[Int(step.cost)].latency, units[unit].end)
            if !isRemoved { units[unit].end = end }
            complete(step, at: end)
        }
    }

    /// Goes on to the next instruction of a queue.
    @inline(__always)
    private mutating func advance(_ queue: Int) {
        plan.queues.removeFirst(of: Self.planQueue(queue))
        queues[queue].remaining &-= 1
        prepare(queue)
        if Detail.isDetailed {
            // The order between the tensor engine's units may have been what its other one waited
            // for.
            if queue == 0 { refresh(Self.loadQueue) }
            if queue == Self.loadQueue { refresh(0) }
        }
    }

    /// Sees to it that the next instruction of a queue is planned, and when it can start.
    @inline(__always)
    private mutating func prepare(_ queue: Int) {
        if queues[queue].remaining > 0, plan.queues.isEmpty(Self.planQueue(queue)) {
            planMore(for: Self.planQueue(queue))
        }
        refresh(queue)
    }

    private mutating func planMore(for queue: Int) {
        while plan.queues.isEmpty(queue), !hasFailed {
            do { try plan.planBlock() } catch { fail(error) }
        }
    }

    /// Ends the simulation.
    mutating func fail(_ error: SimulationError) {
        if failure == nil { failure = error }
        hasFailed = true
    }

    /// The plan's number of a queue.
    @inline(__always)
    static func planQueue(_ slot: Int) -> Int {
        Detail.isDetailed && slot == loadQueue ? SimulationPlan.loadQueue : slot
    }

    /// Counts an instruction's end and gives its signal.
    @inline(__always)
    mutating func complete(_ step: PlannedStep, at end: Int64) {
        if !Detail.isDetailed || !removed.culprits.contains(step.index) {
            makespan = max(makespan, end)
        }
        if Detail.keepsTimes { record.end[Int(step.index)] = end }
        if step.signal == SemaphoreWait.none || step.signalAmount == 0 { return }
        let semaphore = Int(step.signal)
        var state = semaphores[semaphore]
        signalTimes[state.first &+ Int(state.count)] = end
        state.count &+= 1
        state.reached &+= Int64(step.signalAmount)
        semaphores[semaphore] = state
        if state.waiters != 0 { wake(semaphore) }
    }

    @inline(never)
    private mutating func throttledEnd(
        of step: PlannedStep, _ interval: Int64, from time: Int64
    ) -> Int64 {
        throttle.end(of: interval, from: time) { culprit in
            removed.contains(culprit, for: step.index)
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
