extension SimulationCore {
    /// Finds out when the first instruction of a queue can start, as far as that is known.
    @inline(__always)
    mutating func refresh(_ queue: Int) {
        if queues[queue].remaining == 0 || hasFailed {
            keys[queue] = Self.neverKey
            return
        }
        let step = plan.queues.first(of: Self.planQueue(queue))
        let time = Detail.isDetailed ? detailedStart(step, queue) : earliestStart(step, queue)
        keys[queue] = time < 0 ? Self.neverKey : time << 5 | Self.undelayed | Int64(queue)
    }

    /// The earliest start of an instruction, hazards aside; -1 when a signal is missing.
    ///
    /// Straight on without asking which waits are there: that would be guessed wrong too often.
    @inline(__always)
    private mutating func earliestStart(_ step: PlannedStep, _ queue: Int) -> Int64 {
        let state0 = semaphores[Int(step.semaphore0)]
        let state1 = semaphores[Int(step.semaphore1)]
        let state2 = semaphores[Int(step.semaphore2)]
        let isMissing0 = Int64(step.value0) > state0.reached
        let isMissing1 = Int64(step.value1) > state1.reached
        let isMissing2 = Int64(step.value2) > state2.reached
        if isMissing0 || isMissing1 || isMissing2 {
            let missing =
                isMissing0 ? step.semaphore0 : isMissing1 ? step.semaphore1 : step.semaphore2
            semaphores[Int(missing)].waiters |= 1 << UInt32(queue)
            return -1
        }
        var time = max(queues[queue].issue, units[step.unit].free)
        if step.isMultiplication { time = max(time, loadEnd) }
        if state0.growsByOne, state1.growsByOne, state2.growsByOne {
            let release = max(
                signalTimes[state0.first &+ Int(step.value0) &- 1],
                signalTimes[state1.first &+ Int(step.value1) &- 1],
                signalTimes[state2.first &+ Int(step.value2) &- 1])
            return max(time, release &+ latencies.semaphore)
        }
        time = max(time, releaseTime(step.semaphore0, step.value0))
        time = max(time, releaseTime(step.semaphore1, step.value1))
        return max(time, releaseTime(step.semaphore2, step.value2))
    }

    /// When a semaphore that has reached `value` let those go on that wait for it.
    mutating func releaseTime(_ semaphore: UInt16, _ value: UInt32) -> Int64 {
        if Int(semaphore) == lists.signals.count { return 0 }
        return signalTimes[lists.position(semaphore, value)] + latencies.semaphore
    }
}
