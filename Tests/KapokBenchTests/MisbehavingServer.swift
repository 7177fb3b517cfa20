import Foundation
import NIOCore
import NIOPosix

@testable import KapokBench

/// How the test server answers.
enum Misbehaviour: Sendable, CaseIterable {
    case none
    /// One bit of every body is wrong.
    case flipsBit
    /// Bodies of one byte less, with a Content-Length to match.
    case cutsBody
    /// Bodies of one byte more, with a Content-Length to match.
    case lengthensBody
    /// 500 to every GET.
    case answers500
    /// Half a body and then the end of the connection.
    case closesWithinBody
    /// Bytes that are not HTTP.
    case answersGarbage
    /// Right answers, one for each connection.
    case closesAfterEach
    /// No answer to any GET.
    case staysSilent
    /// 403 to everything.
    case refuses
    /// Takes PUTs and forgets them.
    case forgetsPuts
    /// Bodies in chunks.
    case sendsChunks
    /// 200 to a PUT whose body has not come yet.
    case answersEarly
}

/// A small S3 look-alike on a loopback port that knows the load generator's objects by heart, and
/// answers wrongly on demand.
struct MisbehavingServer: Sendable {
    let endpoint: Endpoint
    private let channel: any Channel

    init(_ misbehaviour: Misbehaviour) async throws {
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Responder(misbehaviour: misbehaviour))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        endpoint = try Endpoint(parsing: "http://127.0.0.1:\(channel.localAddress?.port ?? 0)")
    }

    func stop() async throws { try await channel.close() }
}

private final class Responder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let misbehaviour: Misbehaviour
    private static let pattern = ObjectPattern(seed: 1)
    private var received = ByteBuffer()
    private var bodyToSkip = 0
    private var request: [Substring]?

    init(misbehaviour: Misbehaviour) { self.misbehaviour = misbehaviour }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var data = unwrapInboundIn(data)
        received.writeBuffer(&data)
        while received.readableBytes > 0 || request != nil {
            let skipped = min(bodyToSkip, received.readableBytes)
            received.moveReaderIndex(forwardBy: skipped)
            bodyToSkip -= skipped
            guard bodyToSkip == 0 else { return }
            if let request {
                self.request = nil
                answer(request, context)
            }
            let text = String(buffer: received)
            guard let end = text.range(of: "\r\n\r\n") else { return }
            let head = text[..<end.lowerBound].split(separator: "\r\n")
            received.moveReaderIndex(forwardBy: text[..<end.upperBound].utf8.count)
            for line in head where line.hasPrefix("Content-Length: ") {
                bodyToSkip = Int(line.dropFirst(16)) ?? 0
            }
            request = head[0].split(separator: " ")
            if misbehaviour == .answersEarly, bodyToSkip > 0 {
                return send("200 OK", [], context)
            }
        }
    }

    private func answer(_ request: [Substring], _ context: ChannelHandlerContext) {
        let method = request[0]
        let parts = request[1].split(separator: "/").last?.split(separator: "-") ?? []
        let object = parts.count == 3 ? Int(parts[2]) : nil
        let size = object == nil ? 0 : Int(parts[0]) ?? 0
        if misbehaviour == .refuses { return send("403 Forbidden", [], context) }
        if misbehaviour == .answersGarbage, method == "GET" {
            return write(Array("220 mail.example ESMTP\r\n\r\n".utf8), context)
        }
        guard method == "GET", let object else {
            let isMissing = misbehaviour == .forgetsPuts && method == "HEAD" && object != nil
            return send(
                isMissing ? "404 Not Found" : "200 OK", [], context,
                length: method == "HEAD" ? size : 0)
        }
        var body = Array(Self.pattern.slice(of: object, at: 0, count: size).readableBytesView)
        switch misbehaviour {
        case .flipsBit: body[size - 1] ^= 1
        case .cutsBody: body.removeLast()
        case .lengthensBody: body.append(0)
        case .answers500: return send("500 Internal Server Error", Array("oops".utf8), context)
        case .forgetsPuts: return send("404 Not Found", Array("gone".utf8), context)
        case .staysSilent: return
        case .closesWithinBody:
            send("200 OK", Array(body.prefix(size / 2)), context, length: size)
            return context.close(promise: nil)
        case .sendsChunks: return sendChunks(body, context)
        case .none, .answersGarbage, .closesAfterEach, .refuses, .answersEarly: break
        }
        send("200 OK", body, context)
    }

    private func send(
        _ status: String, _ body: [UInt8], _ context: ChannelHandlerContext, length: Int? = nil
    ) {
        let closes = misbehaviour == .closesAfterEach
        let head =
            "HTTP/1.1 \(status)\r\nContent-Length: \(length ?? body.count)\r\n"
            + (closes ? "Connection: close\r\n\r\n" : "\r\n")
        write(Array(head.utf8) + body, context)
        if closes { context.close(promise: nil) }
    }

    private func sendChunks(_ body: [UInt8], _ context: ChannelHandlerContext) {
        var bytes = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for start in stride(from: 0, to: body.count, by: 1000) {
            let chunk = body[start..<min(start + 1000, body.count)]
            bytes += Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk
            bytes += Array("\r\n".utf8)
        }
        write(bytes + Array("0\r\n\r\n".utf8), context)
    }

    private func write(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
    }
}
