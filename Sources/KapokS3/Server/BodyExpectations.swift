/// What the head of an upload says about the body that follows: how long it is, and what it must
/// hash to.
struct BodyExpectations: Sendable {
    /// Of the object, not of its transfer; in bytes. When it is not known, the most it may be.
    var length: UInt64
    /// False for a body in chunks of HTTP, which ends where it ends.
    var isLengthKnown = true
    /// From `Content-MD5`.
    var md5: [UInt8]?
    /// The checksum to compute: what the client gives or announces, or nil.
    var algorithm: ChecksumAlgorithm?
    /// What it must be, when a header says so.
    var checksum: Checksum?
    /// Names announced by `x-amz-trailer`, lower case.
    var trailers: [String] = []

    /// Reads and checks the headers.
    /// - Throws: `MissingContentLength`, `InvalidDigest`, `InvalidRequest`, `EntityTooLarge`.
    init(
        _ head: RequestHead, _ payload: PayloadProtection, maximumLength: UInt64
    ) throws(S3Error) {
        length = maximumLength
        try readLength(head, payload, maximumLength)
        if let text = head["content-md5"] {
            guard let bytes = Base64.decode(text), bytes.count == 16 else {
                throw S3Error(.invalidDigest, "The Content-MD5 you specified is not valid.")
            }
            md5 = bytes
        }
        try readChecksums(head)
        try readTrailers(head, payload)
        try checkNamedAlgorithm(head)
    }

    private mutating func readLength(
        _ head: RequestHead, _ payload: PayloadProtection, _ maximumLength: UInt64
    ) throws(S3Error) {
        let lengthHeader = payload.isChunked ? "x-amz-decoded-content-length" : "content-length"
        guard let text = head[lengthHeader] else {
            if !payload.isChunked, head["transfer-encoding"]?.lowercased() == "chunked" {
                isLengthKnown = false
                return
            }
            throw S3Error(
                .missingContentLength,
                payload.isChunked
                    ? "You must provide the x-amz-decoded-content-length HTTP header."
                    : "You must provide the Content-Length HTTP header.")
        }
        guard text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let length = UInt64(text) else {
            throw S3Error(
                .invalidArgument, "\(lengthHeader) must be a number of bytes.",
                details: [("ArgumentName", lengthHeader), ("ArgumentValue", text)])
        }
        guard length <= maximumLength else {
            throw Self.tooLarge(length, maximum: maximumLength)
        }
        self.length = length
    }

    /// A body, or what has come of it, of `length` bytes.
    static func tooLarge(_ length: UInt64, maximum: UInt64) -> S3Error {
        S3Error(
            .entityTooLarge, "Your proposed upload exceeds the maximum allowed size",
            details: [("ProposedSize", String(length)), ("MaxSizeAllowed", String(maximum))])
    }

    private mutating func readChecksums(_ head: RequestHead) throws(S3Error) {
        for header in head.headers where header.name.hasPrefix("x-amz-checksum-") {
            let name = header.name
            if name == "x-amz-checksum-type" || name == "x-amz-checksum-algorithm"
                || name == "x-amz-checksum-mode"
            {
                continue
            }
            guard let named = ChecksumAlgorithm(headerName: name) else {
                throw S3Error(.invalidRequest, "The checksum header \(name) is not supported.")
            }
            guard algorithm == nil else {
                throw S3Error(
                    .invalidRequest,
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                        + "allowed.")
            }
            guard let value = Checksum(algorithm: named, base64: header.value.trimmed),
                value.type == .fullObject
            else { throw Self.unreadable(name) }
            algorithm = named
            checksum = value
        }
    }

    /// What is no checksum matches no body.
    static func unreadable(_ name: String) -> S3Error {
        S3Error(.badDigest, "The value of \(name) is no checksum of its algorithm in base 64.")
    }

    private mutating func readTrailers(
        _ head: RequestHead, _ payload: PayloadProtection
    ) throws(S3Error) {
        let announced = head.joined("x-amz-trailer")?.lowercased() ?? ""
        trailers = announced.split(separator: ",").map { String($0).trimmed }
        guard !trailers.isEmpty else { return }
        let mayHaveTrailers =
            switch payload {
            case .unsignedChunks: true
            case .signedChunks(_, let trailers): trailers
            case .unsigned, .sha256: false
            }
        guard mayHaveTrailers else {
            throw S3Error(
                .invalidRequest,
                "x-amz-trailer needs an x-amz-content-sha256 that announces trailers.")
        }
        for name in trailers {
            guard let named = ChecksumAlgorithm(headerName: name) else {
                throw S3Error(
                    .invalidRequest,
                    "The value specified in the x-amz-trailer header is not "
                        + "supported: \(name)")
            }
            guard algorithm == nil else {
                throw S3Error(
                    .invalidRequest,
                    "Expecting a single x-amz-checksum- header or trailer.")
            }
            algorithm = named
        }
    }

    private func checkNamedAlgorithm(_ head: RequestHead) throws(S3Error) {
        guard let text = head["x-amz-sdk-checksum-algorithm"] else { return }
        guard let named = ChecksumAlgorithm(rawValue: text.uppercased()) else {
            throw S3Error(
                .invalidRequest,
                "Checksum algorithm provided is unsupported. Please try again "
                    + "with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        }
        guard let algorithm else {
            // Some clients name the algorithm and send Content-MD5 instead.
            if md5 != nil { return }
            throw S3Error(
                .invalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                    + "x-amz-trailer headers were found.")
        }
        guard named == algorithm else {
            throw S3Error(
                .invalidRequest,
                "Value for x-amz-sdk-checksum-algorithm header is invalid: the checksum given is "
                    + "\(algorithm.rawValue).")
        }
    }

    /// Compares what came with what was announced.
    /// - Throws: `IncompleteBody`, `XAmzContentSHA256Mismatch`, `BadDigest`, `InvalidRequest`.
    func check(
        _ result: BodyDigest.Result, trailers received: [(name: String, value: String)],
        contentSHA256: [UInt8]?
    ) throws(S3Error) {
        guard isLengthKnown ? result.length == length : result.length <= length else {
            throw S3Error(
                .incompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP "
                    + "header.")
        }
        if let contentSHA256, let computed = result.sha256, contentSHA256 != computed {
            throw S3Error(
                .xAmzContentSHA256Mismatch,
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                details: [
                    ("ClientComputedContentSHA256", Hexadecimal.encode(contentSHA256)),
                    ("S3ComputedContentSHA256", Hexadecimal.encode(computed)),
                ])
        }
        if let md5, md5 != result.md5 {
            throw S3Error(
                .badDigest, "The Content-MD5 you specified did not match what we received.",
                details: [
                    ("ExpectedDigest", Hexadecimal.encode(md5)),
                    ("CalculatedDigest", Hexadecimal.encode(result.md5)),
                ])
        }
        var said = checksum
        for trailer in received {
            guard trailers.contains(trailer.name), let algorithm,
                algorithm.headerName == trailer.name
            else {
                throw S3Error(
                    .invalidRequest,
                    "The trailer \(trailer.name) was not announced in x-amz-trailer.")
            }
            guard let value = Checksum(algorithm: algorithm, base64: trailer.value) else {
                throw Self.unreadable(trailer.name)
            }
            said = value
        }
        guard trailers.isEmpty || said != nil else {
            throw S3Error(.invalidRequest, "A trailer announced in x-amz-trailer did not come.")
        }
        if let said, said != result.checksum {
            throw S3Error(
                .badDigest,
                "The \(said.algorithm.rawValue) you specified did not match the calculated "
                    + "checksum.")
        }
    }
}
