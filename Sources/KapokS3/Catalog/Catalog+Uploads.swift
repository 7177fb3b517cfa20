import KapokStore
import KapokWorld

/// A multipart upload in progress as it was found.
struct FoundUpload {
    var bucket: KnownBucket
    var key: StoreKey
    var id: UploadID
    var record: UploadRecord
    /// Taken before the upload was read.
    var readPoint: ReadPoint
}

extension Catalog {
    // MARK: Beginning and finding

    /// - Parameters:
    ///   - checksum: the algorithm that all parts will come with.
    ///   - type: over what the object's checksum is taken; nil for the algorithm's default.
    /// - Returns: The upload's id.
    /// - Throws: `NoSuchBucket`, `InvalidTag`, `InvalidRequest` when algorithm and type do not fit.
    public func createUpload(
        _ bucket: String, _ key: String, headers: ObjectHeaders, tags: [Tag],
        checksum: ChecksumAlgorithm?, type: ChecksumType?
    ) async throws(S3Error) -> String {
        try ObjectKey.validate(key)
        let tags = try TagRules.validated(tags, atMost: TagRules.maximumOfObject)
        try check(checksum, type)
        let begun = now()
        var record = UploadRecord(begunMilliseconds: begun)
        record.checksumAlgorithm = checksum
        record.checksumType = checksum.map { type ?? $0.defaultMultipartType }
        record.headers = headers
        record.tags = tags
        var random = SystemRandomNumberGenerator()
        let drawn = UploadID(from: &random)
        let id = UploadID(high: begun << 16 | drawn.high & 0xFFFF, low: drawn.low)
        var known = try await knownBucket(bucket)
        try await retrying { () async throws(S3Error) -> Void? in
            var transaction = Transaction(readPoint: known.readPoint)
            transaction.checkedKeys = [KeySpace.bucket(bucket)]
            transaction.writes = [
                Transaction.Write(key: KeySpace.upload(known.id, key, id), value: record.encoded)
            ]
            if try await commit(transaction) { return () }
            known = try await readBucket(bucket).bucket
            return nil
        }
        return id.description
    }

    private func check(_ algorithm: ChecksumAlgorithm?, _ type: ChecksumType?) throws(S3Error) {
        guard let type else { return }
        guard let algorithm else {
            throw S3Error(
                .invalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
                    + "header.")
        }
        guard algorithm.supports(type) else {
            throw S3Error(
                .invalidRequest,
                "The \(type.rawValue) checksum type cannot be used with the "
                    + "\(algorithm.rawValue.lowercased()) checksum algorithm.")
        }
    }

    /// - Throws: `NoSuchBucket`, `NoSuchUpload`.
    public func upload(
        _ bucket: String, _ key: String, id: String
    ) async throws(S3Error) -> UploadInfo {
        guard let found = try await findUpload(bucket, key, id).upload else {
            throw .noSuchUpload(id)
        }
        return found.record.info(key: key, id: found.id)
    }

    /// The upload, or nil, and the bucket.
    func findUpload(
        _ bucket: String, _ key: String, _ text: String
    ) async throws(S3Error) -> (bucket: KnownBucket, upload: FoundUpload?) {
        try ObjectKey.validate(key)
        let readPoint = store.readPoint()
        guard let id = UploadID(text) else { return (try await readBucket(bucket).bucket, nil) }
        let (known, entry) = try await lookUp(in: bucket) { KeySpace.upload($0, key, id) }
        guard let entry else { return (known, nil) }
        let upload = FoundUpload(
            bucket: known, key: KeySpace.upload(known.id, key, id), id: id,
            record: try uploadRecord(entry, id), readPoint: readPoint)
        return (known, upload)
    }

    func uploadRecord(_ entry: Entry, _ id: UploadID) throws(S3Error) -> UploadRecord {
        do throws(ByteCodingError) {
            return try UploadRecord(decoding: entry.value)
        } catch {
            throw S3Error(error, of: "the upload \(id)")
        }
    }

    // MARK: Parts

