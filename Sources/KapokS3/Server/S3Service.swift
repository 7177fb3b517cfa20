import KapokStore
import Logging
import NIOCore
import NIOHTTP1

/// Serves requests: verifies them, finds out what they ask for, lets a handler answer and writes
/// the answer. One for the whole server; it holds no state of a request.
struct S3Service: Sendable {
    let configuration: S3Configuration
    let backend: any S3Backend
    let receiver: BodyReceiver
    private let store: any StoreClient
    let dates = HTTPDates()
    private let verifier: SignatureVerifier
    private let ids = RequestIDs()
    private let metrics = S3Metrics()
    private let logger: Logger

    /// How often a read begins anew because the object was overwritten under it.
    private static let maximumReadAttempts = 4

    init(
        configuration: S3Configuration, backend: any S3Backend, store: any StoreClient,
        logger: Logger
    ) {
        self.configuration = configuration
        self.backend = backend
        self.store = store
        self.logger = logger
        receiver = BodyReceiver(store: store)
        verifier = SignatureVerifier(
            keys: configuration.accessKeys, baseDomains: configuration.baseDomains)
    }

    /// Serves one request.
    /// - Returns: whether the connection can serve another.
    /// - Throws: when the connection must be closed at once.
    func serve(
        _ http: HTTPRequestHead, _ body: inout RequestBody, _ outbound: OutboundParts
    ) async throws -> Bool {
        let began = WallClock.nowNanoseconds()
        var exchange = Exchange(requestID: ids.next(), isHead: http.method == .HEAD)
        var attempts = 0
        while true {
            attempts += 1
            let response: S3Response
            do {
                response = try await answer(http, &body, &exchange, now: began / 1_000_000_000)
            } catch let error as S3Error {
                response = report(error, http, exchange)
            } catch let error as ChannelError {
                throw error
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                logger.error(
                    "request failed",
                    metadata: ["request": "\(exchange.requestID)", "error": "\(error)"])
                let known = S3Error(
                    .internalError, "We encountered an internal error. Please try again.")
                response = report(known, http, exchange)
            }
            exchange.keepAlive = try await settle(http, &body, response)
            do {
                try await write(response, &exchange, outbound)
            } catch let error as S3Error where !exchange.isHeadWritten {
                // Nothing was sent yet: an overwritten object is looked up again.
                if error.code == .operationAborted, attempts < Self.maximumReadAttempts { continue }
                try await write(report(error, http, exchange), &exchange, outbound)
            }
            metrics.record(
                exchange.operation, status: exchange.status,
                durationNanoseconds: WallClock.nowNanoseconds() - began,
                received: body.receivedBytes, sent: exchange.sentBytes)
            return exchange.keepAlive
        }
    }

    /// What is known about the request being served, for its answer and the counters.
    struct Exchange {
        let requestID: String
        let isHead: Bool
        var operation: S3Operation?
        var keepAlive = true
        var isHeadWritten = false
        var status: UInt = 0
        var sentBytes: UInt64 = 0

        init(requestID: String, isHead: Bool) {
            self.requestID = requestID
            self.isHead = isHead
        }
    }

    private func answer(
        _ http: HTTPRequestHead, _ body: inout RequestBody, _ exchange: inout Exchange, now: Int64
    ) async throws -> S3Response {
        let request = try read(http, &exchange, now: now)
        return try await dispatch(request, &body)
    }

    /// Who asks for what.
    private func read(
        _ http: HTTPRequestHead, _ exchange: inout Exchange, now: Int64
    ) throws(S3Error) -> S3Request {
        var head = try RequestHead(
            method: http.method.rawValue, target: http.uri,
            headers: http.headers.lazy.map { (name: $0.name, value: $0.value) })
        let verified = try verifier.verify(head, now: now)
        if verified.isPresigned { try head.takeHeadersFromQuery() }
        let address = try Address(head, baseDomains: configuration.baseDomains)
        let operation = try S3Operation(head, address)
        exchange.operation = operation
        try RequestHeaders.refuseUnsupported(head)
        return S3Request(
            head: head, operation: operation, bucket: address.bucket ?? "",
            key: address.key ?? "", payload: verified.payload)
    }

