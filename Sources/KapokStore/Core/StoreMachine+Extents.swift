import KapokDrive
import KapokWorld

extension StoreMachine {
    // MARK: Placing stripes

    mutating func append(
        _ token: StoreToken, _ buffer: StripeBuffer, blob: BlobID, moves: Bool, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        let refusal: StoreError? =
            failure ?? (closing != nil ? .closed : nil) ?? degradedError
            ?? (!moves && isSpaceLow ? .full : nil)
        if let refusal {
            effects.append(.reply(token, .refused(refusal)))
            return
        }
        let id = takeNumber()
        stripes[id] = Stripe(
            buffer: buffer, owner: .append(token, blob: blob, moves: moves), items: 0..<0)
        place(id, &effects)
    }

    /// Gives the stripe a place and sends its writes, or lets it wait for an extent.
    mutating func place(_ id: UInt64, _ effects: inout EffectBuffer<StoreEffect>) {
        guard let stripe = stripes[id] else { return }
        let blocks = UInt32(stripe.buffer.shardBlocks)
        guard let extentID = openExtent(withRoomFor: blocks) else {
            waitingStripes.append(id)
            return
        }
        guard let extent = extents[extentID] else { return }
        let block = extent.tail
        extents[extentID]?.tail += blocks
        stripes[id]?.extent = extentID
        stripes[id]?.block = block
        stripes[id]?.failed = false
        stripes[id]?.remaining = extent.row.members.count
        var object: UInt64 = 0
        switch stripe.owner {
        case .batch(let batch): fillPack(id, batch: batch)
        case .append(_, let blob, _): object = blob.number
        }
        stripe.buffer.stamp(
            pool: configuration.pool, extent: extentID, members: extent.row.members, block: block,
            stripe: id, epoch: epoch, object: object)
        statistics.stripes += 1
        for (shard, member) in extent.row.members.enumerated() {
            statistics.bytesWritten += UInt64(blocks) * UInt64(driveBlockSize)
            send(
                .write(
                    lba: configuration.pool.lba(ofSlot: member.slot) + UInt64(block),
                    blockCount: blocks, buffer: stripe.buffer.buffer,
                    bufferOffset: stripe.buffer.offset(ofShard: shard),
                    forceUnitAccess: stripe.isForced),
                to: member.drive, for: .stripe(id), &effects)
        }
    }

    private mutating func openExtent(withRoomFor blocks: UInt32) -> ExtentID? {
        let slotBlocks = configuration.pool.slotBlocks
        var turn = 0
        while turn < min(openExtents.count, wantedOpenExtents) {
            let id = openExtents[turn]
            guard let extent = extents[id] else { preconditionFailure("open extents exist") }
            if extent.tail + blocks <= slotBlocks {
                // The next stripe goes to the next of those that are filled side by side.
                if turn + 1 < min(openExtents.count, wantedOpenExtents) {
                    openExtents.swapAt(turn, min(openExtents.count, wantedOpenExtents) - 1)
                }
                return id
            }
            if extent.tail + max(1, slotBlocks / 64) > slotBlocks || openExtents.count > 1 {
                seal(id)
            } else {
                turn += 1
            }
        }
        return openExtents.first { extents[$0].map { $0.tail + blocks <= slotBlocks } ?? false }
    }

    mutating func stripeWritten(
        _ id: UInt64, succeeded: Bool, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard var stripe = stripes[id] else { return }
        stripe.remaining -= 1
        if !succeeded { stripe.failed = true }
        stripes[id] = stripe
        guard stripe.remaining == 0 else { return }
        if stripe.failed {
            replace(id, at: now, &effects)
            return
        }
        switch stripe.owner {
        case .batch(let batch):
            batchStripeDone(batch, at: now, &effects)
            if configuration.defect == .acknowledgeEarly { stripes[id] = nil }
        case .append(let token, _, _):
            guard let extent = stripe.extent else { return }
            stripes[id] = nil
            extents[extent]?.pins += 1
            effects.append(
                .reply(
                    token,
                    .appended(
                        RecordLocation(
                            extent: extent, block: stripe.block,
                            shardBlocks: UInt32(stripe.buffer.shardBlocks), offset: 0,
                            length: UInt32(stripe.buffer.used)))))
        }
    }

    /// Writes a stripe that lost a shard on its way once more, on other drives.
    mutating func replace(
        _ id: UInt64, at now: Instant, _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let stripe = stripes[id] else { return }
        stripes[id]?.attempts += 1
        if let extent = stripe.extent, case .batch = stripe.owner {
            indexQueue.append(.markOrphans(extent))
        }
        if let error = failure ?? degradedError {
            giveUp(id, error, at: now, &effects)
        } else if stripe.attempts >= 8 {
            giveUp(id, .failed("the stripe could not be written anywhere"), at: now, &effects)
        } else {
            place(id, &effects)
        }
    }

