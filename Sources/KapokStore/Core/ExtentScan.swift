import KapokDrive
package import KapokWorld

/// Reads blocks of drives, one after the other: what rebuilding and checking need. On Linux it is a
/// drive, in the simulator a simulated one.
package protocol BlockReader {
    /// Reads into `buffer` at `bufferOffset`; false when the drive did not give all of it.
    func read(
        drive: UInt32, lba: UInt64, blockCount: UInt32, into buffer: AlignedBuffer,
        bufferOffset: Int
    ) -> Bool
}

/// Writes blocks, too: recovery mends what a crash has torn.
package protocol BlockWriter: BlockReader {
    /// Writes from `buffer`, durably; false when the drive did not take all of it.
    func write(
        drive: UInt32, lba: UInt64, blockCount: UInt32, from buffer: AlignedBuffer,
        bufferOffset: Int
    ) -> Bool

    /// Makes what was written before stable; false when the drive could not.
    func flush(drive: UInt32) -> Bool
}

extension ExtentScan: Sendable where Reader: Sendable {}

/// Finds the stripes of one extent from the shards alone.
package struct ExtentScan<Reader: BlockReader> {
    package let reader: Reader
    package let pool: PoolDescriptor
    package let code: ErasureCode
    package let extent: ExtentID
    package let members: [ExtentMember]

    package init(
        reader: Reader, pool: PoolDescriptor, code: ErasureCode, extent: ExtentID,
        members: [ExtentMember]
    ) {
        self.reader = reader
        self.pool = pool
        self.code = code
        self.extent = extent
        self.members = members
    }

    /// A stripe that the headers speak of.
    package struct Candidate: Hashable {
        package var block: UInt32
        package var shardBlocks: UInt32
        package var stripe: UInt64
        package var object: UInt64
    }

    /// A stripe that could be read.
    package struct FoundStripe {
        package var candidate: Candidate
        package var image: StripeImage
        package var assembly: StripeImage.Assembly
    }

    /// What the headers in `blocks` speak of, in order of block and stripe, and whether every
    /// member drive could be read throughout.
    package func candidates(in blocks: Range<UInt32>) -> (found: [Candidate], allReadable: Bool) {
        let window: UInt32 = 256
        let buffer = AlignedBuffer(byteCount: Int(window) * driveBlockSize)
        var found = Set<Candidate>()
        var allReadable = true
        for (shard, member) in members.enumerated() {
            var block = blocks.lowerBound
            while block < blocks.upperBound {
                let count = min(window, blocks.upperBound - block)
                let lba = pool.lba(ofSlot: member.slot) + UInt64(block)
                if reader.read(
                    drive: member.drive, lba: lba, blockCount: count, into: buffer, bufferOffset: 0)
                {
                    for index in 0..<count {
                        if let candidate = candidate(buffer, index, block + index, shard) {
                            found.insert(candidate)
                        }
                    }
                } else {
                    allReadable =
                        readSingly(block..<block + count, shard, buffer, &found)
                        && allReadable
                }
                block += count
            }
        }
        return (
            found.sorted { ($0.block, $0.stripe) < ($1.block, $1.stripe) }, allReadable
        )
    }

    /// A window with an unreadable block: the others still count.
    private func readSingly(
        _ blocks: Range<UInt32>, _ shard: Int, _ buffer: AlignedBuffer,
        _ found: inout Set<Candidate>
    ) -> Bool {
        var allReadable = true
        for block in blocks {
            let lba = pool.lba(ofSlot: members[shard].slot) + UInt64(block)
            guard
                reader.read(
                    drive: members[shard].drive, lba: lba, blockCount: 1, into: buffer,
                    bufferOffset: 0)
            else {
                allReadable = false
                // A drive that is gone fails every read: one is enough to know.
                if block == blocks.lowerBound + 4 { return false }
                continue
            }
            if let candidate = candidate(buffer, 0, block, shard) { found.insert(candidate) }
        }
        return allReadable
    }

    private func candidate(
        _ buffer: AlignedBuffer, _ index: UInt32, _ block: UInt32, _ shard: Int
    ) -> Candidate? {
        let start = Int(index) * driveBlockSize
        let bytes = UnsafeRawBufferPointer(rebasing: buffer.bytes[start..<start + driveBlockSize])
        guard let header = ShardHeader(bytes, regionTag: pool.region.low),
            header.extent == extent, header.block == block, Int(header.shardIndex) == shard,
            header.block + header.shardBlocks <= pool.slotBlocks
        else { return nil }
        return Candidate(
            block: block, shardBlocks: header.shardBlocks, stripe: header.stripe,
            object: header.object)
    }

    /// Reads a candidate whole; nil when fewer than K of its shards are intact.
    package func read(_ candidate: Candidate) -> FoundStripe? {
        let image = StripeImage(
            address: StripeAddress(
                pool: pool, extent: extent, members: members, block: candidate.block,
                shardBlocks: candidate.shardBlocks))
        var read: UInt32 = 0
        for (shard, member) in members.enumerated() {
            let isRead = reader.read(
                drive: member.drive, lba: image.address.lba(ofShard: shard),
                blockCount: candidate.shardBlocks, into: image.buffer,
                bufferOffset: shard * image.address.shardBytes)
            if isRead { read |= 1 << UInt32(shard) }
        }
        guard let assembly = image.assemble(read: read, with: code),
            assembly.header.stripe == candidate.stripe
        else { return nil }
        return FoundStripe(candidate: candidate, image: image, assembly: assembly)
    }

    /// The members whose slots do not carry this extent's label.
    package func membersWithoutLabel() -> [Int] {
        let buffer = AlignedBuffer(byteCount: driveBlockSize)
        return members.indices.filter { shard in
            let isRead = reader.read(
                drive: members[shard].drive, lba: pool.lba(ofSlot: members[shard].slot),
                blockCount: 1, into: buffer, bufferOffset: 0)
            guard isRead, let label = ExtentHeader(block: buffer.bytes) else { return true }
            return label.id != extent || Int(label.shardIndex) != shard
                || label.members != members || label.region != pool.region
        }
    }
}

