import KapokWorld

/// One step in the life of the index. The same steps are applied in service, when a tail is
/// replayed after a crash, and in the simulator.
package enum IndexOperation: Sendable {
    /// A transaction's record is durable at `location`; its data begins `dataOffset` bytes in.
    case transaction(
        version: UInt64, body: TransactionPayload, location: RecordLocation, dataOffset: UInt32)
    /// What `request` moves in its record is durable at `location`.
    case move(MoveRequest, location: RecordLocation)
    /// A chunk has a durable copy.
    case moveChunk(ChunkID, from: ChunkLocation, to: ChunkLocation)
    /// A tombstone has nothing left to hide.
    case dropTombstone(key: [UInt8], version: UInt64)
    /// A copy of the key's entry lies in the extent, though the index does not point to it.
    case noteCopy(key: [UInt8], extent: ExtentID)
    case openExtent(ExtentID, members: [ExtentMember])
    /// Failed writes have left records in the extent.
    case markOrphans(ExtentID)
    case sealExtent(ExtentID)
    /// Everything below `block` is reflected.
    case applied(ExtentID, block: UInt32)
    /// Gives an extent back, if nothing lives in it.
    case removeExtent(ExtentID)
    /// Numbers below `below` may be handed out.
    case reserveNumbers(below: UInt64)
}

/// A transaction's body, opaque outside of the store.
package struct TransactionPayload: Sendable {
    package let body: TransactionBody
}

