import KapokInference
import KapokModel
import NIOCore
import NIOHTTP1

/// Sends one request and takes in the stream of its answer, noting when pieces came.
final class ServeRequestHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// Bytes of an event, and of an error's body, that are kept.
    private static let largestEvent = 1 << 20

    private let head: HTTPRequestHead
    private let body: ByteBuffer
    private let promise: EventLoopPromise<ServeRecord>
    private var record: ServeRecord
    private let begin = NIODeadline.now()
    private var last: NIODeadline?
    private var status = HTTPResponseStatus.ok
    private var line: [UInt8] = []
    private var isDone = false

    init(
        head: HTTPRequestHead, body: ByteBuffer, record: ServeRecord,
        promise: EventLoopPromise<ServeRecord>
    ) {
        self.head = head
        self.body = body
        self.record = record
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = head.status
        case .body(let buffer): take(buffer)
        case .end:
            if status != .ok { record.error = "\(status.code): \(errorMessage())" }
            finish(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isDone { record.error = "the server closed the connection" }
        finish(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isDone { record.error = "\(error)" }
        finish(context)
    }

    /// Gives the request up.
    func giveUp(_ why: String, context: ChannelHandlerContext) {
        if !isDone { record.error = why }
        finish(context)
    }

    private func finish(_ context: ChannelHandlerContext) {
        guard !isDone else { return }
        isDone = true
        record.duration = seconds(from: begin, to: .now())
        promise.succeed(record)
        context.close(promise: nil)
    }

    private func take(_ buffer: ByteBuffer) {
        for byte in buffer.readableBytesView {
            guard status == .ok, byte == 0x0A else {
                if line.count < Self.largestEvent { line.append(byte) }
                continue
            }
            event()
            line.removeAll(keepingCapacity: true)
        }
    }

    /// A line of the stream: `data: {...}`.
    private func event() {
        guard line.starts(with: "data: {".utf8),
            let value = try? JSONValue(parsing: Array(line.dropFirst(6)))
        else { return }
        if let usage = value["usage"], usage != .null { takeUsage(usage) }
        if case .string(let tier)? = value["service_tier"] { record.mode = tier }
        if let error = value["error"] { record.error = error.text() }
        guard case .array(let choices)? = value["choices"], let choice = choices.first,
            let text = choice["delta"]?["content"] ?? choice["text"],
            case .string(let piece) = text, !piece.isEmpty
        else { return }
        let now = NIODeadline.now()
        if let last {
            record.gaps.append(seconds(from: last, to: now))
        } else {
            record.timeToFirstToken = seconds(from: begin, to: now)
        }
        last = now
    }

    private func takeUsage(_ usage: JSONValue) {
        func count(_ value: JSONValue?) -> Int {
            if case .integer(let number)? = value { Int(clamping: number) } else { 0 }
        }
        record.promptTokens = count(usage["prompt_tokens"])
        record.completionTokens = count(usage["completion_tokens"])
        record.cachedTokens = count(usage["prompt_tokens_details"]?["cached_tokens"])
    }

    private func errorMessage() -> String {
        if let value = try? JSONValue(parsing: line),
            case .string(let message)? = value["error"]?["message"]
        {
            return message
        }
        return String(decoding: line.prefix(200), as: UTF8.self)
    }

    private func seconds(from: NIODeadline, to: NIODeadline) -> Double {
        Double((to - from).nanoseconds) / 1e9
    }
}
