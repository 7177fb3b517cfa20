import KapokDrive
package import KapokWorld

/// What of one stripe is still wanted and has to be moved before its extent is given back. What is
/// wanted is asked of the index; the move itself is compared there again, so that whatever is
/// overwritten or deleted meanwhile stays so.
package struct CompactionPlan {
    /// A chunk that fills a stripe of its own.
    package struct LargeChunk {
        package var chunk: ChunkID
        package var from: ChunkLocation
        /// Where its bytes are in the stripe's payload.
        package var payload: Range<Int>
    }

    /// What is small enough to travel in one record, ready to be sent.
    package var request = MoveRequest()
    package var large: [LargeChunk] = []
    private var pieces: [AlignedPiece] = []
    private var dataLength = 0
    private let mayForget: Bool

    /// - Parameters:
    ///   - stripe: of the extent that is being compacted.
    ///   - mayForget: no extent holds records that the index knows nothing of.
    package init(
        stripe: StripeImage, header: ShardHeader, index: some OrderedIndex, mayForget: Bool
    ) throws(IndexError) {
        self.mayForget = mayForget
        for record in stripe.records(header) {
            switch record.content {
            case .transaction(let body):
                for write in body.writes {
                    try plan(write, version: record.header.sequence, record.location, index)
                }
                for blob in body.inline {
                    let location = ChunkLocation(
                        record: record.location, dataOffset: record.dataOffset + blob.offset,
                        dataLength: blob.length, fillsStripe: false, blobOffset: 0)
                    try plan(ChunkID(blob: blob.id, index: 0), location, stripe, index)
                }
            case .copies(let body):
                for copy in body.copies {
                    try plan(copy.write, version: copy.version, record.location, index)
                }
                for copy in body.chunks {
                    let location = ChunkLocation(
                        record: record.location, dataOffset: record.dataOffset + copy.offset,
                        dataLength: copy.length, fillsStripe: false, blobOffset: copy.blobOffset)
                    try plan(copy.chunk, location, stripe, index)
                }
            case .chunk(let body):
                let location = ChunkLocation(
                    record: record.location, dataOffset: record.dataOffset,
                    dataLength: record.dataLength, fillsStripe: true, blobOffset: body.blobOffset)
                try plan(body.chunk, location, stripe, index)
            }
        }
        guard !request.body.copies.isEmpty || !request.body.chunks.isEmpty else { return }
        request.record = PreparedRecord(
            kind: .copies, body: request.body.encoded(), data: pieces)
    }

    private mutating func plan(
        _ write: EntryWrite, version: UInt64, _ location: RecordLocation, _ index: some OrderedIndex
    ) throws(IndexError) {
        let key =
            write.value == nil ? IndexKey.tombstone(write.key) : IndexKey.entry(write.key)
        guard let bytes = try index.get(key) else { return }
        var row = try EntryRow(decoding: bytes)
        guard row.version == version, row.location == location else { return }
        if write.value == nil {
            var live = Set<ExtentID>()
            for extent in row.shadows.extents {
                if try index.get(IndexKey.extent(extent)) != nil { live.insert(extent) }
            }
            let oldest = try index.range(
                from: [IndexKey.extentPrefix], to: [IndexKey.extentPrefix + 1], limit: 1)
            row.shadows.prune(oldest: oldest.first.flatMap { IndexKey.extentID(fromKey: $0.key) }) {
                live.contains($0)
            }
            if row.shadows.isEmpty, mayForget {
                request.droppedTombstones.append((write.key, version))
                return
            }
        }
        request.body.copies.append(EntryCopy(version: version, write: write))
        request.entriesFrom.append(location)
    }

    private mutating func plan(
        _ chunk: ChunkID, _ location: ChunkLocation, _ stripe: StripeImage,
        _ index: some OrderedIndex
    ) throws(IndexError) {
        guard let bytes = try index.get(IndexKey.chunk(chunk)),
            try ChunkLocation(decoding: bytes) == location
        else { return }
        let start = Int(location.record.offset) + Int(location.dataOffset)
        let payload = start..<start + Int(location.dataLength)
        if location.dataLength > Record.inlineLimit {
            large.append(LargeChunk(chunk: chunk, from: location, payload: payload))
            return
        }
        request.body.chunks.append(
            ChunkCopy(
                chunk: chunk, blobOffset: location.blobOffset, offset: UInt32(dataLength),
                length: location.dataLength))
        request.chunksFrom.append(location)
        let buffer = AlignedBuffer(byteCount: max(1, payload.count))
        var offset = 0
        for piece in stripe.pieces(of: payload) {
            (buffer.baseAddress + offset).copyMemory(
                from: stripe.buffer.baseAddress + piece.lowerBound, byteCount: piece.count)
            offset += piece.count
        }
        pieces.append(AlignedPiece(buffer: buffer, count: payload.count))
        dataLength += payload.count
    }

    package var isEmpty: Bool { request.isEmpty && large.isEmpty }
}