/// One record found in a stripe.
package struct FoundRecord {
    package enum Content {
        case transaction(TransactionBody)
        case chunk(ChunkBody)
        case copies(CopiesBody)
    }
    package var location: RecordLocation
    package var header: RecordHeader
    package var content: Content

    /// Where the data begins, from the start of the record.
    package var dataOffset: UInt32 { UInt32(Record.headerBytes) + header.bodyLength }
    package var dataLength: UInt32 { header.length - dataOffset }
}

extension StripeImage {
    /// The records of an assembled stripe. Stops at the first that does not hold, which in a stripe
    /// whose shards are intact means the end.
    package func records(_ header: ShardHeader) -> [FoundRecord] {
        var found: [FoundRecord] = []
        let end = Int(header.logicalLength)
        var offset = 0
        guard end <= address.dataShards * address.shardPayload else { return [] }
        while offset + Record.headerBytes <= end {
            let isChunk = header.object != 0
            let head = payload(offset..<offset + Record.headerBytes)
            let parsed = head.withUnsafeBytes {
                RecordHeader(
                    $0, extent: isChunk ? ExtentID(0) : address.extent,
                    block: isChunk ? 0 : address.block, offset: UInt32(offset))
            }
            guard let record = parsed, offset + Int(record.length) <= end else { break }
            let body = payload(
                offset + Record.headerBytes..<offset + Record.headerBytes + Int(record.bodyLength))
            guard let content = try? content(of: record, body) else { break }
            found.append(
                FoundRecord(
                    location: RecordLocation(
                        extent: address.extent, block: address.block,
                        shardBlocks: address.shardBlocks, offset: UInt32(offset),
                        length: record.length),
                    header: record, content: content))
            offset += Int(record.length)
        }
        return found
    }

    private func content(
        of header: RecordHeader, _ body: [UInt8]
    ) throws(ByteCodingError) -> FoundRecord.Content {
        switch header.kind {
        case .transaction: .transaction(try TransactionBody(decoding: body))
        case .chunk: .chunk(try ChunkBody(decoding: body, blob: BlobID(header.sequence)))
        case .copies: .copies(try CopiesBody(decoding: body))
        }
    }
}
