import NIOHTTP1

/// Operations on uploads in parts.
extension S3Service {
    func createUpload(_ request: S3Request) async throws(S3Error) -> S3Response {
        let head = request.head
        let id = try await backend.createUpload(
            request.bucket, request.key, headers: try RequestHeaders.objectHeaders(head),
            tags: try RequestHeaders.tags(head), checksum: try algorithm(head),
            type: try checksumType(head))
        let upload = try await backend.upload(request.bucket, request.key, id: id)
        var xml = XMLWriter()
        xml.root("InitiateMultipartUploadResult") { xml in
            xml.element("Bucket", request.bucket)
            xml.element("Key", request.key)
            xml.element("UploadId", id)
        }
        var headers: [(String, String)] = []
        headers.add("x-amz-checksum-algorithm", upload.checksumAlgorithm?.rawValue)
        headers.add("x-amz-checksum-type", upload.checksumType?.rawValue)
        return S3Response(xml, .ok, headers)
    }

    func uploadPart(_ request: S3Request, _ body: inout RequestBody) async throws -> S3Response {
        let number = try request.partNumber()
        let id = try request.uploadID()
        let expected = try BodyExpectations(
            request.head, request.payload, maximumLength: configuration.limits.objectBytes)
        let upload = try await backend.upload(request.bucket, request.key, id: id)
        if let algorithm = upload.checksumAlgorithm, let given = expected.algorithm,
            given != algorithm
        {
            throw S3Error(
                .invalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: "
                    + "\(algorithm.rawValue.lowercased()), actual checksum Type: "
                    + "\(given.rawValue.lowercased())")
        }
        let staged = try await receiver.stage(
            &body, request.payload, expected, defaultAlgorithm: upload.checksumAlgorithm)
        let result = try await backend.putPart(
            request.bucket, request.key, upload: id, number: number, staged)
        var response = S3Response(.ok, [("ETag", "\"" + result.eTag + "\"")])
        if let checksum = result.checksum {
            response.headers.append((checksum.algorithm.headerName, checksum.base64))
        }
        return response
    }

    func uploadPartCopy(_ request: S3Request) async throws(S3Error) -> S3Response {
        var source = try RequestHeaders.copySource(request.head)
        source.range = try RequestHeaders.copySourceRange(request.head)
        let result = try await backend.copyPart(
            request.bucket, request.key, upload: try request.uploadID(),
            number: try request.partNumber(), from: source)
        return copyResponse(
            "CopyPartResult", eTag: result.eTag, modified: result.modifiedMilliseconds,
            checksum: result.checksum)
    }

    func completeUpload(
        _ request: S3Request, _ body: inout RequestBody
    ) async throws -> S3Response {
        let head = request.head
        let id = try request.uploadID()
        let type = try checksumType(head)
        let conditions = RequestHeaders.writeConditions(head)
        var checksum: Checksum?
        var length: UInt64?
        for algorithm in ChecksumAlgorithm.allCases {
            guard let text = head[algorithm.headerName] else { continue }
            checksum = Checksum(algorithm: algorithm, base64: text)
            guard checksum != nil else { throw BodyExpectations.unreadable(algorithm.headerName) }
        }
        if let text = head["x-amz-mp-object-size"] {
            guard let size = UInt64(text) else {
                throw S3Error.invalidArgument(
                    "The size must be a number of bytes.", "x-amz-mp-object-size", text)
            }
            length = size
        }
        // These headers are about the object; for the document they would be wrong.
        var plain = request
        plain.head.headers.removeAll {
            $0.name.hasPrefix("x-amz-checksum-") || $0.name == "x-amz-sdk-checksum-algorithm"
        }
        let document = try await collect(&body, plain, isList: true)
        let result = try await backend.completeUpload(
            request.bucket, request.key, upload: id,
            parts: try XMLRequests.completeMultipartUpload(document), checksum: checksum,
            type: type, length: length, conditions: conditions)
        var xml = XMLWriter()
        xml.root("CompleteMultipartUploadResult") { xml in
            let path = PercentCoding.encode(request.key, keepSlash: true)
            let host = head["host"] ?? configuration.host
            xml.element("Location", "http://\(host)/\(request.bucket)/\(path)")
            xml.element("Bucket", request.bucket)
            xml.element("Key", request.key)
            xml.eTag(result.eTag)
            xml.checksum(result.checksum)
        }
        return S3Response(xml)
    }

    func abortUpload(_ request: S3Request) async throws(S3Error) -> S3Response {
        try await backend.abortUpload(
            request.bucket, request.key, upload: try request.uploadID())
        return S3Response(.noContent)
    }
}
