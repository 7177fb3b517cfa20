/// Finds the chain of instructions and waits that makes a program as long as it is: walks back from
/// the instruction that ended last, at each point to the constraint that was released last.
struct CriticalPathWalk {
    private let run: ProfiledRun
    /// Everything after this time is on the path already.
    private var until: Int64
    /// The latest first.
    private var steps: [CriticalStep] = []

    /// The steps, from 0 to the makespan, without gaps.
    static func steps(of run: ProfiledRun) -> [CriticalStep] {
        guard run.last != Stall.none else { return [] }
        var walk = CriticalPathWalk(run)
        var place = Place.end(Int(run.last))
        while walk.until > 0, let next = walk.back(from: place) { place = next }
        return walk.steps.reversed()
    }

    private init(_ run: ProfiledRun) {
        self.run = run
        until = run.timeline.makespan
    }

    /// A point of the program that the path goes through.
    private enum Place {
        /// An instruction completes.
        case end(Int)
        /// An instruction frees its unit, for a DMA trigger: has triggered.
        case busyEnd(Int)
        /// An instruction starts.
        case start(Int)
        /// A segment of a DMA engine ends.
        case segmentEnd(engine: Int, segment: Int)
        /// A transfer reaches the DMA engines.
        case ready(Int)
        /// A transfer's descriptors are there.
        case descriptorEnd(Int)
    }

    private mutating func add(_ kind: CriticalStep.Kind, from start: Int64, _ index: Int) {
        guard start < until else { return }
        steps.append(
            CriticalStep(instruction: UInt32(index), kind: kind, start: start, end: until))
        until = start
    }

    /// One step back; nil at the program's start.
    private mutating func back(from place: Place) -> Place? {
        switch place {
        case .end(let index): return backFromEnd(index)
        case .busyEnd(let index):
            add(.throttle, from: until - run.throttledTicks(index), index)
            add(.busy, from: run.timeline.start[index], index)
            return .start(index)
        case .start(let index): return backFromStart(index)
        case .segmentEnd(let engine, let segment):
            return backFromSegment(engine, segment)
        case .ready(let number):
            let transfer = run.timeline.transfers[number]
            add(.dmaLatency, from: transfer.descriptorEnd, Int(transfer.instruction))
            return .descriptorEnd(number)
        case .descriptorEnd(let number): return backFromDescriptors(number)
        }
    }

    private mutating func backFromEnd(_ index: Int) -> Place {
        guard let transfer = run.transfer(index) else {
            let cost = run.cost(index)
            if run.timeline.busyEnd[index] + cost.latency < until,
                let previous = previousOnUnit(index, endingAt: until)
            {
                return .end(previous)
            }
            add(.resultLatency, from: run.timeline.busyEnd[index], index)
            return .busyEnd(index)
        }
        let number = Int(run.transferOf[index])
        if transfer.transferEnd + run.latencies.dmaCompletion < until {
            let previous = run.previousOnRing[number]
            if previous >= 0 {
                return .end(Int(run.timeline.transfers[Int(previous)].instruction))
            }
        }
        add(.dmaLatency, from: transfer.transferEnd, index)
        guard let (engine, segment) = lastSegment(of: index, endingAt: until) else {
            return .ready(number)
        }
        return .segmentEnd(engine: engine, segment: segment)
    }

    /// The instruction before `index` on its unit, which completed at `time` and held it back.
    private func previousOnUnit(_ index: Int, endingAt time: Int64) -> Int? {
        let unit = run.program.instructions[index].unit
        var candidate = index - 1
        while candidate >= 0 {
            let instruction = run.program.instructions[candidate]
            if instruction.unit == unit, !instruction.opcode.isDMA {
                return run.timeline.end[candidate] == time ? candidate : nil
            }
            candidate -= 1
        }
        return nil
    }

    /// Where on the DMA engines a transfer's last packet ended.
    private func lastSegment(of index: Int, endingAt time: Int64) -> (Int, Int)? {
        for engine in 0..<run.machine.dmaEngines {
            let range =
                run.timeline.segmentStart[engine]..<run.timeline.segmentStart[engine + 1]
            if let segment = lastSegment(in: range, endingAt: time),
                Int(run.timeline.segments[segment].instruction) == index
            {
                return (engine, segment)
            }
        }
        return nil
    }

    /// Binary search in the segments of an engine, which do not overlap.
    private func lastSegment(in range: Range<Int>, endingAt time: Int64) -> Int? {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high {
            let middle = (low + high) / 2
            if run.timeline.segments[middle].end < time { low = middle + 1 } else { high = middle }
        }
        guard low < range.upperBound, run.timeline.segments[low].end == time else { return nil }
        return low
    }

    /// A segment began when its transfer was ready, or when the engine had finished the one before.
    private mutating func backFromSegment(_ engine: Int, _ number: Int) -> Place {
        let segment = run.timeline.segments[number]
        let index = Int(segment.instruction)
        add(.dmaTransfer, from: segment.start, index)
        let transfer = Int(run.transferOf[index])
        let isFirst = number == run.timeline.segmentStart[engine]
        if run.timeline.transfers[transfer].ready < segment.start, !isFirst,
            run.timeline.segments[number - 1].end == segment.start
        {
            return .segmentEnd(engine: engine, segment: number - 1)
        }
        return .ready(transfer)
    }

    private mutating func backFromDescriptors(_ number: Int) -> Place {
        let transfer = run.timeline.transfers[number]
        let index = Int(transfer.instruction)
        add(.descriptor, from: transfer.descriptorStart, index)
        let previous = Int(run.previousInGenerator[number])
        if transfer.triggered < transfer.descriptorStart, previous >= 0,
            run.timeline.transfers[previous].descriptorEnd == transfer.descriptorStart
        {
            return .descriptorEnd(previous)
        }
        return .busyEnd(index)
    }

    private mutating func backFromStart(_ index: Int) -> Place? {
        let cause = run.causes[index]
        let culprit = Int(cause.culprit)
        switch cause.kind {
        case .programStart: return nil
        case .unit, .load, .bankConflict, .busConflict: return .busyEnd(culprit)
        case .queue: return .start(culprit)
        case .flow, .anti, .output, .bank:
            add(.semaphoreLatency, from: run.timeline.end[culprit], culprit)
            return .end(culprit)
        }
    }
}