    /// A part of the same number is replaced.
    /// - Throws: `NoSuchBucket`, `NoSuchUpload`, `InvalidArgument` for the number,
    ///   `EntityTooLarge`, `InvalidRequest` when the checksum is not of the upload's algorithm.
    public func putPart(
        _ bucket: String, _ key: String, upload: String, number: Int, _ staged: StagedObject
    ) async throws(S3Error) -> PartInfo {
        try checkPartNumber(number)
        try checkPieceSize(staged.length)
        return try await retrying { () async throws(S3Error) -> PartInfo? in
            guard let found = try await findUpload(bucket, key, upload).upload else {
                throw .noSuchUpload(upload)
            }
            try check(staged.checksum, against: found.record.checksumAlgorithm)
            let record = PartRecord(
                size: staged.length, md5: staged.md5, modifiedMilliseconds: now(),
                checksum: staged.checksum)
            var transaction = Transaction(readPoint: found.readPoint)
            // The upload exists only while its bucket does.
            transaction.checkedKeys = [found.key]
            transaction.writes = [
                Transaction.Write(
                    key: KeySpace.part(found.bucket.id, found.id, number), value: record.encoded,
                    blobs: staged.blob.map { [$0.reference] } ?? [])
            ]
            transaction.staged = staged.blob.map { [$0] } ?? []
            return try await commit(transaction) ? record.info(number: number) : nil
        }
    }

    func checkPartNumber(_ number: Int) throws(S3Error) {
        guard (1...UploadLimits.maximumParts).contains(number) else {
            throw .invalidArgument(
                "Part number must be an integer between 1 and \(UploadLimits.maximumParts), "
                    + "inclusive", "partNumber", String(number))
        }
    }

    private func check(
        _ checksum: Checksum?, against algorithm: ChecksumAlgorithm?
    ) throws(S3Error) {
        // An upload without algorithm takes parts with any: SDKs add checksums on their own.
        guard let algorithm, checksum?.algorithm != algorithm else { return }
        let actual = checksum?.algorithm.rawValue.lowercased() ?? "null"
        throw S3Error(
            .invalidRequest,
            "Checksum Type mismatch occurred, expected checksum Type: "
                + "\(algorithm.rawValue.lowercased()), actual checksum Type: \(actual)")
    }

    /// - Throws: `NoSuchBucket`, `NoSuchUpload`.
    public func listParts(
        _ bucket: String, _ key: String, upload: String, after: Int, limit: Int
    ) async throws(S3Error) -> PartPage {
        guard let found = try await findUpload(bucket, key, upload).upload else {
            throw .noSuchUpload(upload)
        }
        var page = PartPage(
            upload: found.record.info(key: key, id: found.id), parts: [], isTruncated: false)
        let limit = min(limit, Self.maximumPage)
        guard limit > 0, after < UploadLimits.maximumParts else { return page }
        let rows = try await entries(
            (
                KeySpace.part(found.bucket.id, found.id, max(0, after) + 1),
                KeySpace.end(KeySpace.parts(of: found.bucket.id, found.id))
            ), limit: limit + 1)
        for (key, entry) in rows.prefix(limit) {
            page.parts.append(try partRecord(entry).info(number: KeySpace.partNumber(key)))
        }
        page.isTruncated = rows.count > limit
        return page
    }

    func partRecord(_ entry: Entry) throws(S3Error) -> PartRecord {
        do throws(ByteCodingError) {
            return try PartRecord(decoding: entry.value)
        } catch {
            throw S3Error(error, of: "a part")
        }
    }

    // MARK: Aborting

    /// Frees all parts.
    /// - Throws: `NoSuchBucket`, `NoSuchUpload`.
    public func abortUpload(
        _ bucket: String, _ key: String, upload: String
    ) async throws(S3Error) {
        guard let found = try await findUpload(bucket, key, upload).upload else {
            throw .noSuchUpload(upload)
        }
        guard try await abort(found.bucket, found.key) else { throw .noSuchUpload(upload) }
    }

    /// Whether the upload under `key` was there to be aborted.
    @discardableResult
    func abort(_ bucket: KnownBucket, _ key: StoreKey) async throws(S3Error) -> Bool {
        let parts = KeySpace.range(KeySpace.parts(of: bucket.id, KeySpace.uploadID(key)))
        return try await retrying { () async throws(S3Error) -> Bool? in
            var transaction = Transaction(readPoint: store.readPoint())
            guard try await entry(key) != nil else { return false }
            let uploaded = try await entries(parts, limit: UploadLimits.maximumParts)
            transaction.checkedKeys = [key]
            // A part that came in meanwhile would be left behind.
            transaction.checkedRanges = [parts]
            transaction.writes = ([key] + uploaded.map(\.key)).map {
                Transaction.Write(key: $0, value: nil)
            }
            return try await commit(transaction) ? true : nil
        }
    }
}
