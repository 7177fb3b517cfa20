/// How a request's body is protected, from `x-amz-content-sha256`.
enum PayloadProtection: Sendable {
    /// Nothing covers the body.
    case unsigned
    /// Its SHA-256 is part of the signature.
    case sha256([UInt8])
    /// aws-chunked, each chunk signed.
    case signedChunks(ChunkSigner, trailers: Bool)
    /// aws-chunked, nothing signed, trailers behind it.
    case unsignedChunks

    /// Whether the body is aws-chunked.
    var isChunked: Bool {
        switch self {
        case .signedChunks, .unsignedChunks: true
        case .unsigned, .sha256: false
        }
    }
}

/// A request whose signature was right.
struct VerifiedRequest: Sendable {
    var keyID: String
    var isPresigned: Bool
    var payload: PayloadProtection
}

/// Checks AWS Signature Version 4 as S3 uses it, and lets version 2 check itself. Source: Amazon S3
/// API Reference, "Authenticating Requests (AWS Signature Version 4)".
struct SignatureVerifier: Sendable {
    /// How far a client's clock may be off, in seconds.
    static let maximumSkewSeconds: Int64 = 15 * 60

    private let keys: AccessKeyStore
    private let baseDomains: [String]
    private let cache = SigningKeyCache()

    /// - Parameter baseDomains: as in `S3Configuration`; version 2 signs the bucket's name.
    init(keys: AccessKeyStore, baseDomains: [String] = []) {
        self.keys = keys
        self.baseDomains = baseDomains
    }

    /// Verifies the signature of `head`.
    ///
    /// - Parameter now: seconds since 1970.
    /// - Throws: the code that S3 has for what is wrong; `AccessDenied` for unsigned requests.
    func verify(_ head: RequestHead, now: Int64) throws(S3Error) -> VerifiedRequest {
        if let old = try SignatureV2(head) { return try verify(old, head, now: now) }
        let claim = try Authorization(head)
        try checkTime(claim, now: now)
        try checkCoverage(claim, head)
        let payload = try payloadText(claim, head)
        let secret = try secret(of: claim.keyID)
        let (key, cached) = cache.key(id: claim.keyID, secret: secret, scope: claim.scope)
        try check(claim, head, payload: payload, key: key)
        if !cached { cache.keep(key, id: claim.keyID, secret: secret, scope: claim.scope) }
        return VerifiedRequest(
            keyID: claim.keyID, isPresigned: claim.form != .header,
            payload: try protection(payload) {
                ChunkSigner(
                    key: key, timestamp: claim.timestamp, scope: claim.scope,
                    seed: claim.signature)
            })
    }

    private func secret(of keyID: String) throws(S3Error) -> String {
        guard let secret = keys.secret(of: keyID) else {
            throw S3Error(
                .invalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records.",
                details: [("AWSAccessKeyId", keyID)])
        }
        return secret
    }

    /// Version 2 says nothing about the body.
    private func verify(
        _ claim: SignatureV2, _ head: RequestHead, now: Int64
    ) throws(S3Error) -> VerifiedRequest {
        let bucket = head["host"].flatMap { Address.bucket(inHost: $0, baseDomains: baseDomains) }
        let secret = try secret(of: claim.keyID)
        try claim.verify(head, hostBucket: bucket, secret: secret, now: now)
        let payload: PayloadProtection =
            switch head["x-amz-content-sha256"] {
            case .none: .unsigned
            case .some(let text):
                try protection(text) { () throws(S3Error) in
                    throw S3Error(
                        .invalidRequest,
                        "Signed chunks need AWS4-HMAC-SHA256 (signature version s3v4).")
                }
            }
        return VerifiedRequest(
            keyID: claim.keyID, isPresigned: claim.expires != nil, payload: payload)
    }

    /// - Throws: `RequestTimeTooSkewed`.
    static func checkSkew(
        timestamp: String, unixSeconds: Int64, now: Int64
    ) throws(S3Error) {
        guard abs(now - unixSeconds) <= maximumSkewSeconds else {
            throw S3Error(
                .requestTimeTooSkewed,
                "The difference between the request time and the current time is too large.",
                details: [
                    ("RequestTime", timestamp),
                    ("ServerTime", DateFormats.iso8601(unixMilliseconds: now * 1000)),
                    ("MaxAllowedSkewMilliseconds", String(maximumSkewSeconds * 1000)),
                ])
        }
    }

    private func checkTime(_ claim: Authorization, now: Int64) throws(S3Error) {
        switch claim.form {
        case .header:
            try Self.checkSkew(
                timestamp: claim.timestamp, unixSeconds: claim.unixSeconds, now: now)
        case .presigned(let expiresSeconds):
            guard claim.unixSeconds <= now + Self.maximumSkewSeconds else {
                throw S3Error(.accessDenied, "Request is not yet valid")
            }
            guard expiresSeconds > 0, now <= claim.unixSeconds + expiresSeconds else {
                throw S3Error(
                    .accessDenied, "Request has expired",
                    details: [
                        ("X-Amz-Expires", String(expiresSeconds)),
                        ("ServerTime", DateFormats.iso8601(unixMilliseconds: now * 1000)),
                    ])
            }
        }
    }