    private func dispatch(
        _ request: S3Request, _ body: inout RequestBody
    ) async throws -> S3Response {
        switch request.operation {
        case .getObject, .headObject: return try await getObject(request)
        case .putObject: return try await putObject(request, &body)
        case .uploadPart: return try await uploadPart(request, &body)
        case .deleteObjects: return try await deleteObjects(request, &body)
        case .completeMultipartUpload: return try await completeUpload(request, &body)
        case .createBucket: return try await createBucket(request, &body)
        case .putBucketTagging, .putObjectTagging: return try await putTags(request, &body)
        default: return try await dispatchWithoutBody(request)
        }
    }

    /// The operations that read no body.
    private func dispatchWithoutBody(_ request: S3Request) async throws(S3Error) -> S3Response {
        switch request.operation {
        case .getObjectAttributes: return try await objectAttributes(request)
        case .copyObject: return try await copyObject(request)
        case .deleteObject: return try await deleteObject(request)
        case .createMultipartUpload: return try await createUpload(request)
        case .uploadPartCopy: return try await uploadPartCopy(request)
        case .abortMultipartUpload: return try await abortUpload(request)
        case .listParts: return try await listParts(request)
        case .listMultipartUploads: return try await listUploads(request)
        case .listObjects: return try await listObjects(request)
        case .listObjectsV2: return try await listObjectsV2(request)
        case .listObjectVersions: return try await listObjectVersions(request)
        case .listBuckets: return try await listBuckets(request)
        case .headBucket: return try await headBucket(request)
        case .deleteBucket: return try await deleteBucket(request)
        case .getBucketLocation: return try await bucketLocation(request)
        case .getBucketVersioning: return try await bucketVersioning(request)
        case .getBucketPolicy: return try await bucketPolicy(request)
        case .getBucketCORS: return try await bucketCORS(request)
        case .getBucketACL, .getObjectACL: return try await getACL(request)
        case .putBucketACL, .putObjectACL: return try await putACL(request)
        case .getBucketTagging, .getObjectTagging: return try await getTags(request)
        case .deleteBucketTagging, .deleteObjectTagging: return try await deleteTags(request)
        case .getObject, .headObject, .putObject, .uploadPart, .deleteObjects,
            .completeMultipartUpload, .createBucket, .putBucketTagging, .putObjectTagging:
            preconditionFailure("\(request.operation) is dispatched with its body")
        }
    }

    /// The document in the request's body.
    func collect(
        _ body: inout RequestBody, _ request: S3Request, isList: Bool = false
    ) async throws -> [UInt8] {
        let limits = configuration.limits
        return try await receiver.collect(
            &body, request.head, request.payload,
            limit: isList ? limits.listDocumentBytes : limits.documentBytes)
    }

    private func report(
        _ error: S3Error, _ http: HTTPRequestHead, _ exchange: Exchange
    ) -> S3Response {
        if error.code.status >= 500, error.code != .notImplemented {
            logger.warning(
                "request refused",
                metadata: [
                    "request": "\(exchange.requestID)", "code": "\(error.code.rawValue)",
                    "reason": "\(error.message)",
                ])
        }
        let path = http.uri.prefix { $0 != "?" }
        return S3Response(
            error, resource: String(path), requestID: exchange.requestID, hostID: ids.hostID)
    }

    /// Deals with what is left of the body. A little is read over, so that the connection can go
    /// on; much, or what the client waits to be asked for, ends the connection.
    private func settle(
        _ http: HTTPRequestHead, _ body: inout RequestBody, _ response: S3Response
    ) async throws -> Bool {
        guard http.isKeepAlive else { return false }
        if body.isEnded { return true }
        if body.isAwaitingContinue { return false }
        let limit = configuration.limits.drainBytes
        if let text = http.headers.first(name: "content-length") {
            let left = (Int(text) ?? .max) - Int(clamping: body.receivedBytes)
            if left > limit { return false }
        } else if http.headers.contains(name: "transfer-encoding") {
            // It may never end, and its client waits for the answer.
            return false
        }
        do {
            return try await body.drain(upTo: limit)
        } catch is S3Error {
            return false
        }
    }

    // MARK: Writing

