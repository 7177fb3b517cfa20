public import KapokStore

/// The headers that are stored with an object and come back with it.
public struct ObjectHeaders: Sendable, Equatable {
    /// `binary/octet-stream` when the client names none.
    public var contentType: String
    public var cacheControl: String?
    public var contentDisposition: String?
    /// Without `aws-chunked`, which belongs to the transfer.
    public var contentEncoding: String?
    public var contentLanguage: String?
    public var expires: String?
    public var websiteRedirectLocation: String?
    /// User metadata: names in lower case without `x-amz-meta-`, in order of name.
    public var user: [(name: String, value: String)]

    /// What an object has when its creator says nothing.
    public init(
        contentType: String = "binary/octet-stream", user: [(name: String, value: String)] = []
    ) {
        self.contentType = contentType
        self.user = user
    }

    public static func == (a: ObjectHeaders, b: ObjectHeaders) -> Bool {
        a.contentType == b.contentType && a.cacheControl == b.cacheControl
            && a.contentDisposition == b.contentDisposition
            && a.contentEncoding == b.contentEncoding && a.contentLanguage == b.contentLanguage
            && a.expires == b.expires && a.websiteRedirectLocation == b.websiteRedirectLocation
            && a.user.elementsEqual(b.user, by: { $0 == $1 })
    }
}

/// A tag of an object or bucket.
public struct Tag: Sendable, Hashable {
    /// Unique among the tags of one thing.
    public var key: String
    public var value: String

    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// A part of an object, or of an upload that is not complete.
public struct PartInfo: Sendable {
    /// 1 to 10,000.
    public var number: Int
    /// In bytes.
    public var length: UInt64
    /// Without quotes.
    public var eTag: String
    public var checksum: Checksum?
    /// Milliseconds since 1970.
    public var modifiedMilliseconds: Int64

    public init(
        number: Int, length: UInt64, eTag: String, checksum: Checksum?, modifiedMilliseconds: Int64
    ) {
        self.number = number
        self.length = length
        self.eTag = eTag
        self.checksum = checksum
        self.modifiedMilliseconds = modifiedMilliseconds
    }
}

/// An object as it is now.
public struct ObjectInfo: Sendable {
    /// In bytes.
    public var length: UInt64
    /// Without quotes: the MD5 in hexadecimal, with `-N` behind it for N parts.
    public var eTag: String
    /// Milliseconds since 1970.
    public var modifiedMilliseconds: Int64
    public var headers: ObjectHeaders
    public var checksum: Checksum?
    public var tagCount: Int
    /// The object's bytes in order.
    public var blobs: [BlobReference]
    /// For an object uploaded in parts, these in order; else empty.
    public var parts: [PartInfo]

    public init(
        length: UInt64, eTag: String, modifiedMilliseconds: Int64, headers: ObjectHeaders,
        checksum: Checksum?, tagCount: Int, blobs: [BlobReference], parts: [PartInfo]
    ) {
        self.length = length
        self.eTag = eTag
        self.modifiedMilliseconds = modifiedMilliseconds
        self.headers = headers
        self.checksum = checksum
        self.tagCount = tagCount
        self.blobs = blobs
        self.parts = parts
    }
}

/// Bytes that have come in and were checked, ready to become an object or a part.
public struct StagedObject: Sendable {
    /// Nil for no bytes at all.
    public var blob: (any StagedBlob)?
    /// In bytes.
    public var length: UInt64
    /// 16 bytes.
    public var md5: [UInt8]
    /// Computed by the server and equal to what the client said, if it said something.
    public var checksum: Checksum?

    public init(blob: (any StagedBlob)?, length: UInt64, md5: [UInt8], checksum: Checksum?) {
        self.blob = blob
        self.length = length
        self.md5 = md5
        self.checksum = checksum
    }
}

/// Conditions on a write, from `If-Match` and `If-None-Match`.
public struct WriteConditions: Sendable, Equatable {
    /// As in the header: ETags with or without quotes, one of which the object must have, or `*`.
    public var ifMatch: String?
    /// The same for what the object must not have; `*`: there must be no object yet.
    public var ifNoneMatch: String?

    public init(ifMatch: String? = nil, ifNoneMatch: String? = nil) {
        self.ifMatch = ifMatch
        self.ifNoneMatch = ifNoneMatch
    }
}

/// Conditions on a read (RFC 9110 section 13), and on the source of a copy.
public struct ReadConditions: Sendable, Equatable {
    /// As in the header: ETags with or without quotes, separated by commas, or `*`.
    public var ifMatch: String?
    public var ifNoneMatch: String?
    /// Seconds since 1970.
    public var ifModifiedSince: Int64?
    public var ifUnmodifiedSince: Int64?

    public init() {}

    /// What the conditions say about an object.
    public enum Outcome: Sendable {
        case proceed
        /// Status 304 for reads, 412 for copies.
        case notModified
        /// Status 412.
        case failed
    }

    /// Evaluates in the order of RFC 9110 section 13.2.2: ETags come before dates.
    public func evaluate(eTag: String, modifiedMilliseconds: Int64) -> Outcome {
        let modified = modifiedMilliseconds / 1000
        if let ifMatch {
            if !Self.names(ifMatch, eTag) { return .failed }
        } else if let ifUnmodifiedSince, modified > ifUnmodifiedSince {
            return .failed
        }
        if let ifNoneMatch {
            if Self.names(ifNoneMatch, eTag) { return .notModified }
        } else if let ifModifiedSince, modified <= ifModifiedSince {
            return .notModified
        }
        return .proceed
    }

    private static func names(_ list: String, _ eTag: String) -> Bool {
        list.split(separator: ",").contains { item in
            let text = String(item).trimmed
            if text == "*" { return true }
            let strong = text.hasPrefix("W/") ? text.dropFirst(2) : text[...]
            return strong.utf8.count >= 2 && strong.hasPrefix("\"") && strong.hasSuffix("\"")
                ? strong.dropFirst().dropLast() == eTag : strong == eTag
        }
    }
}
