/// What the culprit of a semaphore wait was doing, from the program's start until the wait was
/// over.
enum WaitPhases {
    /// A time with one reason.
    struct Phase {
        var reason: StallReason
        var start: Int64
        var end: Int64
    }

    /// The phases, in order of time and without gaps (some are empty).
    static func of(_ cause: StartCause, _ run: ProfiledRun) -> [Phase] {
        let index = Int(cause.culprit)
        let end = run.timeline.end[index]
        var phases = Phases()
        if let transfer = run.transfer(index) {
            phases.add(transfer, reason(cause.kind), contention: run.contention(index))
            let completion = transfer.transferEnd + run.latencies.dmaCompletion
            phases.add(.dmaLatency, until: min(completion, end))
            // Rings complete in order.
            phases.add(.dmaQueue, until: end)
        } else {
            phases.add(reason(cause.kind), until: run.timeline.busyEnd[index])
            phases.add(.resultLatency, until: end)
        }
        phases.add(.semaphoreLatency, until: end + run.latencies.semaphore)
        return phases.list
    }

    /// Why a consumer cannot go on while its producer runs.
    private static func reason(_ kind: StartCause.Kind) -> StallReason {
        switch kind {
        case .anti: .antiDependence
        case .output: .outputDependence
        case .bank: .psumBank
        default: .data
        }
    }

    private struct Phases {
        var list: [Phase] = []

        mutating func add(_ reason: StallReason, until end: Int64) {
            let start = list.last?.end ?? 0
            list.append(Phase(reason: reason, start: start, end: max(start, end)))
        }

        /// The phases of a transfer up to its last byte. What matters to a consumer that overwrites
        /// is only that it has not passed.
        mutating func add(_ transfer: Transfer, _ reason: StallReason, contention: Int64) {
            guard reason == .data else {
                add(reason, until: transfer.transferEnd)
                return
            }
            add(.data, until: transfer.triggered)
            add(.descriptor, until: transfer.descriptorEnd)
            add(.dmaLatency, until: transfer.ready)
            add(.dmaQueue, until: transfer.transferStart)
            add(.dmaTransfer, until: transfer.transferEnd - contention)
            add(.memoryContention, until: transfer.transferEnd)
        }
    }
}
