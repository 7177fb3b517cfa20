/// An S3 error as clients know it: a code from Amazon's list, its HTTP status and a message for a
/// person. Source: Amazon S3 API Reference, "Error responses", list of error codes.
public struct S3Error: Error, Sendable, Equatable {
    /// The codes this server answers with.
    public enum Code: String, Sendable, CaseIterable {
        case accessDenied = "AccessDenied"
        case authorizationHeaderMalformed = "AuthorizationHeaderMalformed"
        case authorizationQueryParametersError = "AuthorizationQueryParametersError"
        case badDigest = "BadDigest"
        case bucketAlreadyExists = "BucketAlreadyExists"
        case bucketAlreadyOwnedByYou = "BucketAlreadyOwnedByYou"
        case bucketNotEmpty = "BucketNotEmpty"
        case conditionalRequestConflict = "ConditionalRequestConflict"
        case entityTooLarge = "EntityTooLarge"
        case entityTooSmall = "EntityTooSmall"
        case illegalLocationConstraint = "IllegalLocationConstraintException"
        case incompleteBody = "IncompleteBody"
        case internalError = "InternalError"
        case invalidAccessKeyId = "InvalidAccessKeyId"
        case invalidArgument = "InvalidArgument"
        case invalidBucketName = "InvalidBucketName"
        case invalidDigest = "InvalidDigest"
        case invalidLocationConstraint = "InvalidLocationConstraint"
        case invalidPart = "InvalidPart"
        case invalidPartNumber = "InvalidPartNumber"
        case invalidPartOrder = "InvalidPartOrder"
        case invalidRange = "InvalidRange"
        case invalidRequest = "InvalidRequest"
        case invalidStorageClass = "InvalidStorageClass"
        case invalidTag = "InvalidTag"
        case invalidURI = "InvalidURI"
        case keyTooLong = "KeyTooLongError"
        case malformedXML = "MalformedXML"
        case maxMessageLengthExceeded = "MaxMessageLengthExceeded"
        case metadataTooLarge = "MetadataTooLarge"
        case methodNotAllowed = "MethodNotAllowed"
        case missingContentLength = "MissingContentLength"
        case missingSecurityHeader = "MissingSecurityHeader"
        case noSuchBucket = "NoSuchBucket"
        case noSuchBucketPolicy = "NoSuchBucketPolicy"
        case noSuchCORSConfiguration = "NoSuchCORSConfiguration"
        case noSuchKey = "NoSuchKey"
        case noSuchTagSet = "NoSuchTagSet"
        case noSuchUpload = "NoSuchUpload"
        case notImplemented = "NotImplemented"
        case notModified = "NotModified"
        case operationAborted = "OperationAborted"
        case preconditionFailed = "PreconditionFailed"
        case requestHeaderSectionTooLarge = "RequestHeaderSectionTooLarge"
        case requestTimeout = "RequestTimeout"
        case requestTimeTooSkewed = "RequestTimeTooSkewed"
        case serviceUnavailable = "ServiceUnavailable"
        case signatureDoesNotMatch = "SignatureDoesNotMatch"
        case slowDown = "SlowDown"
        case tooManyBuckets = "TooManyBuckets"
        case insufficientStorage = "InsufficientStorage"
        case unexpectedContent = "UnexpectedContent"
        case xAmzContentSHA256Mismatch = "XAmzContentSHA256Mismatch"

        /// The HTTP status that goes with the code.
        public var status: Int {
            switch self {
            case .accessDenied, .invalidAccessKeyId, .requestTimeTooSkewed, .signatureDoesNotMatch:
                403
            case .noSuchBucket, .noSuchBucketPolicy, .noSuchCORSConfiguration, .noSuchKey,
                .noSuchTagSet, .noSuchUpload:
                404
            case .methodNotAllowed: 405
            case .bucketAlreadyExists, .bucketAlreadyOwnedByYou, .bucketNotEmpty,
                .conditionalRequestConflict, .operationAborted:
                409
            case .missingContentLength: 411
            case .preconditionFailed: 412
            case .invalidRange: 416
            case .notModified: 304
            case .internalError: 500
            case .notImplemented: 501
            case .serviceUnavailable, .slowDown: 503
            case .insufficientStorage: 507
            default: 400
            }
        }
    }

    /// What clients decide by.
    public var code: Code
    /// What is wrong, why, and what to do.
    public var message: String
    /// Further elements of the error document, such as `BucketName` or `ArgumentName`.
    public var details: [(name: String, value: String)]

    public init(_ code: Code, _ message: String, details: [(name: String, value: String)] = []) {
        self.code = code
        self.message = message
        self.details = details
    }

    public static func == (a: S3Error, b: S3Error) -> Bool {
        a.code == b.code && a.message == b.message
            && a.details.elementsEqual(b.details, by: { $0 == $1 })
    }
}
