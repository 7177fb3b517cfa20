import Testing

@testable import KapokS3

/// What the heads of requests mean, without a server.
@Suite struct RequestReadingTests {
    private func head(
        _ method: String, _ target: String, _ headers: [(name: String, value: String)] = []
    ) throws -> RequestHead {
        try RequestHead(method: method, target: target, headers: headers)
    }

    @Test("host and path name bucket and key in both styles")
    func addresses() throws {
        let cases: [(String, String, String?, String?)] = [
            ("127.0.0.1:9000", "/", nil, nil), ("127.0.0.1:9000", "/bucket", "bucket", nil),
            ("localhost:9000", "/bucket/", "bucket", nil),
            ("localhost", "/bucket/a/b%20c", "bucket", "a/b c"),
            ("localhost", "/bucket//a", "bucket", "/a"), ("[::1]:9000", "/bucket/k", "bucket", "k"),
            ("bucket.localhost:9000", "/", "bucket", nil),
            ("Bucket.LocalHost", "/k", "bucket", "k"),
            ("my.bucket.localhost", "/k", "my.bucket", "k"),
            ("s3.localhost", "/bucket/k", "bucket", "k"),
            ("bucket.s3.localhost", "/k", "bucket", "k"),
            ("bucket.s3.us-west-2.amazonaws.com", "/k/", "bucket", "k/"),
            ("s3.us-west-2.amazonaws.com", "/bucket/k", "bucket", "k"),
            ("storage.example.com", "/bucket/k", "bucket", "k"),
        ]
        for (host, path, bucket, key) in cases {
            let address = try Address(
                head("GET", path, [("Host", host)]), baseDomains: ["localhost"])
            #expect(address.bucket == bucket, "\(host) \(path)")
            #expect(address.key == key, "\(host) \(path)")
        }
        for (host, path) in [
            ("localhost", "/BUCKET/k"), ("localhost", "/a/k"), ("localhost", "//k"),
            ("a_b.localhost", "/k"), ("localhost", "/%FF/k"), ("localhost", "/bucket/%FF"),
        ] {
            #expect(throws: S3Error.self, "\(host) \(path)") {
                try Address(head("GET", path, [("Host", host)]), baseDomains: ["localhost"])
            }
        }
    }

    @Test("method, query and headers select the operation")
    func operations() throws {
        let cases: [(String, String, [(name: String, value: String)], S3Operation)] = [
            ("GET", "/", [], .listBuckets), ("GET", "/bucket", [], .listObjects),
            ("GET", "/bucket?list-type=2&prefix=a", [], .listObjectsV2),
            ("GET", "/bucket?uploads", [], .listMultipartUploads),
            ("POST", "/bucket?delete=", [], .deleteObjects), ("PUT", "/bucket", [], .createBucket),
            ("HEAD", "/bucket", [], .headBucket), ("DELETE", "/bucket", [], .deleteBucket),
            ("GET", "/bucket?location", [], .getBucketLocation),
            ("GET", "/bucket/k", [], .getObject),
            ("HEAD", "/bucket/k?partNumber=1", [], .headObject),
            ("PUT", "/bucket/k", [], .putObject),
            ("PUT", "/bucket/k", [("x-amz-copy-source", "/a/b")], .copyObject),
            ("PUT", "/bucket/k?partNumber=1&uploadId=x", [], .uploadPart),
            (
                "PUT", "/bucket/k?partNumber=1&uploadId=x", [("x-amz-copy-source", "/a/b")],
                .uploadPartCopy
            ),
            ("POST", "/bucket/k?uploads", [], .createMultipartUpload),
            ("POST", "/bucket/k?uploadId=x", [], .completeMultipartUpload),
            ("DELETE", "/bucket/k?uploadId=x", [], .abortMultipartUpload),
            ("GET", "/bucket/k?uploadId=x", [], .listParts),
            ("DELETE", "/bucket/k?tagging", [], .deleteObjectTagging),
            ("GET", "/bucket/k?X-Amz-Signature=1&x-id=GetObject", [], .getObject),
        ]
        for (method, target, headers, expected) in cases {
            let head = try head(method, target, headers)
            let address = try Address(head, baseDomains: [])
            #expect(try S3Operation(head, address) == expected, "\(method) \(target)")
        }
        let refused: [(String, String, S3Error.Code)] = [
            ("POST", "/", .methodNotAllowed), ("PATCH", "/bucket/k", .methodNotAllowed),
            ("DELETE", "/", .methodNotAllowed), ("POST", "/bucket/k", .methodNotAllowed),
            ("GET", "/bucket?acl&tagging", .invalidArgument),
            ("GET", "/bucket?lifecycle", .notImplemented),
            ("PUT", "/bucket?cors", .notImplemented), ("PUT", "/bucket/k?restore", .notImplemented),
        ]
        for (method, target, code) in refused {
            let head = try head(method, target)
            let address = try Address(head, baseDomains: [])
            do throws(S3Error) {
                _ = try S3Operation(head, address)
                Issue.record("accepted \(method) \(target)")
            } catch {
                #expect(error.code == code, "\(method) \(target)")
            }
        }
    }

    @Test("object headers are kept, aws-chunked is not, and metadata is bounded")
    func objectHeaders() throws {
        let headers = try RequestHeaders.objectHeaders(
            head(
                "PUT", "/b/k",
                [
                    ("Content-Encoding", "aws-chunked, gzip"), ("Cache-Control", "no-cache"),
                    ("x-amz-meta-b", "2"), ("X-Amz-Meta-A", " 1 "), ("x-amz-meta-b", "3"),
                ]))
        #expect(headers.contentEncoding == "gzip")
        #expect(headers.contentType == "binary/octet-stream")
        #expect(headers.user.map(\.name) == ["a", "b"])
        #expect(headers.user.map(\.value) == ["1", "2,3"])
        let only = try RequestHeaders.objectHeaders(
            head("PUT", "/b/k", [("Content-Encoding", "aws-chunked")]))
        #expect(only.contentEncoding == nil)
        let most = String(repeating: "v", count: 2047)
        _ = try RequestHeaders.objectHeaders(head("PUT", "/b/k", [("x-amz-meta-a", most)]))
        #expect(throws: S3Error.self) {
            try RequestHeaders.objectHeaders(head("PUT", "/b/k", [("x-amz-meta-ab", most)]))
        }
    }

    @Test("a copy source is a percent-coded bucket and key")
    func copySource() throws {
        for text in ["/bucket/a%20b%2Bc", "bucket/a%20b%2Bc", "bucket/a%20b%2Bc?versionId=null"] {
            let source = try RequestHeaders.copySource(
                head("PUT", "/b/k", [("x-amz-copy-source", text)]))
            #expect(source.bucket == "bucket" && source.key == "a b+c")
        }
        for text in ["", "/", "bucket", "bucket/", "/bucket", "bucket/%FF", "bucket/k?versionId=x"]
        {
            #expect(throws: S3Error.self, "\(text)") {
                try RequestHeaders.copySource(head("PUT", "/b/k", [("x-amz-copy-source", text)]))
            }
        }
        let range = try RequestHeaders.copySourceRange(
            head("PUT", "/b/k", [("x-amz-copy-source-range", "bytes=5-9")]))
        #expect(range == 5...9)
        for text in ["bytes=5-", "bytes=-5", "5-9", "bytes=9-5", "bytes=0-18446744073709551615"] {
            #expect(throws: S3Error.self, "\(text)") {
                try RequestHeaders.copySourceRange(
                    head("PUT", "/b/k", [("x-amz-copy-source-range", text)]))
            }
        }
    }

    @Test("page tokens read back and nothing else does")
    func pageTokens() throws {
        for name in ["a", "ü/😀", String(repeating: "k", count: 1024)] {
            #expect(try PageToken.decode(PageToken.encode(name)) == name)
        }
        for token in ["", "1", "2aa", "1a", "1zz", "1ff", String(repeating: "1", count: 5001)] {
            #expect(throws: S3Error.self, "\(token)") { try PageToken.decode(token) }
        }
    }

    @Test("request ids are sixteen digits and do not repeat")
    func requestIDs() {
        let ids = RequestIDs()
        let many = (0..<10_000).map { _ in ids.next() }
        #expect(Set(many).count == many.count)
        #expect(many.allSatisfy { $0.utf8.count == 16 })
        #expect(ids.hostID.utf8.count == 40)
    }
}
