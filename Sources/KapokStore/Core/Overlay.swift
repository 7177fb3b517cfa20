/// What is durable on the drives but not in the index yet. Reads look here first.
package struct Overlay {
    private enum State {
        case entry(Entry)
        case deleted(version: UInt64)

        var version: UInt64 {
            switch self {
            case .entry(let entry): entry.version
            case .deleted(let version): version
            }
        }
    }

    /// What the overlay knows of a key.
    package enum Lookup {
        case entry(Entry)
        case deleted
        case unknown
    }

    private var entries: [[UInt8]: State] = [:]
    private var chunks: [ChunkID: ChunkLocation] = [:]

    /// How many keys it holds.
    package var count: Int { entries.count }

    package func lookup(_ key: [UInt8]) -> Lookup {
        switch entries[key] {
        case .entry(let entry): .entry(entry)
        case .deleted: .deleted
        case nil: .unknown
        }
    }

    package func chunk(_ chunk: ChunkID) -> ChunkLocation? { chunks[chunk] }

    package mutating func publish(
        version: UInt64, body: TransactionBody, location: RecordLocation, dataOffset: UInt32
    ) {
        for write in body.writes {
            if let known = entries[write.key], known.version > version { continue }
            entries[write.key] =
                write.value.map {
                    .entry(Entry(version: version, value: $0, blobs: write.blobs))
                } ?? .deleted(version: version)
        }
        for blob in body.chunked {
            for (index, chunk) in blob.chunks.enumerated() {
                chunks[ChunkID(blob: blob.id, index: UInt32(index))] = chunk
            }
        }
        for blob in body.inline {
            chunks[ChunkID(blob: blob.id, index: 0)] = ChunkLocation(
                record: location, dataOffset: dataOffset + blob.offset, dataLength: blob.length,
                fillsStripe: false, blobOffset: 0)
        }
    }

    /// Forgets what the index now has.
    package mutating func retire(version: UInt64, body: TransactionBody) {
        for write in body.writes where entries[write.key]?.version == version {
            entries[write.key] = nil
        }
        for blob in body.chunked {
            for index in blob.chunks.indices {
                chunks[ChunkID(blob: blob.id, index: UInt32(index))] = nil
            }
        }
        for blob in body.inline { chunks[ChunkID(blob: blob.id, index: 0)] = nil }
    }
}
