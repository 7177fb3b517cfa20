/// What a request asks for. The raw value is the operation's name in Amazon's API, and its label in
/// metrics.
enum S3Operation: String, Sendable, CaseIterable {
    case listBuckets = "ListBuckets"
    case createBucket = "CreateBucket"
    case headBucket = "HeadBucket"
    case deleteBucket = "DeleteBucket"
    case getBucketLocation = "GetBucketLocation"
    case getBucketVersioning = "GetBucketVersioning"
    case getBucketTagging = "GetBucketTagging"
    case putBucketTagging = "PutBucketTagging"
    case deleteBucketTagging = "DeleteBucketTagging"
    case getBucketACL = "GetBucketAcl"
    case putBucketACL = "PutBucketAcl"
    case getBucketPolicy = "GetBucketPolicy"
    case getBucketCORS = "GetBucketCors"
    case listObjects = "ListObjects"
    case listObjectsV2 = "ListObjectsV2"
    case listObjectVersions = "ListObjectVersions"
    case listMultipartUploads = "ListMultipartUploads"
    case deleteObjects = "DeleteObjects"
    case getObject = "GetObject"
    case headObject = "HeadObject"
    case getObjectAttributes = "GetObjectAttributes"
    case putObject = "PutObject"
    case copyObject = "CopyObject"
    case deleteObject = "DeleteObject"
    case getObjectTagging = "GetObjectTagging"
    case putObjectTagging = "PutObjectTagging"
    case deleteObjectTagging = "DeleteObjectTagging"
    case getObjectACL = "GetObjectAcl"
    case putObjectACL = "PutObjectAcl"
    case createMultipartUpload = "CreateMultipartUpload"
    case uploadPart = "UploadPart"
    case uploadPartCopy = "UploadPartCopy"
    case completeMultipartUpload = "CompleteMultipartUpload"
    case abortMultipartUpload = "AbortMultipartUpload"
    case listParts = "ListParts"

    /// Query parameters that select something this server does not have.
    private static let unsupportedSubresources: Set<String> = [
        "accelerate", "analytics", "encryption", "intelligent-tiering", "inventory",
        "legal-hold", "lifecycle", "logging", "metadataConfiguration", "metadataTable", "metrics",
        "notification", "object-lock", "ownershipControls", "policyStatus", "publicAccessBlock",
        "renameObject", "replication", "requestPayment", "restore", "retention", "select",
        "select-type", "session", "torrent", "website",
    ]

    /// Query parameters that select one of the operations above.
    private static let subresources: Set<String> = [
        "acl", "attributes", "cors", "delete", "location", "policy", "tagging", "uploads",
        "versioning",
        "versions",
    ]

    /// The operation of a request.
    /// - Throws: `NotImplemented` for what S3 has and this server has not, `MethodNotAllowed`.
    init(_ head: RequestHead, _ address: Address) throws(S3Error) {
        var selected: String?
        for parameter in head.query.parameters {
            if Self.unsupportedSubresources.contains(parameter.name) {
                throw Self.notImplemented("?\(parameter.name)")
            }
            if Self.subresources.contains(parameter.name) {
                guard selected == nil || selected == parameter.name else {
                    throw S3Error(
                        .invalidArgument,
                        "Conflicting query string parameters: \(selected ?? ""), "
                            + parameter.name)
                }
                selected = parameter.name
            }
        }
        let found: S3Operation? =
            if address.bucket == nil {
                head.method == "GET" && selected == nil ? .listBuckets : nil
            } else if address.key == nil {
                try Self.ofBucket(head, selected)
            } else {
                try Self.ofObject(head, selected)
            }
        guard let found else {
            throw S3Error(
                .methodNotAllowed, "The specified method is not allowed against this resource.",
                details: [("Method", head.method)])
        }
        self = found
    }

    private static func notImplemented(_ what: String) -> S3Error {
        S3Error(
            .notImplemented,
            "A header or query you provided implies functionality that is not implemented: "
                + "\(what).")
    }

    private static func ofBucket(
        _ head: RequestHead, _ selected: String?
    ) throws(S3Error) -> S3Operation? {
        switch (head.method, selected) {
        case ("GET", nil): return head.query["list-type"] == "2" ? .listObjectsV2 : .listObjects
        case ("GET", "location"): return .getBucketLocation
        case ("GET", "versioning"): return .getBucketVersioning
        case ("GET", "tagging"): return .getBucketTagging
        case ("GET", "acl"): return .getBucketACL
        case ("GET", "policy"): return .getBucketPolicy
        case ("GET", "cors"): return .getBucketCORS
        case ("GET", "uploads"): return .listMultipartUploads
        case ("GET", "versions"): return .listObjectVersions
        case ("HEAD", nil): return .headBucket
        case ("PUT", nil): return .createBucket
        case ("PUT", "tagging"): return .putBucketTagging
        case ("PUT", "acl"): return .putBucketACL
        case ("DELETE", nil): return .deleteBucket
        case ("DELETE", "tagging"): return .deleteBucketTagging
        case ("POST", "delete"): return .deleteObjects
        case ("POST", nil): throw notImplemented("uploads by HTML form (POST)")
        case (_, let name?): throw notImplemented("\(head.method) ?\(name) on a bucket")
        default: return nil
        }
    }

    private static func ofObject(
        _ head: RequestHead, _ selected: String?
    ) throws(S3Error) -> S3Operation? {
        let isPart = head.query.has("uploadId")
        let isCopy = head["x-amz-copy-source"] != nil
        switch (head.method, selected) {
        case ("GET", nil): return isPart ? .listParts : .getObject
        case ("GET", "tagging"): return .getObjectTagging
        case ("GET", "acl"): return .getObjectACL
        case ("GET", "attributes"): return .getObjectAttributes
        case ("HEAD", nil): return .headObject
        case ("PUT", nil):
            if isPart || head.query.has("partNumber") {
                return isCopy ? .uploadPartCopy : .uploadPart
            }
            if head.query.has("append") { throw notImplemented("?append") }
            return isCopy ? .copyObject : .putObject
        case ("PUT", "tagging"): return .putObjectTagging
        case ("PUT", "acl"): return .putObjectACL
        case ("DELETE", nil): return isPart ? .abortMultipartUpload : .deleteObject
        case ("DELETE", "tagging"): return .deleteObjectTagging
        case ("POST", "uploads"): return .createMultipartUpload
        case ("POST", nil) where isPart: return .completeMultipartUpload
        case (_, let name?): throw notImplemented("\(head.method) ?\(name) on an object")
        default: return nil
        }
    }
}
