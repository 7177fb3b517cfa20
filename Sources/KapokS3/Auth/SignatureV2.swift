import Crypto

/// What a request says about its signature of version 2, in the `Authorization` header or in the
/// query of a presigned URL: still what botocore and the aws command line presign with for
/// endpoints that are not Amazon's. Source: Amazon S3 User Guide, "Signing and authenticating REST
/// requests (AWS signature version 2)".
struct SignatureV2: Sendable {
    /// Seconds since 1970 at which a presigned URL ends; nil when the header was signed.
    var expires: Int64?
    var keyID: String
    /// 20 bytes when it is right.
    var signature: [UInt8]
    /// The date's line of the text that is signed.
    private var date: String

    private static let prefix = "AWS "

    /// Nil when `head` is not signed this way.
    /// - Throws: `AccessDenied`, `InvalidArgument` when what is there is malformed.
    init?(_ head: RequestHead) throws(S3Error) {
        let header = head["authorization"]
        let isPresigned =
            !head.query.isEmpty && head.query.has("AWSAccessKeyId") && head.query.has("Signature")
        if isPresigned {
            guard header == nil, !head.query.has("X-Amz-Algorithm") else {
                throw S3Error(
                    .invalidArgument,
                    "Only one authorization is allowed: the header or the query, not both.")
            }
            try self.init(query: head.query)
        } else if let header, header.utf8.starts(with: Self.prefix.utf8) {
            try self.init(header: header, head)
        } else {
            return nil
        }
    }

    private init(query: QueryString) throws(S3Error) {
        guard let text = query["Expires"], let seconds = Int64(text) else {
            throw S3Error(
                .accessDenied,
                "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
                    + "parameters, Expires in seconds since 1970.")
        }
        expires = seconds
        date = text
        keyID = query["AWSAccessKeyId"] ?? ""
        // A plus that was not coded has become a space.
        let given = (query["Signature"] ?? "").replacing(" ", with: "+")
        signature = Base64.decode(given) ?? []
    }

    private init(header: String, _ head: RequestHead) throws(S3Error) {
        let fields = header.utf8.dropFirst(Self.prefix.utf8.count)
        guard let colon = fields.lastIndex(of: UInt8(ascii: ":")), colon > fields.startIndex else {
            throw S3Error(
                .invalidArgument,
                "AWS authorization header is invalid: expected AwsAccessKeyId:"
                    + "signature")
        }
        keyID = String(Substring(fields[..<colon]))
        signature = Base64.decode(Substring(fields[fields.index(after: colon)...])) ?? []
        // With x-amz-date, which is signed as such, the date's own line is empty.
        date = head["x-amz-date"] == nil ? head["date"] ?? "" : ""
    }

    // MARK: Verifying

    /// - Parameters:
    ///   - hostBucket: the bucket that the `Host` header names.
    ///   - now: seconds since 1970.
    /// - Throws: `AccessDenied`, `RequestTimeTooSkewed`, `SignatureDoesNotMatch`, `InvalidURI`.
    func verify(
        _ head: RequestHead, hostBucket: String?, secret: String, now: Int64
    ) throws(S3Error) {
        try checkTime(head, now: now)
        var path = (hostBucket.map { "/" + $0 } ?? "") + head.rawPath
        var text = try stringToSign(head, path: path)
        if equalInConstantTime(Self.sign(text, secret: secret), signature) { return }
        if path.utf8.count > 1, !path.utf8.dropFirst().contains(UInt8(ascii: "/")) {
            // A bucket; botocore signs it with a slash that it does not send.
            path += "/"
            text = try stringToSign(head, path: path)
            if equalInConstantTime(Self.sign(text, secret: secret), signature) { return }
        }
        throw S3Error(
            .signatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided. "
                + "Check your key and signing method.",
            details: [
                ("AWSAccessKeyId", keyID), ("StringToSign", String(decoding: text, as: UTF8.self)),
                ("SignatureProvided", Base64.encode(signature)),
            ])
    }

