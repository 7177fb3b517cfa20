import KapokWorld

/// What a record is about; the second byte of each.
enum RecordKind: UInt8 {
    case bucket = 1
    case object = 2
    case upload = 3
    case part = 4
}

/// The form of all records: a byte for the form, a byte for the kind, then fields of a varint tag,
/// a varint length and the content. A reader skips tags that it does not know, so that fields can
/// be added; a tag's meaning never changes.
enum RecordForm {
    static let current: UInt8 = 1
    /// The most bytes of a text in a record; S3's own limits are below.
    static let maximumText = 1 << 16
    /// The most pairs in a list of user metadata or tags.
    static let maximumPairs = 4096
}

/// Writes a record.
struct RecordWriter {
    private var out: ByteWriter

    init(_ kind: RecordKind, capacity: Int = 160) {
        out = ByteWriter(minimumCapacity: capacity)
        out.uint8(RecordForm.current)
        out.uint8(kind.rawValue)
    }

    /// The record so far.
    var bytes: [UInt8] { out.bytes }

    mutating func field(_ tag: UInt64, _ number: UInt64) {
        var content = ByteWriter(minimumCapacity: 10)
        content.varint(number)
        field(tag, content.bytes)
    }

    mutating func field(_ tag: UInt64, _ content: [UInt8]) {
        out.varint(tag)
        out.lengthPrefixed(content)
    }

    mutating func field(_ tag: UInt64, _ text: String?) {
        guard let text else { return }
        out.varint(tag)
        out.string(text)
    }

    /// Nothing when there are no pairs.
    mutating func field(_ tag: UInt64, _ pairs: [(String, String)]) {
        guard !pairs.isEmpty else { return }
        var content = ByteWriter()
        content.varint(UInt64(pairs.count))
        for (name, value) in pairs {
            content.string(name)
            content.string(value)
        }
        field(tag, content.bytes)
    }

    mutating func field(_ tag: UInt64, _ id: UniqueID) {
        var content = ByteWriter(minimumCapacity: 16)
        content.uint64(id.high)
        content.uint64(id.low)
        field(tag, content.bytes)
    }

    mutating func field(_ tag: UInt64, _ checksum: Checksum?) {
        guard let checksum else { return }
        var content = ByteWriter(minimumCapacity: 40)
        content.uint8(checksum.algorithm.recordCode)
        content.varint(UInt64(checksum.partCount ?? 0))
        content.raw(checksum.bytes)
        field(tag, content.bytes)
    }
}

/// Reads the fields of a record, bounded by the record's own length.
struct RecordReader {
    private let bytes: [UInt8]
    private var position: Int

    init(_ bytes: [UInt8], _ kind: RecordKind) throws(ByteCodingError) {
        var reader = ByteReader(bytes)
        let form = try reader.uint8()
        guard form == RecordForm.current else { throw .unknownTag(UInt64(form)) }
        let found = try reader.uint8()
        guard found == kind.rawValue else { throw .unknownTag(UInt64(found)) }
        self.bytes = bytes
        position = reader.offset
    }

    /// The next field, or nil at the end. The content is not copied.
    mutating func next() throws(ByteCodingError) -> (tag: UInt64, content: ByteReader)? {
        guard position < bytes.count else { return nil }
        var reader = ByteReader(bytes[position...])
        let tag = try reader.varint()
        let length = try reader.varint()
        guard length <= UInt64(reader.remaining) else { throw .truncated }
        let start = position + reader.offset
        position = start + Int(length)
        return (tag, ByteReader(bytes[start..<position]))
    }
}

extension ByteReader {
    /// All that is left, as text.
    mutating func text() throws(ByteCodingError) -> String {
        guard remaining <= RecordForm.maximumText else {
            throw .tooLong(length: UInt64(remaining), bound: RecordForm.maximumText)
        }
        guard let text = String(validating: try raw(remaining), as: UTF8.self) else {
            throw .invalidUTF8
        }
        return text
    }

    mutating func pairs() throws(ByteCodingError) -> [(String, String)] {
        let count = try count(atMost: RecordForm.maximumPairs)
        var pairs: [(String, String)] = []
        for _ in 0..<count {
            let name = try string(atMost: RecordForm.maximumText)
            pairs.append((name, try string(atMost: RecordForm.maximumText)))
        }
        return pairs
    }

    mutating func tags() throws(ByteCodingError) -> [Tag] {
        try pairs().map { Tag(key: $0.0, value: $0.1) }
    }

    mutating func uniqueID() throws(ByteCodingError) -> UniqueID {
        UniqueID(high: try uint64(), low: try uint64())
    }

    mutating func checksum() throws(ByteCodingError) -> Checksum {
        let algorithm = try checksumAlgorithm()
        let parts = try count(atMost: UploadLimits.maximumParts)
        let bytes = try raw(algorithm.byteCount)
        return Checksum(algorithm, bytes, partCount: parts == 0 ? nil : parts)
    }

    mutating func checksumAlgorithm() throws(ByteCodingError) -> ChecksumAlgorithm {
        let code = try uint8()
        guard let algorithm = ChecksumAlgorithm(recordCode: code) else {
            throw .unknownTag(UInt64(code))
        }
        return algorithm
    }
}

extension ChecksumAlgorithm {
    /// The byte that stands for the algorithm in records.
    var recordCode: UInt8 {
        switch self {
        case .crc32: 1
        case .crc32c: 2
        case .crc64nvme: 3
        case .sha1: 4
        case .sha256: 5
        }
    }

    init?(recordCode: UInt8) {
        guard let found = Self.allCases.first(where: { $0.recordCode == recordCode }) else {
            return nil
        }
        self = found
    }
}

extension ChecksumType {
    var recordCode: UInt8 { self == .composite ? 1 : 2 }

    init?(recordCode: UInt8) {
        switch recordCode {
        case 1: self = .composite
        case 2: self = .fullObject
        default: return nil
        }
    }
}
