import KapokDrive
package import KapokWorld

/// A read of consecutive blocks of one shard, for a driver to carry out.
package struct ShardRead {
    package var drive: UInt32
    package var lba: UInt64
    package var blockCount: UInt32
    package var buffer: AlignedBuffer
    package var bufferOffset: Int
}

/// Reads a range of one chunk: first just the blocks that hold it; when a drive fails or a checksum
/// does not hold, all shards, rebuilding from any K of them. The driver carries out what `next`
/// asks for and reports each read by its index.
package struct ChunkRead {
    /// What to do next.
    package enum Step {
        case read([ShardRead])
        /// The bytes, verified: pieces of a buffer, in order.
        case done(AlignedBuffer, [Range<Int>])
        /// Fewer than K intact shards.
        case lost(String)
    }

    private enum Phase {
        case direct
        case reading(shards: [Int], image: StripeImage)
        case readingRecord(buffer: AlignedBuffer, parts: [(start: Int, count: Int)])
        case readingAll(StripeImage)
    }

    private let location: ChunkLocation
    private let blob: BlobID
    private let address: StripeAddress
    private let code: ErasureCode
    /// Within the chunk.
    private let range: Range<Int>
    private let defect: StoreDefect?
    private var phase = Phase.direct
    private var failedReads: UInt32 = 0
    /// True when the bytes had to be rebuilt.
    package private(set) var wasDegraded = false

    package init(
        location: ChunkLocation, blob: BlobID, members: [ExtentMember], pool: PoolDescriptor,
        code: ErasureCode, range: Range<Int>, defect: StoreDefect? = nil
    ) {
        precondition(range.lowerBound >= 0 && range.upperBound <= Int(location.dataLength))
        self.location = location
        self.blob = blob
        self.code = code
        self.range = range
        self.defect = defect
        address = StripeAddress(
            pool: pool, extent: location.record.extent, members: members,
            block: location.record.block, shardBlocks: location.record.shardBlocks)
    }

    /// The chunk's bytes within the stripe's payload.
    private var payloadRange: Range<Int> {
        let start = Int(location.record.offset) + Int(location.dataOffset)
        return start + range.lowerBound..<start + range.upperBound
    }

    private var recordRange: Range<Int> {
        let start = Int(location.record.offset)
        return start..<start + Int(location.record.length)
    }

    /// Reports that the read with this index (in the last `.read`) did not succeed.
    package mutating func readFailed(_ index: Int) { failedReads |= 1 << UInt32(index) }

    /// Call first, and again when all reads of the last step have ended.
    package mutating func next() -> Step {
        switch phase {
        case .direct:
            guard address.dataShards * address.shardPayload >= recordRange.upperBound else {
                return .lost("a location outside of its stripe")
            }
            return location.fillsStripe ? readShards() : readRecord()
        case .reading(let shards, let image):
            if failedReads == 0, isIntact(shards, image) {
                return .done(image.buffer, image.pieces(of: payloadRange))
            }
            return readAll()
        case .readingRecord(let buffer, let parts):
            if failedReads == 0, let found = extractRecord(buffer, parts) { return found }
            return readAll()
        case .readingAll(let image): return assemble(image)
        }
    }

    private mutating func readShards() -> Step {
        let image = StripeImage(address: address)
        let first = payloadRange.lowerBound / address.shardPayload
        let last = max(first, (payloadRange.upperBound - 1) / address.shardPayload)
        let shards = Array(first...last)
        phase = .reading(shards: shards, image: image)
        return .read(shards.map { read(ofShard: $0, into: image) })
    }

    private func read(ofShard shard: Int, into image: StripeImage) -> ShardRead {
        ShardRead(
            drive: address.members[shard].drive, lba: address.lba(ofShard: shard),
            blockCount: address.shardBlocks, buffer: image.buffer,
            bufferOffset: shard * address.shardBytes)
    }

    private func isIntact(_ shards: [Int], _ image: StripeImage) -> Bool {
        if defect == .skipChecksums { return true }
        var stripe: UInt64?
        for shard in shards {
            guard let header = address.verifiedHeader(ofShard: shard, in: image.shard(shard)),
                header.object == blob.number, stripe == nil || stripe == header.stripe
            else { return false }
            stripe = header.stripe
        }
        return true
    }

    /// Reads the blocks that hold the record, of one shard or of a few.
    private mutating func readRecord() -> Step {
        var parts: [(start: Int, count: Int)] = []
        var reads: [(shard: Int, firstBlock: Int, blocks: Int)] = []
        var position = recordRange.lowerBound
        var offset = 0
        while position < recordRange.upperBound {
            let shard = position / address.shardPayload
            let within = position % address.shardPayload + ShardHeader.byteCount
            let count = min(
                recordRange.upperBound - position, address.shardBytes - within)
            let firstBlock = within / driveBlockSize
            let endBlock = (within + count + driveBlockSize - 1) / driveBlockSize
            parts.append((offset + within - firstBlock * driveBlockSize, count))
            reads.append((shard, firstBlock, endBlock - firstBlock))
            offset += (endBlock - firstBlock) * driveBlockSize
            position += count
        }
        let buffer = AlignedBuffer(byteCount: offset)
        phase = .readingRecord(buffer: buffer, parts: parts)
        var start = 0
        return .read(
            reads.map { read in
                defer { start += read.blocks * driveBlockSize }
                return ShardRead(
                    drive: address.members[read.shard].drive,
                    lba: address.lba(ofShard: read.shard) + UInt64(read.firstBlock),
                    blockCount: UInt32(read.blocks), buffer: buffer, bufferOffset: start)
            })
    }

    /// The wanted bytes of the record that was read, if it is the right one and intact.
    private func extractRecord(
        _ buffer: AlignedBuffer, _ parts: [(start: Int, count: Int)]
    ) -> Step? {
        guard let first = parts.first else { return nil }
        var joined = buffer
        var base = first.start
        if parts.count > 1 {
            joined = AlignedBuffer(byteCount: Int(location.record.length))
            base = 0
            var offset = 0
            for part in parts {
                (joined.baseAddress + offset).copyMemory(
                    from: buffer.baseAddress + part.start, byteCount: part.count)
                offset += part.count
            }
        }
        let record = UnsafeRawBufferPointer(
            rebasing: joined.bytes[base..<base + Int(location.record.length)])
        guard isRightRecord(record) else { return nil }
        let start = base + Int(location.dataOffset)
        return .done(joined, [start + range.lowerBound..<start + range.upperBound])
    }

    private func isRightRecord(_ record: UnsafeRawBufferPointer) -> Bool {
        if defect == .skipChecksums { return true }
        guard
            let header = RecordHeader(
                record, extent: address.extent, block: address.block,
                offset: location.record.offset),
            header.length == location.record.length
        else { return false }
        let content = UnsafeRawBufferPointer(rebasing: record[Record.headerBytes...])
        return CRC64NVME.checksum(content) == header.contentCRC
    }

    private mutating func readAll() -> Step {
        wasDegraded = true
        failedReads = 0
        let image = StripeImage(address: address)
        phase = .readingAll(image)
        return .read((0..<address.width).map { read(ofShard: $0, into: image) })
    }

    private func assemble(_ image: StripeImage) -> Step {
        guard let assembly = image.assemble(read: ~failedReads, with: code) else {
            return .lost(
                "fewer than \(address.dataShards) intact shards of the stripe at block "
                    + "\(address.block) of extent \(address.extent.number)")
        }
        if location.fillsStripe {
            guard assembly.header.object == blob.number else {
                return .lost("another blob's chunk")
            }
        } else {
            let matches = image.payload(recordRange).withUnsafeBytes(isRightRecord)
            guard matches else { return .lost("the record's checksum does not hold") }
        }
        return .done(image.buffer, image.pieces(of: payloadRange))
    }
}
