package import KapokWorld

/// The rows of the index: one byte of key space, then the key.
package enum IndexKey {
    /// The state row: which head owns the index, and how far numbers were handed out.
    package static let head: [UInt8] = [0x10]
    /// Entries, by the caller's key.
    package static let entryPrefix: UInt8 = 0x20
    /// Tombstones, by the caller's key.
    package static let tombstonePrefix: UInt8 = 0x30
    /// Chunks, by blob and index.
    package static let chunkPrefix: UInt8 = 0x40
    /// Extents, by number.
    package static let extentPrefix: UInt8 = 0x50

    package static func entry(_ key: [UInt8]) -> [UInt8] { [entryPrefix] + key }
    package static func tombstone(_ key: [UInt8]) -> [UInt8] { [tombstonePrefix] + key }

    package static func chunk(_ chunk: ChunkID) -> [UInt8] {
        var key: [UInt8] = [chunkPrefix]
        key.reserveCapacity(13)
        withUnsafeBytes(of: chunk.blob.number.bigEndian) { key.append(contentsOf: $0) }
        withUnsafeBytes(of: chunk.index.bigEndian) { key.append(contentsOf: $0) }
        return key
    }

    package static func extent(_ id: ExtentID) -> [UInt8] {
        var key: [UInt8] = [extentPrefix]
        withUnsafeBytes(of: id.number.bigEndian) { key.append(contentsOf: $0) }
        return key
    }

    /// The chunk that a chunk row's key names.
    package static func chunkID(fromKey key: [UInt8]) -> ChunkID? {
        guard key.count == 13, key[0] == chunkPrefix else { return nil }
        var blob: UInt64 = 0
        for byte in key[1..<9] { blob = blob << 8 | UInt64(byte) }
        var index: UInt32 = 0
        for byte in key[9..<13] { index = index << 8 | UInt32(byte) }
        return ChunkID(blob: BlobID(blob), index: index)
    }

    package static func extentID(fromKey key: [UInt8]) -> ExtentID? {
        guard key.count == 9, key[0] == extentPrefix else { return nil }
        var number: UInt64 = 0
        for byte in key[1..<9] { number = number << 8 | UInt64(byte) }
        return ExtentID(number)
    }
}

/// The extents that still hold outdated records of a key. While there are any, whatever outdates
/// them (an entry or a tombstone) must stay on the drives, or a rebuild would bring them back.
package struct ShadowSet: Equatable, Sendable {
    package static let limit = 32
    package private(set) var extents: [ExtentID] = []
    /// With more than `limit` extents only the newest is kept: all up to it may hold some.
    package private(set) var watermark: ExtentID?

    package mutating func insert(_ extent: ExtentID) {
        if let mark = watermark {
            watermark = max(mark, extent)
        } else if !extents.contains(extent) {
            extents.append(extent)
            if extents.count > Self.limit {
                watermark = extents.max()
                extents = []
            }
        }
    }

    /// Forgets extents that are gone. `isLive` tells whether an extent exists; `oldest` is the
    /// lowest extent that does.
    package mutating func prune(oldest: ExtentID?, isLive: (ExtentID) -> Bool) {
        extents.removeAll { !isLive($0) }
        if let mark = watermark {
            guard let oldest, oldest <= mark else {
                watermark = nil
                return
            }
        }
    }

    package var isEmpty: Bool { extents.isEmpty && watermark == nil }

    package func encode(into writer: inout ByteWriter) {
        writer.varint(UInt64(extents.count))
        for extent in extents { writer.varint(extent.number) }
        writer.varint(watermark.map { $0.number + 1 } ?? 0)
    }

    package init() {}

    package init(from reader: inout ByteReader) throws(ByteCodingError) {
        for _ in 0..<(try reader.count(atMost: Self.limit)) {
            extents.append(ExtentID(try reader.varint()))
        }
        let mark = try reader.varint()
        watermark = mark == 0 ? nil : ExtentID(mark - 1)
    }
}

