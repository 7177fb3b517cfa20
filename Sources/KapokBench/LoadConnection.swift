internal import NIOCore
internal import NIOPosix

/// One keep-alive connection with one request at a time, confined to its worker's event loop. It
/// outlives its channel: when the server closes, it opens another.
final class LoadConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A request under way and what came back so far.
    private struct Exchange {
        var request: LoadRequest
        var start: NIODeadline
        var bodySent = 0
        var bodyToSend = 0
        var head: ResponseHead?
        var received = 0
        var firstWrongPiece: Int?
    }

    /// The pause before a connection that failed is opened again.
    private static let reconnectPause = TimeAmount.milliseconds(20)

    private let worker: LoadWorker
    private var context: ChannelHandlerContext?
    private var exchange: Exchange?
    private var parser = ResponseParser()
    private var pending = ByteBuffer()
    private var head = ByteBuffer()
    private var lastProgress = NIODeadline.now()
    private var failure: String?
    private var isRetired = false

    init(worker: LoadWorker) { self.worker = worker }

    /// Sends the next request of the phase, over a new channel where there is none.
    func proceed() {
        guard !isRetired else { return worker.rest() }
        guard let context else { return connect() }
        guard let request = worker.nextRequest() else { return worker.rest() }
        send(request, context)
    }

    /// Closes for good.
    func retire() {
        isRetired = true
        context?.close(promise: nil)
    }

    /// Gives up a request that has seen no byte move for `limit`.
    func failIfStalled(now: NIODeadline, limit: TimeAmount) {
        guard exchange != nil, now - lastProgress > limit else { return }
        fail("no progress for \(limit.nanoseconds / 1_000_000_000) s")
    }

    /// Gives up whatever is under way: its time is over.
    func abandon() {
        guard exchange != nil else { return }
        fail("not finished in time")
    }

    // MARK: The channel

    private func connect() {
        let bound = NIOLoopBound(self, eventLoop: worker.eventLoop)
        let endpoint = worker.options.endpoint
        ClientBootstrap(group: worker.eventLoop)
            .connectTimeout(.seconds(5))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .writeBufferWaterMark, value: .init(low: 512 * 1024, high: 1024 * 1024)
            )
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 8 * 1024, initial: 16 * 1024, maximum: 256 * 1024)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
            .connect(host: endpoint.host, port: endpoint.port)
            .whenFailure { error in bound.value.connectFailed("\(error)") }
    }

    private func connectFailed(_ reason: String) {
        guard worker.connectFailed(reason) else { return worker.rest() }
        reconnectLater()
    }

    private func reconnectLater() {
        let bound = NIOLoopBound(self, eventLoop: worker.eventLoop)
        worker.eventLoop.scheduleTask(in: Self.reconnectPause) { bound.value.proceed() }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        parser = ResponseParser()
        pending = ByteBuffer()
        failure = nil
        proceed()
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        guard let lost = exchange else { return }
        exchange = nil
        let reason = failure ?? "closed by the server"
        worker.complete(lost.request, .connection(reason), start: lost.start)
        reconnectLater()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail("\(error)")
    }

    private func fail(_ reason: String) {
        failure = failure ?? reason
        context?.close(promise: nil)
    }

    // MARK: Sending

    private func send(_ request: LoadRequest, _ context: ChannelHandlerContext) {
        head.clear(minimumCapacity: 640)
        worker.writeHead(of: request, into: &head)
        let now = NIODeadline.now()
        lastProgress = now
        var exchange = Exchange(request: request, start: now)
        if request.kind == .putObject { exchange.bodyToSend = worker.options.size.bytes }
        self.exchange = exchange
        context.write(wrapOutboundOut(head), promise: nil)
        sendBody(context)
    }

    /// Writes body until the channel has enough of it, and flushes.
    private func sendBody(_ context: ChannelHandlerContext) {
        while let current = exchange, current.bodySent < current.bodyToSend,
            context.channel.isWritable
        {
            let slice = worker.pattern.slice(
                of: current.request.object, at: current.bodySent,
                count: current.bodyToSend - current.bodySent)
            exchange?.bodySent += slice.readableBytes
            context.write(wrapOutboundOut(slice), promise: nil)
        }
        context.flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, let exchange, exchange.bodySent < exchange.bodyToSend
        else { return }
        lastProgress = .now()
        sendBody(context)
    }

    // MARK: Receiving

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        if pending.readableBytes > 0 {
            var joined = pending
            pending = ByteBuffer()
            joined.discardReadBytes()
            joined.writeBuffer(&buffer)
            buffer = joined
        }
        lastProgress = .now()
        do throws(MalformedResponse) {
            try receive(&buffer)
        } catch {
            return fail("malformed response: \(error.reason)")
        }
        guard buffer.readableBytes > 0 else { return }
        pending = buffer
        if exchange == nil { fail("bytes after the response") }
    }

    private func receive(_ buffer: inout ByteBuffer) throws(MalformedResponse) {
        while let current = exchange {
            let kind = current.request.kind
            let bodyless = kind == .headObject || kind == .headBucket
            switch try parser.next(&buffer, bodyless: bodyless) {
            case .needsMore: return
            case .head(let head): exchange?.head = head
            case .body(let count):
                check(buffer, count: count)
                buffer.moveReaderIndex(forwardBy: count)
            case .end: finish()
            }
        }
    }

    /// Compares the next `count` bytes with what the object holds there.
    private func check(_ buffer: ByteBuffer, count: Int) {
        guard let current = exchange else { return }
        exchange?.received += count
        guard current.request.kind == .getObject, current.firstWrongPiece == nil else { return }
        let isRight = buffer.withUnsafeReadableBytes { bytes in
            worker.pattern.matches(
                UnsafeRawBufferPointer(rebasing: bytes[..<count]), of: current.request.object,
                at: current.received)
        }
        if !isRight { exchange?.firstWrongPiece = current.received }
    }

    private func finish() {
        guard let done = exchange, let head = done.head else { return }
        exchange = nil
        worker.complete(done.request, outcome(of: done, head), start: done.start)
        guard !head.closes, done.bodySent == done.bodyToSend else {
            context?.close(promise: nil)
            return reconnectLater()
        }
        proceed()
    }

    private func outcome(of done: Exchange, _ head: ResponseHead) -> LoadOutcome {
        guard (200..<300).contains(head.status) else { return .badStatus(head.status) }
        guard done.bodySent == done.bodyToSend else {
            return .connection("acknowledged before the body was sent")
        }
        let size = worker.options.size.bytes
        switch done.request.kind {
        case .headBucket, .createBucket, .putObject: return .success
        case .headObject:
            let length = head.contentLength ?? -1
            return length == size ? .success : .wrongLength(length)
        case .getObject:
            if done.received != size { return .wrongLength(done.received) }
            if let position = done.firstWrongPiece { return .wrongBytes(at: position) }
            return .success
        }
    }
}
