import KapokDrive
import KapokWorld

/// One request in a batch.
package struct BatchItem {
    enum Kind {
        case transaction(CommitRequest)
        case move(MoveRequest)
    }
    let token: StoreToken
    let kind: Kind
    let arrived: Instant
    var version: UInt64 = 0
    /// Where its record was placed; nil for one without a record.
    var location: RecordLocation?
    var refusal: StoreError?

    var record: PreparedRecord? {
        switch kind {
        case .transaction(let request): request.record
        case .move(let request): request.record
        }
    }
}

/// Requests that are written, flushed and published together.
package struct Batch {
    enum Phase: Equatable {
        case writing(remaining: Int)
        case flushing(remaining: Int)
        case durable
    }
    let id: UInt64
    var items: [BatchItem]
    var stripes: [UInt64] = []
    var phase: Phase = .writing(remaining: 0)
    let started: Instant
}

extension StoreMachine {
    // MARK: Taking requests in

    mutating func enqueue(
        _ token: StoreToken, _ kind: BatchItem.Kind, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        let item = BatchItem(token: token, kind: kind, arrived: now)
        if let refusal = refusal(of: kind) {
            if case .transaction(let request) = kind { unpin(request.stagedExtents) }
            effects.append(.reply(token, .refused(refusal)))
            return
        }
        pendingBytes += item.record?.length ?? 0
        if case .move = kind { movesUnderWay += 1 }
        if case .transaction(let request) = kind, !request.stagedExtents.isEmpty {
            beforeBarrier.append(item)
        } else {
            pending.append(item)
        }
    }

    /// A record that names chunks is written only when they are stable: else, after a power
    /// failure, the record might be found and its chunks not.
    mutating func startBarrier(_ effects: inout EffectBuffer<StoreEffect>) {
        guard barrier == nil, !beforeBarrier.isEmpty else { return }
        let remaining = flushAll(for: .barrier, &effects)
        if remaining == 0 {
            pending.append(contentsOf: beforeBarrier)
        } else {
            barrier = (beforeBarrier, remaining)
        }
        beforeBarrier = []
    }

    mutating func barrierFlushed() {
        guard let current = barrier else { return }
        barrier?.remaining -= 1
        guard current.remaining == 1 else { return }
        pending.append(contentsOf: current.items)
        barrier = nil
    }

    private func refusal(of kind: BatchItem.Kind) -> StoreError? {
        if let failure { return failure }
        if closing != nil { return .closed }
        if pending.count + beforeBarrier.count >= configuration.pendingLimit { return .busy }
        if let degraded = degradedError { return degraded }
        if let record = record(of: kind), record.length > maximumRecordBytes {
            return .tooLarge("a transaction of \(record.length) bytes; \(maximumRecordBytes) fit")
        }
        guard case .transaction(let request) = kind, !request.frees else { return nil }
        if indexReason != nil || isSpaceLow { return .full }
        return nil
    }

    private func record(of kind: BatchItem.Kind) -> PreparedRecord? {
        switch kind {
        case .transaction(let request): request.record
        case .move(let request): request.record
        }
    }

    /// Set when there are not enough healthy drives to write with the redundancy promised.
    var degradedError: StoreError? {
        let healthy = drives.count { $0.isHealthy }
        let width = configuration.pool.width
        guard healthy < width else { return nil }
        return .degraded(
            "\(healthy) of \(drives.count) drives are healthy and the coding needs \(width)")
    }

    /// Blocks of a shard in the stripes that records are packed into: about 1 MiB of data each.
    static func packBlocks(dataShards: Int) -> Int { max(8, 256 / dataShards) }

    var maximumRecordBytes: Int {
        let blocks = min(Int(configuration.pool.slotBlocks) - 1, Int(driveMaximumTransferBlocks))
        return min(
            Record.maximumBytes,
            Int(configuration.pool.dataShards) * ShardHeader.payloadBytes(shardBlocks: blocks))
    }

    // MARK: Starting batches

    mutating func startBatches(at now: Instant, _ effects: inout EffectBuffer<StoreEffect>) {
        while failure == nil, !pending.isEmpty, batches.count < configuration.batchesInFlight {
            if indexWrites > configuration.indexBacklogLimit
                || nextNumber + 100_000 > head.numbersReservedBelow
            {
                indexUrgent = true
                return
            }
            let isReady =
                gatherExpired || pending.count >= expectedBatch
                || pendingBytes >= configuration.batchBytes || closing != nil
            guard isReady else {
                if !gatherTimerSet {
                    gatherTimerSet = true
                    let patience = min(
                        configuration.gatherLimit,
                        Interval(nanoseconds: commitLatency.nanoseconds / 4))
                    effects.append(.setTimer(.gather, at: now + patience))
                }
                return
            }
            gatherExpired = false
            startBatch(at: now, &effects)
        }
    }

