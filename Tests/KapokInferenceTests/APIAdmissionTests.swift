import Crypto
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import KapokModel
import Logging
import NIOCore
import NIOPosix
import Testing

@testable import KapokInference

@Suite("Who is let in, and what is too much")
struct APIAdmissionTests {
    private let chat = "/v1/chat/completions"
    private let hello = #"{"messages":[{"role":"user","content":"Hi"}]}"#

    @Test("with keys, each is a tenant, and others are refused")
    func bearerKeys() async throws {
        let service = StandInService()
        let server = APITestServer(service, keys: ["alpha", "beta", "ID:gamma"])
        for (key, tenant) in [("alpha", 1), ("beta", 2), ("gamma", 3)] as [(String, UInt32)] {
            let reply = try await server.send(
                .post, chat, hello, headers: [.authorization: "Bearer \(key)"])
            #expect(reply.status == 200)
            #expect(service.requests.last?.tenant == tenant)
        }
        for header in ["Bearer alph", "Bearer ID", "Basic alpha", "Bearer "] {
            let reply = try await server.send(
                .post, chat, hello, headers: [.authorization: header])
            #expect(reply.status == 401)
            #expect(reply.error("code") == "invalid_api_key")
        }
        #expect(try await server.send(.post, chat, hello).status == 401)
        #expect(try await server.send(.get, "/v1/models").status == 401)
        #expect(try await server.send(.get, "/healthz").status == 200)
        let aws = try await server.send(.post, "/model/stand-in/converse", "{}")
        #expect(aws.status == 403)
        #expect(aws.headers[.errorType] == "AccessDeniedException")
    }

    @Test("health tells of loading, readiness and failure; other paths say 503 meanwhile")
    func health() async throws {
        let server = APITestServer(nil)
        #expect(try await server.send(.get, "/healthz").status == 503)
        let early = try await server.send(.post, chat, hello)
        #expect(early.status == 503)
        #expect(early.headers[.retryAfter] == "1")
        server.server.serve(StandInService())
        #expect(try await server.send(.get, "/healthz").status == 200)
        #expect(try await server.send(.head, "/healthz").status == 200)
        #expect(try await server.send(.get, "/health").json["model"] == "stand-in")
        server.server.fail("no such file")
        #expect(try await server.send(.get, "/healthz").json["reason"] == "no such file")
    }

