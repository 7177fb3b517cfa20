import KapokStore
import Testing

@testable import KapokS3

@Suite(.timeLimit(.minutes(2))) struct ServerTests {
    private static let data = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    @Test("what is put comes back, with its headers, ETag and ids")
    func roundTrip() async throws {
        try await withServer { server in
            #expect(try await server.request("PUT", "/bucket").status == 200)
            let put = try await server.request(
                "PUT", "/bucket/a%20b/%C3%BC",
                [("Content-Type", "text/plain"), ("x-amz-meta-color", "green")], body: Self.data)
            #expect(put.status == 200)
            let get = try await server.request("GET", "/bucket/a%20b/%C3%BC")
            #expect(get.status == 200)
            #expect(get.body == Self.data)
            #expect(get.headers["etag"] == put.headers["etag"])
            #expect(get.headers["content-type"] == "text/plain")
            #expect(get.headers["x-amz-meta-color"] == "green")
            #expect(get.headers["x-amz-request-id"]?.utf8.count == 16)
            #expect(get.headers["x-amz-request-id"] != put.headers["x-amz-request-id"])
            let head = try await server.request("HEAD", "/bucket/a%20b/%C3%BC")
            #expect(head.headers["content-length"] == "300000")
            #expect(head.body.isEmpty)
            #expect(try await server.request("DELETE", "/bucket/a%20b/%C3%BC").status == 204)
            #expect(try await server.request("GET", "/bucket/a%20b/%C3%BC").code == "NoSuchKey")
            #expect(server.store.blobCount == 0)
        }
    }

    @Test("a connection serves many requests, pipelined ones in their order")
    func keepAlive() async throws {
        try await withServer { server in
            try await server.connect { client in
                try await client.send(server.head("PUT", "/bucket", length: 0))
                #expect(try await client.response().status == 200)
                var text = ""
                for i in 0..<20 {
                    text += try server.head("PUT", "/bucket/k\(i)", length: 3) + "abc"
                    text += try server.head("GET", "/bucket/k\(i)")
                    text += try server.head("HEAD", "/bucket/k\(i)")
                    text += try server.head("GET", "/bucket/none\(i)")
                }
                try await client.send(text)
                for _ in 0..<20 {
                    #expect(try await client.response().status == 200)
                    #expect(try await client.response().text == "abc")
                    #expect(
                        try await client.response(isHead: true).headers["content-length"] == "3")
                    #expect(try await client.response().code == "NoSuchKey")
                }
            }
        }
    }

    @Test("errors carry the document of S3, and none after HEAD")
    func errorDocument() async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            let get = try await server.request("GET", "/bucket/none")
            #expect(get.status == 404)
            #expect(get.headers["content-type"] == "application/xml")
            let root = try XMLParser.parse(get.body)
            #expect(root.name == "Error")
            #expect(root["Code"]?.text == "NoSuchKey")
            #expect(root["Resource"]?.text == "/bucket/none")
            #expect(root["RequestId"]?.text == get.headers["x-amz-request-id"])
            #expect(root["HostId"]?.text == get.headers["x-amz-id-2"])
            try await server.connect { client in
                try await client.send(server.head("HEAD", "/bucket/none"))
                #expect(try await client.response(isHead: true).status == 404)
                // Had there been a body, it would stand before this answer.
                try await client.send(server.head("GET", "/bucket/none"))
                #expect(try await client.response().code == "NoSuchKey")
            }
        }
    }

    @Test("unsigned and wrongly signed requests are refused, whatever they ask for")
    func refusesAnonymous() async throws {
        try await withServer { server in
            for target in ["/", "/bucket", "/bucket/key", "/bucket?acl", "/bucket?lifecycle"] {
                let answer = try await server.connect { client in
                    try await client.send("GET \(target) HTTP/1.1\r\nHost: \(server.host)\r\n\r\n")
                    return try await client.response()
                }
                #expect(answer.status == 403)
                #expect(answer.code == "AccessDenied")
            }
            let text = try server.head("GET", "/bucket/key").replacing("/key", with: "/other")
            let answer = try await server.connect { client in
                try await client.send(text)
                return try await client.response()
            }
            #expect(answer.code == "SignatureDoesNotMatch")
        }
    }

    @Test("ranges, conditions and overrides shape the answer")
    func shapes() async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            let put = try await server.request("PUT", "/bucket/k", body: Self.data)
            let eTag = try #require(put.headers["etag"])
            let range = try await server.request("GET", "/bucket/k", [("Range", "bytes=5-9")])
            #expect(range.status == 206)
            #expect(range.body == Array(Self.data[5...9]))
            #expect(range.headers["content-range"] == "bytes 5-9/300000")
            let beyond = try await server.request("GET", "/bucket/k", [("Range", "bytes=300000-")])
            #expect(beyond.status == 416 && beyond.code == "InvalidRange")
            let many = try await server.request("GET", "/bucket/k", [("Range", "bytes=0-1,4-5")])
            #expect(many.status == 200 && many.body == Self.data)
            let same = try await server.request("GET", "/bucket/k", [("If-None-Match", eTag)])
            #expect(same.status == 304 && same.body.isEmpty && same.headers["etag"] == eTag)
            let other = try await server.request("GET", "/bucket/k", [("If-Match", "\"x\"")])
            #expect(other.status == 412 && other.code == "PreconditionFailed")
            let typed = try await server.request("GET", "/bucket/k?response-content-type=a%2Fb")
            #expect(typed.headers["content-type"] == "a/b")
            let injected = try await server.request(
                "GET", "/bucket/k?response-content-type=a%0D%0Ax-evil%3A1")
            #expect(injected.code == "InvalidArgument" && injected.headers["x-evil"] == nil)
            let checked = try await server.request(
                "HEAD", "/bucket/k", [("x-amz-checksum-mode", "ENABLED")])
            #expect(checked.headers["x-amz-checksum-crc64nvme"] != nil)
            #expect(checked.headers["x-amz-checksum-type"] == "FULL_OBJECT")
        }
    }

    @Test("the host names the bucket in virtual-host style")
    func virtualHost() async throws {
        try await withServer { server in
            try await server.request("PUT", "/", host: "bucket.localhost:\(server.port)")
            try await server.request(
                "PUT", "/dir/key", body: [1, 2], host: "bucket.s3.eu-west-1.example.com")
            #expect(try await server.request("GET", "/bucket/dir/key").body == [1, 2])
        }
    }

    @Test(
        "what is not supported says so",
        arguments: [
            ("GET", "/bucket?lifecycle"), ("PUT", "/bucket?policy"), ("GET", "/bucket?website"),
            ("PUT", "/bucket?versioning"),
            ("GET", "/bucket/k?torrent"),
            ("POST", "/bucket/k?select&select-type=2"), ("POST", "/bucket"),
            ("PUT", "/bucket?encryption"), ("PUT", "/bucket/k?legal-hold"),
            ("POST", "/bucket/k?restore"),
            ("PUT", "/bucket?replication"), ("DELETE", "/bucket?cors"), ("PUT", "/bucket/k?acl"),
        ])
    func notImplemented(_ method: String, _ target: String) async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            let answer = try await server.request(method, target)
            #expect(answer.status == 501)
            #expect(answer.code == "NotImplemented")
        }
    }

    @Test(
        "headers that ask for what is not here are refused, and nothing is stored",
        arguments: [
            ("x-amz-acl", "public-read", "NotImplemented"),
            ("x-amz-acl", "public-ready", "InvalidArgument"),
            ("x-amz-grant-read", "id=x", "NotImplemented"),
            ("x-amz-storage-class", "GLACIER", "InvalidStorageClass"),
            ("x-amz-server-side-encryption", "AES256", "NotImplemented"),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256", "NotImplemented"),
            ("x-amz-object-lock-mode", "GOVERNANCE", "NotImplemented"),
            ("x-amz-expected-bucket-owner", "someone", "AccessDenied"),
        ])
    func unsupportedHeaders(_ name: String, _ value: String, _ code: String) async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            let answer = try await server.request(
                "PUT", "/bucket/k", [(name, value)], body: [1, 2, 3])
            #expect(answer.code == code)
            #expect(server.store.blobCount == 0)
            #expect(try await server.request("HEAD", "/bucket/k").status == 404)
        }
    }

    @Test("an object deleted before its first byte is out is looked up again")
    func overwrittenWhileRead() async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            try await server.request("PUT", "/bucket/k", body: Self.data)
            server.store.beforePiece { _ in
                server.store.beforePiece(nil)
                _ = try? await server.request("PUT", "/bucket/k", body: [7])
            }
            #expect(try await server.request("GET", "/bucket/k").body == [7])
        }
    }

    @Test("an object deleted while it is sent breaks the connection: no wrong bytes, no false end")
    func deletedWhileSent() async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            try await server.request("PUT", "/bucket/k", body: Self.data)
            let pieces = Counter()
            server.store.beforePiece { _ in
                guard await pieces.next() == 2 else { return }
                server.store.beforePiece(nil)
                _ = try? await server.request("DELETE", "/bucket/k")
            }
            await #expect(throws: RawError.self) { try await server.request("GET", "/bucket/k") }
        }
    }

    @Test("a full store answers 507 and goes on reading")
    func full() async throws {
        try await withServer { server in
            try await server.request("PUT", "/bucket")
            try await server.request("PUT", "/bucket/k", body: [1])
            server.store.refuseNextCommit(.full)
            let answer = try await server.request("PUT", "/bucket/l", body: [2])
            #expect(answer.status == 507 && answer.code == "InsufficientStorage")
            #expect(try await server.request("GET", "/bucket/k").body == [1])
            #expect(try await server.request("HEAD", "/bucket/l").status == 404)
        }
    }
}

/// Counts calls from anywhere.
actor Counter {
    private var count = 0

    func next() -> Int {
        count += 1
        return count
    }
}
