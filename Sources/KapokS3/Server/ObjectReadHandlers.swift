import KapokStore
import NIOHTTP1

/// GetObject and HeadObject.
extension S3Service {
    /// Query parameters that replace a header of the answer.
    private static let overrides = [
        ("response-content-type", "Content-Type"), ("response-cache-control", "Cache-Control"),
        ("response-content-disposition", "Content-Disposition"),
        ("response-content-encoding", "Content-Encoding"),
        ("response-content-language", "Content-Language"), ("response-expires", "Expires"),
    ]

    func getObject(_ request: S3Request) async throws(S3Error) -> S3Response {
        let head = request.head
        let entry = try await backend.object(request.bucket, request.key)
        try check(RequestHeaders.readConditions(head), entry)
        let number = try RequestHeaders.number("partNumber", head, in: 1...10_000)
        let header = head["range"]
        guard number == nil || header == nil else {
            throw S3Error(
                .invalidRequest, "Cannot specify both Range header and partNumber query parameter.")
        }
        var range = 0..<entry.length
        var isPartial = false
        var checksum = entry.checksum
        // Of the object, also beside the checksum of a part.
        let checksumType = checksum?.type
        if let number {
            (range, checksum) = try entry.part(number)
            isPartial = true
        } else if let header, let wanted = ByteRange(header: header) {
            guard let resolved = wanted.resolved(length: entry.length) else {
                throw S3Error(
                    .invalidRange, "The requested range is not satisfiable",
                    details: [
                        ("RangeRequested", header), ("ActualObjectSize", String(entry.length)),
                    ])
            }
            range = resolved
            isPartial = true
            checksum = nil
        }
        var response = S3Response(isPartial ? .partialContent : .ok)
        response.headers.reserveCapacity(16)
        if isPartial, !range.isEmpty {
            response.headers.append(
                (
                    "Content-Range",
                    "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(entry.length)"
                ))
        }
        try describe(entry, request, to: &response)
        if head["x-amz-checksum-mode"]?.uppercased() == "ENABLED" {
            response.headers.add(checksum, type: checksumType)
        }
        if number != nil {
            let count = entry.parts.isEmpty ? nil : String(entry.parts.count)
            response.headers.add("x-amz-mp-parts-count", count)
        }
        response.length = UInt64(range.count)
        if request.operation == .getObject { response.body = .object(entry, range) }
        return response
    }

    func check(
        _ conditions: ReadConditions, _ entry: ObjectInfo
    ) throws(S3Error) {
        switch conditions.evaluate(
            eTag: entry.eTag, modifiedMilliseconds: entry.modifiedMilliseconds)
        {
        case .proceed: return
        case .failed:
            throw S3Error(
                .preconditionFailed,
                "At least one of the pre-conditions you specified did not hold")
        case .notModified:
            throw S3Error(
                .notModified, "The object was not modified.",
                details: [
                    ("ETag", "\"" + entry.eTag + "\""),
                    ("Last-Modified", dates.lastModified(entry.modifiedMilliseconds / 1000)),
                ])
        }
    }

    /// The headers that describe an object.
    private func describe(
        _ entry: ObjectInfo, _ request: S3Request, to response: inout S3Response
    ) throws(S3Error) {
        let stored = entry.headers
        response.headers.append(
            ("Last-Modified", dates.lastModified(entry.modifiedMilliseconds / 1000)))
        response.headers.append(("ETag", "\"" + entry.eTag + "\""))
        response.headers.append(("Accept-Ranges", "bytes"))
        response.headers.append(("Content-Type", stored.contentType))
        response.headers.add("Cache-Control", stored.cacheControl)
        response.headers.add("Content-Disposition", stored.contentDisposition)
        response.headers.add("Content-Encoding", stored.contentEncoding)
        response.headers.add("Content-Language", stored.contentLanguage)
        response.headers.add("Expires", stored.expires)
        response.headers.add("x-amz-website-redirect-location", stored.websiteRedirectLocation)
        for pair in stored.user {
            response.headers.append(("x-amz-meta-" + pair.name, pair.value))
        }
        if entry.tagCount > 0 {
            response.headers.append(("x-amz-tagging-count", String(entry.tagCount)))
        }
        let query = request.head.query
        if query.isEmpty { return }
        for (parameter, name) in Self.overrides {
            guard let value = query[parameter] else { continue }
            // A line end in here would let a URL write headers of its own.
            guard value.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else {
                throw .invalidArgument("A header cannot have this value.", parameter, value)
            }
            response.headers.removeAll { $0.0 == name }
            response.headers.append((name, value))
        }
    }
}

extension ObjectInfo {
    /// The bytes and the checksum of a part, counted from 1 without gaps. An object put in one
    /// piece is its own first part.
    /// - Throws: `InvalidPart` when there is no such part.
    func part(_ number: Int) throws(S3Error) -> (range: Range<UInt64>, checksum: Checksum?) {
        if parts.isEmpty, number == 1 { return (0..<length, checksum) }
        guard number >= 1, number <= parts.count else {
            throw S3Error(
                .invalidPart, "The requested part number is not satisfiable.",
                details: [
                    ("PartNumber", String(number)), ("PartsCount", String(max(parts.count, 1))),
                ])
        }
        let start = parts[..<(number - 1)].reduce(0) { $0 + $1.length }
        return (start..<start + parts[number - 1].length, parts[number - 1].checksum)
    }

    /// Where the bytes in `range` lie, in order. O(blobs).
    func segments(_ range: Range<UInt64>) -> [(blob: BlobReference, range: Range<UInt64>)] {
        var segments: [(blob: BlobReference, range: Range<UInt64>)] = []
        var start: UInt64 = 0
        for blob in blobs {
            let end = start + blob.length
            let wanted = range.clamped(to: start..<end)
            if !wanted.isEmpty {
                segments.append((blob, wanted.lowerBound - start..<wanted.upperBound - start))
            }
            if end >= range.upperBound { break }
            start = end
        }
        return segments
    }
}
