/// Which objects of a bucket to list.
public struct ListRequest: Sendable {
    /// Only keys that begin with it.
    public var prefix = ""
    /// Keys that contain it behind the prefix are summed up under their common prefix.
    public var delimiter: String?
    /// Only keys (and common prefixes) behind this one.
    public var after: String?
    /// Of keys and common prefixes together; at most 1,000.
    public var limit = 1000

    public init() {}
}

/// A page of a listing of objects.
public struct ListPage: Sendable {
    /// One object.
    public struct Item: Sendable {
        /// The object's key.
        public var key: String
        /// In bytes.
        public var length: UInt64
        /// Without quotes.
        public var eTag: String
        /// Milliseconds since 1970.
        public var modifiedMilliseconds: Int64
        public var checksum: Checksum?

        public init(
            key: String, length: UInt64, eTag: String, modifiedMilliseconds: Int64,
            checksum: Checksum?
        ) {
            self.key = key
            self.length = length
            self.eTag = eTag
            self.modifiedMilliseconds = modifiedMilliseconds
            self.checksum = checksum
        }
    }

    /// Ascending by key.
    public var items: [Item]
    /// Ascending.
    public var commonPrefixes: [String]
    /// The last key or common prefix of this page, when more follow: `after` of the next request.
    public var next: String?

    public init(items: [Item], commonPrefixes: [String], next: String?) {
        self.items = items
        self.commonPrefixes = commonPrefixes
        self.next = next
    }
}

/// A bucket in a listing.
public struct BucketInfo: Sendable {
    /// Unique in the region.
    public var name: String
    /// Milliseconds since 1970.
    public var createdMilliseconds: Int64

    public init(name: String, createdMilliseconds: Int64) {
        self.name = name
        self.createdMilliseconds = createdMilliseconds
    }
}

/// The object that a copy reads.
public struct CopySource: Sendable {
    /// Where it lies.
    public var bucket: String
    /// Its key there.
    public var key: String
    /// What must hold of it, or the copy fails.
    public var conditions: ReadConditions
    /// Which of its bytes (`UploadPartCopy` only), first and last included; nil for all.
    public var range: ClosedRange<UInt64>?

    public init(bucket: String, key: String, conditions: ReadConditions) {
        self.bucket = bucket
        self.key = key
        self.conditions = conditions
    }
}

/// What an upload in parts was begun with.
public struct UploadInfo: Sendable {
    /// The key of the object that it is to make.
    public var key: String
    /// As clients name it.
    public var id: String
    /// Milliseconds since 1970.
    public var begunMilliseconds: Int64
    public var checksumAlgorithm: ChecksumAlgorithm?
    public var checksumType: ChecksumType?

    public init(
        key: String, id: String, begunMilliseconds: Int64, checksumAlgorithm: ChecksumAlgorithm?,
        checksumType: ChecksumType?
    ) {
        self.key = key
        self.id = id
        self.begunMilliseconds = begunMilliseconds
        self.checksumAlgorithm = checksumAlgorithm
        self.checksumType = checksumType
    }
}

/// A page of the uploads of a bucket.
public struct UploadPage: Sendable {
    /// Ascending by key, then in the order in which they were begun.
    public var uploads: [UploadInfo]
    public var commonPrefixes: [String]
    /// Where the next page begins; nil when this is the last.
    public var nextKey: String?
    public var nextUploadID: String?

    public init(
        uploads: [UploadInfo], commonPrefixes: [String], nextKey: String?, nextUploadID: String?
    ) {
        self.uploads = uploads
        self.commonPrefixes = commonPrefixes
        self.nextKey = nextKey
        self.nextUploadID = nextUploadID
    }
}

/// A page of the parts of an upload.
public struct PartPage: Sendable {
    /// Whose parts these are.
    public var upload: UploadInfo
    /// Ascending by number.
    public var parts: [PartInfo]
    /// Whether more follow.
    public var isTruncated: Bool

    public init(upload: UploadInfo, parts: [PartInfo], isTruncated: Bool) {
        self.upload = upload
        self.parts = parts
        self.isTruncated = isTruncated
    }
}