    @Test("bodies that are too long, no JSON, or no object are refused")
    func bodies() async throws {
        var limits = APILimits()
        limits.bodyBytes = 200
        let server = APITestServer(StandInService(), limits: limits)
        let long = try await server.send(
            .post, chat, #"{"x":""# + String(repeating: "y", count: 300) + #""}"#)
        #expect(long.status == 413)
        #expect(long.error("code") == "request_too_large")
        for body in ["", "{", "[1]", "nul", #"{"a":1}x"#] {
            let reply = try await server.send(.post, chat, body)
            #expect(reply.status == 400)
            #expect(reply.error("code") == "invalid_json")
        }
    }

    @Test("unknown paths and methods are told in the dialect of the path")
    func unknown() async throws {
        let server = APITestServer(StandInService())
        let openAI = try await server.send(.post, "/v1/audio/speech", "{}")
        #expect(openAI.status == 404)
        #expect(openAI.error("code") == "unknown_url")
        let aws = try await server.send(.post, "/model/stand-in/dance", "{}")
        #expect(aws.headers[.errorType] == "ResourceNotFoundException")
        let kept = try await server.send(.get, "/v1/responses/resp_1")
        #expect(kept.status == 404)
    }

    @Test("a full queue is 429 with a time, a prompt that is too long 400 with OpenAI's code")
    func refusals() async throws {
        let full = try await APITestServer(StandInService(.refuses(.queueFull(limit: 8)))).send(
            .post, chat, #"{"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#)
        #expect(full.status == 429)
        #expect(full.headers[.retryAfter] == "1")
        #expect(full.error("type") == "rate_limit_error")
        let server = APITestServer(StandInService(contextLimit: 60))
        let long = try await server.send(
            .post, chat,
            #"{"messages":[{"role":"user","content":"Hi"}],"max_tokens":50}"#)
        #expect(long.status == 400)
        #expect(long.error("code") == "context_length_exceeded")
        #expect(long.error("param") == "messages")
        let fits = try await server.send(.post, chat, hello)
        #expect(fits.status == 200)
    }

    @Test("as many requests as the limit are worked on; one more is refused, then taken again")
    func places() async throws {
        var limits = APILimits()
        limits.requestsInFlight = 1
        let service = StandInService(.hangs)
        let server = APITestServer(service, limits: limits)
        try await server.test { client in
            let hanging = Task {
                try await client.executeRequest(
                    uri: "/v1/completions", method: .post, headers: [:],
                    body: ByteBuffer(string: #"{"prompt":"x"}"#))
            }
            while service.requests.isEmpty { await Task.yield() }
            let second = try await client.executeRequest(
                uri: "/v1/completions", method: .post, headers: [:],
                body: ByteBuffer(string: #"{"prompt":"x"}"#))
            #expect(second.status == .tooManyRequests)
            hanging.cancel()
            await service.cancellations(1)
            _ = try? await hanging.value
            while server.server.requestsInFlight > 0 { await Task.yield() }
        }
    }

    @Test("metrics have the engine's figures and the counts of requests")
    func metrics() async throws {
        let server = APITestServer(StandInService())
        _ = try await server.send(.post, chat, hello)
        _ = try await server.send(.post, chat, "{")
        let reply = try await server.send(.get, "/metrics")
        #expect(reply.text.contains("stand_in 1\n"))
        let route = #"kapok_http_requests_total{route="/v1/chat/completions","#
        #expect(reply.text.contains(route + #"status="200"} 1"#))
        #expect(reply.text.contains(route + #"status="400"} 1"#))
        #expect(reply.text.contains("kapok_http_requests_in_flight 0\n"))
    }

    // MARK: Clients that vanish

    /// Opens a connection, sends a request, waits for the service to have it, and closes.
    private func vanish(
        _ script: StandInService.Script, body: String, path: String, halfClose: Bool
    ) async throws {
        let service = StandInService(script)
        let server = APITestServer(service)
        try await server.test(.live) { client in
            let port = try #require(client.port)
            let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.allowRemoteHalfClosure, value: true)
            let channel = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
            let head =
                "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
            try await channel.writeAndFlush(ByteBuffer(string: head + body)).get()
            while service.requests.isEmpty { await Task.yield() }
            if halfClose {
                try await channel.close(mode: .output).get()
            } else {
                try await channel.close().get()
            }
            await service.cancellations(1)
            if halfClose { try? await channel.close().get() }
        }
    }

    @Test(
        "a client that closes while nothing is written ends its request", arguments: [true, false])
    func vanishing(halfClose: Bool) async throws {
        try await vanish(
            .hangs, body: hello, path: chat, halfClose: halfClose)
    }

    @Test(
        "a client that closes in the middle of a stream ends its request",
        arguments: [true, false])
    func vanishingInStream(halfClose: Bool) async throws {
        try await vanish(
            .stalls(["a"]), body: #"{"prompt":"x","stream":true,"n":1}"#, path: "/v1/completions",
            halfClose: halfClose)
        try await vanish(
            .stalls(["a"]), body: #"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
            path: "/model/stand-in/converse-stream", halfClose: halfClose)
    }

    @Test("one connection serves several requests")
    func keepAlive() async throws {
        let server = APITestServer(StandInService())
        try await server.test(.live) { client in
            let port = try #require(client.port)
            let (replies, sink) = AsyncStream<String>.makeStream()
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.pipeline.addHandler(TextReader(sink))
                }.connect(host: "127.0.0.1", port: port).get()
            var iterator = replies.makeAsyncIterator()
            for _ in 0..<3 {
                let request =
                    "POST \(chat) HTTP/1.1\r\nHost: x\r\nContent-Length: \(hello.utf8.count)"
                    + "\r\n\r\n\(hello)"
                try await channel.writeAndFlush(ByteBuffer(string: request)).get()
                var text = ""
                while !text.contains("Hello world"), let more = await iterator.next() {
                    text += more
                }
                #expect(text.hasPrefix("HTTP/1.1 200 OK"))
            }
            try await channel.close().get()
        }
    }
}

/// Hands what comes on a connection to a stream.
private final class TextReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let sink: AsyncStream<String>.Continuation

    init(_ sink: AsyncStream<String>.Continuation) { self.sink = sink }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        sink.yield(String(buffer: unwrapInboundIn(data)))
    }

    func channelInactive(context: ChannelHandlerContext) { sink.finish() }
}
