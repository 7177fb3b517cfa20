import Testing

@testable import KapokS3

@Suite(.timeLimit(.minutes(2))) struct ServerUploadTests {
    private static let text = "hello world"
    private static let crc32 = "DUoRhQ=="

    /// A server with a bucket.
    private func withBucket(
        limits: S3Configuration.Limits = .init(),
        _ body: @Sendable @escaping (LiveServer) async throws -> Void
    ) async throws {
        try await withServer(limits: limits) { server in
            try await server.request("PUT", "/bucket")
            try await body(server)
        }
    }

    /// Nothing under the key and nothing left behind in the store.
    private func expectNothing(_ server: LiveServer) async throws {
        #expect(try await server.request("GET", "/bucket/k").code == "NoSuchKey")
        #expect(server.store.blobCount == 0)
    }

    // MARK: aws-chunked

    private enum Change: CaseIterable {
        case none, data, chunkSignature, trailer, trailerSignature, missingTrailer
    }

    private func chunkedBody(
        _ signer: ChunkSigner, trailers: Bool, _ change: Change
    ) -> String {
        var signer = signer
        var out = ""
        for piece in ["hello", " world", ""] {
            var signature = String(decoding: signer.signChunk(Array(piece.utf8)), as: UTF8.self)
            if change == .chunkSignature, piece == " world" { signature = flipped(signature) }
            let sent = change == .data && piece == " world" ? " wOrld" : piece
            out += "\(String(piece.utf8.count, radix: 16));chunk-signature=\(signature)\r\n\(sent)"
            if !piece.isEmpty { out += "\r\n" }
        }
        guard trailers, change != .missingTrailer else { return out + "\r\n" }
        let value = change == .trailer ? "AAAAAA==" : Self.crc32
        let line = "x-amz-checksum-crc32:\(value)"
        var signature = String(
            decoding: signer.signTrailers(Array((line + "\n").utf8)), as: UTF8.self)
        if change == .trailerSignature { signature = flipped(signature) }
        return out + "\(line)\r\nx-amz-trailer-signature:\(signature)\r\n\r\n"
    }

    private func flipped(_ signature: String) -> String {
        (signature.hasPrefix("0") ? "1" : "0") + signature.dropFirst()
    }

    @Test(
        "signed chunks and trailers are stored when all is right and refused when anything is not")
    func signedChunks() async throws {
        try await withBucket { server in
            for change in Change.allCases {
                for trailers in [false, true] {
                    var headers = [
                        (name: "Content-Encoding", value: "aws-chunked,gzip"),
                        (name: "x-amz-decoded-content-length", value: "11"),
                    ]
                    if trailers { headers.append(("x-amz-trailer", "x-amz-checksum-crc32")) }
                    let (head, signer) = try server.signed(
                        "PUT", "/bucket/k", headers,
                        length: nil,
                        payload: trailers
                            ? "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
                            : "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
                    let body = chunkedBody(signer, trailers: trailers, change)
                    let sent =
                        head.dropLast() + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
                    let answer = try await server.connect { client in
                        try await client.send(String(sent))
                        return try await client.response()
                    }
                    let isRight: Bool
                    switch change {
                    case .none: isRight = true
                    case .data, .chunkSignature: isRight = false
                    case .trailer, .trailerSignature, .missingTrailer: isRight = !trailers
                    }
                    #expect(
                        (answer.status == 200) == isRight, "\(change) \(trailers) \(answer.text)")
                    guard isRight else {
                        try await expectNothing(server)
                        continue
                    }
                    let get = try await server.request("GET", "/bucket/k")
                    #expect(get.text == Self.text)
                    #expect(get.headers["content-encoding"] == "gzip")
                    try await server.request("DELETE", "/bucket/k")
                }
            }
        }
    }

    @Test("an unsigned trailer must hold the right checksum")
    func unsignedTrailer() async throws {
        try await withBucket { server in
            for (value, code) in [
                (Self.crc32, nil), ("AAAAAA==", "BadDigest"), ("x", "BadDigest"),
            ] {
                let body = "b\r\n\(Self.text)\r\n0\r\nx-amz-checksum-crc32:\(value)\r\n\r\n"
                let head = try server.head(
                    "PUT", "/bucket/k",
                    [
                        ("x-amz-decoded-content-length", "11"),
                        ("x-amz-trailer", "x-amz-checksum-crc32"),
                        ("x-amz-sdk-checksum-algorithm", "CRC32"),
                    ], length: body.utf8.count, payload: "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
                let answer = try await server.connect { client in
                    try await client.send(head + body)
                    return try await client.response()
                }
                #expect(answer.code == code)
                if code == nil {
                    #expect(answer.headers["x-amz-checksum-crc32"] == Self.crc32)
                    try await server.request("DELETE", "/bucket/k")
                } else {
                    try await expectNothing(server)
                }
            }
        }
    }

    // MARK: Digests

    @Test("a body that does not hash to what was said is not stored")
    func digests() async throws {
        try await withBucket { server in
            let right = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
            for (payload, header, code) in [
                (right, ("x-amz-checksum-crc32", Self.crc32), nil),
                (right.replacing("b9", with: "ff"), ("a", "b"), "XAmzContentSHA256Mismatch"),
                (right, ("Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww=="), nil),
                (right, ("Content-MD5", "XrY7u+Ae7tCTyyK7j1rNwg=="), "BadDigest"),
                (right, ("Content-MD5", "nonsense"), "InvalidDigest"),
                (right, ("x-amz-checksum-crc32", "AAAAAA=="), "BadDigest"),
                (right, ("x-amz-checksum-crc32", "nonsense"), "BadDigest"),
                (right, ("x-amz-checksum-xxhash", "AAAAAA=="), "InvalidRequest"),
                (right, ("x-amz-sdk-checksum-algorithm", "CRC32"), "InvalidRequest"),
            ] {
                let head = try server.head(
                    "PUT", "/bucket/k", [(name: header.0, value: header.1)],
                    length: Self.text.utf8.count, payload: payload)
                let answer = try await server.connect { client in
                    try await client.send(head + Self.text)
                    return try await client.response()
                }
                #expect(answer.code == code, "\(header)")
                if code == nil {
                    try await server.request("DELETE", "/bucket/k")
                } else {
                    try await expectNothing(server)
                }
            }
        }
    }

    // MARK: Expect

    @Test("the body is asked for only after the request was found good")
    func expectContinue() async throws {
        try await withBucket { server in
            let expect = [(name: "Expect", value: "100-continue")]
            try await server.connect { client in
                try await client.send(server.head("PUT", "/bucket/k", expect, length: 11))
                #expect(try await client.response().status == 100)
                try await client.send(Self.text)
                #expect(try await client.response().status == 200)
                // The connection goes on.
                try await client.send(server.head("GET", "/bucket/k"))
                #expect(try await client.response().text == Self.text)
            }
            for target in ["/nowhere/k", "/bucket/k?partNumber=1&uploadId=x"] {
                try await server.connect { client in
                    try await client.send(server.head("PUT", target, expect, length: 11))
                    let answer = try await client.response()
                    #expect(answer.status == 404)
                    #expect(answer.headers["connection"] == "close")
                    #expect(await client.rest().isEmpty)
                }
            }
            let unsigned =
                "PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n"
                + "Expect: 100-continue\r\n\r\n"
            try await server.connect { client in
                try await client.send(unsigned)
                #expect(try await client.response().status == 403)
            }
        }
    }

    // MARK: Lengths

    @Test("a body cut short is not stored")
    func truncated() async throws {
        try await withBucket { server in
            for sent in [0, 1, 70_000, 199_999] {
                try await server.connect { client in
                    try await client.send(server.head("PUT", "/bucket/k", length: 200_000))
                    try await client.send([UInt8](repeating: 1, count: sent))
                    client.finish()
                    _ = await client.rest()
                }
                try await expectNothing(server)
            }
        }
    }

    @Test("a length that is missing or too large is refused before the body is read")
    func lengths() async throws {
        try await withBucket { server in
            for (headers, code) in [
                ("", "MissingContentLength"),
                ("Content-Length: 5368709121\r\n", "EntityTooLarge"),
            ] {
                let head = try server.head("PUT", "/bucket/k").dropLast() + headers + "\r\n"
                try await server.connect { client in
                    try await client.send(String(head))
                    #expect(try await client.response().code == code)
                }
            }
            try await expectNothing(server)
        }
    }

    @Test("after an error a small unread body is read over, a large one ends the connection")
    func unreadBody() async throws {
        var limits = S3Configuration.Limits()
        limits.drainBytes = 1000
        try await withBucket(limits: limits) { server in
            try await server.connect { client in
                let small = [UInt8](repeating: 1, count: 1000)
                try await client.send(
                    Array(try server.head("PUT", "/nowhere/k", length: 1000).utf8) + small)
                #expect(try await client.response().code == "NoSuchBucket")
                try await client.send(server.head("GET", "/bucket/k"))
                #expect(try await client.response().code == "NoSuchKey")
                try await client.send(server.head("PUT", "/nowhere/k", length: 1001))
                let answer = try await client.response()
                #expect(answer.code == "NoSuchBucket")
                #expect(answer.headers["connection"] == "close")
                #expect(await client.rest().isEmpty)
            }
        }
    }

    @Test("documents beyond their bound are refused")
    func documents() async throws {
        var limits = S3Configuration.Limits()
        limits.documentBytes = 100
        limits.listDocumentBytes = 200
        try await withBucket(limits: limits) { server in
            let long = [UInt8](repeating: UInt8(ascii: " "), count: 201)
            for (method, target) in [
                ("POST", "/bucket?delete"), ("PUT", "/bucket?tagging"), ("PUT", "/other"),
            ] {
                let answer = try await server.request(method, target, body: long)
                #expect(answer.code == "MaxMessageLengthExceeded", "\(target)")
            }
            let empty = try await server.request("POST", "/bucket?delete")
            #expect(empty.code == "MalformedXML")
        }
    }
}
