/// What a request says about who signed it and how: from the `Authorization` header or from the
/// query of a presigned URL. Not yet verified.
struct Authorization: Sendable {
    /// How the signature came.
    enum Form: Sendable, Equatable {
        case header
        /// Valid for this many seconds after the date; never, when they are negative.
        case presigned(expiresSeconds: Int64)
    }

    var form: Form
    var keyID: String
    var scope: CredentialScope
    /// Lower case, in the order given.
    var signedHeaders: [Substring]
    /// As given: 64 hexadecimal digits when it is right.
    var signature: [UInt8]
    /// `20130524T000000Z`.
    var timestamp: String
    /// The same in seconds since 1970.
    var unixSeconds: Int64

    /// The only algorithm.
    static let algorithm = "AWS4-HMAC-SHA256"
    /// The longest life of a presigned URL: seven days, in seconds.
    static let maximumExpiresSeconds: Int64 = 604_800

    /// Reads the authorization of `head`.
    /// - Throws: `AccessDenied` when there is none, other codes when it is malformed or
    ///   in two places.
    init(_ head: RequestHead) throws(S3Error) {
        let header = head["authorization"]
        let isPresigned = head.query.has("X-Amz-Algorithm") || head.query.has("X-Amz-Signature")
        switch (header, isPresigned) {
        case (.some, true):
            throw S3Error(
                .invalidArgument,
                "Only one authorization is allowed: the header or the query, not both.")
        case (.some(let value), false): try self.init(header: value, head)
        case (.none, true): try self.init(query: head)
        case (.none, false):
            throw S3Error(
                .accessDenied, "Access denied: the request is not signed. Sign it with SigV4.")
        }
    }

    // MARK: Header

    private init(header: String, _ head: RequestHead) throws(S3Error) {
        guard header.hasPrefix(Self.algorithm + " ") else {
            if header.hasPrefix("AWS4-") {
                throw S3Error(
                    .invalidRequest,
                    "The authorization mechanism you have provided is not supported. Please use "
                        + "AWS4-HMAC-SHA256 (signature version s3v4).")
            }
            throw S3Error(.invalidArgument, "Unsupported Authorization Type")
        }
        var credential: Substring?
        var names: Substring?
        var given: Substring?
        let fields = header.utf8.dropFirst(Self.algorithm.utf8.count)
        for field in fields.split(separator: UInt8(ascii: ","), maxSplits: 8) {
            let text = Substring(field.drop { $0 == UInt8(ascii: " ") })
            if let value = text.value(behind: "Credential=") {
                credential = value
            } else if let value = text.value(behind: "SignedHeaders=") {
                names = value
            } else if let value = text.value(behind: "Signature=") {
                given = value
            }
        }
        guard let credential, let names, let given else {
            throw Self.malformed("it needs Credential, SignedHeaders and Signature.")
        }
        form = .header
        (keyID, scope) = try Self.parse(credential, malformed: Self.malformed)
        signedHeaders = Self.names(names)
        signature = Array(given.utf8)
        (timestamp, unixSeconds) = try Self.date(of: head)
        guard timestamp.hasPrefix(scope.date) else {
            throw Self.malformed(
                "the credential's date \(scope.date) is not that of the request, \(timestamp).")
        }
    }

    private static func malformed(_ reason: String) -> S3Error {
        S3Error(
            .authorizationHeaderMalformed, "The authorization header is malformed: " + reason)
    }

    /// `x-amz-date`, or else `Date`.
    static func date(
        of head: RequestHead
    ) throws(S3Error) -> (timestamp: String, unixSeconds: Int64) {
        if let text = head["x-amz-date"] {
            if let seconds = DateFormats.parseBasic(text) { return (text, seconds) }
            if let seconds = DateFormats.parseHTTP(text) {
                return (DateFormats.basic(unixSeconds: seconds), seconds)
            }
        } else if let text = head["date"] {
            if let seconds = DateFormats.parseBasic(text) ?? DateFormats.parseHTTP(text) {
                return (DateFormats.basic(unixSeconds: seconds), seconds)
            }
        }
        throw S3Error(
            .accessDenied,
            "AWS authentication requires a valid Date or x-amz-date header (20130524T000000Z).")
    }

