import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// A connection: sets up its pipeline and serves its requests one after the other. HTTP/1.1 parts
/// go to the service as NIO parses them, since signatures cover the target exactly as it was sent.
struct S3Connection: ServerChildChannel {
    typealias Value = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    let service: S3Service

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let limits = service.configuration.limits
            var decoder = NIOHTTPDecoderLimitConfiguration()
            decoder.maxHeaderFieldSize = limits.headerBytes
            decoder.maxHeaderListSize = limits.headerBytes
            decoder.maxHeaderFieldCount = limits.headerCount
            let pipeline = channel.pipeline.syncOperations
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false, withErrorHandling: false,
                withOutboundHeaderValidation: true, withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: decoder)
            let service = service
            try pipeline.addHandler(
                ConnectionGuard(
                    idleSeconds: limits.idleSeconds, lingerSeconds: limits.lingerSeconds,
                    minimumBytesPerSecond: limits.minimumBytesPerSecond,
                    refusal: { service.refusal(headersTooLarge: $0) }))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(
                    // At most four reads of 64 KiB wait for a handler.
                    backPressureStrategy: .init(lowWatermark: 1, highWatermark: 4),
                    isOutboundHalfClosureEnabled: true))
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            try await value.executeThenClose { inbound, outbound in
                var parts = inbound.makeAsyncIterator()
                while case .head(let head) = try await parts.next() {
                    let expectsContinue = head.headers.first(name: "expect") == "100-continue"
                    var body = RequestBody(parts, outbound, expectsContinue: expectsContinue)
                    let keepAlive = try await service.serve(head, &body, outbound)
                    parts = body.release()
                    if !keepAlive { break }
                }
                // Closing at once would make the kernel reset the connection under the last answer
                // while the client still sends: read on until it stops, or the guard closes.
                outbound.finish()
                while try await parts.next() != nil {}
            }
        } catch {
            // The client went away, or stopped in the middle: there is nobody to tell.
            logger.trace("connection ended", metadata: ["error": "\(error)"])
        }
    }
}
