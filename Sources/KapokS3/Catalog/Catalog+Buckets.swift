import KapokStore
import KapokWorld

extension Catalog {
    /// - Throws: `InvalidBucketName`, `BucketAlreadyOwnedByYou`.
    public func createBucket(_ bucket: String) async throws(S3Error) {
        try BucketName.validate(bucket)
        let key = KeySpace.bucket(bucket)
        try await retrying { () async throws(S3Error) -> Void? in
            var transaction = Transaction(readPoint: store.readPoint())
            guard try await entry(key) == nil else {
                throw S3Error(
                    .bucketAlreadyOwnedByYou,
                    "Your previous request to create the named bucket succeeded and you already "
                        + "own it.", details: [("BucketName", bucket)])
            }
            var random = SystemRandomNumberGenerator()
            let record = BucketRecord(id: BucketID(from: &random), createdMilliseconds: now())
            transaction.checkedKeys = [key]
            transaction.writes = [Transaction.Write(key: key, value: record.encoded)]
            return try await commit(transaction) ? () : nil
        }
    }

    /// - Throws: `NoSuchBucket`.
    public func headBucket(_ bucket: String) async throws(S3Error) {
        _ = try await readBucket(bucket)
    }

    /// Buckets by name, a page at a time.
    public func listBuckets(
        prefix: String, after: String?, limit: Int
    ) async throws(S3Error) -> (buckets: [BucketInfo], isTruncated: Bool) {
        guard limit > 0 else { return ([], false) }
        // One more than asked for tells whether more follow.
        let limit = min(limit, 9_999)
        let range = KeySpace.buckets(prefix: prefix, after: after)
        guard range.from < range.to else { return ([], false) }
        let found = try await entries(range, limit: limit + 1)
        var buckets: [BucketInfo] = []
        for (key, entry) in found.prefix(limit) {
            let name = KeySpace.bucketName(key)
            do throws(ByteCodingError) {
                let record = try BucketRecord(decoding: entry.value)
                buckets.append(
                    BucketInfo(
                        name: name,
                        createdMilliseconds: Int64(clamping: record.createdMilliseconds)))
            } catch {
                throw S3Error(error, of: "the bucket \(name)")
            }
        }
        return (buckets, found.count > limit)
    }

    /// Deletes a bucket without objects. Uploads in progress go with it, as at Amazon: nothing of
    /// them was ever an object.
    /// - Throws: `NoSuchBucket`, `BucketNotEmpty`.
    public func deleteBucket(_ bucket: String) async throws(S3Error) {
        try await retrying { () async throws(S3Error) -> Void? in
            let known = try await readBucket(bucket).bucket
            let objects = KeySpace.range(KeySpace.objects(of: known.id))
            guard try await entries(objects, limit: 1).isEmpty else {
                throw S3Error(
                    .bucketNotEmpty, "The bucket you tried to delete is not empty",
                    details: [("BucketName", bucket)])
            }
            let uploads = KeySpace.range(KeySpace.uploads(of: known.id))
            let parts = KeySpace.range(KeySpace.parts(of: known.id))
            let begun = try await entries(uploads, limit: 10_000).map(\.key)
            let uploaded = try await entries(parts, limit: 10_000).map(\.key)
            guard begun.count + uploaded.count < Transaction.maximumWrites else {
                for key in begun { try await abort(known, key) }
                return nil
            }
            var transaction = Transaction(readPoint: known.readPoint)
            transaction.checkedKeys = [KeySpace.bucket(bucket)]
            transaction.checkedRanges = [objects, uploads, parts]
            transaction.writes = ([KeySpace.bucket(bucket)] + begun + uploaded).map {
                Transaction.Write(key: $0, value: nil)
            }
            return try await commit(transaction) ? () : nil
        }
        forgetBucket(bucket)
    }

    // MARK: Tags

    /// - Throws: `NoSuchBucket`, `NoSuchTagSet`.
    public func bucketTags(_ bucket: String) async throws(S3Error) -> [Tag] {
        let tags = try await readBucket(bucket).record.tags
        guard !tags.isEmpty else {
            throw S3Error(
                .noSuchTagSet, "The TagSet does not exist", details: [("BucketName", bucket)])
        }
        return tags
    }

    /// - Throws: `NoSuchBucket`, `InvalidTag`.
    public func setBucketTags(_ bucket: String, _ tags: [Tag]) async throws(S3Error) {
        let tags = try TagRules.validated(tags, atMost: TagRules.maximumOfBucket)
        let key = KeySpace.bucket(bucket)
        try await retrying { () async throws(S3Error) -> Void? in
            var (known, record) = try await readBucket(bucket)
            record.tags = tags
            var transaction = Transaction(readPoint: known.readPoint)
            transaction.checkedKeys = [key]
            transaction.writes = [Transaction.Write(key: key, value: record.encoded)]
            return try await commit(transaction) ? () : nil
        }
    }
}
