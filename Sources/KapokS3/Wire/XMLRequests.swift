/// The documents that requests bring. Each parser takes a body of bounded size and returns a typed
/// value or `MalformedXML`.
enum XMLRequests {
    /// The most objects in one `Delete`.
    static let maximumDeletes = 1000
    /// The most parts in one `CompleteMultipartUpload`.
    static let maximumParts = 10_000

    private static func root(_ name: String, _ body: [UInt8]) throws(S3Error) -> XMLElement {
        let root = try XMLParser.parse(body)
        guard root.name == name else { throw malformed("expected \(name), not \(root.name)") }
        return root
    }

    private static func malformed(_ reason: String) -> S3Error {
        S3Error(
            .malformedXML,
            "The XML you provided was not well-formed or did not validate against our published "
                + "schema: \(reason).")
    }

    /// One object of a `Delete` request.
    struct DeletedObject: Sendable, Equatable {
        var key: String
        var versionID: String?
        /// Delete only if the object has this ETag, `*` for any.
        var eTag: String?
        /// Delete only if it was modified at this HTTP date.
        var lastModified: String?
        /// Delete only if it has this many bytes.
        var size: String?
    }

    /// `Delete`: the objects, and whether only failures are to be reported.
    static func delete(
        _ body: [UInt8]
    ) throws(S3Error) -> (objects: [DeletedObject], isQuiet: Bool) {
        let root = try root("Delete", body)
        var objects: [DeletedObject] = []
        for element in root.all("Object") {
            guard objects.count < maximumDeletes else {
                throw malformed("more than \(maximumDeletes) objects")
            }
            guard let key = element["Key"]?.text, !key.isEmpty else {
                throw malformed("an Object without Key")
            }
            objects.append(
                DeletedObject(
                    key: key, versionID: element["VersionId"]?.text,
                    eTag: element["ETag"]?.text, lastModified: element["LastModifiedTime"]?.text,
                    size: element["Size"]?.text))
        }
        guard !objects.isEmpty else { throw malformed("no Object") }
        return (objects, root["Quiet"]?.text.trimmed.lowercased() == "true")
    }

    /// `CompleteMultipartUpload`: the parts in the order given.
    static func completeMultipartUpload(_ body: [UInt8]) throws(S3Error) -> [CompletedPart] {
        let root = try root("CompleteMultipartUpload", body)
        var parts: [CompletedPart] = []
        for element in root.all("Part") {
            guard parts.count < maximumParts else {
                throw malformed("more than \(maximumParts) parts")
            }
            guard let number = (element["PartNumber"]?.text.trimmed).flatMap({ Int($0) }),
                let eTag = element["ETag"]?.text.trimmed
            else { throw malformed("a Part without PartNumber or ETag") }
            parts.append(
                CompletedPart(
                    number: number, eTag: unquoted(eTag), checksum: try checksum(of: element)))
        }
        guard !parts.isEmpty else { throw malformed("no Part") }
        return parts
    }

    private static func checksum(of element: XMLElement) throws(S3Error) -> Checksum? {
        for algorithm in ChecksumAlgorithm.allCases {
            guard let text = element[algorithm.elementName]?.text.trimmed else { continue }
            guard let value = Checksum(algorithm: algorithm, base64: text) else {
                throw malformed("a bad \(algorithm.elementName)")
            }
            return value
        }
        return nil
    }

    private static func unquoted(_ text: String) -> String {
        text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"")
            ? String(text.dropFirst().dropLast()) : text
    }

    /// `CreateBucketConfiguration`: the location constraint, nil when the body is empty or has
    /// none.
    static func createBucket(_ body: [UInt8]) throws(S3Error) -> String? {
        if body.isEmpty { return nil }
        let root = try root("CreateBucketConfiguration", body)
        for name in ["Location", "Bucket"] where root[name] != nil {
            throw S3Error(.notImplemented, "Directory buckets are not implemented.")
        }
        let constraint = root["LocationConstraint"]?.text.trimmed
        return constraint?.isEmpty == true ? nil : constraint
    }

    /// `Tagging`: keys and values in the order given. How many and how long is the catalog's
    /// matter.
    static func tagging(_ body: [UInt8]) throws(S3Error) -> [(key: String, value: String)] {
        let root = try root("Tagging", body)
        guard let set = root["TagSet"] else { throw malformed("a Tagging without TagSet") }
        var tags: [(key: String, value: String)] = []
        for element in set.all("Tag") {
            guard let key = element["Key"]?.text, let value = element["Value"]?.text else {
                throw malformed("a Tag without Key or Value")
            }
            tags.append((key, value))
        }
        return tags
    }

    /// The `x-amz-tagging` header: tags as query parameters.
    static func tagging(header: String) throws(S3Error) -> [(key: String, value: String)] {
        let query: QueryString
        do {
            query = try QueryString(header[...])
        } catch {
            throw S3Error(
                .invalidArgument,
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query "
                    + "parameters without tag name duplicates.",
                details: [("ArgumentName", "x-amz-tagging"), ("ArgumentValue", header)])
        }
        return query.parameters.map { ($0.name, $0.value) }
    }
}
