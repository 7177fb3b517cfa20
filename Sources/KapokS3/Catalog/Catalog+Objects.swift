import KapokStore
import KapokWorld

/// An object's record and the entry that holds it.
struct FoundObject {
    var record: ObjectRecord
    var blobs: [BlobReference]

    init(record: ObjectRecord, blobs: [BlobReference]) {
        self.record = record
        self.blobs = blobs
    }

    init(_ entry: Entry, key: String) throws(S3Error) {
        do throws(ByteCodingError) {
            record = try ObjectRecord(decoding: entry.value)
        } catch {
            throw S3Error(error, of: "the object \(key)")
        }
        blobs = entry.blobs
    }

    var info: ObjectInfo { record.info(blobs: blobs) }
}

/// What an object shall become.
struct NewObject {
    var record: ObjectRecord
    /// The blob, if there are any bytes.
    var staged: [any StagedBlob]
    var blobs: [BlobReference]

    /// An object put in one piece. Its time is set when it is committed.
    init(_ staged: StagedObject, headers: ObjectHeaders, tags: [Tag]) {
        record = ObjectRecord(
            size: staged.length, md5: staged.md5, modifiedMilliseconds: 0,
            checksum: staged.checksum)
        record.headers = headers
        record.tags = tags
        self.staged = staged.blob.map { [$0] } ?? []
        blobs = self.staged.map(\.reference)
    }
}

extension Catalog {
    // MARK: Reading

    /// - Throws: `NoSuchBucket`, `NoSuchKey`.
    public func object(_ bucket: String, _ key: String) async throws(S3Error) -> ObjectInfo {
        try await find(bucket, key).info
    }

    func find(_ bucket: String, _ key: String) async throws(S3Error) -> FoundObject {
        try ObjectKey.validate(key)
        let found = try await lookUp(in: bucket) { KeySpace.object($0, key) }.entry
        guard let found else { throw .noSuchKey(key) }
        return try FoundObject(found, key: key)
    }

    // MARK: Writing

