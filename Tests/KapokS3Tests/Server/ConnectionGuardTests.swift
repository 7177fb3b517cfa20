import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import KapokS3

/// The guard alone, in a channel whose time the test moves.
@Suite struct ConnectionGuardTests {
    private typealias Request = HTTPServerRequestPart
    private typealias Response = HTTPServerResponsePart

    private func makeChannel() throws -> EmbeddedChannel {
        let handler = ConnectionGuard(
            idleSeconds: 60, lingerSeconds: 5, minimumBytesPerSecond: 100
        ) { tooLarge in
            let status: HTTPResponseStatus = tooLarge ? .requestHeaderFieldsTooLarge : .badRequest
            return (HTTPResponseHead(version: .http1_1, status: status), ByteBuffer())
        }
        let channel = EmbeddedChannel(handler: handler)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    private func head(_ method: HTTPMethod = .GET) -> Request {
        .head(HTTPRequestHead(version: .http1_1, method: method, uri: "/"))
    }

    private func answer(_ channel: EmbeddedChannel, close: Bool = false) throws {
        let headers: HTTPHeaders = close ? ["Connection": "close"] : [:]
        let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
        try channel.writeOutbound(Response.head(head))
        try channel.writeOutbound(Response.end(nil))
    }

    private func advance(_ channel: EmbeddedChannel, _ seconds: Int64) {
        channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
    }

    @Test("a connection without requests is closed after the idle time")
    func idle() throws {
        let channel = try makeChannel()
        channel.read()
        advance(channel, 59)
        #expect(channel.isActive)
        advance(channel, 1)
        #expect(!channel.isActive)
    }

    @Test("a request that is worked on may take any time")
    func working() throws {
        let channel = try makeChannel()
        channel.read()
        try channel.writeInbound(head())
        try channel.writeInbound(Request.end(nil))
        channel.read()
        advance(channel, 3600)
        #expect(channel.isActive)
        try answer(channel)
        advance(channel, 59)
        #expect(channel.isActive)
        advance(channel, 61)
        #expect(!channel.isActive)
    }

    @Test("a body must go on within the idle time, from piece to piece")
    func body() throws {
        let channel = try makeChannel()
        channel.read()
        try channel.writeInbound(head(.PUT))
        for _ in 0..<10 {
            channel.read()
            advance(channel, 59)
            try channel.writeInbound(Request.body(ByteBuffer(repeating: 1, count: 6000)))
        }
        #expect(channel.isActive)
        channel.read()
        advance(channel, 60)
        #expect(!channel.isActive)
    }

    @Test("a body that comes in drops is cut off once the server has waited for the idle time")
    func drops() throws {
        let channel = try makeChannel()
        channel.read()
        try channel.writeInbound(head(.PUT))
        for second in 1...60 {
            #expect(channel.isActive, "after \(second - 1) seconds")
            channel.read()
            advance(channel, 1)
            try channel.writeInbound(Request.body(ByteBuffer(repeating: 1, count: 99)))
        }
        #expect(!channel.isActive)
    }

    @Test("the time in which the server asks for nothing is not held against a slow client")
    func ownTime() throws {
        let channel = try makeChannel()
        channel.read()
        try channel.writeInbound(head(.PUT))
        for _ in 0..<100 {
            advance(channel, 59)
            channel.read()
            try channel.writeInbound(Request.body(ByteBuffer(bytes: [1])))
        }
        #expect(channel.isActive)
    }

    @Test("a body that the server itself holds up is not the client's fault")
    func backPressure() throws {
        let channel = try makeChannel()
        channel.read()
        try channel.writeInbound(head(.PUT))
        try channel.writeInbound(Request.body(ByteBuffer(bytes: [1])))
        // Nobody asks for more.
        advance(channel, 3600)
        #expect(channel.isActive)
    }

    @Test("a client that takes nothing for the idle time is cut off")
    func stalledReader() throws {
        let channel = try makeChannel()
        channel.read()
        try channel.writeInbound(head())
        try channel.writeInbound(Request.end(nil))
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        advance(channel, 30)
        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        advance(channel, 3600)
        #expect(channel.isActive)
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        advance(channel, 60)
        advance(channel, 60)
        #expect(!channel.isActive)
    }

    @Test("after a last answer the client has a little time to close")
    func linger() throws {
        let channel = try makeChannel()
        channel.read()
        try channel.writeInbound(head())
        try channel.writeInbound(Request.end(nil))
        try answer(channel, close: true)
        advance(channel, 4)
        #expect(channel.isActive)
        advance(channel, 1)
        #expect(!channel.isActive)
    }

    @Test("when the server stops, idle connections close and busy ones after their answer")
    func quiesce() throws {
        let idle = try makeChannel()
        idle.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(!idle.isActive)
        let busy = try makeChannel()
        try busy.writeInbound(head())
        try busy.writeInbound(Request.end(nil))
        busy.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(busy.isActive)
        try answer(busy)
        advance(busy, 5)
        #expect(!busy.isActive)
    }

    @Test("what is no HTTP is answered once and the connection ended")
    func refusal() throws {
        let channel = try makeChannel()
        channel.pipeline.fireErrorCaught(HTTPParserError.headerOverflow)
        channel.pipeline.fireErrorCaught(HTTPParserError.headerOverflow)
        var statuses: [UInt] = []
        while let part = try channel.readOutbound(as: Response.self) {
            if case .head(let head) = part { statuses.append(head.status.code) }
        }
        #expect(statuses == [431])
        advance(channel, 5)
        #expect(!channel.isActive)
    }
}