/// Turns index operations into one compare-and-commit. It reads committed rows through the index
/// and sees its own changes on top; being the only writer, and comparing the head's row, it needs
/// no locks.
package struct Projection<Index: OrderedIndex> {
    private let index: Index
    private let defect: StoreDefect?
    private var changes: [[UInt8]: [UInt8]?] = [:]
    private var order: [[UInt8]] = []
    private var extents: [ExtentID: ExtentRow?] = [:]
    package private(set) var reservedBelow: UInt64?

    package init(index: Index, defect: StoreDefect? = nil) {
        self.index = index
        self.defect = defect
    }

    // MARK: Rows

    private func row(_ key: [UInt8]) throws(IndexError) -> [UInt8]? {
        if let change = changes[key] { return change }
        return try index.get(key)
    }

    private mutating func set(_ key: [UInt8], _ value: [UInt8]?) {
        if changes.updateValue(value, forKey: key) == nil { order.append(key) }
    }

    private func entryRow(_ key: [UInt8]) throws(IndexError) -> EntryRow? {
        guard let bytes = try row(key) else { return nil }
        return try EntryRow(decoding: bytes)
    }

    private mutating func extentRow(_ id: ExtentID) throws(IndexError) -> ExtentRow? {
        if let known = extents[id] { return known }
        var row: ExtentRow?
        if let bytes = try index.get(IndexKey.extent(id)) { row = try ExtentRow(decoding: bytes) }
        extents[id] = .some(row)
        return row
    }

    private mutating func count(
        _ id: ExtentID, items: Int64, bytes: Int64
    ) throws(IndexError) {
        guard var row = try extentRow(id) else { return }
        row.liveItems = UInt64(max(0, Int64(row.liveItems) + items))
        row.liveBytes = UInt64(max(0, Int64(row.liveBytes) + bytes))
        extents[id] = .some(row)
    }

    private static func entryBytes(_ key: [UInt8], _ row: EntryRow) -> Int64 {
        Int64(key.count + row.value.count + Record.headerBytes)
    }

    private static func chunkBytes(_ chunk: ChunkLocation) -> Int64 {
        Int64(chunk.dataLength) + Int64(Record.headerBytes)
    }

    // MARK: Operations

    package mutating func apply(_ operation: IndexOperation) throws(IndexError) {
        switch operation {
        case .transaction(let version, let payload, let location, let dataOffset):
            try applyTransaction(version, payload.body, location, dataOffset)
        case .move(let request, let location):
            try applyMove(request, location)
        case .moveChunk(let chunk, let from, let to):
            try moveChunk(chunk, from: from, to: to)
        case .dropTombstone(let key, let version):
            let rowKey = IndexKey.tombstone(key)
            guard let old = try entryRow(rowKey), old.version == version else { return }
            set(rowKey, nil)
            try count(old.location.extent, items: -1, bytes: -Self.entryBytes(key, old))
        case .noteCopy(let key, let extent):
            try note(key, in: extent)
        case .markOrphans(let id):
            guard var row = try extentRow(id) else { return }
            row.hasOrphans = true
            extents[id] = .some(row)
        case .openExtent(let id, let members):
            extents[id] = .some(ExtentRow(members: members))
        case .sealExtent(let id):
            guard var row = try extentRow(id) else { return }
            row.sealed = true
            extents[id] = .some(row)
        case .applied(let id, let block):
            guard var row = try extentRow(id) else { return }
            row.appliedBlock = max(row.appliedBlock, block)
            extents[id] = .some(row)
        case .removeExtent(let id):
            guard let row = try extentRow(id) else { return }
            guard row.liveItems == 0 || defect == .releaseLiveExtents else { return }
            extents[id] = .some(nil)
        case .reserveNumbers(let below):
            reservedBelow = max(reservedBelow ?? 0, below)
        }
    }

    private mutating func applyTransaction(
        _ version: UInt64, _ body: TransactionBody, _ location: RecordLocation, _ dataOffset: UInt32
    ) throws(IndexError) {
        var dropped: [BlobReference] = []
        var named = Set<BlobID>()
        for write in body.writes {
            guard
                let replaced = try applyWrite(write, version: version, location: location)
            else { continue }
            dropped.append(contentsOf: replaced)
            for blob in write.blobs { named.insert(blob.id) }
        }
        for blob in body.chunked where named.contains(blob.id) {
            for (index, chunk) in blob.chunks.enumerated() {
                try addChunk(ChunkID(blob: blob.id, index: UInt32(index)), chunk)
            }
        }
        for blob in body.inline where named.contains(blob.id) {
            try addChunk(
                ChunkID(blob: blob.id, index: 0),
                ChunkLocation(
                    record: location, dataOffset: dataOffset + blob.offset,
                    dataLength: blob.length,
                    fillsStripe: false, blobOffset: 0))
        }
        for blob in dropped where !named.contains(blob.id) { try removeChunks(of: blob) }
    }

    /// Sets or deletes one entry, unless something newer is there, and returns the blobs that the
    /// replaced entry referred to; nil when the write is outdated.
    private mutating func applyWrite(
        _ write: EntryWrite, version: UInt64, location: RecordLocation
    ) throws(IndexError) -> [BlobReference]? {
        let entryKey = IndexKey.entry(write.key)
        let tombstoneKey = IndexKey.tombstone(write.key)
        let old = try entryRow(entryKey)
        // A key has an entry or a tombstone, never both.
        let buried = old == nil ? try entryRow(tombstoneKey) : nil
        if max(old?.version ?? 0, buried?.version ?? 0) >= version {
            try note(write.key, in: location.extent)
            return nil
        }

        var shadows = old?.shadows ?? buried?.shadows ?? ShadowSet()
        if let old, old.location.extent != location.extent { shadows.insert(old.location.extent) }
        try prune(&shadows)
        if let old {
            set(entryKey, nil)
            try count(old.location.extent, items: -1, bytes: -Self.entryBytes(write.key, old))
        }
        if let buried {
            set(tombstoneKey, nil)
            try count(
                buried.location.extent, items: -1, bytes: -Self.entryBytes(write.key, buried))
        }
        let row = EntryRow(
            version: version, location: location, shadows: shadows, value: write.value ?? [],
            blobs: write.blobs)
        if write.value != nil {
            set(entryKey, row.encoded())
        } else if (old != nil || buried != nil) && defect != .forgetTombstones {
            // Kept until its own extent is compacted, even with nothing to hide: a move of the
            // entry may be under way.
            set(tombstoneKey, row.encoded())
        } else {
            return old?.blobs ?? []
        }
        try count(location.extent, items: 1, bytes: Self.entryBytes(write.key, row))
        return old?.blobs ?? []
    }

    /// Remembers that an outdated record of `key` lies in `extent`.
    private mutating func note(_ key: [UInt8], in extent: ExtentID) throws(IndexError) {
        for rowKey in [IndexKey.entry(key), IndexKey.tombstone(key)] {
            guard var row = try entryRow(rowKey) else { continue }
            guard row.location.extent != extent else { return }
            row.shadows.insert(extent)
            try prune(&row.shadows)
            set(rowKey, row.encoded())
            return
        }
    }

    private mutating func prune(_ shadows: inout ShadowSet) throws(IndexError) {
        guard shadows.extents.count >= 8 || shadows.watermark != nil else { return }
        var live = Set<ExtentID>()
        for extent in shadows.extents where try extentRow(extent) != nil { live.insert(extent) }
        shadows.prune(oldest: try oldestExtent()) { live.contains($0) }
    }

    private func oldestExtent() throws(IndexError) -> ExtentID? {
        let rows = try index.range(
            from: [IndexKey.extentPrefix], to: [IndexKey.extentPrefix + 1], limit: 1)
        return rows.first.flatMap { IndexKey.extentID(fromKey: $0.key) }
    }

    private mutating func addChunk(
        _ chunk: ChunkID, _ location: ChunkLocation
    ) throws(IndexError) {
        set(IndexKey.chunk(chunk), location.encoded())
        try count(location.record.extent, items: 1, bytes: Self.chunkBytes(location))
    }

    /// Removes chunk after chunk until all of the blob's bytes are accounted for.
    private mutating func removeChunks(of blob: BlobReference) throws(IndexError) {
        var index: UInt32 = 0
        var removed: UInt64 = 0
        while removed < blob.length {
            let chunk = ChunkID(blob: blob.id, index: index)
            guard let bytes = try row(IndexKey.chunk(chunk)) else { return }
            removed += UInt64(try ChunkLocation(decoding: bytes).dataLength)
            try removeChunk(chunk, bytes)
            index += 1
        }
    }

    private mutating func removeChunk(_ chunk: ChunkID, _ bytes: [UInt8]) throws(IndexError) {
        let location = try ChunkLocation(decoding: bytes)
        set(IndexKey.chunk(chunk), nil)
        try count(location.record.extent, items: -1, bytes: -Self.chunkBytes(location))
    }

    private mutating func applyMove(
        _ request: MoveRequest, _ location: RecordLocation
    ) throws(IndexError) {
        for (copy, source) in zip(request.body.copies, request.entriesFrom) {
            try move(copy, from: source, to: location)
        }
        guard let record = request.record else { return }
        for (copy, source) in zip(request.body.chunks, request.chunksFrom) {
            let target = ChunkLocation(
                record: location,
                dataOffset: UInt32(Record.headerBytes + record.body.count) + copy.offset,
                dataLength: copy.length, fillsStripe: false, blobOffset: copy.blobOffset)
            try moveChunk(copy.chunk, from: source, to: target)
        }
    }

    private mutating func moveChunk(
        _ chunk: ChunkID, from: ChunkLocation, to: ChunkLocation
    ) throws(IndexError) {
        let key = IndexKey.chunk(chunk)
        if defect != .moveWithoutComparing {
            guard let bytes = try row(key), try ChunkLocation(decoding: bytes) == from else {
                return
            }
        }
        set(key, to.encoded())
        try count(from.record.extent, items: -1, bytes: -Self.chunkBytes(from))
        try count(to.record.extent, items: 1, bytes: Self.chunkBytes(to))
    }

    private mutating func move(
        _ copy: EntryCopy, from: RecordLocation, to: RecordLocation
    ) throws(IndexError) {
        let key =
            copy.write.value == nil
            ? IndexKey.tombstone(copy.write.key) : IndexKey.entry(copy.write.key)
        guard var row = try entryRow(key), row.version == copy.version, row.location == from
        else {
            try note(copy.write.key, in: to.extent)
            return
        }
        try count(from.extent, items: -1, bytes: -Self.entryBytes(copy.write.key, row))
        row.location = to
        // Until the old extent is gone, a rebuild finds both copies of this version there.
        row.shadows.insert(from.extent)
        try prune(&row.shadows)
        set(key, row.encoded())
        try count(to.extent, items: 1, bytes: Self.entryBytes(copy.write.key, row))
    }

    // MARK: Result

    /// The commit that makes all of it durable, if `head` still owns the index.
    package func commit(as head: HeadRow) -> (commit: IndexCommit, newHead: HeadRow) {
        var commit = IndexCommit()
        commit.compares.append((IndexKey.head, head.encoded()))
        for key in order {
            if let change = changes[key] { commit.changes.append((key, change)) }
        }
        for (id, row) in extents.sorted(by: { $0.key < $1.key }) {
            commit.changes.append((IndexKey.extent(id), row?.encoded()))
        }
        var newHead = head
        if let reservedBelow, reservedBelow > head.numbersReservedBelow {
            newHead.numbersReservedBelow = reservedBelow
            commit.changes.append((IndexKey.head, newHead.encoded()))
        }
        return (commit, newHead)
    }

    /// The extents touched, as they are after the commit; nil for those given back.
    package var touchedExtents: [(ExtentID, ExtentRow?)] {
        extents.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
