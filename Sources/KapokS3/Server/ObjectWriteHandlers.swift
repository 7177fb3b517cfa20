import NIOHTTP1

/// Operations that make, copy and delete objects.
extension S3Service {
    func putObject(_ request: S3Request, _ body: inout RequestBody) async throws -> S3Response {
        let head = request.head
        let expected = try BodyExpectations(
            head, request.payload, maximumLength: configuration.limits.objectBytes)
        let headers = try RequestHeaders.objectHeaders(head)
        let tags = try RequestHeaders.tags(head)
        let conditions = RequestHeaders.writeConditions(head)
        try await backend.checkWrite(request.bucket, request.key, conditions: conditions)
        // As S3 does since December 2024, objects without a checksum get a CRC-64/NVME.
        let staged = try await receiver.stage(
            &body, request.payload, expected, defaultAlgorithm: .crc64nvme)
        let result = try await backend.putObject(
            request.bucket, request.key, staged, headers: headers, tags: tags,
            conditions: conditions)
        var response = S3Response(.ok, [("ETag", "\"" + result.eTag + "\"")])
        response.headers.add(result.checksum)
        return response
    }

    func deleteObject(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.deleteObject(
            request.bucket, request.key,
            where: try RequestHeaders.deleteConditions(request.head))
        return S3Response(.noContent)
    }

    func deleteObjects(_ request: S3Request, _ body: inout RequestBody) async throws -> S3Response {
        let document = try await collect(&body, request, isList: true)
        let (objects, isQuiet) = try XMLRequests.delete(document)
        let outcomes = try await delete(objects, from: request.bucket)
        var xml = XMLWriter(capacity: 128 * objects.count)
        xml.root("DeleteResult") { xml in
            for (object, outcome) in zip(objects, outcomes) {
                if let outcome {
                    xml.element("Error") { xml in
                        xml.element("Key", object.key)
                        xml.element("VersionId", object.versionID)
                        xml.element("Code", outcome.code.rawValue)
                        xml.element("Message", outcome.message)
                    }
                } else if !isQuiet {
                    xml.element("Deleted") { xml in
                        xml.element("Key", object.key)
                        xml.element("VersionId", object.versionID)
                    }
                }
            }
        }
        return S3Response(xml)
    }

    /// Those without conditions go together, the others one by one.
    private func delete(
        _ objects: [XMLRequests.DeletedObject], from bucket: String
    ) async throws(S3Error) -> [S3Error?] {
        var outcomes = [S3Error?](repeating: nil, count: objects.count)
        var plain: [(index: Int, key: String)] = []
        // Also finds out whether there is such a bucket when nothing is left to delete.
        try await backend.headBucket(bucket)
        for (i, object) in objects.enumerated() {
            do throws(S3Error) {
                try ObjectKey.validate(object.key)
                if let version = object.versionID, version != "null" {
                    throw .invalidArgument(
                        "Invalid version id specified: versioning is not enabled.", "VersionId",
                        version)
                }
                let conditions = try RequestHeaders.deleteConditions(
                    eTag: object.eTag, lastModified: object.lastModified, size: object.size)
                if conditions.isNone {
                    plain.append((i, object.key))
                } else {
                    try await backend.deleteObject(bucket, object.key, where: conditions)
                }
            } catch {
                outcomes[i] = error
            }
        }
        if plain.isEmpty { return outcomes }
        let results = try await backend.deleteObjects(bucket, plain.map(\.key))
        for (object, result) in zip(plain, results) { outcomes[object.index] = result }
        return outcomes
    }

    func copyObject(_ request: S3Request) async throws(S3Error) -> S3Response {
        let head = request.head
        let headers =
            try isReplaced(head, "x-amz-metadata-directive")
            ? try RequestHeaders.objectHeaders(head) : nil
        let tags =
            try isReplaced(head, "x-amz-tagging-directive") ? try RequestHeaders.tags(head) : nil
        let result = try await backend.copyObject(
            request.bucket, request.key, from: try RequestHeaders.copySource(head),
            headers: headers, tags: tags, checksum: try algorithm(head),
            conditions: RequestHeaders.writeConditions(head))
        return copyResponse(
            "CopyObjectResult", eTag: result.eTag, modified: result.modifiedMilliseconds,
            checksum: result.checksum)
    }

    /// The document that CopyObject and UploadPartCopy answer with.
    func copyResponse(
        _ root: String, eTag: String, modified: Int64, checksum: Checksum?
    ) -> S3Response {
        var xml = XMLWriter()
        xml.root(root) { xml in
            xml.time("LastModified", modified)
            xml.eTag(eTag)
            xml.checksum(checksum)
        }
        return S3Response(xml)
    }

    private func isReplaced(_ head: RequestHead, _ name: String) throws(S3Error) -> Bool {
        switch head[name]?.uppercased() {
        case .none, "COPY": return false
        case "REPLACE": return true
        case .some(let other): throw .invalidArgument("Unknown directive.", name, other)
        }
    }

    /// `x-amz-checksum-algorithm`; nil when there is none.
    func algorithm(_ head: RequestHead) throws(S3Error) -> ChecksumAlgorithm? {
        guard let text = head["x-amz-checksum-algorithm"] else { return nil }
        guard let algorithm = ChecksumAlgorithm(rawValue: text.uppercased()) else {
            throw S3Error(
                .invalidRequest,
                "Checksum algorithm provided is unsupported. Please try again "
                    + "with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        }
        return algorithm
    }

    /// `x-amz-checksum-type`; nil when there is none.
    func checksumType(_ head: RequestHead) throws(S3Error) -> ChecksumType? {
        guard let text = head["x-amz-checksum-type"] else { return nil }
        guard let type = ChecksumType(rawValue: text.uppercased()) else {
            throw S3Error(
                .invalidRequest,
                "Value for x-amz-checksum-type header is invalid: COMPOSITE or "
                    + "FULL_OBJECT is expected.")
        }
        return type
    }
}
