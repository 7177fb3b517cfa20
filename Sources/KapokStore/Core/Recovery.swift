import KapokDrive
package import KapokWorld

/// A drive as recovery is told of it.
package struct RecoveredDrive: Sendable {
    package var failureDomain: UInt32
    /// Why it cannot be used; nil when it can.
    package var failure: String?

    package init(failureDomain: UInt32, failure: String?) {
        self.failureDomain = failureDomain
        self.failure = failure
    }
}

/// An extent as recovery left it.
package struct RecoveredExtent: Sendable {
    var row: ExtentRow
    var tail: UInt32
    /// Whole on all drives up to the tail: appending may go on.
    var mayReopen: Bool
}

/// What a store machine starts from.
package struct RecoveredState: Sendable {
    package var head: HeadRow
    var nextNumber: UInt64
    package var drives: [RecoveredDrive]
    var extents: [ExtentID: RecoveredExtent]
    /// Transactions that were on the drives and not yet in the index.
    package var replayedTransactions: Int
}

/// Why a store cannot be opened.
package enum RecoveryError: Error, Sendable, Equatable {
    case index(IndexError)
    /// Another head took over while this one was starting.
    case fenced
    case coding(String)
}

/// Takes a store over: claims the index for a new epoch, and replays onto it what the drives hold
/// and the index has missed.
package struct Recovery<Index: OrderedIndex, Drives: BlockWriter> {
    let index: Index
    let reader: Drives
    let pool: PoolDescriptor
    let drives: [RecoveredDrive]
    let defect: StoreDefect?

    package init(
        index: Index, reader: Drives, pool: PoolDescriptor, drives: [RecoveredDrive],
        defect: StoreDefect? = nil
    ) {
        self.index = index
        self.reader = reader
        self.pool = pool
        self.drives = drives
        self.defect = defect
    }

    /// The epoch that the index's present owner holds; `.none` for a new index.
    package static func currentEpoch(of index: Index) throws(IndexError) -> Epoch {
        guard let bytes = try index.get(IndexKey.head) else { return .none }
        return try HeadRow(decoding: bytes).epoch
    }

    /// Claims the index for `epoch`, which the drives have been attached with, and brings it up to
    /// date.
    package func run(epoch: Epoch) throws(RecoveryError) -> RecoveredState {
        do {
            var head = try claim(epoch)
            var drives = self.drives
            let start = head.numbersReservedBelow
            let code: ErasureCode
            do {
                code = try ErasureCode(
                    dataShards: Int(pool.dataShards), parityShards: Int(pool.parityShards))
            } catch { throw RecoveryError.coding("\(error)") }
            var extents: [ExtentID: RecoveredExtent] = [:]
            var tails = Tails()
            // What the last head wrote may be in the drives' caches: what is found must also stay.
            for position in drives.indices where drives[position].failure == nil {
                if !reader.flush(drive: UInt32(position)) {
                    drives[position].failure = "its cache could not be flushed"
                }
            }
            for (id, row) in try extentRows() {
                extents[id] = RecoveredExtent(row: row, tail: row.appliedBlock, mayReopen: false)
                if !row.sealed, defect != .skipTailReplay {
                    extents[id] = scanTail(id, row, code, epoch, &tails)
                }
            }
            head = try replay(tails, head: head)
            for (id, row) in try extentRows() { extents[id]?.row = row }
            let next = defect == .reuseNumbers ? max(1, start - min(start - 1, 1_000_000)) : start
            return RecoveredState(
                head: head, nextNumber: next, drives: drives, extents: extents,
                replayedTransactions: tails.transactions.count)
        } catch let error as RecoveryError {
            throw error
        } catch let error as IndexError {
            throw .index(error)
        } catch {
            throw .coding("\(error)")
        }
    }

    /// What the tails hold that the index may lack.
    private struct Tails {
        var transactions: [FoundRecord] = []
        /// Copies that compaction had written; whether it came to move the entries is not known.
        var copies: [(key: [UInt8], extent: ExtentID)] = []
        var applied: [(ExtentID, UInt32)] = []
    }

    /// Numbers of this head begin where the last one's reservation ended.
    private func claim(_ epoch: Epoch) throws -> HeadRow {
        let old = try index.get(IndexKey.head)
        let before = try old.map { bytes throws(IndexError) in try HeadRow(decoding: bytes) }
        if let before, before.epoch >= epoch { throw RecoveryError.fenced }
        let head = HeadRow(epoch: epoch, numbersReservedBelow: before?.numbersReservedBelow ?? 1)
        var commit = IndexCommit()
        commit.compares = [(IndexKey.head, old)]
        commit.changes = [(IndexKey.head, head.encoded())]
        guard try index.commit(commit) else { throw RecoveryError.fenced }
        return head
    }

    private func extentRows() throws(IndexError) -> [(ExtentID, ExtentRow)] {
        var rows: [(ExtentID, ExtentRow)] = []
        var from = [IndexKey.extentPrefix]
        while true {
            let page = try index.range(from: from, to: [IndexKey.extentPrefix + 1], limit: 1000)
            for row in page {
                guard let id = IndexKey.extentID(fromKey: row.key) else {
                    throw .corrupt("extent key")
                }
                rows.append((id, try ExtentRow(decoding: row.value)))
            }
            guard page.count == 1000, let last = page.last else { return rows }
            from = last.key + [0]
        }
    }

    private func scanTail(
        _ id: ExtentID, _ row: ExtentRow, _ code: ErasureCode, _ epoch: Epoch,
        _ tails: inout Tails
    ) -> RecoveredExtent {
        let scan = ExtentScan(
            reader: reader, pool: pool, code: code, extent: id, members: row.members)
        let (candidates, allReadable) = scan.candidates(in: row.appliedBlock..<pool.slotBlocks)
        var isWhole = relabel(scan, epoch) && allReadable
        var tail = row.appliedBlock
        for candidate in candidates {
            tail = max(tail, candidate.block + candidate.shardBlocks)
            guard candidate.object == 0 else { continue }
            guard let stripe = scan.read(candidate) else {
                isWhole = false
                erase(candidate, row)
                continue
            }
            if stripe.assembly.intact.nonzeroBitCount < pool.width, !mend(stripe, code) {
                isWhole = false
            }
            for record in stripe.image.records(stripe.assembly.header) {
                switch record.content {
                case .transaction: tails.transactions.append(record)
                case .copies(let body):
                    for copy in body.copies { tails.copies.append((copy.write.key, id)) }
                case .chunk: break
                }
            }
        }
        tails.applied.append((id, tail))
        return RecoveredExtent(row: row, tail: tail, mayReopen: isWhole)
    }

    /// Labels slots whose label the crash has taken: a rebuild finds extents by them.
    private func relabel(_ scan: ExtentScan<Drives>, _ epoch: Epoch) -> Bool {
        var isWhole = true
        for shard in scan.membersWithoutLabel() {
            let label = ExtentHeader(
                region: pool.region, id: scan.extent, epoch: epoch, shardIndex: UInt8(shard),
                members: scan.members)
            let buffer = AlignedBuffer(byteCount: driveBlockSize)
            label.encoded().withUnsafeBytes { buffer.mutableBytes.copyMemory(from: $0) }
            let isWritten = reader.write(
                drive: scan.members[shard].drive, lba: pool.lba(ofSlot: scan.members[shard].slot),
                blockCount: 1, from: buffer, bufferOffset: 0)
            isWhole = isWhole && isWritten
        }
        return isWhole
    }

    /// A torn stripe that can be read becomes part of the store, with all its shards.
    private func mend(_ stripe: ExtentScan<Drives>.FoundStripe, _ code: ErasureCode) -> Bool {
        let address = stripe.image.address
        var isWhole = true
        for shard in stripe.image.rebuildShards(stripe.assembly, with: code) {
            let isWritten = reader.write(
                drive: address.members[shard].drive, lba: address.lba(ofShard: shard),
                blockCount: address.shardBlocks, from: stripe.image.buffer,
                bufferOffset: shard * address.shardBytes)
            isWhole = isWhole && isWritten
        }
        return isWhole
    }

    /// A torn stripe that cannot be read was never acknowledged. What is left of it is erased, so
    /// that no shard that turns up later makes it whole.
    private func erase(_ candidate: ExtentScan<Drives>.Candidate, _ row: ExtentRow) {
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        for member in row.members {
            let lba = pool.lba(ofSlot: member.slot) + UInt64(candidate.block)
            guard
                reader.read(
                    drive: member.drive, lba: lba, blockCount: 1, into: buffer, bufferOffset: 0),
                let header = ShardHeader(buffer.bytes, regionTag: pool.region.low),
                header.stripe == candidate.stripe
            else { continue }
            buffer.zero()
            _ = reader.write(
                drive: member.drive, lba: lba, blockCount: 1, from: buffer, bufferOffset: 0)
        }
    }

    private func replay(_ tails: Tails, head start: HeadRow) throws -> HeadRow {
        var head = start
        let ordered = tails.transactions.sorted { $0.header.sequence < $1.header.sequence }
        var position = 0
        repeat {
            var projection = Projection(index: index, defect: defect)
            let end = min(position + 2000, ordered.count)
            for record in ordered[position..<end] {
                guard case .transaction(let body) = record.content else { continue }
                try projection.apply(
                    .transaction(
                        version: record.header.sequence, body: TransactionPayload(body: body),
                        location: record.location, dataOffset: record.dataOffset))
            }
            position = end
            if position == ordered.count {
                for copy in tails.copies {
                    try projection.apply(.noteCopy(key: copy.key, extent: copy.extent))
                }
                for (id, tail) in tails.applied {
                    try projection.apply(.applied(id, block: tail))
                }
                let below = head.numbersReservedBelow + 1_000_000
                try projection.apply(.reserveNumbers(below: below))
            }
            let (commit, newHead) = projection.commit(as: head)
            guard try index.commit(commit) else { throw RecoveryError.fenced }
            head = newHead
        } while position < ordered.count
        return head
    }
}
