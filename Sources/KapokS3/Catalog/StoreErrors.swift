import KapokStore
import KapokWorld

extension S3Error {
    /// What a client hears when the store refused; the one place where the two meet.
    init(_ error: StoreError) {
        switch error {
        case .full:
            // 507: no SDK retries it, for the region will be as full in a second.
            self.init(
                .insufficientStorage,
                "The region has no room for more data. Delete objects or add drives.")
        case .degraded(let what):
            self.init(.serviceUnavailable, "Writes are refused until drives are back: \(what).")
        case .busy:
            self.init(
                .slowDown, "Too many requests are in flight. Please reduce your request rate.")
        case .dataLost(let what):
            self.init(
                .internalError,
                "Bytes of this object are lost with more drives than the coding covers: \(what).")
        case .gone:
            self.init(
                .operationAborted,
                "The object was overwritten or deleted while it was being read. Please try again.")
        case .tooLarge(let what):
            self.init(.entityTooLarge, "The store does not take \(what).")
        case .closed:
            self.init(.serviceUnavailable, "The region is shutting down.")
        case .failed(let what):
            self.init(.internalError, "The store failed: \(what).")
        }
    }

    /// A record that cannot be read: damage that checksums did not catch, or a newer version's.
    init(_ error: ByteCodingError, of what: String) {
        self.init(.internalError, "The record of \(what) cannot be read: \(error).")
    }

    static func preconditionFailed(_ header: String) -> S3Error {
        S3Error(
            .preconditionFailed, "At least one of the pre-conditions you specified did not hold",
            details: [("Condition", header)])
    }

    static func noSuchKey(_ key: String) -> S3Error {
        S3Error(.noSuchKey, "The specified key does not exist.", details: [("Key", key)])
    }

    static func noSuchBucket(_ name: String) -> S3Error {
        S3Error(
            .noSuchBucket, "The specified bucket does not exist", details: [("BucketName", name)])
    }

    static func noSuchUpload(_ id: String) -> S3Error {
        S3Error(
            .noSuchUpload,
            "The specified upload does not exist. The upload ID may be invalid, or the upload may "
                + "have been aborted or completed.",
            details: [("UploadId", id)])
    }

    static func invalidArgument(_ message: String, _ name: String, _ value: String) -> S3Error {
        S3Error(
            .invalidArgument, message, details: [("ArgumentName", name), ("ArgumentValue", value)])
    }

    /// A write that lost to others again and again.
    static let contended = S3Error(
        .conditionalRequestConflict,
        "A conflicting conditional operation is currently in progress against this resource. "
            + "Please try again.")
}
