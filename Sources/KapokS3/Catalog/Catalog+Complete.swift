import KapokStore
import KapokWorld

/// A part of an upload that is being completed.
private struct UploadedPart {
    var number: Int
    var record: PartRecord
    var blobs: [BlobReference]
}

extension Catalog {
    /// Makes the object out of the parts named; parts not named are freed. Completing again what
    /// was completed succeeds while the object still is that upload's.
    ///
    /// - Parameters:
    ///   - parts: ascending by number, of those of one number the last counts; ETags as `putPart`
    ///     returned them.
    ///   - checksum: the object's, to be compared; a composite may lack its part count.
    ///   - type: must be the upload's, when given.
    ///   - length: must be the object's, when given.
    /// - Throws: `NoSuchBucket`, `NoSuchUpload`, `MalformedXML` without parts, `InvalidPartOrder`,
    ///   `InvalidPart`, `EntityTooSmall`, `BadDigest`, `InvalidRequest`, `PreconditionFailed`,
    ///   `NoSuchKey` when `ifMatch` finds no object, `ConditionalRequestConflict`.
    public func completeUpload(
        _ bucket: String, _ key: String, upload: String, parts: [CompletedPart],
        checksum: Checksum?, type: ChecksumType?, length: UInt64?, conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo {
        let parts = try ordered(parts)
        return try await locks.withLock(bucket, key) { () async throws(S3Error) -> ObjectInfo in
            try await retrying { () async throws(S3Error) -> ObjectInfo? in
                let (known, found) = try await findUpload(bucket, key, upload)
                guard let found else { return try await completed(known, key, upload) }
                let (chosen, rows) = try await uploadedParts(found, parts)
                var record = try object(of: found, chosen)
                try compare(record, checksum, type, length, found)
                try checkGivenChecksums(parts, chosen)
                let storeKey = KeySpace.object(known.id, key)
                var transaction = Transaction(readPoint: found.readPoint)
                transaction.checkedKeys = [found.key]
                transaction.checkedRanges = [KeySpace.range(KeySpace.parts(of: known.id, found.id))]
                if !conditions.isNone {
                    let current = try await entry(storeKey)
                    try check(conditions, current, key)
                    transaction.checkedKeys.append(storeKey)
                }
                record.modifiedMilliseconds = now()
                let blobs = chosen.flatMap(\.blobs)
                transaction.writes = [
                    Transaction.Write(key: storeKey, value: record.encoded, blobs: blobs),
                    Transaction.Write(key: found.key, value: nil),
                ]
                transaction.writes += rows.map { Transaction.Write(key: $0, value: nil) }
                return try await commit(transaction) ? record.info(blobs: blobs) : nil
            }
        }
    }

    private func ordered(_ parts: [CompletedPart]) throws(S3Error) -> [CompletedPart] {
        guard !parts.isEmpty, parts.count <= UploadLimits.maximumParts else {
            throw S3Error(
                .malformedXML,
                "The XML you provided was not well-formed or did not validate against our "
                    + "published schema: there must be 1 to \(UploadLimits.maximumParts) parts.")
        }
        var result: [CompletedPart] = []
        result.reserveCapacity(parts.count)
        for part in parts {
            if let last = result.last?.number, last >= part.number {
                guard last == part.number else {
                    throw S3Error(
                        .invalidPartOrder,
                        "The list of parts was not in ascending order. Parts must be ordered by "
                            + "part number.")
                }
                // A client that sent a part again may name both attempts.
                result.removeLast()
            }
            result.append(part)
        }
        return result
    }

    /// The object that the upload became, if it still is.
    private func completed(
        _ known: KnownBucket, _ key: String, _ upload: String
    ) async throws(S3Error) -> ObjectInfo {
        guard let id = UploadID(upload),
            let entry = try await entry(KeySpace.object(known.id, key))
        else { throw .noSuchUpload(upload) }
        let object = try FoundObject(entry, key: key)
        guard object.record.upload == id else { throw .noSuchUpload(upload) }
        return object.info
    }

    /// The parts named, and the keys of all parts of the upload.
    private func uploadedParts(
        _ found: FoundUpload, _ parts: [CompletedPart]
    ) async throws(S3Error) -> (chosen: [UploadedPart], rows: [StoreKey]) {
        let rows = try await entries(
            KeySpace.range(KeySpace.parts(of: found.bucket.id, found.id)),
            limit: UploadLimits.maximumParts)
        var chosen: [UploadedPart] = []
        chosen.reserveCapacity(parts.count)
        var row = 0
        for part in parts {
            while row < rows.count, KeySpace.partNumber(rows[row].key) < part.number { row += 1 }
            guard row < rows.count, KeySpace.partNumber(rows[row].key) == part.number else {
                throw invalidPart(part)
            }
            let record = try partRecord(rows[row].entry)
            guard ETag.text(md5: record.md5, partCount: 0) == part.eTag else {
                throw invalidPart(part)
            }
            chosen.append(
                UploadedPart(number: part.number, record: record, blobs: rows[row].entry.blobs))
        }
        try checkSizes(chosen)
        return (chosen, rows.map(\.key))
    }

    private func invalidPart(_ part: CompletedPart) -> S3Error {
        S3Error(
            .invalidPart,
            "One or more of the specified parts could not be found. The part might not have been "
                + "uploaded, or the specified entity tag might not have matched the part's entity "
                + "tag.", details: [("PartNumber", String(part.number)), ("ETag", part.eTag)])
    }

    private func checkSizes(_ parts: [UploadedPart]) throws(S3Error) {
        for part in parts.dropLast() where part.record.size < UploadLimits.minimumPartSize {
            throw S3Error(
                .entityTooSmall,
                "Your proposed upload is smaller than the minimum allowed object size.",
                details: [
                    ("ProposedSize", String(part.record.size)),
                    ("MinSizeAllowed", String(UploadLimits.minimumPartSize)),
                    ("PartNumber", String(part.number)),
                ])
        }
    }

    /// The record that the object will have, but for its date.
    private func object(
        of found: FoundUpload, _ parts: [UploadedPart]
    ) throws(S3Error) -> ObjectRecord {
        var record = ObjectRecord(
            size: parts.reduce(0) { $0 + $1.record.size },
            md5: ETag.md5(ofParts: parts.lazy.map(\.record.md5)), modifiedMilliseconds: 0,
            checksum: nil)
        if let algorithm = found.record.checksumAlgorithm {
            let sums = parts.compactMap(\.record.checksum).filter { $0.algorithm == algorithm }
            guard sums.count == parts.count else {
                throw S3Error(.internalError, "A part has lost its checksum.")
            }
            record.checksum =
                switch found.record.checksumType ?? algorithm.defaultMultipartType {
                case .composite: ChecksumCombination.composite(sums)
                case .fullObject:
                    ChecksumCombination.fullObject(
                        zip(sums, parts).map { (checksum: $0, length: $1.record.size) })
                }
        }
        record.headers = found.record.headers
        record.tags = found.record.tags
        record.upload = found.id
        record.setParts(
            parts.map {
                ObjectRecord.Part(
                    number: $0.number, size: $0.record.size, md5: $0.record.md5,
                    checksum: $0.record.checksum)
            })
        return record
    }

    /// Compares what the client says of the whole object.
    private func compare(
        _ record: ObjectRecord, _ checksum: Checksum?, _ type: ChecksumType?, _ length: UInt64?,
        _ found: FoundUpload
    ) throws(S3Error) {
        if let type, let own = found.record.checksumType, type != own {
            throw S3Error(
                .invalidRequest,
                "The upload was created with the checksum type \(own.rawValue). The complete "
                    + "request must not name another.")
        }
        if let length, length != record.size {
            throw S3Error(
                .invalidRequest,
                "The provided 'x-amz-mp-object-size' header value \(length) does not match what "
                    + "was computed: \(record.size)")
        }
        guard let checksum, let own = record.checksum else { return }
        guard checksum.algorithm == own.algorithm, checksum.bytes == own.bytes,
            checksum.partCount == nil || checksum.partCount == own.partCount
        else {
            throw S3Error(
                .badDigest,
                "The \(own.algorithm.rawValue.lowercased()) you specified did not match the "
                    + "calculated checksum.")
        }
    }

    /// Compares what the client says of the parts. Those without a checksum in the list are named
    /// by their ETags: their own checksums were compared when they came in.
    private func checkGivenChecksums(
        _ given: [CompletedPart], _ parts: [UploadedPart]
    ) throws(S3Error) {
        for (named, part) in zip(given, parts) {
            guard let checksum = named.checksum, let own = part.record.checksum else { continue }
            guard own == checksum else { throw invalidPart(named) }
        }
    }
}
