import KapokDrive
package import KapokWorld

/// What lies in the payload of stripes: self-describing records, one after the other. The index is
/// derived from them and can be rebuilt from them alone.
package enum Record {
    /// Bytes before a record's body.
    package static let headerBytes = 64
    /// Bytes of a chunk record's body.
    package static let chunkBodyBytes = 16
    /// The most blobs one entry refers to: the parts of a multipart upload.
    package static let maximumBlobs = 10_000
    /// The most bytes of a blob that travel inside their transaction's record.
    package static let inlineLimit = 128 * 1024
    /// The most bytes of a record.
    package static let maximumBytes = 8 * 1024 * 1024

    package enum Kind: UInt8 {
        /// Writes of one transaction, with the small blobs it brings.
        case transaction = 1
        /// A chunk of a blob.
        case chunk = 2
        /// Entries moved by compaction; they keep the versions they were written with.
        case copies = 3
    }
}

/// A record's first 64 bytes. It names its own address, so that a record found anywhere else is
/// known to be misplaced.
package struct RecordHeader: Equatable {
    private static let magic: UInt32 = 0x4345_524B  // "KREC"

    package var kind: Record.Kind
    /// Bytes of the whole record.
    package var length: UInt32
    /// Bytes of the body, which follows the header; data follows the body.
    package var bodyLength: UInt32
    /// The transaction's version, or for chunks the blob's number.
    package var sequence: UInt64
    package var epoch: Epoch
    /// CRC-64/NVME of body and data.
    package var contentCRC: UInt64

    package func write(
        to target: UnsafeMutableRawPointer, extent: ExtentID, block: UInt32, offset: UInt32
    ) {
        func put<T: FixedWidthInteger>(_ value: T, _ at: Int) {
            target.storeBytes(of: value.littleEndian, toByteOffset: at, as: T.self)
        }
        put(Self.magic, 0)
        put(UInt32(kind.rawValue), 4)
        put(length, 8)
        put(bodyLength, 12)
        put(sequence, 16)
        put(extent.number, 24)
        put(block, 32)
        put(offset, 36)
        put(epoch.number, 40)
        put(contentCRC, 48)
        put(CRC64NVME.checksum(UnsafeRawBufferPointer(start: target, count: 56)), 56)
    }

    package init(
        kind: Record.Kind, length: UInt32, bodyLength: UInt32, sequence: UInt64, epoch: Epoch,
        contentCRC: UInt64
    ) {
        self.kind = kind
        self.length = length
        self.bodyLength = bodyLength
        self.sequence = sequence
        self.epoch = epoch
        self.contentCRC = contentCRC
    }

    /// Reads the header of the record that must lie at the given address; nil for anything else.
    package init?(_ source: UnsafeRawBufferPointer, extent: ExtentID, block: UInt32, offset: UInt32)
    {
        guard source.count >= Record.headerBytes else { return nil }
        func get<T: FixedWidthInteger>(_ at: Int, as type: T.Type) -> T {
            T(littleEndian: source.loadUnaligned(fromByteOffset: at, as: T.self))
        }
        guard get(0, as: UInt32.self) == Self.magic,
            let rawKind = UInt8(exactly: get(4, as: UInt32.self)),
            let kind = Record.Kind(rawValue: rawKind),
            get(24, as: UInt64.self) == extent.number, get(32, as: UInt32.self) == block,
            get(36, as: UInt32.self) == offset,
            get(56, as: UInt64.self)
                == CRC64NVME.checksum(UnsafeRawBufferPointer(rebasing: source[0..<56]))
        else { return nil }
        self.kind = kind
        length = get(8, as: UInt32.self)
        bodyLength = get(12, as: UInt32.self)
        sequence = get(16, as: UInt64.self)
        epoch = Epoch(get(40, as: UInt64.self))
        contentCRC = get(48, as: UInt64.self)
        guard length >= UInt32(Record.headerBytes), length <= UInt32(Record.maximumBytes),
            bodyLength <= length - UInt32(Record.headerBytes)
        else { return nil }
    }
}

/// A blob that was written in chunks before the transaction that names it.
package struct ChunkedBlob: Equatable, Sendable {
    package var id: BlobID
    package var chunks: [ChunkLocation]

    package init(
        id: BlobID, chunks: [ChunkLocation]
    ) {
        self.id = id
        self.chunks = chunks
    }
}

/// A small blob whose bytes lie in the transaction's own record.
package struct InlineBlob: Equatable, Sendable {
    package var id: BlobID
    /// Bytes from the start of the record's data.
    package var offset: UInt32
    package var length: UInt32

    package init(
        id: BlobID, offset: UInt32, length: UInt32
    ) {
        self.id = id
        self.offset = offset
        self.length = length
    }
}

/// One key's new content, as a record carries it.
package struct EntryWrite: Equatable, Sendable {
    package var key: [UInt8]
    /// Nil for a deletion.
    package var value: [UInt8]?
    package var blobs: [BlobReference]

    package init(
        key: [UInt8], value: [UInt8]?, blobs: [BlobReference]
    ) {
        self.key = key
        self.value = value
        self.blobs = blobs
    }
}

