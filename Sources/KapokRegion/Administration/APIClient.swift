import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// Talks to a running region's api: HTTP/1.1, one request a connection, answers of bounded lines.
struct APIClient: Sendable {
    enum Method: String {
        case get = "GET"
        case post = "POST"
    }

    /// The longest line of an answer, in bytes.
    static let maximumLineBytes = 4 << 20
    /// How long the region may be silent within an answer.
    private static let patience = TimeAmount.seconds(120)

    let host: String
    let port: Int
    private let secret: String

    /// - Parameter url: `http://HOST:PORT`, as `region.json` has it.
    init(url: String, secret: String) throws {
        let scheme = "http://"
        let address = url.hasPrefix(scheme) ? String(url.dropFirst(scheme.count)) : url
        guard let colon = address.lastIndex(of: ":"),
            let port = Int(address[address.index(after: colon)...]), (1...65535).contains(port),
            !address[..<colon].isEmpty
        else { throw RegionError("\(url) is no address of a region: it is no http://HOST:PORT") }
        host = address[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        self.port = port
        self.secret = secret
    }

    /// Sends a request without a body and hands over the answer's lines as they come.
    ///
    /// - Throws: `RegionError` when the region cannot be reached, or with the reason why it
    ///   refuses.
    func send(
        _ method: Method, _ path: String, onLine: (Data) throws -> Void
    ) async throws {
        let channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
        do { channel = try await connect() } catch {
            throw RegionError(
                "the region at \(host):\(port) cannot be reached: \(error). Has it just ended?")
        }
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(.head(head(method, path)))
            try await outbound.write(.end(nil))
            var lines = LineBuffer()
            var status: HTTPResponseStatus?
            for try await part in inbound {
                switch part {
                case .head(let head): status = head.status
                case .body(let bytes):
                    try lines.append(bytes)
                    while status == .ok, let line = lines.next() { try onLine(line.data) }
                case .end:
                    guard status == .ok else { throw Self.refusal(status, lines.rest) }
                    if lines.rest.readableBytes > 0 { try onLine(lines.rest.data) }
                    return
                }
            }
            throw RegionError("the region closed the connection before its answer was complete")
        }
    }

    /// Sends a request and decodes its answer.
    func send<Document: Decodable>(
        _ method: Method, _ path: String, as type: Document.Type
    ) async throws -> Document {
        var document: Document?
        try await send(method, path) { line in
            document = try JSONDecoder().decode(type, from: line)
        }
        guard let document else { throw RegionError("the region's answer is empty") }
        return document
    }

    private func connect() async throws
        -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
    {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(5))
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(readTimeout: Self.patience))
                    try pipeline.addHandler(SilenceHandler())
                    try pipeline.addHTTPClientHandlers()
                    return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
    }

    private func head(_ method: Method, _ path: String) -> HTTPRequestHead {
        HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: method.rawValue), uri: path,
            headers: [
                "Host": "\(host.contains(":") ? "[\(host)]" : host):\(port)",
                "Authorization": "Bearer \(secret)", "Connection": "close", "Content-Length": "0",
            ])
    }

    private static func refusal(_ status: HTTPResponseStatus?, _ body: ByteBuffer) -> RegionError {
        struct Document: Decodable { var error: APIError }
        let text = status.map { "\($0.code) \($0.reasonPhrase)" } ?? "nothing"
        guard
            let document = try? JSONDecoder().decode(
                Document.self, from: body.data)
        else { return RegionError("the region answered \(text)") }
        return RegionError(document.error.message)
    }
}

extension ByteBuffer {
    fileprivate var data: Data { Data(readableBytesView) }
}

/// Splits bytes into lines of bounded length.
private struct LineBuffer {
    private(set) var rest = ByteBuffer()

    mutating func append(_ bytes: ByteBuffer) throws {
        rest.writeImmutableBuffer(bytes)
        guard rest.readableBytes <= APIClient.maximumLineBytes else {
            throw RegionError("the region's answer is too long")
        }
    }

    /// The next whole line, without its end.
    mutating func next() -> ByteBuffer? {
        guard let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            rest.discardReadBytes()
            return nil
        }
        let line = rest.readSlice(length: end - rest.readerIndex)
        rest.moveReaderIndex(forwardBy: 1)
        return line
    }
}

/// Gives up on a peer that is silent.
private final class SilenceHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.fireErrorCaught(RegionError("the region does not answer"))
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
