import KapokStore
import KapokWorld

/// S3's bounds on multipart uploads. Source: Amazon S3 User Guide, "Amazon S3 multipart upload
/// limits".
enum UploadLimits {
    /// The most parts; their numbers are 1 to this.
    static let maximumParts = 10_000
    /// The fewest bytes of every part but the last.
    static let minimumPartSize: UInt64 = 5 << 20
    /// The most bytes of a part, of an object put in one piece, and of a copy's source.
    static let maximumPieceSize: UInt64 = 5 << 30
}

/// What is stored of a multipart upload in progress.
struct UploadRecord: Equatable {
    private enum Field {
        static let begun: UInt64 = 1
        static let checksumAlgorithm: UInt64 = 2
        static let checksumType: UInt64 = 3
    }

    /// Milliseconds since 1970.
    var begunMilliseconds: UInt64
    var checksumAlgorithm: ChecksumAlgorithm?
    var checksumType: ChecksumType?
    var headers = ObjectHeaders()
    var tags: [Tag] = []

    init(begunMilliseconds: UInt64) { self.begunMilliseconds = begunMilliseconds }

    var encoded: [UInt8] {
        var writer = RecordWriter(.upload)
        writer.field(Field.begun, begunMilliseconds)
        if let checksumAlgorithm {
            writer.field(Field.checksumAlgorithm, [checksumAlgorithm.recordCode])
        }
        if let checksumType { writer.field(Field.checksumType, [checksumType.recordCode]) }
        writer.headers(headers, tags: tags)
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(ByteCodingError) {
        var reader = try RecordReader(bytes, .upload)
        begunMilliseconds = 0
        while let (tag, field) = try reader.next() {
            var content = field
            switch tag {
            case Field.begun: begunMilliseconds = try content.varint()
            case Field.checksumAlgorithm: checksumAlgorithm = try content.checksumAlgorithm()
            case Field.checksumType:
                let code = try content.uint8()
                guard let type = ChecksumType(recordCode: code) else {
                    throw .unknownTag(UInt64(code))
                }
                checksumType = type
            case HeaderField.tags: tags = try content.tags()
            default: try headers.take(tag, &content)
            }
        }
    }

    func info(key: String, id: UploadID) -> UploadInfo {
        UploadInfo(
            key: key, id: id.description, begunMilliseconds: Int64(clamping: begunMilliseconds),
            checksumAlgorithm: checksumAlgorithm, checksumType: checksumType)
    }
}

/// What is stored of a part of an upload in progress, beside its blob.
struct PartRecord: Equatable {
    private enum Field {
        static let size: UInt64 = 1
        static let md5: UInt64 = 2
        static let modified: UInt64 = 3
        static let checksum: UInt64 = 4
    }

    /// In bytes.
    var size: UInt64
    /// 16 bytes.
    var md5: [UInt8]
    /// Milliseconds since 1970.
    var modifiedMilliseconds: UInt64
    var checksum: Checksum?

    init(size: UInt64, md5: [UInt8], modifiedMilliseconds: UInt64, checksum: Checksum?) {
        self.size = size
        self.md5 = md5
        self.modifiedMilliseconds = modifiedMilliseconds
        self.checksum = checksum
    }

    var encoded: [UInt8] {
        var writer = RecordWriter(.part)
        writer.field(Field.size, size)
        writer.field(Field.md5, md5)
        writer.field(Field.modified, modifiedMilliseconds)
        writer.field(Field.checksum, checksum)
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(ByteCodingError) {
        var reader = try RecordReader(bytes, .part)
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
            default: break
            }
        }
        guard let size, !md5.isEmpty else { throw .truncated }
        self.size = size
    }

    func info(number: Int) -> PartInfo {
        PartInfo(
            number: number, length: size, eTag: Hexadecimal.encode(md5), checksum: checksum,
            modifiedMilliseconds: Int64(clamping: modifiedMilliseconds))
    }
}
