import KapokDrive
package import KapokWorld

/// The K + M shards of one stripe in memory, in the shape they have on the drives: each shard
/// begins with room for its header. The payload is addressed as one run of bytes over the data
/// shards.
///
/// Filling, encoding and checksumming need no address and may run on any thread; the headers are
/// stamped when the stripe has its place.
package final class StripeBuffer: @unchecked Sendable {
    package let dataShards: Int
    package let parityShards: Int
    /// Blocks of each shard.
    package let shardBlocks: Int
    /// The shards, one after the other.
    package let buffer: AlignedBuffer
    /// Bytes of payload in use.
    package private(set) var used = 0
    private var payloadCRCs: [UInt64] = []

    package init(dataShards: Int, parityShards: Int, shardBlocks: Int) {
        self.dataShards = dataShards
        self.parityShards = parityShards
        self.shardBlocks = shardBlocks
        buffer = AlignedBuffer(
            byteCount: (dataShards + parityShards) * shardBlocks * driveBlockSize)
    }

    /// Payload bytes of one shard.
    package var shardPayload: Int { ShardHeader.payloadBytes(shardBlocks: shardBlocks) }
    /// Payload bytes of the stripe.
    package var capacity: Int { dataShards * shardPayload }
    package var room: Int { capacity - used }

    /// The fewest blocks per shard that hold `byteCount` bytes of payload in `dataShards` shards.
    package static func shardBlocks(holding byteCount: Int, dataShards: Int) -> Int {
        let perShard = (byteCount + dataShards - 1) / dataShards
        return max(1, (perShard + ShardHeader.byteCount + driveBlockSize - 1) / driveBlockSize)
    }

    private func payload(ofShard index: Int) -> UnsafeMutableRawPointer {
        buffer.baseAddress + index * shardBlocks * driveBlockSize + ShardHeader.byteCount
    }

    /// Appends as much of `bytes` as fits and returns how much that was.
    @discardableResult
    package func append(_ bytes: UnsafeRawBufferPointer) -> Int {
        let count = min(bytes.count, room)
        write(UnsafeRawBufferPointer(rebasing: bytes[0..<count]), at: used)
        used += count
        return count
    }

    /// Starts over.
    package func clear() {
        used = 0
        payloadCRCs = []
    }

    /// Leaves `count` bytes to be written later.
    package func skip(_ count: Int) {
        precondition(count <= room)
        used += count
    }

    /// Writes into the payload at `offset`.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        precondition(offset + bytes.count <= capacity)
        var done = 0
        while done < bytes.count {
            let position = offset + done
            let shard = position / shardPayload
            let within = position % shardPayload
            let count = min(bytes.count - done, shardPayload - within)
            (payload(ofShard: shard) + within).copyMemory(
                from: bytes.baseAddress! + done, byteCount: count)
            done += count
        }
    }

    /// Calls `body` with the pieces of the payload range, in order.
    package func withPayload(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
        var position = range.lowerBound
        while position < range.upperBound {
            let within = position % shardPayload
            let count = min(range.upperBound - position, shardPayload - within)
            body(
                UnsafeRawBufferPointer(
                    start: payload(ofShard: position / shardPayload) + within, count: count))
            position += count
        }
    }

    /// Zeroes what is not in use, computes the parity and every shard's checksum.
    package func encode(with code: ErasureCode) {
        var position = used
        while position < capacity {
            let within = position % shardPayload
            let count = shardPayload - within
            (payload(ofShard: position / shardPayload) + within).initializeMemory(
                as: UInt8.self, repeating: 0, count: count)
            position += count
        }
        code.encode(
            data: (0..<dataShards).map { UnsafeRawPointer(payload(ofShard: $0)) },
            parity: (0..<parityShards).map { payload(ofShard: dataShards + $0) },
            byteCount: shardPayload)
        payloadCRCs = (0..<dataShards + parityShards).map {
            CRC64NVME.checksum(
                UnsafeRawBufferPointer(start: payload(ofShard: $0), count: shardPayload))
        }
    }

    /// Writes the headers for the place the stripe has been given. The bytes must not change after.
    package func stamp(
        pool: PoolDescriptor, extent: ExtentID, members: [ExtentMember], block: UInt32,
        stripe: UInt64, epoch: Epoch, object: UInt64
    ) {
        precondition(payloadCRCs.count == members.count, "encode before stamp")
        for (index, member) in members.enumerated() {
            let header = ShardHeader(
                regionTag: pool.region.low, shardIndex: UInt8(index),
                dataShards: UInt8(dataShards), parityShards: UInt8(parityShards),
                extent: extent, block: block, shardBlocks: UInt32(shardBlocks), stripe: stripe,
                epoch: epoch, logicalLength: UInt32(used), drive: member.drive,
                lba: pool.lba(ofSlot: member.slot) + UInt64(block), object: object,
                payloadCRC: payloadCRCs[index])
            header.write(to: payload(ofShard: index) - ShardHeader.byteCount)
        }
    }

    /// Where shard `index` begins in `buffer`, in bytes.
    package func offset(ofShard index: Int) -> Int { index * shardBlocks * driveBlockSize }
}
