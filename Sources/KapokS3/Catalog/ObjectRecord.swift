import KapokStore
import KapokWorld

/// What is stored of an object, beside its blobs.
struct ObjectRecord: Equatable {
    private enum Field {
        static let size: UInt64 = 1
        static let md5: UInt64 = 2
        static let modified: UInt64 = 3
        static let checksum: UInt64 = 4
        static let upload: UInt64 = 5
        static let parts: UInt64 = 6
    }

    /// A part of a multipart object.
    struct Part: Equatable {
        var number: Int
        var size: UInt64
        /// 16 bytes.
        var md5: [UInt8]
        var checksum: Checksum?
    }

    /// How much of a record to read.
    enum Extent {
        case all
        /// What a listing shows; not headers, tags and parts.
        case listing
    }

    /// In bytes.
    var size: UInt64
    /// 16 bytes: of the bytes, or of the parts' MD5s.
    var md5: [UInt8]
    /// Milliseconds since 1970.
    var modifiedMilliseconds: UInt64
    var checksum: Checksum?
    var headers = ObjectHeaders()
    var tags: [Tag] = []
    /// The upload that a multipart object was made by.
    var upload: UploadID?
    /// The parts of a multipart object in order; empty for others.
    var parts: [Part] = []
    /// As `parts.count`, also where the parts were not read.
    private(set) var partCount = 0

    init(size: UInt64, md5: [UInt8], modifiedMilliseconds: UInt64, checksum: Checksum?) {
        self.size = size
        self.md5 = md5
        self.modifiedMilliseconds = modifiedMilliseconds
        self.checksum = checksum
    }

    mutating func setParts(_ parts: [Part]) {
        self.parts = parts
        partCount = parts.count
    }

    /// Without quotes.
    var eTag: String { ETag.text(md5: md5, partCount: partCount) }

    // MARK: Coding

    var encoded: [UInt8] {
        var writer = RecordWriter(.object, capacity: 160 + parts.count * 40)
        writer.field(Field.size, size)
        writer.field(Field.md5, md5)
        writer.field(Field.modified, modifiedMilliseconds)
        writer.field(Field.checksum, checksum)
        writer.headers(headers, tags: tags)
        if let upload { writer.field(Field.upload, upload) }
        if !parts.isEmpty { writer.field(Field.parts, Self.encode(parts)) }
        return writer.bytes
    }

    private static func encode(_ parts: [Part]) -> [UInt8] {
        var writer = ByteWriter(minimumCapacity: 8 + parts.count * 40)
        writer.varint(UInt64(parts.count))
        // Parts mostly have one algorithm, but an upload without one takes what comes.
        for part in parts {
            writer.varint(UInt64(part.number))
            writer.varint(part.size)
            writer.raw(part.md5)
            writer.uint8(part.checksum?.algorithm.recordCode ?? 0)
            if let checksum = part.checksum { writer.raw(checksum.bytes) }
        }
        return writer.bytes
    }

    init(decoding bytes: [UInt8], _ extent: Extent = .all) throws(ByteCodingError) {
        var reader = try RecordReader(bytes, .object)
        var size: UInt64?
        md5 = []
        modifiedMilliseconds = 0
        while let (tag, field) = try reader.next() {
            var content = field
            switch tag {
            case Field.size: size = try content.varint()
            case Field.md5: md5 = try content.raw(ETag.digestLength)
            case Field.modified: modifiedMilliseconds = try content.varint()
            case Field.checksum: checksum = try content.checksum()
            case Field.upload: upload = try content.uniqueID()
            case Field.parts:
                partCount = try content.count(atMost: UploadLimits.maximumParts)
                if extent == .all { parts = try Self.decodeParts(partCount, &content) }
            case HeaderField.tags: if extent == .all { tags = try content.tags() }
            default: if extent == .all { try headers.take(tag, &content) }
            }
        }
        guard let size, !md5.isEmpty else { throw .truncated }
        self.size = size
    }

    private static func decodeParts(
        _ count: Int, _ reader: inout ByteReader
    ) throws(ByteCodingError) -> [Part] {
        var parts: [Part] = []
        for _ in 0..<count {
            let number = try reader.count(atMost: UploadLimits.maximumParts)
            let size = try reader.varint()
            let md5 = try reader.raw(ETag.digestLength)
            let code = try reader.uint8()
            var checksum: Checksum?
            if code != 0 {
                guard let algorithm = ChecksumAlgorithm(recordCode: code) else {
                    throw .unknownTag(UInt64(code))
                }
                checksum = Checksum(algorithm, try reader.raw(algorithm.byteCount))
            }
            parts.append(Part(number: number, size: size, md5: md5, checksum: checksum))
        }
        return parts
    }

    // MARK: To the outside

    func info(blobs: [BlobReference]) -> ObjectInfo {
        let modified = Int64(clamping: modifiedMilliseconds)
        return ObjectInfo(
            length: size, eTag: eTag, modifiedMilliseconds: modified, headers: headers,
            checksum: checksum, tagCount: tags.count, blobs: blobs,
            parts: parts.map {
                PartInfo(
                    number: $0.number, length: $0.size, eTag: Hexadecimal.encode($0.md5),
                    checksum: $0.checksum, modifiedMilliseconds: modified)
            })
    }

    func listItem(key: String) -> ListPage.Item {
        ListPage.Item(
            key: key, length: size, eTag: eTag,
            modifiedMilliseconds: Int64(clamping: modifiedMilliseconds), checksum: checksum)
    }
}
