/// Divides the time of every unit into work and stalls, so that they add up to the makespan.
///
/// A gap before an instruction belongs to the constraint that was released last. It is cut into
/// pieces by what that constraint's culprit was doing.
struct StallAttribution {
    private let run: ProfiledRun
    /// By unit.
    private var lists: [[Stall]]
    private(set) var units: [UnitUsage]

    /// All stalls, by unit and then by time, and the use of each unit.
    static func attribute(_ run: ProfiledRun) -> (stalls: [Stall], units: [UnitUsage]) {
        var attribution = StallAttribution(run)
        attribution.attributeEngines()
        for engine in 0..<run.machine.dmaEngines { attribution.attributeTransfers(of: engine) }
        return (Array(attribution.lists.joined()), attribution.units)
    }

    private init(_ run: ProfiledRun) {
        self.run = run
        let count = Unit.engineUnitCount + run.machine.dmaEngines
        lists = [[Stall]](repeating: [], count: count)
        units = (0..<count).map { UnitUsage(unit: Unit(rawValue: UInt8($0))) }
    }

    /// Adds a stall unless it is empty.
    private mutating func add(_ stall: Stall) {
        guard stall.end > stall.start else { return }
        let unit = Int(stall.unit.rawValue)
        lists[unit].append(stall)
        units[unit].stalled[Int(stall.reason.rawValue)] += stall.duration
    }

    private mutating func addProgramEnd(_ unit: Unit, from start: Int64, victim: UInt32) {
        add(
            Stall(
                unit: unit, reason: .programEnd, start: start, end: run.timeline.makespan,
                culprit: run.last, victim: victim, isShared: run.isLastShared))
    }
}

/// Units of the compute engines.
extension StallAttribution {
    private mutating func attributeEngines() {
        // Where each unit's work has been accounted for, and its last instruction.
        var done = [Int64](repeating: 0, count: Unit.engineUnitCount)
        var last = [UInt32](repeating: Stall.none, count: Unit.engineUnitCount)
        for (index, instruction) in run.program.instructions.enumerated() {
            let unit = instruction.unit
            let number = Int(unit.rawValue)
            let start = run.timeline.start[index]
            attributeGap(unit, from: done[number], to: start, before: index)
            let cost = run.cost(index)
            units[number].count += 1
            units[number].busy += cost.work
            done[number] = start + cost.work
            if run.throttledTicks(index) > 0 {
                done[number] = attributeThrottle(unit, from: done[number], index)
            }
            last[number] = UInt32(index)
        }
        for unit in 0..<Unit.engineUnitCount {
            addProgramEnd(Unit(rawValue: UInt8(unit)), from: done[unit], victim: last[unit])
        }
    }

    /// The ticks that an instruction lost to power management stand after its work: which of its
    /// cycles were left out does not matter to anyone.
    private mutating func attributeThrottle(
        _ unit: Unit, from start: Int64, _ index: Int
    ) -> Int64 {
        var time = start
        let losses = run.throttle.losses(
            of: run.cost(index).interval, from: run.timeline.start[index],
            to: run.timeline.busyEnd[index])
        for loss in losses {
            add(
                Stall(
                    unit: unit, reason: .throttle, start: time, end: time + loss.ticks,
                    culprit: loss.culprit, victim: UInt32(index)))
            time += loss.ticks
        }
        return time
    }

    private mutating func attributeGap(
        _ unit: Unit, from start: Int64, to end: Int64, before index: Int
    ) {
        guard end > start else { return }
        let cause = run.causes[index]
        if cause.isWait {
            for phase in WaitPhases.of(cause, run) {
                addPhase(phase, unit, start, end, index, cause)
            }
            return
        }
        let reason: StallReason =
            switch cause.kind {
            case .unit: .issueInterval
            case .bankConflict: .psumBank
            case .busConflict: .sharedBus
            case .load: .data
            default: .queueOrder
            }
        add(
            Stall(
                unit: unit, reason: reason, start: start, end: end, culprit: cause.culprit,
                victim: UInt32(index), isShared: cause.isShared))
    }

    private mutating func addPhase(
        _ phase: WaitPhases.Phase, _ unit: Unit, _ start: Int64, _ end: Int64, _ index: Int,
        _ cause: StartCause
    ) {
        add(
            Stall(
                unit: unit, reason: phase.reason, start: max(start, phase.start),
                end: min(end, phase.end), culprit: cause.culprit, victim: UInt32(index),
                isShared: cause.isShared))
    }
}

/// DMA engines.
extension StallAttribution {
    private mutating func attributeTransfers(of engine: Int) {
        let unit = Unit.dma(engine)
        let number = Int(unit.rawValue)
        let range = run.timeline.segmentStart[engine]..<run.timeline.segmentStart[engine + 1]
        var done: Int64 = 0
        var last = Stall.none
        for segment in run.timeline.segments[range] {
            if segment.start > done {
                var chain = TransferWaitChain(run, unit, from: done)
                chain.follow(segment)
                for stall in chain.stalls.reversed() { add(stall) }
            }
            units[number].count += 1
            last = segment.instruction
            // Segments overlap only where transfers were made not to wait for each other.
            if segment.end <= done { continue }
            let start = max(segment.start, done)
            let workEnd = max(start, segment.end - run.contention(in: segment))
            units[number].busy += workEnd - start
            add(
                Stall(
                    unit: unit, reason: .memoryContention, start: workEnd, end: segment.end,
                    culprit: segment.instruction, victim: segment.instruction))
            done = segment.end
        }
        addProgramEnd(unit, from: done, victim: last)
    }
}