/// An entry's row, or a tombstone's (then value and blobs are empty).
package struct EntryRow: Equatable, Sendable {
    package var version: UInt64
    package var location: RecordLocation
    package var shadows: ShadowSet
    package var value: [UInt8]
    package var blobs: [BlobReference]

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: value.count + 64)
        writer.varint(version)
        writer.location(location)
        shadows.encode(into: &writer)
        writer.blobs(blobs)
        writer.lengthPrefixed(value)
        return writer.bytes
    }

    package init(
        version: UInt64, location: RecordLocation, shadows: ShadowSet, value: [UInt8],
        blobs: [BlobReference]
    ) {
        self.version = version
        self.location = location
        self.shadows = shadows
        self.value = value
        self.blobs = blobs
    }

    package init(decoding bytes: [UInt8]) throws(IndexError) {
        do {
            var reader = ByteReader(bytes)
            version = try reader.varint()
            location = try reader.recordLocation()
            shadows = try ShadowSet(from: &reader)
            blobs = try reader.blobs()
            value = try reader.lengthPrefixed(atMost: Record.maximumBytes)
        } catch {
            throw .corrupt("entry row: \(error)")
        }
    }

    package var entry: Entry { Entry(version: version, value: value, blobs: blobs) }
}

extension ChunkLocation {
    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 32)
        writer.location(self)
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(IndexError) {
        do {
            var reader = ByteReader(bytes)
            self = try reader.chunkLocation()
        } catch {
            throw .corrupt("chunk row: \(error)")
        }
    }
}

/// An extent's row.
package struct ExtentRow: Equatable, Sendable {
    /// K + M slots in shard order.
    package var members: [ExtentMember]
    /// No more is appended.
    package var sealed: Bool
    /// Every stripe below this block is reflected in the index; recovery reads from here.
    package var appliedBlock: UInt32
    /// Records may lie here that the index knows nothing of, left behind by writes that failed.
    /// While such an extent exists, no tombstone is forgotten.
    package var hasOrphans = false
    /// Entries, tombstones and chunks that lie here. At zero the slots can be given back.
    package var liveItems: UInt64
    /// Bytes of them.
    package var liveBytes: UInt64

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 96)
        writer.uint8((sealed ? 1 : 0) | (hasOrphans ? 2 : 0))
        writer.varint(UInt64(appliedBlock))
        writer.varint(liveItems)
        writer.varint(liveBytes)
        writer.varint(UInt64(members.count))
        for member in members {
            writer.varint(UInt64(member.drive))
            writer.varint(UInt64(member.slot))
        }
        return writer.bytes
    }

    package init(members: [ExtentMember], sealed: Bool = false, appliedBlock: UInt32 = 1) {
        self.members = members
        self.sealed = sealed
        self.appliedBlock = appliedBlock
        liveItems = 0
        liveBytes = 0
    }

    package init(decoding bytes: [UInt8]) throws(IndexError) {
        do {
            var reader = ByteReader(bytes)
            let flags = try reader.uint8()
            sealed = flags & 1 != 0
            hasOrphans = flags & 2 != 0
            appliedBlock = try reader.varint32()
            liveItems = try reader.varint()
            liveBytes = try reader.varint()
            members = []
            for _ in 0..<(try reader.count(atMost: 32)) {
                members.append(
                    ExtentMember(drive: try reader.varint32(), slot: try reader.varint32()))
            }
        } catch {
            throw .corrupt("extent row: \(error)")
        }
    }
}

/// The head's row: whoever commits to the index compares it, so that a head that has been replaced
/// can change nothing any more.
package struct HeadRow: Equatable, Sendable {
    package var epoch: Epoch
    /// No number (version, blob, extent, stripe) at or above this one has been used.
    package var numbersReservedBelow: UInt64

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 16)
        writer.uint64(epoch.number)
        writer.uint64(numbersReservedBelow)
        return writer.bytes
    }

    package init(epoch: Epoch, numbersReservedBelow: UInt64) {
        self.epoch = epoch
        self.numbersReservedBelow = numbersReservedBelow
    }

    package init(decoding bytes: [UInt8]) throws(IndexError) {
        do {
            var reader = ByteReader(bytes)
            epoch = Epoch(try reader.uint64())
            numbersReservedBelow = try reader.uint64()
        } catch {
            throw .corrupt("head row: \(error)")
        }
    }
}
