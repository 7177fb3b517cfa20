import KapokStore
import NIOCore

/// Moves request bodies into memory or into the store: decodes chunks, takes digests, and lets
/// nothing through that does not match what the request said.
struct BodyReceiver: Sendable {
    let store: any StoreClient
    private let md5 = MD5Pool()

    /// Longer bodies have their MD5 taken together with others. In bytes.
    private static let longestAlone: UInt64 = 128 << 10

    init(store: any StoreClient) { self.store = store }

    /// Takes the body into a blob.
    ///
    /// - Parameter algorithm: the checksum to take when `expected` names none.
    /// - Throws: what `BodyExpectations.check` finds, store errors as `S3Error`. Nothing is
    ///   kept then.
    func stage(
        _ body: inout RequestBody, _ payload: PayloadProtection, _ expected: BodyExpectations,
        defaultAlgorithm: ChecksumAlgorithm?
    ) async throws -> StagedObject {
        let writer: (any BlobWriter)?
        do {
            writer =
                expected.length == 0
                ? nil
                : try store.makeBlobWriter(
                    expectedLength: expected.isLengthKnown ? expected.length : nil)
        } catch {
            throw S3Error(error)
        }
        do {
            let stream = expected.length > Self.longestAlone ? md5.makeStream() : nil
            var sink = Sink(writer: writer, md5: stream, payload, expected, defaultAlgorithm)
            try await sink.takeAll(&body)
            let result = try await sink.finish()
            if result.length == 0 { writer?.abandon() }
            return StagedObject(
                blob: result.length == 0 ? nil : try await writer?.finish(),
                length: result.length, md5: result.md5, checksum: result.checksum)
        } catch {
            writer?.abandon()
            if let error = error as? StoreError { throw S3Error(error) }
            throw error
        }
    }

    /// Takes the body into memory.
    /// - Throws: `MaxMessageLengthExceeded` for more than `limit` bytes, and as `stage`.
    func collect(
        _ body: inout RequestBody, _ head: RequestHead, _ payload: PayloadProtection, limit: Int
    ) async throws -> [UInt8] {
        let tooLong = S3Error(
            .maxMessageLengthExceeded, "Your request was too big: at most \(limit) bytes.",
            details: [("MaxMessageLengthBytes", String(limit))])
        let expected: BodyExpectations
        do throws(S3Error) {
            expected = try BodyExpectations(head, payload, maximumLength: UInt64(limit))
        } catch {
            if error.code == .entityTooLarge { throw tooLong }
            // A request without a body may leave out its length.
            guard error.code == .missingContentLength, !payload.isChunked,
                head["transfer-encoding"] == nil
            else { throw error }
            return []
        }
        var sink = Sink(writer: nil, md5: nil, payload, expected, nil)
        sink.collected = []
        try await sink.takeAll(&body)
        _ = try await sink.finish()
        return sink.collected ?? []
    }

    /// Where bytes go.
    private struct Sink {
        private let writer: (any BlobWriter)?
        /// Takes the MD5; without one, `digest` does.
        private let md5: MD5Stream?
        private let expected: BodyExpectations
        private let contentSHA256: [UInt8]?
        private var decoder: ChunkDecoder?
        private var digest: BodyDigest
        private var length: UInt64 = 0
        var collected: [UInt8]?

        init(
            writer: (any BlobWriter)?, md5: MD5Stream?, _ payload: PayloadProtection,
            _ expected: BodyExpectations, _ defaultAlgorithm: ChecksumAlgorithm?
        ) {
            self.writer = writer
            self.md5 = md5
            self.expected = expected
            if case .sha256(let hash) = payload {
                contentSHA256 = hash
            } else {
                contentSHA256 = nil
            }
            decoder = ChunkDecoder(payload, decodedLength: expected.length)
            let algorithm = expected.algorithm ?? defaultAlgorithm
            digest =
                md5 == nil
                ? BodyDigest(contentSHA256: contentSHA256 != nil, checksum: algorithm)
                : BodyDigest(withoutMD5: contentSHA256 != nil, checksum: algorithm)
        }

        mutating func takeAll(_ body: inout RequestBody) async throws {
            while let buffer = try await body.next() {
                guard decoder != nil else {
                    try await take(buffer, 0..<buffer.readableBytes)
                    continue
                }
                var position = 0
                while let range = try decode(buffer, &position) { try await take(buffer, range) }
            }
        }

        private mutating func decode(
            _ buffer: ByteBuffer, _ position: inout Int
        ) throws -> Range<Int>? {
            try buffer.withUnsafeReadableBytes { try decoder?.next($0, from: &position) }
        }

        /// Bytes of the object: digest them and hand them to the writer as it has room.
        private mutating func take(_ buffer: ByteBuffer, _ range: Range<Int>) async throws {
            length += UInt64(range.count)
            guard length <= expected.length else {
                guard expected.isLengthKnown else {
                    throw BodyExpectations.tooLarge(length, maximum: expected.length)
                }
                throw S3Error(.incompleteBody, "The body is longer than announced.")
            }
            buffer.withUnsafeReadableBytes { bytes in
                let piece = UnsafeRawBufferPointer(rebasing: bytes[range])
                digest.update(piece)
                collected?.append(contentsOf: piece)
            }
            await md5?.append(buffer, range)
            guard let writer else { return }
            var offset = range.lowerBound
            while offset < range.upperBound {
                offset += buffer.withUnsafeReadableBytes { bytes in
                    writer.take(UnsafeRawBufferPointer(rebasing: bytes[offset..<range.upperBound]))
                }
                if offset < range.upperBound { try await writer.makeRoom() }
            }
        }

        mutating func finish() async throws(S3Error) -> BodyDigest.Result {
            let trailers = try decoder?.finish() ?? []
            let result =
                if let md5 { digest.finish(md5: await md5.finish()) } else { digest.finish() }
            try expected.check(result, trailers: trailers, contentSHA256: contentSHA256)
            return result
        }
    }
}
