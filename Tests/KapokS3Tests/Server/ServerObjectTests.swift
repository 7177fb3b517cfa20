import Testing

@testable import KapokS3

/// What clients rely on beyond putting and getting, over real connections.
@Suite(.timeLimit(.minutes(2))) struct ServerObjectTests {
    private func withBucket(
        _ body: @Sendable @escaping (LiveServer) async throws -> Void
    ) async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            try await body(server)
        }
    }

    @Test("creating one's own bucket again succeeds and changes nothing")
    func createAgain() async throws {
        try await withBucket { server in
            try await server.request("PUT", "/bucket/k", body: [1])
            #expect(try await server.request("PUT", "/bucket").status == 200)
            #expect(try await server.request("GET", "/bucket/k").body == [1])
        }
    }

    @Test("each object is listed as its only version, page by page")
    func versions() async throws {
        try await withBucket { server in
            for key in ["a", "b/1", "b/2", "c"] {
                try await server.request("PUT", "/bucket/" + key, body: [1])
            }
            var target = "/bucket?versions&max-keys=1&delimiter=/"
            var names: [String] = []
            for _ in 0..<3 {
                let page = try XMLParser.parse(try await server.request("GET", target).body)
                #expect(page.name == "ListVersionsResult")
                if let version = page["Version"] {
                    #expect(version["VersionId"]?.text == "null")
                    #expect(version["IsLatest"]?.text == "true")
                    names.append(version["Key"]?.text ?? "")
                } else {
                    names.append(page["CommonPrefixes"]?["Prefix"]?.text ?? "")
                }
                let isTruncated = page["IsTruncated"]?.text == "true"
                #expect(isTruncated == (names.count < 3))
                let next = page["NextKeyMarker"]?.text ?? ""
                let id = page["NextVersionIdMarker"].map { "&version-id-marker=" + $0.text } ?? ""
                target = "/bucket?versions&max-keys=1&delimiter=/&key-marker=\(next)\(id)"
            }
            #expect(names == ["a", "b/", "c"])
            let bad = try await server.request(
                "GET", "/bucket?versions&key-marker=a&version-id-marker=x")
            #expect(bad.code == "InvalidArgument")
        }
    }

    @Test("attributes are those asked for, and something must be asked for")
    func attributes() async throws {
        try await withBucket { server in
            let put = try await server.request("PUT", "/bucket/k", body: Array("hello".utf8))
            let all = try await server.request(
                "GET", "/bucket/k?attributes",
                [("x-amz-object-attributes", "ETag,Checksum,ObjectParts,StorageClass, ObjectSize")])
            let root = try XMLParser.parse(all.body)
            #expect(root.name == "GetObjectAttributesResponse")
            #expect("\"" + (root["ETag"]?.text ?? "") + "\"" == put.headers["etag"])
            #expect(
                root["Checksum"]?["ChecksumCRC64NVME"]?.text
                    == put.headers["x-amz-checksum-crc64nvme"])
            #expect(root["Checksum"]?["ChecksumType"]?.text == "FULL_OBJECT")
            #expect(root["ObjectSize"]?.text == "5")
            #expect(root["StorageClass"]?.text == "STANDARD")
            #expect(root["ObjectParts"] == nil)
            #expect(all.headers["last-modified"] != nil)
            let size = try await server.request(
                "GET", "/bucket/k?attributes", [("x-amz-object-attributes", "ObjectSize")])
            #expect(try XMLParser.parse(size.body)["ETag"] == nil)
            for (value, code) in [("", "InvalidRequest"), ("ETag,Color", "InvalidArgument")] {
                let answer = try await server.request(
                    "GET", "/bucket/k?attributes", [("x-amz-object-attributes", value)])
                #expect(answer.code == code)
            }
        }
    }

    @Test("the parts of an object are listed page by page")
    func partAttributes() async throws {
        try await withBucket { server in
            let began = try await server.request(
                "POST", "/bucket/k?uploads", [("x-amz-checksum-algorithm", "CRC32")])
            let id = try XMLParser.parse(began.body)["UploadId"]?.text ?? ""
            let big = [UInt8](repeating: 7, count: 5 << 20)
            var document = "<CompleteMultipartUpload>"
            for (number, bytes) in [(1, big), (2, Array("tail".utf8))] {
                let part = try await server.request(
                    "PUT", "/bucket/k?partNumber=\(number)&uploadId=\(id)", body: bytes)
                document +=
                    "<Part><PartNumber>\(number)</PartNumber><ETag>\(part.headers["etag"] ?? "")"
                    + "</ETag></Part>"
            }
            document += "</CompleteMultipartUpload>"
            // A checksum in the head is the object's, not the document's.
            let wrong = try await server.request(
                "POST", "/bucket/k?uploadId=\(id)", [("x-amz-checksum-crc32", "AAAAAA==")],
                body: Array(document.utf8))
            #expect(wrong.code == "BadDigest")
            let done = try await server.request(
                "POST", "/bucket/k?uploadId=\(id)", body: Array(document.utf8))
            let sum = try XMLParser.parse(done.body)["ChecksumCRC32"]?.text ?? ""
            #expect(sum.hasSuffix("-2"))
            let again = try await server.request(
                "POST", "/bucket/k?uploadId=\(id)", [("x-amz-checksum-crc32", sum)],
                body: Array(document.utf8))
            #expect(again.status == 200)
            let page = try await server.request(
                "GET", "/bucket/k?attributes",
                [
                    ("x-amz-object-attributes", "ObjectParts"), ("x-amz-max-parts", "1"),
                    ("x-amz-part-number-marker", "1"),
                ])
            let parts = try #require(try XMLParser.parse(page.body)["ObjectParts"])
            #expect(parts["PartsCount"]?.text == "2")
            #expect(parts["IsTruncated"]?.text == "false")
            #expect(parts.all("Part").map { $0["Size"]?.text } == ["4"])
            let last = try await server.request(
                "GET", "/bucket/k?partNumber=2", [("x-amz-checksum-mode", "ENABLED")])
            #expect(last.text == "tail")
            #expect(last.headers["x-amz-checksum-type"] == "COMPOSITE")
            #expect(
                parts.all("Part").first?["ChecksumCRC32"]?.text
                    == last.headers["x-amz-checksum-crc32"])
        }
    }

    @Test("a delete with conditions deletes what is meant, alone and among many")
    func conditionalDelete() async throws {
        try await withBucket { server in
            let put = try await server.request("PUT", "/bucket/k", body: [1, 2, 3])
            let eTag = put.headers["etag"] ?? ""
            let wrong = [
                ("If-Match", "\"0\""), ("x-amz-if-match-size", "4"),
                ("x-amz-if-match-last-modified-time", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ]
            for header in wrong {
                let answer = try await server.request("DELETE", "/bucket/k", [header])
                #expect(answer.status == 412 && answer.code == "PreconditionFailed", "\(header)")
            }
            for header in [
                ("x-amz-if-match-size", "x"), ("x-amz-if-match-last-modified-time", "today"),
            ] {
                let answer = try await server.request("DELETE", "/bucket/k", [header])
                #expect(answer.code == "InvalidArgument", "\(header)")
            }
            let modified =
                try await server.request("HEAD", "/bucket/k").headers["last-modified"] ?? ""
            let right = [
                ("If-Match", eTag), ("x-amz-if-match-size", "3"),
                ("x-amz-if-match-last-modified-time", modified),
            ]
            #expect(try await server.request("DELETE", "/bucket/k", right).status == 204)
            #expect(try await server.request("HEAD", "/bucket/k").status == 404)
            try await server.request("PUT", "/bucket/k", body: [1])
            try await server.request("PUT", "/bucket/l", body: [1])
            let document =
                "<Delete><Object><Key>k</Key><Size>2</Size></Object><Object><Key>l</Key>"
                + "<Size>1</Size><LastModifiedTime>1970-01-01T00:00:00Z</LastModifiedTime></Object>"
                + "<Object><Key>l</Key><ETag>*</ETag><VersionId>null</VersionId></Object></Delete>"
            let many = try await server.request(
                "POST", "/bucket?delete", body: Array(document.utf8))
            let root = try XMLParser.parse(many.body)
            #expect(root.all("Error").map { $0["Key"]?.text } == ["k", "l"])
            #expect(root.all("Error").allSatisfy { $0["Code"]?.text == "PreconditionFailed" })
            #expect(root.all("Deleted").map { $0["Key"]?.text } == ["l"])
            #expect(root.all("Deleted").first?["VersionId"]?.text == "null")
        }
    }

    @Test("a list of objects to delete that does not match its digest deletes nothing")
    func deleteDigest() async throws {
        try await withBucket { server in
            try await server.request("PUT", "/bucket/k", body: [1])
            let document = Array("<Delete><Object><Key>k</Key></Object></Delete>".utf8)
            for header in [
                ("Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww=="), ("x-amz-checksum-crc32", "AAAAAA=="),
                ("x-amz-checksum-sha256", "bad"),
            ] {
                let answer = try await server.request(
                    "POST", "/bucket?delete", [header], body: document)
                #expect(answer.code == "BadDigest", "\(header)")
            }
            #expect(try await server.request("GET", "/bucket/k").body == [1])
        }
    }

    @Test("a body in chunks of HTTP, whose length nobody knows before, is stored whole")
    func chunkedTransfer() async throws {
        try await withBucket { server in
            for pieces in [["hello ", "world"], []] {
                let answer = try await server.connect { client in
                    var text = try server.head(
                        "PUT", "/bucket/k", [("Transfer-Encoding", "chunked")])
                    for piece in pieces {
                        text += String(piece.utf8.count, radix: 16) + "\r\n\(piece)\r\n"
                    }
                    try await client.send(text + "0\r\n\r\n")
                    return try await client.response()
                }
                #expect(answer.status == 200)
                #expect(try await server.request("GET", "/bucket/k").text == pieces.joined())
            }
        }
    }

    @Test("a body in chunks of HTTP that grows above the limit is refused and not stored")
    func endlessTransfer() async throws {
        var limits = S3Configuration.Limits()
        limits.objectBytes = 1 << 20
        try await withServer(limits: limits) { server in
            try await server.request("PUT", "/bucket")
            try await server.connect { client in
                try await client.send(
                    server.head("PUT", "/bucket/k", [("Transfer-Encoding", "chunked")]))
                let piece = "10000\r\n" + String(repeating: "x", count: 1 << 16) + "\r\n"
                for _ in 0..<17 { try await client.send(piece) }
                #expect(try await client.response().code == "EntityTooLarge")
            }
            #expect(try await server.request("HEAD", "/bucket/k").status == 404)
            #expect(server.store.blobCount == 0)
        }
    }

    @Test("content codings keep their order, without the one of the transfer")
    func contentEncoding() async throws {
        try await withBucket { server in
            for (given, kept) in [
                ("deflate, gzip", "deflate, gzip"), ("gzip,aws-chunked", "gzip"),
                ("aws-chunked", nil),
            ] {
                try await server.request(
                    "PUT", "/bucket/k", [("Content-Encoding", given)], body: [1])
                let head = try await server.request("HEAD", "/bucket/k")
                #expect(head.headers["content-encoding"] == kept)
            }
        }
    }

    @Test("headers in the query of a presigned URL count as if they had been sent")
    func headersInQuery() async throws {
        try await withBucket { server in
            func presigned(_ query: String) throws -> String {
                try RequestSigner(accessKey: AuthVectors.key).presign(
                    method: "PUT", target: "/bucket/k?" + query,
                    headers: [("host", server.host)], expiresSeconds: 60,
                    unixSeconds: WallClock.nowSeconds())
            }
            func put(_ target: String) async throws -> RawResponse {
                try await server.connect { client in
                    try await client.send(
                        "PUT \(target) HTTP/1.1\r\nHost: \(server.host)\r\n"
                            + "Content-Length: 2\r\n\r\nhi"
                    )
                    return try await client.response()
                }
            }
            let answer = try await put(presigned("x-amz-meta-color=deep%20green"))
            #expect(answer.status == 200)
            let head = try await server.request("HEAD", "/bucket/k")
            #expect(head.headers["x-amz-meta-color"] == "deep green")
            let acl = try await put(presigned("X-Amz-Acl=public-read"))
            #expect(acl.code == "NotImplemented")
            let injected = try await put(presigned("x-amz-meta-a=b%0D%0Ac%3A1"))
            #expect(injected.code == "InvalidArgument")
            let digest = try await put(presigned("x-amz-checksum-crc32=AAAAAA%3D%3D"))
            #expect(digest.code == "BadDigest")
        }
    }
}
