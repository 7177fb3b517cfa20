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
    @inline(__always)
    private mutating func earliestStart(_ step: PlannedStep, _ queue: Int) -> Int64 {
        let first = release(step.semaphore0, step.value0, queue)
        if first < 0 { return -1 }
        var time = max(queues[queue].issue, units[step.unit].free)
        if step.isMultiplication { time = max(time, loadEnd) }
        time = max(time, first)
        if !step.hasSeveralWaits { return time }
        let second = release(step.semaphore1, step.value1, queue)
        if second < 0 { return -1 }
        let third = release(step.semaphore2, step.value2, queue)
        return third < 0 ? -1 : max(time, second, third)
    }

    /// When a wait lets its instruction go on; -1, and a mark at the semaphore, when that is not
    /// known yet.
    @inline(__always)
    private mutating func release(_ semaphore: UInt16, _ value: UInt32, _ queue: Int) -> Int64 {
        let state = semaphores[Int(semaphore)]
        if Int64(value) > state.reached {
            semaphores[Int(semaphore)].waiters |= 1 << UInt32(queue)
            return -1
        }
        if state.growsByOne {
            return signalTimes[state.first &+ Int(value) &- 1] &+ latencies.semaphore
        }
        return releaseTime(semaphore, value)
    }

    /// When a semaphore that has reached `value` let those go on that wait for it.
    mutating func releaseTime(_ semaphore: UInt16, _ value: UInt32) -> Int64 {
        if Int(semaphore) == lists.signals.count { return 0 }
        return signalTimes[lists.position(semaphore, value)] + latencies.semaphore
    }
}