    private func checkTime(_ head: RequestHead, now: Int64) throws(S3Error) {
        if let expires {
            guard now <= expires else {
                throw S3Error(
                    .accessDenied, "Request has expired",
                    details: [
                        ("Expires", DateFormats.iso8601(unixMilliseconds: clamped(expires))),
                        ("ServerTime", DateFormats.iso8601(unixMilliseconds: now * 1000)),
                    ])
            }
            return
        }
        let (timestamp, seconds) = try Authorization.date(of: head)
        try SignatureVerifier.checkSkew(timestamp: timestamp, unixSeconds: seconds, now: now)
    }

    /// In milliseconds, for a message; the date formats end with year 9999.
    private func clamped(_ seconds: Int64) -> Int64 { max(0, min(seconds, 253_402_300_799)) * 1000 }

    /// The text that is signed.
    private func stringToSign(_ head: RequestHead, path: String) throws(S3Error) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(512)
        let isPresigned = expires != nil
        for line in [
            head.method, Self.standard("content-md5", head, isPresigned),
            Self.standard("content-type", head, isPresigned), date,
        ] {
            out.append(contentsOf: line.utf8)
            out.append(UInt8(ascii: "\n"))
        }
        for (name, value) in Self.amazonHeaders(head, isPresigned) {
            out.append(contentsOf: name.utf8)
            out.append(UInt8(ascii: ":"))
            out.append(contentsOf: value.utf8)
            out.append(UInt8(ascii: "\n"))
        }
        out.append(contentsOf: path.utf8)
        try Self.appendSubresources(head.query, to: &out)
        return out
    }

    /// A presigned URL may carry a header among its parameters.
    private static func standard(
        _ name: String, _ head: RequestHead, _ isPresigned: Bool
    ) -> String {
        if let value = head[name] { return value }
        guard isPresigned else { return "" }
        return head.query.parameters.first { $0.name.lowercased() == name }?.value ?? ""
    }

    /// Names and values of all `x-amz-` headers in order of name.
    private static func amazonHeaders(
        _ head: RequestHead, _ isPresigned: Bool
    ) -> [(name: String, value: String)] {
        var values: [String: String] = [:]
        for header in head.headers where header.name.hasPrefix("x-amz-") {
            values[header.name] = values[header.name] ?? head.joined(header.name)
        }
        if isPresigned {
            for parameter in head.query.parameters {
                let name = parameter.name.lowercased()
                guard name.hasPrefix("x-amz-"), values[name] == nil else { continue }
                values[name] = parameter.value.trimmed
            }
        }
        return values.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
    }

    private static func appendSubresources(
        _ query: QueryString, to out: inout [UInt8]
    ) throws(S3Error) {
        let signed = query.parameters.filter { signedParameters.contains($0.name) }
            .sorted { $0.name < $1.name }
        for (i, parameter) in signed.enumerated() {
            out.append(i == 0 ? UInt8(ascii: "?") : UInt8(ascii: "&"))
            out.append(contentsOf: parameter.name.utf8)
            // Clients that send `uploads=` sign `uploads`.
            guard !parameter.rawValue.isEmpty else { continue }
            guard let value = PercentCoding.decode(parameter.rawValue) else {
                throw S3Error(.invalidURI, "Couldn't parse the specified URI.")
            }
            out.append(UInt8(ascii: "="))
            out.append(contentsOf: value)
        }
    }

    /// HMAC-SHA1 of `text`.
    static func sign(_ text: [UInt8], secret: String) -> [UInt8] {
        let key = SymmetricKey(data: Array(secret.utf8))
        return Array(HMAC<Insecure.SHA1>.authenticationCode(for: text, using: key))
    }

    /// The query parameters that are part of the resource: Amazon's list, what clients add to it,
    /// and whatever else would make another operation of a request, so that nobody who holds a
    /// presigned URL can do so.
    private static let signedParameters: Set<String> = [
        "accelerate", "acl", "analytics", "append", "attributes", "cors", "defaultObjectAcl",
        "delete", "encryption", "inventory", "legal-hold", "lifecycle", "location", "logging",
        "metrics", "notification", "object-lock", "partNumber", "policy", "replication",
        "requestPayment", "response-cache-control", "response-content-disposition",
        "response-content-encoding", "response-content-language", "response-content-type",
        "response-expires", "restore", "retention", "select", "select-type", "storageClass",
        "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions",
        "website",
    ]
}