/// Fills stripes with the chunks of one blob: what uploads and compaction append.
package struct ChunkStripe {
    package let buffer: StripeBuffer
    package let chunk: ChunkID
    package let blobOffset: UInt64
    private static let headBytes = Record.headerBytes + Record.chunkBodyBytes

    /// Data bytes of a full chunk in `pool`.
    package static func capacity(in pool: PoolDescriptor) -> Int {
        Int(pool.dataShards) * ShardHeader.payloadBytes(shardBlocks: shardBlocks(in: pool))
            - headBytes
    }

    /// About 1 MiB of data a stripe; less in small slots.
    package static func shardBlocks(in pool: PoolDescriptor) -> Int {
        min(
            StoreMachine.packBlocks(dataShards: Int(pool.dataShards)),
            (Int(pool.slotBlocks) - 1) / 3)
    }

    /// - Parameter byteCount: of the chunk; at most `capacity`.
    package init(chunk: ChunkID, blobOffset: UInt64, byteCount: Int, pool: PoolDescriptor) {
        self.chunk = chunk
        self.blobOffset = blobOffset
        let blocks = StripeBuffer.shardBlocks(
            holding: byteCount + Self.headBytes, dataShards: Int(pool.dataShards))
        buffer = StripeBuffer(
            dataShards: Int(pool.dataShards), parityShards: Int(pool.parityShards),
            shardBlocks: blocks)
        buffer.skip(Self.headBytes)
    }

    /// Data bytes so far.
    package var count: Int { buffer.used - Self.headBytes }

    /// Writes the record's head, whose checksum covers the data, and encodes the stripe.
    package func seal(epoch: Epoch, code: ErasureCode) {
        let body = ChunkBody(chunk: chunk, blobOffset: blobOffset).encoded()
        var crc = body.withUnsafeBytes { CRC64NVME.checksum($0) }
        buffer.withPayload(Self.headBytes..<buffer.used) {
            crc = CRC64NVME.checksum($0, continuing: crc)
        }
        let header = RecordHeader(
            kind: .chunk, length: UInt32(buffer.used), bodyLength: UInt32(body.count),
            sequence: chunk.blob.number, epoch: epoch, contentCRC: crc)
        withUnsafeTemporaryAllocation(byteCount: Record.headerBytes, alignment: 8) { scratch in
            guard let base = scratch.baseAddress else { return }
            // The shards' headers say where a chunk lies.
            header.write(to: base, extent: ExtentID(0), block: 0, offset: 0)
            buffer.write(UnsafeRawBufferPointer(scratch), at: 0)
        }
        body.withUnsafeBytes { buffer.write($0, at: Record.headerBytes) }
        buffer.encode(with: code)
    }

    /// Where the chunk lies once the stripe was appended at `record`.
    package func location(at record: RecordLocation) -> ChunkLocation {
        ChunkLocation(
            record: record, dataOffset: UInt32(Self.headBytes), dataLength: UInt32(count),
            fillsStripe: true, blobOffset: blobOffset)
    }
}
