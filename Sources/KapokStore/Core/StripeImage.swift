import KapokDrive
package import KapokWorld

/// Where a stripe lies and how it is coded: all that is needed to read it.
package struct StripeAddress {
    package let pool: PoolDescriptor
    package let extent: ExtentID
    package let members: [ExtentMember]
    package let block: UInt32
    package let shardBlocks: UInt32

    package var width: Int { members.count }
    package var dataShards: Int { Int(pool.dataShards) }
    package var shardBytes: Int { Int(shardBlocks) * driveBlockSize }
    package var shardPayload: Int { ShardHeader.payloadBytes(shardBlocks: Int(shardBlocks)) }

    package func lba(ofShard shard: Int) -> UInt64 {
        pool.lba(ofSlot: members[shard].slot) + UInt64(block)
    }

    /// The header of a whole shard in memory, if it is the one that belongs here and its payload is
    /// intact.
    package func verifiedHeader(
        ofShard shard: Int, in bytes: UnsafeRawBufferPointer, checksums: Bool = true
    ) -> ShardHeader? {
        guard let header = ShardHeader(bytes, regionTag: pool.region.low),
            header.extent == extent, header.block == block, header.shardBlocks == shardBlocks,
            Int(header.shardIndex) == shard, header.drive == members[shard].drive,
            header.lba == lba(ofShard: shard), header.dataShards == pool.dataShards,
            header.parityShards == pool.parityShards
        else { return nil }
        guard checksums else { return header }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[ShardHeader.byteCount..<shardBytes])
        return CRC64NVME.checksum(payload) == header.payloadCRC ? header : nil
    }
}

/// All shards of a stripe in memory; the data shards are whole once `assemble` has succeeded.
package struct StripeImage {
    package let address: StripeAddress
    package let buffer: AlignedBuffer

    package init(address: StripeAddress) {
        self.address = address
        buffer = AlignedBuffer(byteCount: address.width * address.shardBytes)
    }

    package func shard(_ index: Int) -> UnsafeRawBufferPointer {
        let start = index * address.shardBytes
        return UnsafeRawBufferPointer(rebasing: buffer.bytes[start..<start + address.shardBytes])
    }

    /// What assembling found.
    package struct Assembly {
        package var header: ShardHeader
        /// The shards that were intact, as bits.
        package var intact: UInt32
    }

    /// Verifies the shards that were `read` (bits), rebuilds missing data shards from any K intact
    /// ones, and tells which stripe it is; nil when fewer than K shards agree.
    package func assemble(read: UInt32, with code: ErasureCode) -> Assembly? {
        var groups: [(header: ShardHeader, mask: UInt32)] = []
        for index in 0..<address.width where read & (1 << UInt32(index)) != 0 {
            guard let header = address.verifiedHeader(ofShard: index, in: shard(index)) else {
                continue
            }
            if let group = groups.firstIndex(where: {
                $0.header.stripe == header.stripe && $0.header.epoch == header.epoch
                    && $0.header.logicalLength == header.logicalLength
                    && $0.header.object == header.object
            }) {
                groups[group].mask |= 1 << UInt32(index)
            } else {
                groups.append((header, 1 << UInt32(index)))
            }
        }
        let whole = groups.filter { $0.mask.nonzeroBitCount >= address.dataShards }
        // Two whole stripes at one address: the later one was written over the earlier.
        guard let best = whole.max(by: { $0.header.stripe < $1.header.stripe }) else { return nil }
        let dataMask: UInt32 =
            address.dataShards == 32 ? .max : (1 << UInt32(address.dataShards)) - 1
        let missing = dataMask & ~best.mask
        if missing != 0 {
            let start = buffer.baseAddress + ShardHeader.byteCount
            let pointers = (0..<address.width).map { start + $0 * address.shardBytes }
            code.reconstruct(
                shards: pointers, present: best.mask, wanted: missing,
                byteCount: address.shardPayload)
        }
        return Assembly(header: best.header, intact: best.mask)
    }

    /// Makes every shard that was not intact anew, header and all, and returns which they are.
    package func rebuildShards(_ assembly: Assembly, with code: ErasureCode) -> [Int] {
        let missing = (0..<address.width).filter { assembly.intact & (1 << UInt32($0)) == 0 }
        let start = buffer.baseAddress + ShardHeader.byteCount
        code.reconstruct(
            shards: (0..<address.width).map { start + $0 * address.shardBytes },
            present: assembly.intact,
            wanted: missing.reduce(UInt32(0)) { $0 | 1 << UInt32($1) },
            byteCount: address.shardPayload)
        for shard in missing {
            var header = assembly.header
            header.shardIndex = UInt8(shard)
            header.drive = address.members[shard].drive
            header.lba = address.lba(ofShard: shard)
            let payload = self.shard(shard)[ShardHeader.byteCount...]
            header.payloadCRC = CRC64NVME.checksum(UnsafeRawBufferPointer(rebasing: payload))
            header.write(to: buffer.baseAddress + shard * address.shardBytes)
        }
        return missing
    }

    /// The pieces of `buffer` that hold the payload range, in order.
    package func pieces(of range: Range<Int>) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var position = range.lowerBound
        while position < range.upperBound {
            let within = position % address.shardPayload
            let count = min(range.upperBound - position, address.shardPayload - within)
            let start =
                position / address.shardPayload * address.shardBytes + ShardHeader.byteCount
                + within
            pieces.append(start..<start + count)
            position += count
        }
        return pieces
    }

    /// The payload range, copied together.
    package func payload(_ range: Range<Int>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        for piece in pieces(of: range) { bytes.append(contentsOf: buffer.bytes[piece]) }
        return bytes
    }
}
