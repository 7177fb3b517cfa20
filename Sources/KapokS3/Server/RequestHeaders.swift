/// Reads the headers of requests into typed values, and refuses those that ask for what is not
/// here.
enum RequestHeaders {
    /// The most bytes of user metadata, names and values together, as in S3.
    static let maximumMetadataBytes = 2048
    /// The canonical id of the one account that owns everything.
    static let ownerID = "kapok"

    /// Refuses headers that would change what is stored or who may read it in a way that this
    /// server does not have: a pretended success would be a lie.
    static func refuseUnsupported(_ head: RequestHead) throws(S3Error) {
        for header in head.headers where header.name.hasPrefix("x-amz-") {
            let name = header.name
            let value = header.value.trimmed
            switch name {
            case "x-amz-acl":
                guard value == "private" || value == "bucket-owner-full-control" else {
                    guard otherCannedACLs.contains(value) else {
                        throw .invalidArgument("There is no such canned ACL.", name, value)
                    }
                    throw notImplemented("x-amz-acl: \(value)")
                }
            case "x-amz-storage-class":
                guard value == "STANDARD" else {
                    throw S3Error(
                        .invalidStorageClass,
                        "The storage class you specified is not valid: only STANDARD is.",
                        details: [("StorageClassRequested", value)])
                }
            case "x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner":
                guard value == ownerID else {
                    throw S3Error(.accessDenied, "The bucket is owned by another account.")
                }
            case "x-amz-object-ownership":
                guard value == "BucketOwnerEnforced" else {
                    throw notImplemented("\(name): \(value)")
                }
            case "x-amz-bucket-object-lock-enabled":
                guard value.lowercased() == "false" else { throw notImplemented(name) }
            case "x-amz-write-offset-bytes", "x-amz-mfa", "x-amz-bucket-region-override":
                throw notImplemented(name)
            default:
                if name.hasPrefix("x-amz-grant-")
                    || name.hasPrefix("x-amz-server-side-encryption")
                    || name.hasPrefix("x-amz-copy-source-server-side-encryption")
                    || name.hasPrefix("x-amz-object-lock-")
                {
                    throw notImplemented(name)
                }
            }
        }
        if let version = head.query["versionId"], version != "null" {
            throw S3Error(
                .invalidArgument, "Invalid version id specified: versioning is not enabled.",
                details: [("ArgumentName", "versionId"), ("ArgumentValue", version)])
        }
    }

    /// Amazon S3 User Guide, "Access control list (ACL) overview", canned ACLs.
    private static let otherCannedACLs: Set<String> = [
        "public-read", "public-read-write", "aws-exec-read", "authenticated-read",
        "bucket-owner-read", "log-delivery-write",
    ]

    private static func notImplemented(_ what: String) -> S3Error {
        S3Error(
            .notImplemented,
            "A header you provided implies functionality that is not implemented: \(what).")
    }

    /// What is stored with an object.
    /// - Throws: `MetadataTooLarge`.
    static func objectHeaders(_ head: RequestHead) throws(S3Error) -> ObjectHeaders {
        var result = ObjectHeaders()
        var metadataBytes = 0
        for header in head.headers {
            let value = header.value.trimmed
            switch header.name {
            case "content-type": if !value.isEmpty { result.contentType = value }
            case "cache-control": result.cacheControl = value
            case "content-disposition": result.contentDisposition = value
            case "content-encoding": result.contentEncoding = withoutChunked(value)
            case "content-language": result.contentLanguage = value
            case "expires": result.expires = value
            case "x-amz-website-redirect-location": result.websiteRedirectLocation = value
            default:
                guard header.name.hasPrefix("x-amz-meta-") else { continue }
                let name = String(header.name.dropFirst(11))
                metadataBytes += name.utf8.count + value.utf8.count
                if let i = result.user.firstIndex(where: { $0.name == name }) {
                    result.user[i].value += "," + value
                } else {
                    result.user.append((name, value))
                }
            }
        }
        result.user.sort { $0.name < $1.name }
        guard metadataBytes <= maximumMetadataBytes else {
            throw S3Error(
                .metadataTooLarge,
                "Your metadata headers exceed the maximum allowed metadata size.",
                details: [
                    ("Size", String(metadataBytes)),
                    ("MaxSizeAllowed", String(maximumMetadataBytes)),
                ])
        }
        return result
    }

    /// `aws-chunked` belongs to the transfer, not to the object.
    private static func withoutChunked(_ value: String) -> String? {
        let kept = value.split(separator: ",").map { String($0).trimmed }
            .filter { $0.lowercased() != "aws-chunked" && !$0.isEmpty }
        return kept.isEmpty ? nil : kept.joined(separator: ", ")
    }

    /// Tags from `x-amz-tagging`; empty when there are none.
    static func tags(_ head: RequestHead) throws(S3Error) -> [Tag] {
        guard let text = head["x-amz-tagging"] else { return [] }
        return try XMLRequests.tagging(header: text).map { Tag(key: $0.key, value: $0.value) }
    }

