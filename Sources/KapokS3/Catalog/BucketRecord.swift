import KapokWorld

/// What is stored of a bucket.
struct BucketRecord: Equatable {
    private enum Field {
        static let id: UInt64 = 1
        static let created: UInt64 = 2
        static let tags: UInt64 = 3
    }

    var id: BucketID
    /// Milliseconds since 1970.
    var createdMilliseconds: UInt64
    var tags: [Tag] = []

    init(id: BucketID, createdMilliseconds: UInt64) {
        self.id = id
        self.createdMilliseconds = createdMilliseconds
    }

    var encoded: [UInt8] {
        var writer = RecordWriter(.bucket)
        writer.field(Field.id, id)
        writer.field(Field.created, createdMilliseconds)
        writer.field(Field.tags, tags.map { ($0.key, $0.value) })
        return writer.bytes
    }

    init(decoding bytes: [UInt8]) throws(ByteCodingError) {
        var reader = try RecordReader(bytes, .bucket)
        var id: BucketID?
        createdMilliseconds = 0
        while let (tag, field) = try reader.next() {
            var content = field
            switch tag {
            case Field.id: id = try content.uniqueID()
            case Field.created: createdMilliseconds = try content.varint()
            case Field.tags: tags = try content.tags()
            default: break
            }
        }
        guard let id else { throw .truncated }
        self.id = id
    }
}
