import KapokStore

extension Catalog {
    /// Copies an object's bytes into a new blob, and headers and tags where `headers` or `tags` are
    /// nil. The copy is an object put in one piece, whatever its source was.
    ///
    /// - Parameter checksum: the copy's; nil for the source's algorithm, if it has one.
    /// - Throws: `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`, `InvalidTag`, `InvalidRequest`
    ///   for a copy onto itself that changes nothing and for a source above 5 GiB, and as
    ///   `putObject`.
    public func copyObject(
        _ bucket: String, _ key: String, from source: CopySource, headers: ObjectHeaders?,
        tags: [Tag]?, checksum: ChecksumAlgorithm?, conditions: WriteConditions
    ) async throws(S3Error) -> ObjectInfo {
        let tags = try tags.map { (tags) throws(S3Error) in
            try TagRules.validated(tags, atMost: TagRules.maximumOfObject)
        }
        try await checkWrite(bucket, key, conditions: conditions)
        let isOntoItself = Self.isSame(source.bucket, bucket) && Self.isSame(source.key, key)
        if isOntoItself, headers == nil, checksum == nil {
            throw S3Error(
                .invalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself "
                    + "without changing the object's metadata, storage class, website redirect "
                    + "location or encryption attributes.")
        }
        if isOntoItself, conditions.isNone,
            let changed = try await changeInPlace(source, headers, tags, checksum)
        {
            return changed
        }
        let (found, staged) = try await copyBytes(source, range: nil) { checksum ?? $0 }
        return try await write(
            NewObject(
                staged, headers: headers ?? found.record.headers, tags: tags ?? found.record.tags),
            bucket, key, conditions)
    }

    /// Copies bytes of an object into a part.
    /// - Throws: As `putPart`, and `NoSuchKey`, `PreconditionFailed`, `InvalidRange` for bytes that
    ///   the source does not have, `InvalidRequest` for more than 5 GiB.
    public func copyPart(
        _ bucket: String, _ key: String, upload: String, number: Int, from source: CopySource
    ) async throws(S3Error) -> PartInfo {
        try checkPartNumber(number)
        let algorithm = try await self.upload(bucket, key, id: upload).checksumAlgorithm
        let (_, staged) = try await copyBytes(source, range: source.range) { _ in algorithm }
        return try await putPart(bucket, key, upload: upload, number: number, staged)
    }

    /// Swift compares strings by what they show; keys are bytes.
    private static func isSame(_ a: String, _ b: String) -> Bool {
        a.utf8.elementsEqual(b.utf8)
    }

    // MARK: Onto itself

    /// Gives an object new headers without moving its bytes, if bytes, ETag and checksum of a copy
    /// would be the same; nil when not.
    private func changeInPlace(
        _ source: CopySource, _ headers: ObjectHeaders?, _ tags: [Tag]?,
        _ checksum: ChecksumAlgorithm?
    ) async throws(S3Error) -> ObjectInfo? {
        func isUnchanged(_ record: ObjectRecord) -> Bool {
            record.upload == nil && (checksum == nil || checksum == record.checksum?.algorithm)
        }
        let found = try await find(source.bucket, source.key)
        try check(source.conditions, found)
        guard isUnchanged(found.record) else { return nil }
        var isDone = false
        let info = try await rewrite(source.bucket, source.key) { (record) throws(S3Error) in
            // The object may be another by now.
            isDone = isUnchanged(record)
            guard isDone else { return }
            try check(source.conditions, FoundObject(record: record, blobs: []))
            if let headers { record.headers = headers }
            if let tags { record.tags = tags }
            record.modifiedMilliseconds = now()
        }
        return isDone ? info : nil
    }

    private func check(_ conditions: ReadConditions, _ found: FoundObject) throws(S3Error) {
        switch conditions.evaluate(
            eTag: found.record.eTag,
            modifiedMilliseconds: Int64(clamping: found.record.modifiedMilliseconds))
        {
        case .proceed: return
        case .failed:
            throw .preconditionFailed(
                conditions.ifMatch != nil
                    ? "x-amz-copy-source-If-Match" : "x-amz-copy-source-If-Unmodified-Since")
        case .notModified:
            throw .preconditionFailed(
                conditions.ifNoneMatch != nil
                    ? "x-amz-copy-source-If-None-Match" : "x-amz-copy-source-If-Modified-Since")
        }
    }

    // MARK: Bytes

    /// Copies bytes of the source into a blob. When the source is replaced while it is read, the
    /// new one is copied.
    private func copyBytes(
        _ source: CopySource, range: ClosedRange<UInt64>?,
        checksum: (ChecksumAlgorithm?) -> ChecksumAlgorithm?
    ) async throws(S3Error) -> (source: FoundObject, copy: StagedObject) {
        try await retrying { () async throws(S3Error) -> (FoundObject, StagedObject)? in
            let found = try await find(source.bucket, source.key)
            try check(source.conditions, found)
            let wanted = try resolve(range, length: found.record.size)
            do {
                let copy = try await copy(
                    found.blobs, wanted, checksum(found.record.checksum?.algorithm))
                return (found, copy)
            } catch let error as StoreError {
                if error == .gone { return nil }
                throw S3Error(error)
            } catch let error as S3Error {
                throw error
            } catch {
                throw S3Error(.internalError, "The copy failed: \(error).")
            }
        }
    }

    private func resolve(
        _ range: ClosedRange<UInt64>?, length: UInt64
    ) throws(S3Error) -> Range<UInt64> {
        if let range, range.upperBound >= length {
            throw S3Error(
                .invalidRange,
                "The range specified is not valid for the source object of \(length) bytes.",
                details: [("ActualObjectSize", String(length))])
        }
        let wanted = range.map { Range($0) } ?? 0..<length
        guard UInt64(wanted.count) <= UploadLimits.maximumPieceSize else {
            throw S3Error(
                .invalidRequest,
                "The specified copy source is larger than the maximum allowable size for a copy "
                    + "source: \(UploadLimits.maximumPieceSize)")
        }
        return wanted
    }

    private func copy(
        _ blobs: [BlobReference], _ range: Range<UInt64>, _ algorithm: ChecksumAlgorithm?
    ) async throws -> StagedObject {
        var digest = BodyDigest(checksum: algorithm)
        var blob: (any StagedBlob)?
        if !range.isEmpty {
            let writer = try store.makeBlobWriter(expectedLength: UInt64(range.count))
            do {
                var start: UInt64 = 0
                for source in blobs where start < range.upperBound {
                    let end = start + source.length
                    let wanted = range.clamped(to: start..<end)
                    if !wanted.isEmpty {
                        try await store.read(
                            source, range: wanted.lowerBound - start..<wanted.upperBound - start
                        ) { piece in
                            piece.withUnsafeBytes { digest.update($0) }
                            try await writer.write(piece)
                        }
                    }
                    start = end
                }
                blob = try await writer.finish()
            } catch {
                writer.abandon()
                throw error
            }
        }
        let result = digest.finish()
        guard result.length == UInt64(range.count) else {
            throw S3Error(.internalError, "The source has fewer bytes than its record says.")
        }
        return StagedObject(
            blob: blob, length: result.length, md5: result.md5, checksum: result.checksum)
    }
}

extension BlobWriter {
    /// Writes all of `piece`.
    fileprivate func write(_ piece: BlobPiece) async throws(StoreError) {
        var offset = 0
        while offset < piece.count {
            offset += piece.withUnsafeBytes {
                take(UnsafeRawBufferPointer(rebasing: $0[offset...]))
            }
            if offset < piece.count { try await makeRoom() }
        }
    }
}
