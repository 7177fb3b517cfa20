@testable import KapokS3

/// Signs requests the way a client does.
struct RequestSigner: Sendable {
    private let accessKey: AccessKey
    private let region: String
    private let cache = SigningKeyCache()

    /// - Parameter region: goes into the signature; Kapok accepts any.
    init(accessKey: AccessKey, region: String = "us-east-1") {
        self.accessKey = accessKey
        self.region = region
    }

    /// The headers to add to a request, the `Authorization` header last.
    ///
    /// - Parameters:
    ///   - target: path and query, percent-coded.
    ///   - headers: all headers that the request will carry and that shall be signed, with `host`.
    ///   - payload: the SHA-256 of the body in hexadecimal, `UNSIGNED-PAYLOAD` or a
    ///     `STREAMING-…` word.
    ///   - unixSeconds: the time, in seconds since 1970.
    /// - Throws: `InvalidURI` when `target` is not a coded path.
    func headers(
        method: String, target: String, headers: [(name: String, value: String)],
        payload: String = "UNSIGNED-PAYLOAD", unixSeconds: Int64
    ) throws(S3Error) -> [(name: String, value: String)] {
        try sign(
            method: method, target: target, headers: headers, payload: payload,
            unixSeconds: unixSeconds
        ).headers
    }

    /// As `headers`, together with the signer of the chunks that follow.
    func sign(
        method: String, target: String, headers: [(name: String, value: String)],
        payload: String, unixSeconds: Int64
    ) throws(S3Error) -> (headers: [(name: String, value: String)], chunks: ChunkSigner) {
        let timestamp = DateFormats.basic(unixSeconds: unixSeconds)
        let scope = CredentialScope(date: String(timestamp.prefix(8)), region: region)
        let added = [(name: "x-amz-content-sha256", value: payload), ("x-amz-date", timestamp)]
        let head = try RequestHead(method: method, target: target, headers: headers + added)
        let names = Set(head.headers.map(\.name)).sorted().map { $0[...] }
        let signature = try signature(
            head, names: names, payload: payload, timestamp: timestamp, scope: scope,
            isPresigned: false)
        let authorization =
            "\(Authorization.algorithm) Credential=\(accessKey.id)/\(scope.text), "
            + "SignedHeaders=\(names.joined(separator: ";")), "
            + "Signature=\(String(decoding: signature, as: UTF8.self))"
        let chunks = ChunkSigner(
            key: key(scope), timestamp: timestamp, scope: scope, seed: signature)
        return (added + [("authorization", authorization)], chunks)
    }

    /// A presigned target: `target` with the signature in its query.
    ///
    /// - Parameters:
    ///   - headers: `host`, and what else the request must carry.
    ///   - expiresSeconds: for how long it is valid, up to 604,800.
    /// - Throws: `InvalidURI` when `target` is not a coded path.
    func presign(
        method: String, target: String, headers: [(name: String, value: String)],
        expiresSeconds: Int, unixSeconds: Int64
    ) throws(S3Error) -> String {
        let timestamp = DateFormats.basic(unixSeconds: unixSeconds)
        let scope = CredentialScope(date: String(timestamp.prefix(8)), region: region)
        let plain = try RequestHead(method: method, target: target, headers: headers)
        let names = Set(plain.headers.map(\.name)).sorted().map { $0[...] }
        let parameters = [
            ("X-Amz-Algorithm", Authorization.algorithm),
            ("X-Amz-Credential", accessKey.id + "/" + scope.text),
            ("X-Amz-Date", timestamp),
            ("X-Amz-Expires", String(expiresSeconds)),
            ("X-Amz-SignedHeaders", names.joined(separator: ";")),
        ].map { $0 + "=" + PercentCoding.encode($1, keepSlash: false) }
        let separator = target.contains("?") ? "&" : "?"
        let unsigned = target + separator + parameters.joined(separator: "&")
        let head = try RequestHead(method: method, target: unsigned, headers: headers)
        let signature = try signature(
            head, names: names, payload: PayloadText.unsigned, timestamp: timestamp, scope: scope,
            isPresigned: true)
        return unsigned + "&X-Amz-Signature=" + String(decoding: signature, as: UTF8.self)
    }

    private func key(_ scope: CredentialScope) -> SigningKey {
        let (key, cached) = cache.key(id: accessKey.id, secret: accessKey.secret, scope: scope)
        if !cached {
            cache.keep(key, id: accessKey.id, secret: accessKey.secret, scope: scope)
        }
        return key
    }

    private func signature(
        _ head: RequestHead, names: [Substring], payload: String, timestamp: String,
        scope: CredentialScope, isPresigned: Bool
    ) throws(S3Error) -> [UInt8] {
        guard
            let canonical = CanonicalRequest.build(
                head, signedHeaders: names, payload: payload, plainCodedSlash: false,
                omitSignature: isPresigned)
        else { throw S3Error(.invalidURI, "The target \(head.target) is not percent-coded.") }
        let text = SignatureVerifier.stringToSign(
            timestamp: timestamp, scope: scope, canonical: canonical)
        return key(scope).sign(text)
    }
}