    private mutating func giveUp(
        _ id: UInt64, _ error: StoreError, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let stripe = stripes[id] else { return }
        stripes[id] = nil
        switch stripe.owner {
        case .append(let token, _, _): effects.append(.reply(token, .refused(error)))
        case .batch(let batchID):
            if let index = batches.firstIndex(where: { $0.id == batchID }) {
                for item in stripe.items { batches[index].items[item].refusal = error }
            }
            batchStripeDone(batchID, at: now, &effects)
        }
    }

    mutating func placeWaiting(at now: Instant, _ effects: inout EffectBuffer<StoreEffect>) {
        let waiting = waitingStripes
        waitingStripes = []
        for id in waiting {
            if let error = failure ?? degradedError {
                giveUp(id, error, at: now, &effects)
            } else {
                place(id, &effects)
            }
        }
    }

    // MARK: Opening and sealing

    /// How many extents could still be opened.
    var allocatableExtents: Int {
        let width = configuration.pool.width
        let free = drives.filter(\.isHealthy).map(\.freeSlots.count)
        guard free.count >= width else { return 0 }
        if free.count == width { return free.min() ?? 0 }
        return free.reduce(0, +) / width
    }

    /// No more than the reserve for deletions and compaction is left.
    var isSpaceLow: Bool {
        guard allocatableExtents <= configuration.reservedExtents else { return false }
        let slotBlocks = configuration.pool.slotBlocks
        let isPreparing = extents.values.contains {
            switch $0.phase {
            case .reserving, .labelling: true
            default: false
            }
        }
        let room = openExtents.reduce(UInt32(0)) { $0 + slotBlocks - (extents[$1]?.tail ?? 0) }
        return !isPreparing && room < slotBlocks / 4
    }

    /// Keeps enough extents open, and one in reserve so that nobody waits for the next.
    mutating func prepareExtents(at now: Instant, _ effects: inout EffectBuffer<StoreEffect>) {
        if !waitingStripes.isEmpty, failure != nil || degradedError != nil {
            placeWaiting(at: now, &effects)
        }
        guard failure == nil, closing == nil || !waitingStripes.isEmpty else { return }
        let slotBlocks = configuration.pool.slotBlocks
        var preparing = extents.values.count {
            switch $0.phase {
            case .reserving, .labelling: true
            default: false
            }
        }
        var ready =
            preparing
            + openExtents.count {
                (extents[$0]?.tail ?? slotBlocks) + slotBlocks / 8 <= slotBlocks
            }
        while ready < wantedOpenExtents + 1 || (preparing == 0 && !waitingStripes.isEmpty),
            allocatableExtents > configuration.reservedExtents, reserveExtent()
        {
            ready += 1
            preparing += 1
        }
        guard !waitingStripes.isEmpty else { return }
        indexUrgent = true
        if preparing == 0 { useReserve(at: now, &effects) }
    }

    /// Only deletions and compaction may use the last extents; appends are refused.
    private mutating func useReserve(at now: Instant, _ effects: inout EffectBuffer<StoreEffect>) {
        let waiting = waitingStripes
        waitingStripes = []
        for id in waiting {
            if case .append(_, _, moves: false) = stripes[id]?.owner {
                giveUp(id, .full, at: now, &effects)
            } else {
                waitingStripes.append(id)
            }
        }
        guard !waitingStripes.isEmpty, !reserveExtent() else { return }
        let stuck = waitingStripes
        waitingStripes = []
        for id in stuck { giveUp(id, .full, at: now, &effects) }
    }

    /// Takes a slot on each of a copyset's drives and asks the index to remember.
    private mutating func reserveExtent() -> Bool {
        guard
            let chosen = placement.choose(freeSlots: { drives[Int($0)].freeSlots.count })
        else { return false }
        var members: [ExtentMember] = []
        for position in chosen {
            guard let slot = drives[Int(position)].freeSlots.popLast() else {
                preconditionFailure("the copyset was chosen for its free slots")
            }
            members.append(ExtentMember(drive: position, slot: slot))
        }
        let id = ExtentID(takeNumber())
        extents[id] = Extent(phase: .reserving, row: ExtentRow(members: members), tail: 1)
        indexQueue.append(.openExtent(id, members: members))
        indexUrgent = true
        return true
    }

    /// The index remembers the extent: label its slots.
    mutating func label(_ id: ExtentID, _ effects: inout EffectBuffer<StoreEffect>) {
        guard let extent = extents[id], extent.phase == .reserving else { return }
        guard !extent.isDegraded else {
            seal(id)
            return
        }
        extents[id]?.phase = .labelling(remaining: extent.row.members.count)
        for (shard, member) in extent.row.members.enumerated() {
            let header = ExtentHeader(
                region: configuration.pool.region, id: id, epoch: epoch, shardIndex: UInt8(shard),
                members: extent.row.members)
            let buffer = AlignedBuffer(byteCount: driveBlockSize)
            header.encoded().withUnsafeBytes { buffer.mutableBytes.copyMemory(from: $0) }
            send(
                .write(
                    lba: configuration.pool.lba(ofSlot: member.slot), blockCount: 1, buffer: buffer,
                    bufferOffset: 0, forceUnitAccess: false),
                to: member.drive, for: .label(id), &effects)
        }
    }