    // MARK: Query

    private init(query head: RequestHead) throws(S3Error) {
        let query = head.query
        guard let algorithm = query["X-Amz-Algorithm"], let credential = query["X-Amz-Credential"],
            let date = query["X-Amz-Date"], let expires = query["X-Amz-Expires"],
            let names = query["X-Amz-SignedHeaders"], let given = query["X-Amz-Signature"]
        else {
            throw Self.malformedQuery(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, "
                    + "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                    + "X-Amz-Expires parameters.")
        }
        guard algorithm == Self.algorithm else {
            throw Self.malformedQuery("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\".")
        }
        guard let seconds = Int64(expires) else {
            throw Self.malformedQuery("X-Amz-Expires should be a number.")
        }
        guard seconds <= Self.maximumExpiresSeconds else {
            throw Self.malformedQuery(
                "X-Amz-Expires must be less than a week (in seconds): at most 604800.")
        }
        guard let unixSeconds = DateFormats.parseBasic(date) else {
            throw Self.malformedQuery(
                "X-Amz-Date must be in the ISO 8601 long format \"yyyyMMdd'T'HHmmss'Z'\".")
        }
        form = .presigned(expiresSeconds: seconds)
        (keyID, scope) = try Self.parse(credential[...], malformed: Self.malformedQuery)
        signedHeaders = Self.names(names[...])
        signature = Array(given.utf8)
        timestamp = date
        self.unixSeconds = unixSeconds
        guard date.hasPrefix(scope.date) else {
            throw Self.malformedQuery(
                "Invalid credential date \"\(scope.date)\". This date is not the same as "
                    + "X-Amz-Date: \"\(date)\".")
        }
    }

    private static func malformedQuery(_ reason: String) -> S3Error {
        S3Error(.authorizationQueryParametersError, reason)
    }

    // MARK: Both

    private static func names(_ list: Substring) -> [Substring] {
        list.utf8.split(separator: UInt8(ascii: ";")).map { Substring($0) }
    }

    private static func parse(
        _ credential: Substring, malformed: (String) -> S3Error
    ) throws(S3Error) -> (keyID: String, scope: CredentialScope) {
        let parts = credential.utf8.split(
            separator: UInt8(ascii: "/"), maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 5, !parts[0].isEmpty, !parts[2].isEmpty else {
            throw malformed(
                "the Credential is mal-formed; expecting "
                    + "\"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
        }
        let date = parts[1]
        guard date.count == 8, date.allSatisfy({ $0 >= 48 && $0 <= 57 }) else {
            throw malformed("incorrect date format; expecting YYYYMMDD in the Credential.")
        }
        guard Substring(parts[3]) == CredentialScope.service else {
            throw malformed("incorrect service \"\(Substring(parts[3]))\"; expecting \"s3\".")
        }
        guard Substring(parts[4]) == CredentialScope.terminator else {
            throw malformed(
                "incorrect terminal \"\(Substring(parts[4]))\"; expecting \"aws4_request\".")
        }
        // Any region is accepted: it only goes into the key.
        let scope = CredentialScope(
            date: String(Substring(date)), region: String(Substring(parts[2])))
        return (String(Substring(parts[0])), scope)
    }
}

extension Substring {
    /// What stands behind `prefix`, without spaces at the end; nil when it does not begin with it.
    /// Byte by byte: this runs for every request.
    fileprivate func value(behind prefix: StaticString) -> Substring? {
        let bytes = utf8
        let matches = prefix.withUTF8Buffer { bytes.starts(with: $0) }
        guard matches else { return nil }
        var value = bytes.dropFirst(prefix.utf8CodeUnitCount)
        while value.last == UInt8(ascii: " ") { value.removeLast() }
        return Substring(value)
    }
}