    /// - Throws: `NoSuchBucket`, `InvalidTag`, `EntityTooLarge`, `PreconditionFailed`, `NoSuchKey`
    ///   when `ifMatch` finds no object, `ConditionalRequestConflict`.
    public func putObject(
        _ bucket: String, _ key: String, _ staged: StagedObject, headers: ObjectHeaders,
        tags: [Tag], conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo {
        try ObjectKey.validate(key)
        let tags = try TagRules.validated(tags, atMost: TagRules.maximumOfObject)
        try checkPieceSize(staged.length)
        return try await write(
            NewObject(staged, headers: headers, tags: tags), bucket, key, conditions)
    }

    /// Whether a write with these conditions could succeed now; to ask before taking in a body.
    /// - Throws: As `putObject`.
    public func checkWrite(
        _ bucket: String, _ key: String, conditions: WriteConditions
    ) async throws(S3Error) {
        try ObjectKey.validate(key)
        guard !conditions.isNone else {
            _ = try await knownBucket(bucket)
            return
        }
        let found = try await lookUp(in: bucket) { KeySpace.object($0, key) }.entry
        try check(conditions, found, key)
    }

    /// Whether `current`, or its absence, fulfils the conditions.
    func check(
        _ conditions: WriteConditions, _ current: Entry?, _ key: String
    ) throws(S3Error) {
        guard let current else { return try conditions.check(nil, key: key) }
        try conditions.check(try FoundObject(current, key: key).record.eTag, key: key)
    }

    func checkPieceSize(_ size: UInt64) throws(S3Error) {
        guard size <= UploadLimits.maximumPieceSize else {
            throw S3Error(
                .entityTooLarge, "Your proposed upload exceeds the maximum allowed object size.",
                details: [
                    ("ProposedSize", String(size)),
                    ("MaxSizeAllowed", String(UploadLimits.maximumPieceSize)),
                ])
        }
    }

    /// Makes `object` the object under `key`. Without conditions the last one wins and none fails;
    /// only the bucket must still be there.
    func write(
        _ object: NewObject, _ bucket: String, _ key: String, _ conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo {
        guard conditions.isNone else {
            return try await locks.withLock(bucket, key) { () async throws(S3Error) -> ObjectInfo in
                try await retrying { () async throws(S3Error) -> ObjectInfo? in
                    try await writeConditionally(object, bucket, key, conditions)
                }
            }
        }
        var known = try await knownBucket(bucket)
        return try await retrying { () async throws(S3Error) -> ObjectInfo? in
            let transaction = writing(object, known, bucket, key)
            if try await commit(transaction.0) { return transaction.1 }
            known = try await readBucket(bucket).bucket
            return nil
        }
    }

    private func writeConditionally(
        _ object: NewObject, _ bucket: String, _ key: String, _ conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo? {
        let known = try await readBucket(bucket).bucket
        let storeKey = KeySpace.object(known.id, key)
        let current = try await entry(storeKey)
        try check(conditions, current, key)
        var (transaction, info) = writing(object, known, bucket, key)
        transaction.checkedKeys.append(storeKey)
        return try await commit(transaction) ? info : nil
    }

    private func writing(
        _ object: NewObject, _ known: KnownBucket, _ bucket: String, _ key: String
    ) -> (Transaction, ObjectInfo) {
        var record = object.record
        record.modifiedMilliseconds = now()
        var transaction = Transaction(readPoint: known.readPoint)
        transaction.checkedKeys = [KeySpace.bucket(bucket)]
        transaction.writes = [
            Transaction.Write(
                key: KeySpace.object(known.id, key), value: record.encoded, blobs: object.blobs)
        ]
        transaction.staged = object.staged
        return (transaction, record.info(blobs: object.blobs))
    }

    // MARK: Deleting

    /// An object that is not there is deleted already, whatever the conditions.
    /// - Throws: `NoSuchBucket`, `PreconditionFailed`.
    public func deleteObject(
        _ bucket: String, _ key: String, where conditions: DeleteConditions
    ) async throws(S3Error) {
        try ObjectKey.validate(key)
        guard !conditions.isNone else {
            for error in try await deleteObjects(bucket, [key]) { if let error { throw error } }
            return
        }
        try await locks.withLock(bucket, key) { () async throws(S3Error) -> Void in
            try await retrying { () async throws(S3Error) -> Void? in
                let readPoint = store.readPoint()
                let (known, current) = try await lookUp(in: bucket) { KeySpace.object($0, key) }
                guard let current else { return () }
                try conditions.check(try FoundObject(current, key: key).record)
                let storeKey = KeySpace.object(known.id, key)
                var transaction = Transaction(readPoint: readPoint)
                transaction.checkedKeys = [storeKey]
                transaction.writes = [Transaction.Write(key: storeKey, value: nil)]
                return try await commit(transaction) ? () : nil
            }
        }
    }

    /// Deletes objects without conditions, all in one commit.
    /// - Returns: For each key in order, nil when there is no such object any more, or why not.
    /// - Throws: `NoSuchBucket`.
    public func deleteObjects(
        _ bucket: String, _ keys: [String]
    ) async throws(S3Error) -> [S3Error?] {
        var outcomes: [S3Error?] = []
        let known = try await readBucket(bucket).bucket
        // Nothing needs to be checked: ids are never used again, so these keys mean the objects of
        // the bucket that was just there.
        var transaction = Transaction()
        var named: Set<StoreKey> = []
        for key in keys {
            do throws(S3Error) {
                try ObjectKey.validate(key)
                let storeKey = KeySpace.object(known.id, key)
                if named.insert(storeKey).inserted, try await entry(storeKey) != nil {
                    transaction.writes.append(Transaction.Write(key: storeKey, value: nil))
                }
                outcomes.append(nil)
            } catch {
                outcomes.append(error)
            }
        }
        if !transaction.writes.isEmpty { _ = try await commit(transaction) }
        return outcomes
    }

    // MARK: Tags

    /// - Throws: `NoSuchBucket`, `NoSuchKey`.
    public func objectTags(_ bucket: String, _ key: String) async throws(S3Error) -> [Tag] {
        try await find(bucket, key).record.tags
    }

    /// The object's date and bytes stay as they are.
    /// - Throws: `NoSuchBucket`, `NoSuchKey`, `InvalidTag`.
    public func setObjectTags(
        _ bucket: String, _ key: String, _ tags: [Tag]
    ) async throws(S3Error) {
        let tags = try TagRules.validated(tags, atMost: TagRules.maximumOfObject)
        try await rewrite(bucket, key) { (record) throws(S3Error) in record.tags = tags }
    }

    /// Changes the record of the object under `key`, whose blobs stay.
    @discardableResult
    func rewrite(
        _ bucket: String, _ key: String, _ change: (inout ObjectRecord) throws(S3Error) -> Void
    ) async throws(S3Error) -> ObjectInfo {
        try ObjectKey.validate(key)
        return try await locks.withLock(bucket, key) { () async throws(S3Error) -> ObjectInfo in
            try await retrying { () async throws(S3Error) -> ObjectInfo? in
                let readPoint = store.readPoint()
                let (known, current) = try await lookUp(in: bucket) { KeySpace.object($0, key) }
                guard let current else { throw .noSuchKey(key) }
                var object = try FoundObject(current, key: key)
                try change(&object.record)
                let storeKey = KeySpace.object(known.id, key)
                var transaction = Transaction(readPoint: readPoint)
                transaction.checkedKeys = [storeKey]
                transaction.writes = [
                    Transaction.Write(
                        key: storeKey, value: object.record.encoded, blobs: object.blobs)
                ]
                return try await commit(transaction) ? object.info : nil
            }
        }
    }
}