    mutating func labelWritten(
        _ id: ExtentID, succeeded: Bool, at now: Instant,
        _ effects: inout EffectBuffer<StoreEffect>
    ) {
        guard let extent = extents[id], case .labelling(let remaining) = extent.phase else {
            return
        }
        guard remaining == 1 else {
            extents[id]?.phase = .labelling(remaining: remaining - 1)
            return
        }
        if extent.isDegraded {
            seal(id)
        } else {
            extents[id]?.phase = .open
            openExtents.append(id)
        }
        placeWaiting(at: now, &effects)
    }

    /// Nothing more is appended to the extent.
    mutating func seal(_ id: ExtentID) {
        extents[id]?.phase = .sealed
        openExtents.removeAll { $0 == id }
        noteSealed(id)
    }

    // MARK: Pins and release

    /// Keeps the extents' slots from being given back, while someone reads there.
    package mutating func pin(_ ids: [ExtentID]) {
        for id in ids { extents[id]?.pins += 1 }
    }

    /// Pins the extents and tells where they lie; nil, and nothing pinned, when one of them is gone
    /// or going.
    package mutating func pinForReading(_ ids: [ExtentID]) -> [[ExtentMember]]? {
        var members: [[ExtentMember]] = []
        members.reserveCapacity(ids.count)
        for id in ids {
            guard let extent = extents[id] else { return nil }
            switch extent.phase {
            case .wiping, .releasing: return nil
            default: members.append(extent.row.members)
            }
        }
        pin(ids)
        return members
    }

    /// Undoes `pin`.
    package mutating func unpin(_ ids: [ExtentID]) {
        for id in ids {
            guard let pins = extents[id]?.pins, pins > 0 else { continue }
            extents[id]?.pins = pins - 1
            if pins == 1 { releaseIfEmpty(id) }
        }
    }

    /// Gives the extent back when the index has it sealed and nothing lives in it. Its labels are
    /// wiped first, durably: a rebuild must not find outdated records that nothing outdates any
    /// more.
    mutating func releaseIfEmpty(_ id: ExtentID) {
        guard let extent = extents[id], extent.phase == .sealed, extent.pins == 0,
            extent.row.sealed
        else { return }
        let isEmpty = extent.row.liveItems == 0
        guard isEmpty || (configuration.defect == .releaseLiveExtents && random.chance(1, in: 8))
        else { return }
        extents[id]?.phase = .wiping(remaining: 0)
        wipes.append(id)
    }

    /// Sends the wipes that became due.
    mutating func startWipes(_ effects: inout EffectBuffer<StoreEffect>) {
        let due = wipes
        wipes = []
        for id in due {
            guard let extent = extents[id] else { continue }
            let members = extent.row.members.filter { drives[Int($0.drive)].isHealthy }
            extents[id]?.phase = .wiping(remaining: members.count)
            for member in members {
                send(
                    .writeZeroes(
                        lba: configuration.pool.lba(ofSlot: member.slot), blockCount: 1,
                        forceUnitAccess: true),
                    to: member.drive, for: .wipe(id), &effects)
            }
            if members.isEmpty { wiped(id) }
        }
    }

    /// One label is wiped, or its drive has failed: then the others keep the extent below K labels.
    mutating func labelWiped(_ id: ExtentID) {
        guard case .wiping(let remaining) = extents[id]?.phase else { return }
        extents[id]?.phase = .wiping(remaining: remaining - 1)
        if remaining == 1 { wiped(id) }
    }

    private mutating func wiped(_ id: ExtentID) {
        extents[id]?.phase = .releasing
        indexQueue.append(.removeExtent(id))
    }

    /// The extent is gone from the index: its slots are free.
    mutating func released(_ id: ExtentID) {
        guard let extent = extents.removeValue(forKey: id) else { return }
        statistics.extentsReleased += 1
        for member in extent.row.members {
            drives[Int(member.drive)].freeSlots.insert(member.slot, at: 0)
        }
    }

    /// No extent holds records that the index knows nothing of: tombstones with nothing to hide may
    /// be forgotten.
    package var mayForgetTombstones: Bool { !extents.values.contains { $0.row.hasOrphans } }

    /// The sealed extent that is most worth compacting: one with a failed drive, else the emptiest,
    /// if it is emptier than `threshold` (a fraction of its capacity). Nil when there is none.
    package func compactionVictim(threshold: Double) -> ExtentID? {
        guard degradedError == nil, failure == nil, movesUnderWay == 0 else { return nil }
        let capacity =
            Double(configuration.pool.slotBlocks) * Double(configuration.pool.dataShards)
            * Double(driveBlockSize)
        var best: (id: ExtentID, live: Double)?
        for (id, extent) in extents {
            guard extent.phase == .sealed, extent.row.sealed, extent.row.liveItems > 0,
                extent.pins == 0
            else { continue }
            let live =
                extent.isDegraded || extent.row.hasOrphans
                ? -1 : Double(extent.row.liveBytes) / capacity
            guard live < threshold else { continue }
            if best == nil || (live, id.number) < (best?.live ?? 0, best?.id.number ?? 0) {
                best = (id, live)
            }
        }
        return best?.id
    }
}