/// The body of a transaction's record.
package struct TransactionBody: Equatable, Sendable {
    package var writes: [EntryWrite] = []
    package var chunked: [ChunkedBlob] = []
    package var inline: [InlineBlob] = []

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 256)
        writer.varint(UInt64(writes.count))
        for write in writes {
            writer.uint8(write.value == nil ? 0 : 1)
            writer.lengthPrefixed(write.key)
            if let value = write.value {
                writer.lengthPrefixed(value)
                writer.blobs(write.blobs)
            }
        }
        writer.varint(UInt64(chunked.count))
        for blob in chunked {
            writer.varint(blob.id.number)
            writer.varint(UInt64(blob.chunks.count))
            for chunk in blob.chunks { writer.location(chunk) }
        }
        writer.varint(UInt64(inline.count))
        for blob in inline {
            writer.varint(blob.id.number)
            writer.varint(UInt64(blob.offset))
            writer.varint(UInt64(blob.length))
        }
        return writer.bytes
    }

    package init(writes: [EntryWrite] = [], chunked: [ChunkedBlob] = [], inline: [InlineBlob] = [])
    {
        self.writes = writes
        self.chunked = chunked
        self.inline = inline
    }

    package init(decoding bytes: [UInt8]) throws(ByteCodingError) {
        var reader = ByteReader(bytes)
        for _ in 0..<(try reader.count(atMost: Transaction.maximumWrites)) {
            let present = try reader.uint8()
            guard present <= 1 else { throw .unknownTag(UInt64(present)) }
            let key = try reader.lengthPrefixed(atMost: StoreKey.maximumLength)
            if present == 1 {
                let value = try reader.lengthPrefixed(atMost: Record.maximumBytes)
                writes.append(EntryWrite(key: key, value: value, blobs: try reader.blobs()))
            } else {
                writes.append(EntryWrite(key: key, value: nil, blobs: []))
            }
        }
        for _ in 0..<(try reader.count(atMost: Record.maximumBlobs)) {
            let id = BlobID(try reader.varint())
            var chunks: [ChunkLocation] = []
            for _ in 0..<(try reader.count(atMost: bytes.count)) {
                chunks.append(try reader.chunkLocation())
            }
            chunked.append(ChunkedBlob(id: id, chunks: chunks))
        }
        for _ in 0..<(try reader.count(atMost: Record.maximumBlobs)) {
            inline.append(
                InlineBlob(
                    id: BlobID(try reader.varint()), offset: try reader.varint32(),
                    length: try reader.varint32()))
        }
    }
}

/// The body of a chunk's record.
package struct ChunkBody: Equatable, Sendable {
    package var chunk: ChunkID
    package var blobOffset: UInt64

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: Record.chunkBodyBytes)
        writer.uint64(blobOffset)
        writer.uint32(chunk.index)
        writer.uint32(0)
        return writer.bytes
    }

    package init(chunk: ChunkID, blobOffset: UInt64) {
        self.chunk = chunk
        self.blobOffset = blobOffset
    }

    package init(decoding bytes: [UInt8], blob: BlobID) throws(ByteCodingError) {
        var reader = ByteReader(bytes)
        blobOffset = try reader.uint64()
        chunk = ChunkID(blob: blob, index: try reader.uint32())
    }
}

/// An entry, or the tombstone of one, that compaction moves.
package struct EntryCopy: Equatable, Sendable {
    package var version: UInt64
    package var write: EntryWrite
}

/// A small chunk that compaction moves; its bytes lie in the record's data.
package struct ChunkCopy: Equatable, Sendable {
    package var chunk: ChunkID
    package var blobOffset: UInt64
    /// Bytes from the start of the record's data.
    package var offset: UInt32
    package var length: UInt32
}

/// The body of a record of what compaction has moved.
package struct CopiesBody: Equatable, Sendable {
    package var copies: [EntryCopy] = []
    package var chunks: [ChunkCopy] = []

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 256)
        writer.varint(UInt64(copies.count))
        for copy in copies {
            writer.varint(copy.version)
            writer.uint8(copy.write.value == nil ? 0 : 1)
            writer.lengthPrefixed(copy.write.key)
            if let value = copy.write.value {
                writer.lengthPrefixed(value)
                writer.blobs(copy.write.blobs)
            }
        }
        writer.varint(UInt64(chunks.count))
        for chunk in chunks {
            writer.varint(chunk.chunk.blob.number)
            writer.varint(UInt64(chunk.chunk.index))
            writer.varint(chunk.blobOffset)
            writer.varint(UInt64(chunk.offset))
            writer.varint(UInt64(chunk.length))
        }
        return writer.bytes
    }

    package init() {}

    package init(decoding bytes: [UInt8]) throws(ByteCodingError) {
        var reader = ByteReader(bytes)
        for _ in 0..<(try reader.count(atMost: bytes.count)) {
            let version = try reader.varint()
            let present = try reader.uint8()
            guard present <= 1 else { throw .unknownTag(UInt64(present)) }
            let key = try reader.lengthPrefixed(atMost: StoreKey.maximumLength)
            var write = EntryWrite(key: key, value: nil, blobs: [])
            if present == 1 {
                write.value = try reader.lengthPrefixed(atMost: Record.maximumBytes)
                write.blobs = try reader.blobs()
            }
            copies.append(EntryCopy(version: version, write: write))
        }
        for _ in 0..<(try reader.count(atMost: bytes.count)) {
            chunks.append(
                ChunkCopy(
                    chunk: ChunkID(blob: BlobID(try reader.varint()), index: try reader.varint32()),
                    blobOffset: try reader.varint(), offset: try reader.varint32(),
                    length: try reader.varint32()))
        }
    }
}