    private mutating func startBatch(at now: Instant, _ effects: inout EffectBuffer<StoreEffect>) {
        var items: [BatchItem] = []
        var bytes = 0
        var taken = 0
        for item in pending {
            let length = item.record?.length ?? 0
            if taken > 0, bytes + length > configuration.batchBytes { break }
            if taken >= configuration.batchTransactions { break }
            taken += 1
            pendingBytes -= length
            if let admitted = admit(item, &effects) {
                items.append(admitted)
                bytes += length
            }
        }
        pending.removeFirst(taken)
        guard !items.isEmpty else { return }
        let batch = Batch(id: takeNumber(), items: items, started: now)
        statistics.batches += 1
        batches.append(batch)
        pack(batch.id, at: now, &effects)
        if configuration.defect == .acknowledgeEarly,
            batches.last?.items.allSatisfy({ $0.location != nil || $0.record == nil }) == true
        {
            becomeDurable(batch.id, at: now, &effects)
        }
    }

    /// Decides whether the item may go ahead, and gives it its version.
    private mutating func admit(
        _ item: BatchItem, _ effects: inout EffectBuffer<StoreEffect>
    ) -> BatchItem? {
        var item = item
        item.version = takeNumber()
        guard case .transaction(let request) = item.kind else { return item }
        if let readPoint = request.readPoint, configuration.defect != .skipConflictCheck,
            !window.permits(
                readPoint: readPoint, keys: request.checkedKeys, ranges: request.checkedRanges)
        {
            statistics.conflicts += 1
            unpin(request.stagedExtents)
            effects.append(.reply(item.token, .conflict))
            return nil
        }
        if let refusal = refusalForDegradedBlobs(request) {
            unpin(request.stagedExtents)
            effects.append(.reply(item.token, .refused(refusal)))
            return nil
        }
        for write in request.body.writes { window.record(write.key, version: item.version) }
        return item
    }

    /// Lays the batch's records into stripes.
    private mutating func pack(
        _ batchID: UInt64, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let index = batches.firstIndex(where: { $0.id == batchID }) else { return }
        let dataShards = Int(configuration.pool.dataShards)
        let packCapacity =
            dataShards
            * ShardHeader.payloadBytes(
                shardBlocks: min(
                    Self.packBlocks(dataShards: dataShards),
                    Int(configuration.pool.slotBlocks) - 1))
        var first = 0
        var made: [UInt64] = []
        let items = batches[index].items
        while first < items.count {
            var end = first
            var length = 0
            while end < items.count {
                let next = items[end].record?.length ?? 0
                if length > 0, length + next > packCapacity { break }
                length += next
                end += 1
            }
            if length > 0 {
                let id = takeNumber()
                let buffer = StripeBuffer(
                    dataShards: dataShards, parityShards: Int(configuration.pool.parityShards),
                    shardBlocks: StripeBuffer.shardBlocks(
                        holding: length, dataShards: dataShards))
                stripes[id] = Stripe(buffer: buffer, owner: .batch(batchID), items: first..<end)
                made.append(id)
            }
            first = end
        }
        batches[index].stripes = made
        batches[index].phase = .writing(remaining: made.count)
        guard !made.isEmpty else {
            startFlush(batchID, &effects)
            finishFlush(batchID, at: now, &effects)
            return
        }
        // One write a drive: forcing it to stable media costs less than a flush behind it.
        if made.count == 1, configuration.durability == .flush, configuration.defect != .skipFlush {
            stripes[made[0]]?.isForced = true
        }
        for id in made { place(id, &effects) }
    }

    /// Writes the records of a batch's stripe for the place it has been given.
    mutating func fillPack(_ stripeID: UInt64, batch batchID: UInt64) {
        guard let stripe = stripes[stripeID], let extent = stripe.extent,
            let index = batches.firstIndex(where: { $0.id == batchID })
        else { return }
        let buffer = stripe.buffer
        buffer.clear()
        for item in stripe.items {
            guard let record = batches[index].items[item].record else { continue }
            let offset = UInt32(buffer.used)
            let header = RecordHeader(
                kind: record.kind, length: UInt32(record.length),
                bodyLength: UInt32(record.body.count), sequence: batches[index].items[item].version,
                epoch: epoch, contentCRC: record.contentCRC)
            withUnsafeTemporaryAllocation(byteCount: Record.headerBytes, alignment: 8) { scratch in
                guard let base = scratch.baseAddress else { return }
                header.write(to: base, extent: extent, block: stripe.block, offset: offset)
                buffer.append(UnsafeRawBufferPointer(scratch))
            }
            record.body.withUnsafeBytes { _ = buffer.append($0) }
            for piece in record.data { buffer.append(piece.bytes) }
            batches[index].items[item].location = RecordLocation(
                extent: extent, block: stripe.block, shardBlocks: UInt32(buffer.shardBlocks),
                offset: offset, length: UInt32(record.length))
        }
        buffer.encode(with: code)
    }

    // MARK: Durability

