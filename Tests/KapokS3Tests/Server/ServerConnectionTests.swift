import Testing

@testable import KapokS3

@Suite(.timeLimit(.minutes(2))) struct ServerConnectionTests {
    @Test("headers beyond the bound get an S3 error and the end of the connection")
    func oversizedHeaders() async throws {
        try await withServer { server in
            for filler in [
                "x-long: \(String(repeating: "a", count: 40_000))\r\n",
                (0..<3000).map { "x-\($0): \($0)\r\n" }.joined(),
                (0..<300).map { "x-\($0): \($0)\r\n" }.joined(),
            ] {
                try await server.connect { client in
                    try await client.send("GET / HTTP/1.1\r\nHost: x\r\n" + filler + "\r\n")
                    let answer = try await client.response()
                    #expect(answer.status == 400)
                    #expect(answer.code == "RequestHeaderSectionTooLarge")
                    #expect(await client.rest().isEmpty)
                }
            }
            try await server.connect { client in
                let target = "/" + String(repeating: "a", count: 40_000)
                try await client.send("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try await client.response().status == 400)
            }
        }
    }

    @Test(
        "what is no HTTP gets an S3 error and the end of the connection",
        arguments: [
            "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\0\0\0\0\r\n\r\n",
            "GET / HTTP/1.1\r\nbad header\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ])
    func notHTTP(_ text: String) async throws {
        try await withServer { server in
            try await server.connect { client in
                try await client.send(text)
                let answer = try await client.response()
                #expect(answer.status == 400)
                #expect(await client.rest().isEmpty)
            }
        }
    }

    @Test("a target that is no path is refused")
    func badTargets() async throws {
        try await withServer { server in
            for target in ["*", "http://x/y", "/%", "/%zz/k", "/bucket/%FF", "/b%C3ucket/k"] {
                let answer = try await server.connect { client in
                    try await client.send("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
                    return try await client.response()
                }
                #expect(answer.status >= 400 && answer.status < 500, "\(target)")
            }
            let badKey = try await server.connect { client in
                try await client.send(server.head("GET", "/bucket/%FF"))
                return try await client.response()
            }
            #expect(badKey.code == "InvalidURI")
            let longKey = try await server.request(
                "GET", "/bucket/" + String(repeating: "k", count: 1025))
            #expect(longKey.code == "KeyTooLongError")
        }
    }

    @Test("a client that stalls in the middle of a body is cut off, and nothing is stored")
    func stalledSender() async throws {
        var limits = S3Configuration.Limits()
        limits.idleSeconds = 1
        try await withServer(limits: limits) { server in
            try await server.request("PUT", "/bucket")
            let head = try server.head("PUT", "/bucket/k", length: 100_000)
            try await server.connect { client in
                try await client.send(head + "some bytes")
                // The end comes from the server: the client only waits for it.
                _ = await client.rest()
            }
            #expect(server.store.blobCount == 0)
        }
    }

    @Test("a server that is stopped lets go of its connections")
    func stops() async throws {
        try await withServer { server in
            try await server.connect { client in
                try await client.send(server.head("GET", "/bucket/k"))
                #expect(try await client.response().code == "NoSuchBucket")
            }
        }
    }
}
