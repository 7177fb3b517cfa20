/// Explains why a DMA engine was idle before a segment: follows the segment's transfer back from
/// the time at which it was ready, through descriptors and trigger to what the trigger waited for.
struct TransferWaitChain {
    private let run: ProfiledRun
    private let unit: Unit
    /// Where the idle time began.
    private let start: Int64
    /// What comes after this time is explained.
    private var until: Int64 = 0
    private var isShared = false
    /// The latest first.
    private(set) var stalls: [Stall] = []

    init(_ run: ProfiledRun, _ unit: Unit, from start: Int64) {
        self.run = run
        self.unit = unit
        self.start = start
    }

    /// Explains the time from `start` to the segment's.
    mutating func follow(_ segment: TransferSegment) {
        until = segment.start
        var number = Int(run.transferOf[Int(segment.instruction)])
        var victim = segment.instruction
        add(
            .dmaLatency, from: run.timeline.transfers[number].descriptorEnd, culprit: victim,
            victim: victim)
        while until > start {
            let transfer = run.timeline.transfers[number]
            let previous = Int(run.previousInGenerator[number])
            add(
                .descriptor, from: transfer.descriptorStart, culprit: transfer.instruction,
                victim: victim)
            victim = transfer.instruction
            if previous >= 0 {
                let free = run.timeline.transfers[previous].descriptorEnd
                if free == transfer.descriptorStart {
                    if transfer.triggered < free {
                        number = previous
                        continue
                    }
                    isShared = true
                }
            }
            let index = Int(transfer.instruction)
            add(
                .dmaLatency, from: run.timeline.start[index], culprit: victim, victim: victim)
            followTrigger(index)
        }
    }

    /// Explains the time before a trigger: by its own wait, or by what stood before it in its
    /// queue.
    private mutating func followTrigger(_ trigger: Int) {
        var index = trigger
        while until > start {
            let cause = run.causes[index]
            let victim = UInt32(index)
            if cause.isShared { isShared = true }
            if cause.isWait {
                for phase in WaitPhases.of(cause, run).reversed() {
                    add(phase.reason, from: phase.start, culprit: cause.culprit, victim: victim)
                }
                return
            }
            switch cause.kind {
            case .programStart:
                return
            case .bankConflict:
                add(.psumBank, from: start, culprit: cause.culprit, victim: victim)
            case .busConflict:
                add(.sharedBus, from: start, culprit: cause.culprit, victim: victim)
            default:
                index = Int(cause.culprit)
                let from = run.timeline.start[index]
                add(.queueOrder, from: from, culprit: cause.culprit, victim: victim)
            }
        }
    }

    private mutating func add(
        _ reason: StallReason, from time: Int64, culprit: UInt32, victim: UInt32
    ) {
        let from = max(time, start)
        guard from < until else { return }
        stalls.append(
            Stall(
                unit: unit, reason: reason, start: from, end: until, culprit: culprit,
                victim: victim, isShared: isShared))
        until = from
    }
}
