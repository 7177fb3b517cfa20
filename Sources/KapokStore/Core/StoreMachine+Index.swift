import KapokWorld

extension StoreMachine {
    /// Sends what is published to the index, when it is time.
    mutating func pumpIndex(at now: Instant, _ effects: inout EffectBuffer<StoreEffect>) {
        guard indexInFlight == nil, failure == nil || failure == .closed else { return }
        queueSeals()
        guard !indexQueue.isEmpty || needsNumbers else { return }
        let isDue =
            indexUrgent || !drains.isEmpty || needsNumbers
            || indexWrites >= configuration.indexBatchWrites
        guard isDue, indexReason == nil || indexUrgent else {
            if !indexTimerSet {
                indexTimerSet = true
                effects.append(.setTimer(.index, at: now + configuration.indexDelay))
            }
            return
        }
        indexUrgent = false
        var operations = indexQueue
        indexQueue = []
        indexWrites = 0
        for id in touchedExtents(operations) {
            operations.append(.applied(id, block: settledBlock(of: id)))
        }
        if needsNumbers { operations.append(.reserveNumbers(below: nextNumber + 1_000_000)) }
        indexInFlight = operations
        indexCovers = queuedBatches
        statistics.indexCommits += 1
        effects.append(.index(operations, head: head))
    }

    private var needsNumbers: Bool { nextNumber + 500_000 > head.numbersReservedBelow }

    /// Extents whose records these operations bring, in order.
    private func touchedExtents(_ operations: [IndexOperation]) -> [ExtentID] {
        var ids = Set<ExtentID>()
        for operation in operations {
            switch operation {
            case .transaction(_, _, let location, _), .move(_, let location):
                ids.insert(location.extent)
            default: break
            }
        }
        return ids.sorted()
    }

    /// The first block of the extent that a replay would still need: below it everything is either
    /// published or needs no replay.
    private func settledBlock(of id: ExtentID) -> UInt32 {
        var block = extents[id]?.tail ?? 0
        for stripe in stripes.values where stripe.extent == id { block = min(block, stripe.block) }
        return block
    }

    /// Remembers that the index must hear of the seal.
    mutating func noteSealed(_ id: ExtentID) {
        guard let extent = extents[id] else { return }
        if !extent.row.sealed || extent.row.liveItems == 0 { sealing.insert(id) }
    }

    /// An extent is sealed in the index only when none of its stripes is in flight, so that a
    /// replay can leave it out.
    private mutating func queueSeals() {
        guard !sealing.isEmpty else { return }
        var busy = Set<ExtentID>()
        for stripe in stripes.values {
            if let extent = stripe.extent { busy.insert(extent) }
        }
        for id in sealing.sorted() where !busy.contains(id) {
            sealing.remove(id)
            guard let extent = extents[id] else { continue }
            indexQueue.append(.applied(id, block: extent.tail))
            indexQueue.append(.sealExtent(id))
        }
    }

    mutating func drain(
        _ token: StoreToken, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        if indexedBatches >= queuedBatches || configuration.defect == .staleListing {
            effects.append(.reply(token, .done))
        } else if let failure, failure != .closed {
            effects.append(.reply(token, .refused(failure)))
        } else {
            drains.append((token, queuedBatches))
        }
    }

    mutating func indexDone(
        _ result: IndexResult, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let operations = indexInFlight else { return }
        indexInFlight = nil
        indexReason = nil
        head = result.head
        indexedBatches = indexCovers
        for (id, row) in result.extents {
            if let row { extents[id]?.row = row }
        }
        for operation in operations {
            switch operation {
            case .transaction(let version, let payload, _, _):
                overlay.retire(version: version, body: payload.body)
            case .openExtent(let id, _): label(id, &effects)
            case .removeExtent(let id):
                if result.extents.contains(where: { $0.id == id && $0.row == nil }) {
                    released(id)
                } else {
                    extents[id]?.phase = .sealed
                }
            default: break
            }
        }
        for (id, _) in result.extents { releaseIfEmpty(id) }
        drains = replied(drains, &effects)
        let before = afterIndex.count
        afterIndex = replied(afterIndex, &effects)
        movesUnderWay -= before - afterIndex.count
        let due = unpinAfterIndex.filter { $0.after <= indexedBatches }
        unpinAfterIndex.removeAll { $0.after <= indexedBatches }
        for (ids, _) in due { unpin(ids) }
    }

    private func replied(
        _ waiting: [(token: StoreToken, after: UInt64)],
        _ effects: inout EffectBuffer<StoreEffect>
    ) -> [(token: StoreToken, after: UInt64)] {
        waiting.filter { request in
            guard request.after <= indexedBatches else { return true }
            effects.append(.reply(request.token, .done))
            return false
        }
    }

    /// Nothing is lost: the records are on the drives. They stay in the overlay and are tried
    /// again.
    mutating func indexFailed(
        _ reason: String, isFinal: Bool, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let operations = indexInFlight else { return }
        indexInFlight = nil
        indexReason = reason
        indexQueue = operations + indexQueue
        if isFinal {
            fail(.failed("the index: \(reason)"), &effects)
        } else if !indexTimerSet {
            indexTimerSet = true
            effects.append(.setTimer(.index, at: now + .milliseconds(500)))
        }
    }
}
