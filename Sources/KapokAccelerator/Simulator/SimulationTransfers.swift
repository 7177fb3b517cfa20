extension SimulationCore {
    /// An engine has triggered a transfer: its descriptors are made.
    mutating func trigger(_ step: PlannedStep, _ queue: Int, at triggered: Int64) {
        // Sync and scalar have a hardware generator each; gpsimd makes descriptors in software.
        let generator =
            queue == Int(Engine.sync.rawValue) ? 0 : queue == Int(Engine.scalar.rawValue) ? 1 : 2
        let isSelfRemoved =
            Detail.isDetailed && removed.contains(step.index, for: step.index)
        var free = generators[generator].free
        if Detail.isDetailed, removed.contains(generators[generator].last, for: step.index) {
            free = generators[generator].freeBefore
        }
        let limit = SimulationPlan.timeLimit
        let descriptorStart = removed.contains(.descriptor) ? triggered : max(triggered, free)
        let descriptorEnd =
            min(limit, descriptorStart + (isSelfRemoved ? 0 : latencies.descriptor))
        let earliest = min(limit, descriptorEnd + (isSelfRemoved ? 0 : latencies.dmaStart))
        generators[generator].freeBefore = generators[generator].free
        generators[generator].free = max(descriptorEnd, generators[generator].free)
        generators[generator].last = step.index
        let number = transfersTriggered
        transfersTriggered += 1
        if Detail.keepsTimes {
            record.transfers.append(
                Transfer(
                    instruction: step.index, ring: UInt8(step.ring),
                    triggered: triggered, descriptorStart: descriptorStart,
                    descriptorEnd: descriptorEnd, ready: earliest, transferStart: 0,
                    transferEnd: 0))
        }
        enqueue(number, step, generator, ready: earliest)
    }

    private mutating func enqueue(
        _ number: Int, _ step: PlannedStep, _ generator: Int, ready: Int64
    ) {
        // Entries are used again, so that only as many are touched as wait at the same time.
        var entry = unusedPending
        if entry == SimulationPlan.none {
            entry = pendingTouched
            pendingTouched += 1
        } else {
            unusedPending = pending[Int(entry)].next
        }
        pending[Int(entry)] = PendingTransfer(
            step: step, number: UInt32(truncatingIfNeeded: number), ready: ready)
        if generators[generator].head == SimulationPlan.none {
            generators[generator].head = entry
            keys[Self.firstGenerator + generator] = Self.transferKey(generator, ready)
        } else {
            pending[Int(generators[generator].tail)].next = entry
        }
        generators[generator].tail = entry
    }

    private static func transferKey(_ generator: Int, _ ready: Int64) -> Int64 {
        ready << 5 | undelayed | Int64(firstGenerator + generator)
    }

    /// The oldest transfer of a generator reaches the DMA engines.
    mutating func move(_ generator: Int, at ready: Int64) {
        let entry = generators[generator].head
        let transfer = pending[Int(entry)]
        generators[generator].head = transfer.next
        pending[Int(entry)].next = unusedPending
        unusedPending = entry
        keys[Self.firstGenerator + generator] =
            transfer.next == SimulationPlan.none
            ? Self.neverKey
            : Self.transferKey(
                generator, max(ready, pending[Int(transfer.next)].ready))
        let step = transfer.step
        let (start, end) = occupyEngines(step, ready: transfer.ready)
        let isSelfRemoved =
            Detail.isDetailed && removed.contains(step.index, for: step.index)
        let ring = step.ring
        let completion = isSelfRemoved ? end : end + latencies.dmaCompletion
        let completed =
            removed.contains(.dmaQueue)
            ? completion : min(SimulationPlan.timeLimit, max(completion, ringEnd[ring]))
        ringEnd[ring] = max(ringEnd[ring], completed)
        if Detail.keepsTimes {
            record.transfers[Int(transfer.number)].transferStart = start
            record.transfers[Int(transfer.number)].transferEnd = end
        }
        complete(step, at: completed)
    }

    /// Deals a transfer's packets to the DMA engines in turn.
    ///
    /// - Returns: when the first engine began and the last one ended.
    @inline(__always)
    private mutating func occupyEngines(_ step: PlannedStep, ready: Int64) -> (Int64, Int64) {
        let cost = plan.costs.entries[Int(step.cost)]
        let isEven = cost.enginesWithMore == 0 && cost.packets > 0
        if !Detail.isDetailed, isEven, areEnginesLevel {
            // As if there were one engine; the order of the next transfer's packets is the same.
            let begin = max(ready, levelFree)
            levelFree = begin &+ cost.ticksWithFewer
            if levelFree >= SimulationPlan.timeLimit { fail(.tooLong) }
            return (begin, levelFree)
        }
        return dealPackets(step, cost, ready: ready)
    }

    private mutating func dealPackets(
        _ step: PlannedStep, _ cost: SimulatedCost, ready: Int64
    ) -> (Int64, Int64) {
        let count = engineFree.count
        if areEnginesLevel {
            for engine in 0..<count { engineFree[engine] = levelFree }
        }
        let more = Int(cost.enginesWithMore)
        // With fewer packets than engines the others get nothing.
        let used = cost.packets >= Int64(count) ? count : more
        let isGone = Detail.isDetailed && removed.contains(step.index, for: step.index)
        let isFree = removed.contains(.dmaQueue)
        var (start, end) = (Int64.max, ready)
        var engine = nextEngine
        for turn in 0..<used {
            let ticks = turn < more ? cost.ticksWithMore : cost.ticksWithFewer
            let begin = isFree ? ready : max(ready, engineFree[engine])
            let stop = begin &+ (isGone ? 0 : ticks)
            engineFree[engine] = stop
            start = min(start, begin)
            end = max(end, stop)
            if Detail.isDetailed, stop > begin {
                record.add(
                    engine, TransferSegment(instruction: step.index, start: begin, end: stop))
            }
            engine += 1
            if engine == count { engine = 0 }
        }
        nextEngine += more
        if nextEngine >= count { nextEngine -= count }
        levelFree = engineFree[0]
        areEnginesLevel = (1..<count).allSatisfy { engineFree[$0] == levelFree }
        if end >= SimulationPlan.timeLimit { fail(.tooLong) }
        return (min(start, end), end)
    }
}