    private func write(
        _ response: S3Response, _ exchange: inout Exchange, _ outbound: OutboundParts
    ) async throws {
        exchange.status = response.status.code
        let head = HTTPServerResponsePart.head(responseHead(response, exchange))
        guard !exchange.isHead else {
            exchange.isHeadWritten = true
            return try await outbound.write(contentsOf: [head, .end(nil)])
        }
        switch response.body {
        case .none:
            exchange.isHeadWritten = true
            try await outbound.write(contentsOf: [head, .end(nil)])
        case .bytes(let bytes):
            exchange.isHeadWritten = true
            exchange.sentBytes = UInt64(bytes.count)
            let body = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(bytes: bytes)))
            try await outbound.write(contentsOf: [head, body, .end(nil)])
        case .object(let entry, let range):
            try await write(entry, range, head, &exchange, outbound)
        }
    }

    /// Sends an object's bytes as the store hands them out. The headers go out with the first
    /// bytes: until then, an error can still be told as such.
    private func write(
        _ entry: ObjectInfo, _ range: Range<UInt64>, _ head: HTTPServerResponsePart,
        _ exchange: inout Exchange, _ outbound: OutboundParts
    ) async throws {
        let total = UInt64(range.count)
        guard total > 0 else {
            exchange.isHeadWritten = true
            return try await outbound.write(contentsOf: [head, .end(nil)])
        }
        var sent: UInt64 = 0
        var isHeadWritten = false
        defer {
            exchange.isHeadWritten = isHeadWritten
            exchange.sentBytes = sent
        }
        for segment in entry.segments(range) {
            try await read(segment.blob, segment.range) { piece in
                let buffer = piece.withUnsafeBytes { ByteBuffer(bytes: $0) }
                let body = HTTPServerResponsePart.body(.byteBuffer(buffer))
                sent += UInt64(piece.count)
                let isLast = sent == total
                let isFirst = !isHeadWritten
                isHeadWritten = true
                switch (isFirst, isLast) {
                case (true, true): try await outbound.write(contentsOf: [head, body, .end(nil)])
                case (true, false): try await outbound.write(contentsOf: [head, body])
                case (false, true): try await outbound.write(contentsOf: [body, .end(nil)])
                case (false, false): try await outbound.write(body)
                }
            }
        }
        guard sent == total else {
            throw S3Error(.internalError, "The store gave \(sent) of \(total) bytes.")
        }
    }

    private func read(
        _ blob: BlobReference, _ range: Range<UInt64>,
        consume: (BlobPiece) async throws -> Void
    ) async throws {
        do {
            try await store.read(blob, range: range, consume: consume)
        } catch let error as StoreError {
            throw S3Error(error)
        }
    }

    private func responseHead(_ response: S3Response, _ exchange: Exchange) -> HTTPResponseHead {
        var fields: [(String, String)] = []
        fields.reserveCapacity(response.headers.count + 6)
        fields.append(("x-amz-id-2", ids.hostID))
        fields.append(("x-amz-request-id", exchange.requestID))
        fields.append(("Date", dates.date(WallClock.nowSeconds())))
        fields.append(("Server", "Kapok"))
        fields.append(contentsOf: response.headers)
        if let length = response.length {
            // Errors have a document for GET only.
            let shown = exchange.isHead && response.isError ? 0 : length
            fields.append(("Content-Length", String(shown)))
        }
        if !exchange.keepAlive { fields.append(("Connection", "close")) }
        return HTTPResponseHead(
            version: .http1_1, status: response.status, headers: HTTPHeaders(fields))
    }

    /// The answer to what the HTTP parser refuses.
    func refusal(headersTooLarge: Bool) -> (HTTPResponseHead, ByteBuffer) {
        var exchange = Exchange(requestID: ids.next(), isHead: false)
        exchange.keepAlive = false
        let error =
            headersTooLarge
            ? S3Error(
                .requestHeaderSectionTooLarge,
                "Your request header section exceeds the maximum allowed request header section "
                    + "size.",
                details: [("MaxSizeAllowed", String(configuration.limits.headerBytes))])
            : S3Error(.invalidRequest, "The request is not well-formed HTTP/1.1.")
        let response = S3Response(
            error, resource: "", requestID: exchange.requestID, hostID: ids.hostID)
        guard case .bytes(let bytes) = response.body else {
            return (responseHead(response, exchange), ByteBuffer())
        }
        return (responseHead(response, exchange), ByteBuffer(bytes: bytes))
    }
}
