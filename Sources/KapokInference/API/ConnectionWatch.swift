import NIOCore
import Synchronization

/// Whether the client of a connection is still there, told at once to those that work for it, also
/// while nothing is being read or written.
final class ConnectionLife: Sendable {
    private struct State {
        var isOver = false
        var number: UInt64 = 0
        var listeners: [UInt64: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    /// Takes a listener back.
    struct Registration: Sendable {
        fileprivate let life: ConnectionLife
        fileprivate let number: UInt64

        func end() { _ = life.state.withLock { $0.listeners.removeValue(forKey: number) } }
    }

    /// Calls `body` once when the client is gone: at once, where it is already.
    func onEnd(_ body: @escaping @Sendable () -> Void) -> Registration {
        let number = state.withLock { state -> UInt64? in
            guard !state.isOver else { return nil }
            state.number += 1
            state.listeners[state.number] = body
            return state.number
        }
        if number == nil { body() }
        return Registration(life: self, number: number ?? 0)
    }

    /// The client is gone.
    func end() {
        let listeners = state.withLock { state -> [@Sendable () -> Void] in
            state.isOver = true
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener() }
    }
}

/// Watches a connection for its client's end. A client that closes only its sending side counts as
/// gone, too: HTTP clients do that when they give up, and nothing tells the two apart.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny
    typealias InboundOut = NIOAny

    let life = ConnectionLife()

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { life.end() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        life.end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError || error is ChannelError { life.end() }
        context.fireErrorCaught(error)
    }

    /// The life of `channel`'s client; one without end where the channel is not watched, as in
    /// tests without a network.
    static func life(of channel: any Channel) async -> ConnectionLife {
        let found = channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: ConnectionWatch.self).life
        }
        return (try? await found.get()) ?? ConnectionLife()
    }
}
