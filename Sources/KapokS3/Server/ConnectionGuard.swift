import NIOCore
import NIOHTTP1

/// Watches over one connection: closes it when its client makes no progress, answers requests that
/// are no HTTP, and lets the last answer out when the server stops.
final class ConnectionGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let idle: TimeAmount
    private let linger: TimeAmount
    /// The fewest bytes of a body that must come while the server waits for `idle` in all.
    private let minimumBytes: Int
    /// The answer to what the HTTP parser refuses.
    private let refusal: @Sendable (_ headersTooLarge: Bool) -> (HTTPResponseHead, ByteBuffer)

    private var requestsInProgress = 0
    private var isRequestBeingRead = false
    /// A read was asked for and nothing has come yet.
    private var isReadPending = false
    private var isLastResponse = false
    private var isClosing = false
    private var lastRead = NIODeadline.uptimeNanoseconds(0)
    /// How long the server has waited for body bytes, and how many came meanwhile.
    private var waited = TimeAmount.zero
    private var receivedBytes = 0
    private var unwritableSince: NIODeadline?
    private var timer: Scheduled<Void>?

    init(
        idleSeconds: Int, lingerSeconds: Int, minimumBytesPerSecond: Int,
        refusal: @escaping @Sendable (_ headersTooLarge: Bool) -> (HTTPResponseHead, ByteBuffer)
    ) {
        idle = .seconds(Int64(idleSeconds))
        linger = .seconds(Int64(lingerSeconds))
        minimumBytes = idleSeconds * minimumBytesPerSecond
        self.refusal = refusal
    }

    // MARK: Life

    func handlerAdded(context: ChannelHandlerContext) {
        lastRead = context.eventLoop.now
        if context.channel.isActive { schedule(context, in: idle) }
    }

    func channelActive(context: ChannelHandlerContext) {
        lastRead = context.eventLoop.now
        schedule(context, in: idle)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        cancelTimer()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { cancelTimer() }

    private func cancelTimer() {
        timer?.cancel()
        timer = nil
    }

    private func schedule(_ context: ChannelHandlerContext, in delay: TimeAmount) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) {
            self.check(context)
        }
    }

    /// Closes the connection when its client has been idle too long, else looks again later.
    private func check(_ context: ChannelHandlerContext) {
        timer = nil
        if isClosing { return context.close(promise: nil) }
        let now = context.eventLoop.now
        var deadline = now + idle
        // While a request is worked on it is not the client who is slow.
        if isReadPending, isRequestBeingRead || requestsInProgress == 0 {
            deadline = min(deadline, lastRead + idle)
        }
        if let since = unwritableSince { deadline = min(deadline, since + idle) }
        if deadline <= now { return context.close(promise: nil) }
        schedule(context, in: deadline - now)
    }

    // MARK: In

    func read(context: ChannelHandlerContext) {
        if !isReadPending {
            isReadPending = true
            lastRead = context.eventLoop.now
        }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isClosing, !isRequestBeingRead { return }
        let now = context.eventLoop.now
        let wait = isReadPending ? now - lastRead : .zero
        isReadPending = false
        lastRead = now
        switch unwrapInboundIn(data) {
        case .head:
            requestsInProgress += 1
            isRequestBeingRead = true
            waited = .zero
            receivedBytes = 0
        case .body(let piece):
            guard isFastEnough(piece.readableBytes, wait) else {
                return context.close(promise: nil)
            }
        case .end: isRequestBeingRead = false
        }
        context.fireChannelRead(data)
    }

    /// Whether a client that sends its body in drops may go on: only the time that the server
    /// waited for it counts.
    private func isFastEnough(_ bytes: Int, _ wait: TimeAmount) -> Bool {
        waited = waited + wait
        receivedBytes += bytes
        guard waited >= idle else { return true }
        defer {
            waited = .zero
            receivedBytes = 0
        }
        return receivedBytes >= minimumBytes
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, !isRequestBeingRead else {
            return context.fireErrorCaught(error)
        }
        if isClosing { return }
        guard requestsInProgress == 0 else { return context.fireErrorCaught(error) }
        let isTooLarge = (error as? HTTPParserError) == .headerOverflow
        let (head, body) = refusal(isTooLarge)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        beginClosing(context)
        context.close(mode: .output, promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        unwritableSince = context.channel.isWritable ? nil : context.eventLoop.now
        if unwritableSince != nil, timer == nil { schedule(context, in: idle) }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            if requestsInProgress == 0 { return context.close(promise: nil) }
            isLastResponse = true
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            if head.status.code >= 200, !head.headers.isKeepAlive { isLastResponse = true }
        case .body: break
        case .end:
            requestsInProgress -= 1
            lastRead = context.eventLoop.now
            if isLastResponse {
                // The client's time runs once the answer has left for the network.
                let sent = promise ?? context.eventLoop.makePromise()
                sent.futureResult.assumeIsolated().whenComplete { _ in self.beginClosing(context) }
                return context.writeAndFlush(data, promise: sent)
            }
        }
        context.write(data, promise: promise)
    }

    /// The last answer is out: the client has a little time to take it and close.
    private func beginClosing(_ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        isClosing = true
        schedule(context, in: linger)
    }
}

extension HTTPHeaders {
    /// Whether a response leaves the connection open.
    fileprivate var isKeepAlive: Bool {
        !self["connection"].contains { $0.lowercased() == "close" }
    }
}
