import KapokDrive
import KapokWorld

/// What a rebuild found.
public struct RebuildReport: Sendable, Equatable {
    /// Extents found.
    public var extents = 0
    /// Stripes read.
    public var stripes = 0
    /// Stripes of which fewer than K shards are intact.
    public var unreadableStripes = 0
    public var entries = 0
    public var chunks = 0
    /// Blobs that entries refer to and whose chunks are not all there.
    public var incompleteBlobs = 0
}

/// Makes the index anew from the drives alone. Records may be found in any order: of an entry's
/// records the one with the highest version wins, and a chunk lives when a living entry refers to
/// its blob.
package struct IndexRebuild<Index: OrderedIndex, Reader: BlockReader> {
    let index: Index
    let reader: Reader
    let pool: PoolDescriptor

    /// - Parameter index: empty.
    package init(index: Index, reader: Reader, pool: PoolDescriptor) {
        self.index = index
        self.reader = reader
        self.pool = pool
    }

    /// Scans all drives. `progress` is told the extents done and found.
    package func run(
        progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> RebuildReport {
        let code = try ErasureCode(
            dataShards: Int(pool.dataShards), parityShards: Int(pool.parityShards))
        var report = RebuildReport()
        var highest: UInt64 = 0
        let extents = findExtents()
        report.extents = extents.count
        var unfinished: [(write: EntryWrite, version: UInt64, location: RecordLocation)] = []
        // Chunks first: then it is known which transactions have all of theirs.
        for pass in [Pass.chunks, .entries] {
            for (done, extent) in extents.enumerated() {
                progress(done + (pass == .chunks ? 0 : extents.count), extents.count * 2)
                highest = max(highest, extent.id.number)
                try merge(extent, code, pass, &report, &highest, &unfinished)
            }
        }
        progress(extents.count * 2, extents.count * 2)
        var merge = EntryMerge(index: index)
        for (write, version, location) in unfinished where try !merge.knows(write.key) {
            try merge.add(write, version: version, at: location)
        }
        _ = try index.commit(merge.commit())
        try settle(extents, &report)
        try writeHead(highest)
        return report
    }

    /// Extents of which at least K labels are intact; those being given back have fewer.
    private func findExtents() -> [(id: ExtentID, members: [ExtentMember])] {
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        var labels: [ExtentID: (members: [ExtentMember], count: Int)] = [:]
        for drive in 0..<pool.driveCount {
            for slot in 0..<pool.slotsPerDrive {
                guard
                    reader.read(
                        drive: drive, lba: pool.lba(ofSlot: slot), blockCount: 1, into: buffer,
                        bufferOffset: 0),
                    let header = ExtentHeader(block: buffer.bytes), header.region == pool.region,
                    header.members.count == pool.width,
                    header.members.allSatisfy({
                        $0.drive < pool.driveCount && $0.slot < pool.slotsPerDrive
                    }),
                    header.members[Int(header.shardIndex)]
                        == ExtentMember(drive: drive, slot: slot)
                else { continue }
                labels[header.id, default: (header.members, 0)].count += 1
            }
        }
        return labels.filter { $0.value.count >= Int(pool.dataShards) }
            .map { (id: $0.key, members: $0.value.members) }.sorted { $0.id < $1.id }
    }

    private enum Pass {
        case chunks
        case entries
    }

    // MARK: Merging records

    private func merge(
        _ extent: (id: ExtentID, members: [ExtentMember]), _ code: ErasureCode, _ pass: Pass,
        _ report: inout RebuildReport, _ highest: inout UInt64,
        _ unfinished: inout [(write: EntryWrite, version: UInt64, location: RecordLocation)]
    ) throws {
        let scan = ExtentScan(
            reader: reader, pool: pool, code: code, extent: extent.id, members: extent.members)
        let (candidates, _) = scan.candidates(in: 1..<pool.slotBlocks)
        var merge = EntryMerge(index: index)
        var row = ExtentRow(members: extent.members, sealed: true)
        for candidate in candidates {
            highest = max(highest, candidate.stripe, candidate.object)
            row.appliedBlock = max(row.appliedBlock, candidate.block + candidate.shardBlocks)
            // Stripes of chunks hold no entries.
            if pass == .entries, candidate.object != 0 { continue }
            guard let stripe = scan.read(candidate) else {
                if pass == .chunks { report.unreadableStripes += 1 }
                continue
            }
            if pass == .chunks {
                report.stripes += 1
                // What lacks a shard is rewritten when the store is opened.
                if stripe.assembly.intact.nonzeroBitCount < pool.width { row.hasOrphans = true }
            }
            for record in stripe.image.records(stripe.assembly.header) {
                highest = max(highest, record.header.sequence)
                switch pass {
                case .chunks: merge.addChunks(of: record, fillsStripe: candidate.object != 0)
                case .entries: try merge.addEntries(of: record, &unfinished)
                }
            }
        }
        if pass == .chunks {
            row.hasOrphans = row.hasOrphans || !scan.membersWithoutLabel().isEmpty
            merge.set(IndexKey.extent(extent.id), row.encoded())
        }
        guard try index.commit(merge.commit()) else {
            throw IndexError.engine("the new index is not empty")
        }
    }

    // MARK: Settling

    /// Drops chunks that nobody refers to and tombstones with nothing to hide, and counts what
    /// lives where.
    private func settle(
        _ extents: [(id: ExtentID, members: [ExtentMember])], _ report: inout RebuildReport
    ) throws {
        let known = Set(extents.map(\.id))
        var live: [ExtentID: (items: UInt64, bytes: UInt64)] = [:]
        func count(_ extent: ExtentID, _ bytes: Int) {
            live[extent, default: (0, 0)].items += 1
            live[extent, default: (0, 0)].bytes += UInt64(bytes + Record.headerBytes)
        }
        var lengths: [BlobID: UInt64] = [:]
        try forEachRow(prefix: IndexKey.entryPrefix) { key, value, _ in
            let row = try EntryRow(decoding: value)
            report.entries += 1
            count(row.location.extent, key.count - 1 + row.value.count)
            for blob in row.blobs { lengths[blob.id] = blob.length }
        }
        try forEachRow(prefix: IndexKey.tombstonePrefix) { key, value, commit in
            var row = try EntryRow(decoding: value)
            row.shadows.prune(oldest: known.min()) { known.contains($0) }
            if row.shadows.isEmpty {
                commit.changes.append((key, nil))
            } else {
                count(row.location.extent, key.count - 1)
            }
        }
        var found: [BlobID: UInt64] = [:]
        try forEachRow(prefix: IndexKey.chunkPrefix) { key, value, commit in
            let location = try ChunkLocation(decoding: value)
            guard let chunk = IndexKey.chunkID(fromKey: key), lengths[chunk.blob] != nil else {
                commit.changes.append((key, nil))
                return
            }
            report.chunks += 1
            found[chunk.blob, default: 0] += UInt64(location.dataLength)
            count(location.record.extent, Int(location.dataLength))
        }
        report.incompleteBlobs = lengths.count { found[$0.key, default: 0] != $0.value }
        try forEachRow(prefix: IndexKey.extentPrefix) { key, value, commit in
            var row = try ExtentRow(decoding: value)
            guard let id = IndexKey.extentID(fromKey: key) else { return }
            row.liveItems = live[id]?.items ?? 0
            row.liveBytes = live[id]?.bytes ?? 0
            commit.changes.append((key, row.encoded()))
        }
    }

    private func forEachRow(
        prefix: UInt8, _ body: ([UInt8], [UInt8], inout IndexCommit) throws -> Void
    ) throws {
        var from = [prefix]
        while true {
            let page = try index.range(from: from, to: [prefix + 1], limit: 1000)
            var commit = IndexCommit()
            for row in page { try body(row.key, row.value, &commit) }
            if !commit.changes.isEmpty { _ = try index.commit(commit) }
            guard page.count == 1000, let last = page.last else { return }
            from = last.key + [0]
        }
    }

    private func writeHead(_ highest: UInt64) throws {
        var commit = IndexCommit()
        let head = HeadRow(epoch: .none, numbersReservedBelow: highest + 1_000_000)
        commit.changes = [(IndexKey.head, head.encoded())]
        guard try index.commit(commit) else { throw IndexError.engine("the head row") }
    }
}

/// Merges records into index rows, whatever order they come in.
private struct EntryMerge<Index: OrderedIndex> {
    let index: Index
    private var changes: [[UInt8]: [UInt8]?] = [:]

    init(index: Index) { self.index = index }

    private func row(_ key: [UInt8]) throws -> [UInt8]? {
        if let change = changes[key] { return change }
        return try index.get(key)
    }

    mutating func set(_ key: [UInt8], _ value: [UInt8]?) { changes[key] = .some(value) }

    mutating func addChunks(of record: FoundRecord, fillsStripe: Bool) {
        func location(_ offset: UInt32, _ length: UInt32, _ blobOffset: UInt64) -> [UInt8] {
            ChunkLocation(
                record: record.location, dataOffset: record.dataOffset + offset,
                dataLength: length, fillsStripe: fillsStripe, blobOffset: blobOffset
            ).encoded()
        }
        switch record.content {
        case .transaction(let body):
            for blob in body.inline {
                set(
                    IndexKey.chunk(ChunkID(blob: blob.id, index: 0)),
                    location(blob.offset, blob.length, 0))
            }
        case .copies(let body):
            for copy in body.chunks {
                set(
                    IndexKey.chunk(copy.chunk), location(copy.offset, copy.length, copy.blobOffset))
            }
        case .chunk(let body):
            set(IndexKey.chunk(body.chunk), location(0, record.dataLength, body.blobOffset))
        }
    }

    /// Adds the entries that a record writes. A transaction whose chunks are not all on the drives
    /// was never acknowledged (or more was lost than the coding covers): its writes are set aside.
    mutating func addEntries(
        of record: FoundRecord,
        _ unfinished: inout [(write: EntryWrite, version: UInt64, location: RecordLocation)]
    ) throws {
        switch record.content {
        case .transaction(let body):
            let missing = try Set(
                body.chunked.filter { blob in
                    try blob.chunks.indices.contains { chunk in
                        let id = ChunkID(blob: blob.id, index: UInt32(chunk))
                        return try row(IndexKey.chunk(id)) == nil
                    }
                }.map(\.id))
            for write in body.writes {
                if write.blobs.contains(where: { missing.contains($0.id) }) {
                    unfinished.append((write, record.header.sequence, record.location))
                } else {
                    try add(write, version: record.header.sequence, at: record.location)
                }
            }
        case .copies(let body):
            for copy in body.copies {
                try add(copy.write, version: copy.version, at: record.location)
            }
        case .chunk: break
        }
    }

    /// Whether there is an entry or a tombstone of the key.
    func knows(_ key: [UInt8]) throws -> Bool {
        try row(IndexKey.entry(key)) != nil || row(IndexKey.tombstone(key)) != nil
    }

    mutating func add(
        _ write: EntryWrite, version: UInt64, at location: RecordLocation
    ) throws {
        let entryKey = IndexKey.entry(write.key)
        let tombstoneKey = IndexKey.tombstone(write.key)
        var row = EntryRow(
            version: version, location: location, shadows: ShadowSet(), value: write.value ?? [],
            blobs: write.blobs)
        var isDeletion = write.value == nil
        for key in [entryKey, tombstoneKey] {
            guard let bytes = try self.row(key) else { continue }
            let other = try EntryRow(decoding: bytes)
            var winner = row
            var loser = other
            if other.version > row.version
                || (other.version == row.version && other.location.extent > row.location.extent)
            {
                (winner, loser) = (other, row)
                isDeletion = key == tombstoneKey
            }
            for extent in other.shadows.extents { winner.shadows.insert(extent) }
            if let mark = other.shadows.watermark { winner.shadows.insert(mark) }
            for extent in row.shadows.extents { winner.shadows.insert(extent) }
            if loser.location.extent != winner.location.extent {
                winner.shadows.insert(loser.location.extent)
            }
            row = winner
            set(key, nil)
        }
        set(isDeletion ? tombstoneKey : entryKey, row.encoded())
    }

    func commit() -> IndexCommit {
        var commit = IndexCommit()
        for (key, value) in changes.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            commit.changes.append((key, value))
        }
        return commit
    }
}