    /// One of the batch's stripes is written, or given up.
    mutating func batchStripeDone(
        _ batchID: UInt64, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let index = batches.firstIndex(where: { $0.id == batchID }),
            case .writing(let remaining) = batches[index].phase
        else { return }
        batches[index].phase = .writing(remaining: remaining - 1)
        guard remaining == 1 else { return }
        startFlush(batchID, &effects)
        finishFlush(batchID, at: now, &effects)
    }

    private mutating func startFlush(
        _ batchID: UInt64, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let index = batches.firstIndex(where: { $0.id == batchID }) else { return }
        batches[index].phase = .flushing(remaining: flushAll(for: .batch(batchID), &effects))
    }

    mutating func flushed(
        _ batchID: UInt64, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let index = batches.firstIndex(where: { $0.id == batchID }),
            case .flushing(let remaining) = batches[index].phase
        else { return }
        batches[index].phase = .flushing(remaining: remaining - 1)
        finishFlush(batchID, at: now, &effects)
    }

    /// With all flushes back: stripes that a drive lost meanwhile are written elsewhere first.
    private mutating func finishFlush(
        _ batchID: UInt64, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let index = batches.firstIndex(where: { $0.id == batchID }),
            batches[index].phase == .flushing(remaining: 0)
        else { return }
        if let failure {
            // Whether the flushes were carried out is not known any more.
            for item in batches[index].items.indices {
                batches[index].items[item].refusal = failure
            }
            becomeDurable(batchID, at: now, &effects)
            return
        }
        let lost = batches[index].stripes.filter { id in
            guard let extent = stripes[id]?.extent else { return false }
            return extents[extent]?.isDegraded == true
        }
        guard !lost.isEmpty, configuration.defect != .ignoreDriveErrors else {
            becomeDurable(batchID, at: now, &effects)
            return
        }
        batches[index].phase = .writing(remaining: lost.count)
        for id in lost { replace(id, at: now, &effects) }
    }

    private mutating func becomeDurable(
        _ batchID: UInt64, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let index = batches.firstIndex(where: { $0.id == batchID }) else { return }
        batches[index].phase = .durable
        while let first = batches.first, first.phase == .durable {
            batches.removeFirst()
            publish(first, at: now, &effects)
        }
    }

    // MARK: Publication

    private mutating func publish(
        _ batch: Batch, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        queuedBatches += 1
        for item in batch.items {
            publish(item, &effects)
            publishedVersion = max(publishedVersion, item.version)
        }
        // An early acknowledgement leaves stripes behind that are still being written.
        for id in batch.stripes where stripes[id]?.remaining == 0 { stripes[id] = nil }
        let latency = now - batch.started
        commitLatency = Interval(
            nanoseconds: (commitLatency.nanoseconds * 7 + latency.nanoseconds) / 8)
        expectedBatch = max(1, (expectedBatch + batch.items.count + 1) / 2)
    }

    private mutating func publish(
        _ item: BatchItem, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        switch item.kind {
        case .transaction(let request):
            if let refusal = item.refusal {
                unpin(request.stagedExtents)
                effects.append(.reply(item.token, .refused(refusal)))
                return
            }
            guard let location = item.location else {
                preconditionFailure("a transaction always has a record")
            }
            let dataOffset = UInt32(Record.headerBytes + request.record.body.count)
            overlay.publish(
                version: item.version, body: request.body, location: location,
                dataOffset: dataOffset)
            indexQueue.append(
                .transaction(
                    version: item.version, body: TransactionPayload(body: request.body),
                    location: location, dataOffset: dataOffset))
            indexWrites += request.body.writes.count
            if !request.stagedExtents.isEmpty {
                unpinAfterIndex.append((request.stagedExtents, queuedBatches))
            }
            statistics.commits += 1
            effects.append(.reply(item.token, .committed(version: item.version)))
        case .move(let request):
            let targets = request.stripes.map { $0.to.record.extent }
            if let refusal = item.refusal {
                movesUnderWay -= 1
                unpin(targets)
                effects.append(.reply(item.token, .refused(refusal)))
                return
            }
            if let location = item.location {
                indexQueue.append(.move(request, location: location))
            }
            for move in request.stripes {
                indexQueue.append(.moveChunk(move.chunk, from: move.from, to: move.to))
            }
            for tombstone in request.droppedTombstones {
                indexQueue.append(
                    .dropTombstone(key: tombstone.key, version: tombstone.version))
            }
            unpinAfterIndex.append((targets, queuedBatches))
            afterIndex.append((item.token, queuedBatches))
            indexUrgent = true
        }
    }

    /// A blob's chunks were written before; if a drive has failed since, they may lack a shard.
    /// Asked after the barrier: from then on they are stable on all their drives, and a drive that
    /// fails later is like one that fails after the acknowledgement.
    private func refusalForDegradedBlobs(_ request: CommitRequest) -> StoreError? {
        guard configuration.defect != .ignoreDriveErrors else { return nil }
        let isDegraded = request.stagedExtents.contains { extents[$0]?.isDegraded ?? true }
        return isDegraded
            ? .degraded("a drive failed while the object was being written; write it again") : nil
    }
}