    /// `host` and every `x-amz-` header must be signed: nobody on the way can add one.
    private func checkCoverage(_ claim: Authorization, _ head: RequestHead) throws(S3Error) {
        guard claim.signedHeaders.contains("host") else {
            throw S3Error(.accessDenied, "The host header must be signed.")
        }
        for header in head.headers where header.name.hasPrefix("x-amz-") {
            let isSigned = claim.signedHeaders.contains { $0 == header.name }
            guard isSigned else {
                throw S3Error(
                    .accessDenied,
                    "There were headers present in the request which were not signed",
                    details: [("HeadersNotSigned", header.name)])
            }
        }
    }

    /// The last line of the canonical request.
    private func payloadText(
        _ claim: Authorization, _ head: RequestHead
    ) throws(S3Error) -> String {
        if let text = head["x-amz-content-sha256"] { return text }
        guard claim.form == .header else { return PayloadText.unsigned }
        // Without a body there is only one hash that a client can have signed; curl leaves it out.
        let hasBody = head["transfer-encoding"] != nil || (head["content-length"] ?? "0") != "0"
        guard hasBody else { return PayloadText.empty }
        throw S3Error(
            .invalidRequest, "Missing required header for this request: x-amz-content-sha256")
    }

    private func check(
        _ claim: Authorization, _ head: RequestHead, payload: String, key: SigningKey
    ) throws(S3Error) {
        // Clients that code slashes disagree about how they sign them; both mean the same key.
        var canonicalText: [UInt8] = []
        var stringToSign: [UInt8] = []
        for plainCodedSlash in [false, true] {
            if plainCodedSlash, !hasCodedSlash(head.rawPath) { break }
            guard
                let canonical = CanonicalRequest.build(
                    head, signedHeaders: claim.signedHeaders, payload: payload,
                    plainCodedSlash: plainCodedSlash, omitSignature: claim.form != .header)
            else { throw S3Error(.invalidURI, "Couldn't parse the specified URI.") }
            canonicalText = canonical
            stringToSign = Self.stringToSign(
                timestamp: claim.timestamp, scope: claim.scope, canonical: canonical)
            if equalInConstantTime(key.sign(stringToSign), claim.signature) { return }
        }
        throw S3Error(
            .signatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided. "
                + "Check your key and signing method.",
            details: [
                ("AWSAccessKeyId", claim.keyID),
                ("StringToSign", String(decoding: stringToSign, as: UTF8.self)),
                ("SignatureProvided", String(decoding: claim.signature, as: UTF8.self)),
                ("CanonicalRequest", String(decoding: canonicalText, as: UTF8.self)),
            ])
    }

    private func hasCodedSlash(_ path: Substring) -> Bool {
        var before: (UInt8, UInt8) = (0, 0)
        for byte in path.utf8 {
            if before == (UInt8(ascii: "%"), UInt8(ascii: "2")), byte | 32 == UInt8(ascii: "f") {
                return true
            }
            before = (before.1, byte)
        }
        return false
    }

    /// Task 2 of the signature calculation.
    static func stringToSign(
        timestamp: String, scope: CredentialScope, canonical: [UInt8]
    ) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(192)
        for part in [Authorization.algorithm, timestamp, scope.text] {
            text.append(contentsOf: part.utf8)
            text.append(UInt8(ascii: "\n"))
        }
        text.appendSHA256(of: canonical)
        return text
    }

    /// - Parameter signer: makes what verifies signed chunks.
    private func protection(
        _ text: String, signer: () throws(S3Error) -> ChunkSigner
    ) throws(S3Error) -> PayloadProtection {
        switch text {
        case PayloadText.unsigned: return .unsigned
        case PayloadText.unsignedTrailer: return .unsignedChunks
        case PayloadText.signedChunks, PayloadText.signedChunksTrailer:
            return .signedChunks(
                try signer(), trailers: text == PayloadText.signedChunksTrailer)
        default:
            if text.utf8.count == 64, let hash = Hexadecimal.decode(text) { return .sha256(hash) }
            throw S3Error(
                .invalidArgument,
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                    + "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                    + "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
                    + "STREAMING-UNSIGNED-PAYLOAD-TRAILER, or a valid sha256 value.",
                details: [("ArgumentName", "x-amz-content-sha256"), ("ArgumentValue", text)])
        }
    }
}

/// What `x-amz-content-sha256` may hold: words in place of a hash, and one hash.
enum PayloadText {
    static let unsigned = "UNSIGNED-PAYLOAD"
    /// The SHA-256 of nothing.
    static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    static let signedChunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    static let signedChunksTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    static let unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
}
