package import KapokWorld

/// Where a record lies: its extent, the stripe's block in the slot, the stripe's size and the
/// record's place in the stripe's payload.
package struct RecordLocation: Hashable, Sendable {
    package var extent: ExtentID
    package var block: UInt32
    package var shardBlocks: UInt32
    /// Bytes from the start of the stripe's payload.
    package var offset: UInt32
    /// Bytes of the record, header included.
    package var length: UInt32
}

/// Where one chunk of a blob lies: inside which record, and where in it.
package struct ChunkLocation: Hashable, Sendable {
    package var record: RecordLocation
    /// Bytes from the start of the record to the chunk's first byte.
    package var dataOffset: UInt32
    /// Bytes of the chunk.
    package var dataLength: UInt32
    /// The record fills a stripe of its own, whose shards' checksums cover it.
    package var fillsStripe: Bool
    /// Bytes of the blob before this chunk.
    package var blobOffset: UInt64
}

/// One chunk of a blob, by name.
package struct ChunkID: Hashable, Sendable {
    package var blob: BlobID
    package var index: UInt32

    package init(
        blob: BlobID, index: UInt32
    ) {
        self.blob = blob
        self.index = index
    }
}

extension ByteWriter {
    package mutating func location(_ location: RecordLocation) {
        varint(location.extent.number)
        varint(UInt64(location.block))
        varint(UInt64(location.shardBlocks))
        varint(UInt64(location.offset))
        varint(UInt64(location.length))
    }

    package mutating func location(_ location: ChunkLocation) {
        self.location(location.record)
        varint(UInt64(location.dataOffset))
        varint(UInt64(location.dataLength) << 1 | (location.fillsStripe ? 1 : 0))
        varint(location.blobOffset)
    }

    package mutating func blobs(_ blobs: [BlobReference]) {
        varint(UInt64(blobs.count))
        for blob in blobs {
            varint(blob.id.number)
            varint(blob.length)
        }
    }
}

extension ByteReader {
    /// A varint that must fit in 32 bits.
    package mutating func varint32() throws(ByteCodingError) -> UInt32 {
        let value = try varint()
        guard let small = UInt32(exactly: value) else {
            throw .tooLong(length: value, bound: Int(UInt32.max))
        }
        return small
    }

    package mutating func recordLocation() throws(ByteCodingError) -> RecordLocation {
        RecordLocation(
            extent: ExtentID(try varint()), block: try varint32(), shardBlocks: try varint32(),
            offset: try varint32(), length: try varint32())
    }

    package mutating func chunkLocation() throws(ByteCodingError) -> ChunkLocation {
        let record = try recordLocation()
        let dataOffset = try varint32()
        let length = try varint()
        guard let dataLength = UInt32(exactly: length >> 1) else {
            throw .tooLong(length: length, bound: Int(UInt32.max))
        }
        return ChunkLocation(
            record: record, dataOffset: dataOffset, dataLength: dataLength,
            fillsStripe: length & 1 == 1, blobOffset: try varint())
    }

    package mutating func blobs() throws(ByteCodingError) -> [BlobReference] {
        let count = try count(atMost: Record.maximumBlobs)
        var blobs: [BlobReference] = []
        blobs.reserveCapacity(min(count, 16))
        for _ in 0..<count {
            blobs.append(BlobReference(id: BlobID(try varint()), length: try varint()))
        }
        return blobs
    }
}
