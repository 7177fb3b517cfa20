extension WriteConditions {
    /// Write whatever is there.
    static let none = WriteConditions()

    var isNone: Bool { ifMatch == nil && ifNoneMatch == nil }

    /// Whether an object with the ETag `current`, or none at all, may be replaced.
    /// - Throws: `NoSuchKey` when `ifMatch` finds no object, `PreconditionFailed`.
    func check(_ current: String?, key: String) throws(S3Error) {
        if let ifMatch {
            guard let current else { throw .noSuchKey(key) }
            guard ETag.names(ifMatch, current) else { throw .preconditionFailed("If-Match") }
        }
        if let ifNoneMatch, let current, ETag.names(ifNoneMatch, current) {
            throw .preconditionFailed("If-None-Match")
        }
    }
}

/// Conditions on a delete: what the object must be like.
public struct DeleteConditions: Sendable, Equatable {
    /// As in the header: ETags with or without quotes, one of which the object must have, or `*`.
    public var ifMatch: String?
    /// `x-amz-if-match-last-modified-time`, in seconds since 1970.
    public var lastModifiedSeconds: Int64?
    /// `x-amz-if-match-size`, in bytes.
    public var size: UInt64?

    public init(ifMatch: String? = nil, lastModifiedSeconds: Int64? = nil, size: UInt64? = nil) {
        self.ifMatch = ifMatch
        self.lastModifiedSeconds = lastModifiedSeconds
        self.size = size
    }

    /// Delete whatever is there.
    public static let none = DeleteConditions()

    var isNone: Bool { self == .none }

    /// - Throws: `PreconditionFailed`.
    func check(_ record: ObjectRecord) throws(S3Error) {
        if let ifMatch, !ETag.names(ifMatch, record.eTag) { throw .preconditionFailed("If-Match") }
        // HTTP dates have seconds.
        if let lastModifiedSeconds,
            lastModifiedSeconds != Int64(clamping: record.modifiedMilliseconds / 1000)
        {
            throw .preconditionFailed("x-amz-if-match-last-modified-time")
        }
        if let size, size != record.size { throw .preconditionFailed("x-amz-if-match-size") }
    }
}