    /// `If-Match` and `If-None-Match` of a write.
    static func writeConditions(_ head: RequestHead) -> WriteConditions {
        WriteConditions(
            ifMatch: head.joined("if-match"), ifNoneMatch: head.joined("if-none-match"))
    }

    /// What must hold of an object to be deleted.
    static func deleteConditions(_ head: RequestHead) throws(S3Error) -> DeleteConditions {
        guard head["if-none-match"] == nil else { throw notImplemented("If-None-Match") }
        return try deleteConditions(
            eTag: head.joined("if-match"), lastModified: head["x-amz-if-match-last-modified-time"],
            size: head["x-amz-if-match-size"])
    }

    /// The same from texts, as `DeleteObjects` has them, too.
    static func deleteConditions(
        eTag: String?, lastModified: String?, size: String?
    ) throws(S3Error) -> DeleteConditions {
        var conditions = DeleteConditions(ifMatch: eTag)
        if let lastModified {
            guard
                let seconds = DateFormats.parseHTTP(lastModified)
                    ?? DateFormats.parseISO8601(lastModified)
            else {
                throw .invalidArgument("This is no date.", "LastModifiedTime", lastModified)
            }
            conditions.lastModifiedSeconds = seconds
        }
        if let size {
            guard let bytes = UInt64(size) else {
                throw .invalidArgument("The size must be a number of bytes.", "Size", size)
            }
            conditions.size = bytes
        }
        return conditions
    }

    /// The conditional headers of a read, or with `prefix` those of a copy's source.
    static func readConditions(_ head: RequestHead, prefix: String = "") -> ReadConditions {
        var conditions = ReadConditions()
        conditions.ifMatch = head.joined(prefix + "if-match")
        conditions.ifNoneMatch = head.joined(prefix + "if-none-match")
        conditions.ifModifiedSince = head[prefix + "if-modified-since"].flatMap(
            DateFormats.parseHTTP)
        conditions.ifUnmodifiedSince = head[prefix + "if-unmodified-since"].flatMap(
            DateFormats.parseHTTP)
        return conditions
    }

    /// `x-amz-copy-source`: a percent-coded `bucket/key`, with or without a slash before it.
    static func copySource(_ head: RequestHead) throws(S3Error) -> CopySource {
        let text = head["x-amz-copy-source"] ?? ""
        var path = text.utf8[...]
        if let mark = path.firstIndex(of: UInt8(ascii: "?")) {
            let query = try QueryString(text[text.index(after: mark)...])
            if let version = query["versionId"], version != "null" {
                throw S3Error(
                    .invalidArgument, "Invalid version id specified: versioning is not enabled.")
            }
            path = path[..<mark]
        }
        guard let bytes = PercentCoding.decode(path),
            let decoded = String(validating: bytes, as: UTF8.self)
        else { throw badCopySource }
        let whole = decoded.hasPrefix("/") ? decoded.dropFirst() : decoded[...]
        guard let slash = whole.utf8.firstIndex(of: UInt8(ascii: "/")) else { throw badCopySource }
        let bucket = String(whole[..<slash])
        let key = String(whole[whole.utf8.index(after: slash)...])
        guard !bucket.isEmpty, !key.isEmpty else { throw badCopySource }
        try BucketName.validate(bucket)
        try ObjectKey.validate(key)
        return CopySource(
            bucket: bucket, key: key,
            conditions: readConditions(head, prefix: "x-amz-copy-source-"))
    }

    private static let badCopySource = S3Error(
        .invalidArgument,
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        details: [("ArgumentName", "x-amz-copy-source")])

    /// `x-amz-copy-source-range`: `bytes=a-b` and nothing else.
    static func copySourceRange(_ head: RequestHead) throws(S3Error) -> ClosedRange<UInt64>? {
        guard let text = head["x-amz-copy-source-range"] else { return nil }
        guard case .between(let from, let to) = ByteRange(header: text), to < .max else {
            throw .invalidArgument(
                "The x-amz-copy-source-range value must be of the form bytes=first-last where "
                    + "first and last are the zero-based offsets of the first and last bytes to "
                    + "copy", "x-amz-copy-source-range", text)
        }
        return from...to
    }

    /// A number that is not negative from the header `name` (lower case); nil when there is none.
    static func number(header name: String, _ head: RequestHead) throws(S3Error) -> Int? {
        guard let text = head[name] else { return nil }
        guard let value = Int(text), (0...Int(Int32.max)).contains(value) else {
            throw .invalidArgument("\(name) must be an integer that is not negative", name, text)
        }
        return value
    }

    /// A number from the query within `bounds`; nil when there is none.
    static func number(
        _ name: String, _ head: RequestHead, in bounds: ClosedRange<Int>
    ) throws(S3Error) -> Int? {
        guard let text = head.query[name] else { return nil }
        if text.isEmpty { return nil }
        guard let value = Int(text), bounds.contains(value) else {
            throw .invalidArgument(
                "\(name) must be an integer between \(bounds.lowerBound) and \(bounds.upperBound)",
                name, text)
        }
        return value
    }
}
