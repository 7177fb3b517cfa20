import NIOCore
import NIOHTTP1

/// The parts of the connection as they come in.
typealias InboundParts = NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator
/// Where answers go.
typealias OutboundParts = NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

/// The body of the request being served. The client is told to send it (`100 Continue`) when it is
/// first read, so a request refused before that costs no transfer.
struct RequestBody: ~Copyable {
    private var parts: InboundParts
    private let outbound: OutboundParts
    private var mustContinue: Bool

    /// Whether the body was read to its end.
    private(set) var isEnded = false
    /// In bytes, as it came over the connection.
    private(set) var receivedBytes: UInt64 = 0

    /// - Parameter expectsContinue: whether the client waits for `100 Continue`.
    init(_ parts: InboundParts, _ outbound: OutboundParts, expectsContinue: Bool) {
        self.parts = parts
        self.outbound = outbound
        mustContinue = expectsContinue
    }

    /// Whether the client still waits for `100 Continue`: it may never send the body.
    var isAwaitingContinue: Bool { mustContinue }

    /// The next piece; nil behind the last.
    /// - Throws: `IncompleteBody` when the client stopped in the middle.
    mutating func next() async throws -> ByteBuffer? {
        if isEnded { return nil }
        if mustContinue {
            mustContinue = false
            try await outbound.write(
                .head(HTTPResponseHead(version: .http1_1, status: .continue)))
        }
        while true {
            let part: HTTPServerRequestPart?
            do {
                // One task owns the connection and its parts; NIO's `next` does not say that it
                // stays in it.
                nonisolated(unsafe) var iterator = parts
                defer { parts = iterator }
                part = try await iterator.next()
            } catch is HTTPParserError {
                throw Self.incomplete
            }
            switch part {
            case .body(let buffer):
                receivedBytes += UInt64(buffer.readableBytes)
                if buffer.readableBytes > 0 { return buffer }
            case .end:
                isEnded = true
                return nil
            case .head, .none: throw Self.incomplete
            }
        }
    }

    private static let incomplete = S3Error(
        .incompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header.")

    /// Reads over what is left, at most `limit` bytes. False when more than that was left.
    mutating func drain(upTo limit: Int) async throws -> Bool {
        if isEnded { return true }
        if mustContinue { return false }
        var left = limit
        while let buffer = try await next() {
            left -= buffer.readableBytes
            if left < 0 { return false }
        }
        return true
    }

    /// Gives the connection's parts back for the next request.
    consuming func release() -> InboundParts { parts }
}