/// One part that a `CompleteMultipartUpload` names.
public struct CompletedPart: Sendable, Equatable {
    /// 1 to 10,000.
    public var number: Int
    /// Without quotes.
    public var eTag: String
    public var checksum: Checksum?

    public init(number: Int, eTag: String, checksum: Checksum?) {
        self.number = number
        self.eTag = eTag
        self.checksum = checksum
    }
}

/// What S3 means, behind the wire: buckets, objects, uploads and tags. The server parses requests,
/// verifies signatures, moves bytes and writes answers; everything that decides about state is
/// here.
///
/// All methods throw the `S3Error` that the client shall see, with `NoSuchBucket` first.
public protocol S3Backend: Sendable {
    // Buckets

    /// Buckets with `prefix` behind `after` in order of name, at most `limit`, and whether more
    /// follow.
    func listBuckets(
        prefix: String, after: String?, limit: Int
    ) async throws(S3Error) -> (buckets: [BucketInfo], isTruncated: Bool)
    func createBucket(_ bucket: String) async throws(S3Error)
    func headBucket(_ bucket: String) async throws(S3Error)
    func deleteBucket(_ bucket: String) async throws(S3Error)
    /// Empty, or `NoSuchTagSet`, when there are none.
    func bucketTags(_ bucket: String) async throws(S3Error) -> [Tag]
    /// An empty array removes them.
    func setBucketTags(_ bucket: String, _ tags: [Tag]) async throws(S3Error)

    // Objects

    func listObjects(_ bucket: String, _ request: ListRequest) async throws(S3Error) -> ListPage
    func object(_ bucket: String, _ key: String) async throws(S3Error) -> ObjectInfo
    /// Whether a write with these conditions could succeed now: asked before a body is taken in.
    func checkWrite(
        _ bucket: String, _ key: String, conditions: WriteConditions
    ) async throws(S3Error)
    func putObject(
        _ bucket: String, _ key: String, _ staged: StagedObject, headers: ObjectHeaders,
        tags: [Tag], conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo
    /// Copies bytes, and headers and tags where `headers` or `tags` are nil.
    func copyObject(
        _ bucket: String, _ key: String, from source: CopySource, headers: ObjectHeaders?,
        tags: [Tag]?, checksum: ChecksumAlgorithm?, conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo
    /// No error when there is no such object, unless a condition asks for one.
    func deleteObject(
        _ bucket: String, _ key: String, where conditions: DeleteConditions
    ) async throws(S3Error)
    /// Deletes without conditions. One outcome for each key, in order; nil is success.
    func deleteObjects(_ bucket: String, _ keys: [String]) async throws(S3Error) -> [S3Error?]
    func objectTags(_ bucket: String, _ key: String) async throws(S3Error) -> [Tag]
    /// An empty array removes them.
    func setObjectTags(_ bucket: String, _ key: String, _ tags: [Tag]) async throws(S3Error)

    // Uploads in parts

    /// Returns the upload's id.
    func createUpload(
        _ bucket: String, _ key: String, headers: ObjectHeaders, tags: [Tag],
        checksum: ChecksumAlgorithm?, type: ChecksumType?
    ) async throws(S3Error) -> String
    /// What the upload was begun with.
    func upload(_ bucket: String, _ key: String, id: String) async throws(S3Error) -> UploadInfo
    func putPart(
        _ bucket: String, _ key: String, upload: String, number: Int, _ staged: StagedObject
    ) async throws(S3Error) -> PartInfo
    func copyPart(
        _ bucket: String, _ key: String, upload: String, number: Int, from source: CopySource
    ) async throws(S3Error) -> PartInfo
    /// `checksum` and `length`, when given, must be those of the whole object.
    func completeUpload(
        _ bucket: String, _ key: String, upload: String, parts: [CompletedPart],
        checksum: Checksum?, type: ChecksumType?, length: UInt64?, conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo
    func abortUpload(_ bucket: String, _ key: String, upload: String) async throws(S3Error)
    func listParts(
        _ bucket: String, _ key: String, upload: String, after: Int, limit: Int
    ) async throws(S3Error) -> PartPage
    func listUploads(
        _ bucket: String, prefix: String, delimiter: String?, afterKey: String?,
        afterUploadID: String?, limit: Int
    ) async throws(S3Error) -> UploadPage
}
