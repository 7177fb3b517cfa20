import Crypto

/// Takes apart an `aws-chunked` body: chunks with sizes, signatures of chunks, trailers.
/// Synchronous and incremental: it keeps the line it is in and nothing else. Source: Amazon S3 API
/// Reference, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".
///
/// A chunk's bytes are handed out before its signature can be known to be right: they count only
/// when `finish` has returned.
struct ChunkDecoder: Sendable {
    /// The longest size line in bytes; with a signature it has at most 99.
    static let maximumLineLength = 256
    /// The longest trailer section in bytes.
    static let maximumTrailerLength = 4096

    private enum State: Sendable {
        /// In the line with size and signature.
        case sizeLine
        /// In a chunk's bytes, so many left.
        case data(UInt64)
        /// Behind them: CR and LF, the first seen or not.
        case dataEnd(seenReturn: Bool)
        /// Behind the last chunk of a body without trailers: CR and LF.
        case lastEnd(seenReturn: Bool)
        case trailers
        case done
    }

    private var state = State.sizeLine
    private var line: [UInt8] = []
    private var signer: ChunkSigner?
    /// The signature that the current chunk came with.
    private var chunkSignature: [UInt8] = []
    private var chunkHash = SHA256()
    private let hasTrailers: Bool
    /// What is left of `x-amz-decoded-content-length`.
    private var expected: UInt64
    private var trailerLength = 0
    private var trailerLines: [UInt8] = []
    private var trailers: [(name: String, value: String)] = []
    private var isTrailerSigned = false

    /// - Parameters:
    ///   - signer: verifies the chunks; nil for unsigned ones.
    ///   - hasTrailers: whether a trailer section follows the last chunk.
    ///   - decodedLength: `x-amz-decoded-content-length`, in bytes.
    init(signer: ChunkSigner?, hasTrailers: Bool, decodedLength: UInt64) {
        self.signer = signer
        self.hasTrailers = hasTrailers
        expected = decodedLength
    }

    /// The decoder for a body with `payload`; nil when it is not chunked.
    init?(_ payload: PayloadProtection, decodedLength: UInt64) {
        switch payload {
        case .unsigned, .sha256: return nil
        case .signedChunks(let signer, let trailers):
            self.init(signer: signer, hasTrailers: trailers, decodedLength: decodedLength)
        case .unsignedChunks:
            self.init(signer: nil, hasTrailers: true, decodedLength: decodedLength)
        }
    }

    /// Goes through `input` from `position` to the next bytes of the object.
    ///
    /// - Returns: where they stand in `input`; `position` is behind them. Nil when the input is
    ///   used up.
    /// - Throws: `SignatureDoesNotMatch` for a chunk that was changed, `IncompleteBody` for more
    ///   bytes than announced, `InvalidRequest` for what is not aws-chunked.
    mutating func next(
        _ input: UnsafeRawBufferPointer, from position: inout Int
    ) throws(S3Error) -> Range<Int>? {
        while position < input.count {
            if case .data(let left) = state {
                let count = min(Int(clamping: left), input.count - position)
                let range = position..<position + count
                if signer != nil {
                    chunkHash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: input[range]))
                }
                position += count
                state = .data(left - UInt64(count))
                if left == UInt64(count) { try endChunk() }
                return range
            }
            let byte = input[position]
            position += 1
            try take(byte)
        }
        return nil
    }

    /// Checks that the body ended where it may, and returns the trailers: names in lower case.
    /// - Throws: `IncompleteBody` when something is missing.
    func finish() throws(S3Error) -> [(name: String, value: String)] {
        guard case .done = state else {
            throw S3Error(
                .incompleteBody, "The request body terminated before its last chunk was complete.")
        }
        return trailers
    }

    // MARK: Chunks

    private mutating func take(_ byte: UInt8) throws(S3Error) {
        switch state {
        case .sizeLine:
            guard byte != UInt8(ascii: "\n") else { return try endSizeLine() }
            guard line.count < Self.maximumLineLength else {
                throw Self.malformed("a chunk's size line is too long")
            }
            line.append(byte)
        case .data: preconditionFailure("data is taken in runs")
        case .dataEnd(let seenReturn):
            if try isLineEnd(byte, seenReturn, .dataEnd(seenReturn: true)) { state = .sizeLine }
        case .lastEnd(let seenReturn):
            if try isLineEnd(byte, seenReturn, .lastEnd(seenReturn: true)) { state = .done }
        case .trailers:
            trailerLength += 1
            guard trailerLength <= Self.maximumTrailerLength else {
                throw Self.malformed("the trailers are too long")
            }
            guard byte == UInt8(ascii: "\n") else { return line.append(byte) }
            try endTrailerLine()
        case .done: throw Self.malformed("there are bytes behind the last chunk")
        }
    }

    private mutating func isLineEnd(
        _ byte: UInt8, _ seenReturn: Bool, _ next: State
    ) throws(S3Error) -> Bool {
        if seenReturn, byte == UInt8(ascii: "\n") { return true }
        guard !seenReturn, byte == UInt8(ascii: "\r") else {
            throw Self.malformed("a chunk is not followed by CR LF")
        }
        state = next
        return false
    }

    private mutating func endSizeLine() throws(S3Error) {
        guard line.last == UInt8(ascii: "\r") else {
            throw Self.malformed("a chunk's size line does not end with CR LF")
        }
        let fields = line.dropLast().split(
            separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        let digits = fields[0]
        guard (1...16).contains(digits.count) else { throw Self.malformed("bad chunk size") }
        var size: UInt64 = 0
        for digit in digits {
            guard let value = Hexadecimal.value(digit) else {
                throw Self.malformed("bad chunk size")
            }
            size = size << 4 | UInt64(value)
        }
        chunkSignature = try signature(in: fields.dropFirst())
        line.removeAll(keepingCapacity: true)
        guard size <= expected else {
            throw S3Error(
                .incompleteBody,
                "The chunks have more bytes than x-amz-decoded-content-length announces.")
        }
        expected -= size
        chunkHash = SHA256()
        state = .data(size)
        if size == 0 { try endChunk(isLast: true) }
    }

    private func signature(in extensions: ArraySlice<ArraySlice<UInt8>>) throws(S3Error) -> [UInt8]
    {
        guard signer != nil else { return [] }
        let prefix = Array("chunk-signature=".utf8)
        guard let found = extensions.first(where: { $0.starts(with: prefix) }) else {
            throw Self.malformed("a chunk has no signature")
        }
        return Array(found.dropFirst(prefix.count))
    }

    private mutating func endChunk(isLast: Bool = false) throws(S3Error) {
        if signer != nil {
            let right = signer?.signChunk(hash: chunkHash.finalize()) ?? []
            guard equalInConstantTime(right, chunkSignature) else { throw Self.wrongSignature }
        }
        guard isLast else {
            state = .dataEnd(seenReturn: false)
            return
        }
        guard expected == 0 else {
            throw S3Error(
                .incompleteBody,
                "The chunks have fewer bytes than x-amz-decoded-content-length announces.")
        }
        state = hasTrailers ? .trailers : .lastEnd(seenReturn: false)
    }

    // MARK: Trailers

    private mutating func endTrailerLine() throws(S3Error) {
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        defer { line.removeAll(keepingCapacity: true) }
        if line.isEmpty {
            // Some clients put an empty line before the signature of the trailers, too.
            if signer == nil || isTrailerSigned { state = .done }
            return
        }
        guard !isTrailerSigned, let colon = line.firstIndex(of: UInt8(ascii: ":")),
            let name = String(validating: line[..<colon], as: UTF8.self)?.lowercased(),
            let text = String(validating: line[(colon + 1)...], as: UTF8.self)
        else { throw Self.malformed("bad trailer") }
        let value = text.trimmed
        if name == "x-amz-trailer-signature" {
            guard signer != nil else { throw Self.malformed("unexpected trailer signature") }
            let right = signer?.signTrailers(trailerLines) ?? []
            guard equalInConstantTime(right, Array(value.utf8)) else { throw Self.wrongSignature }
            isTrailerSigned = true
        } else {
            trailerLines.append(contentsOf: "\(name):\(value)\n".utf8)
            trailers.append((name, value))
        }
    }

    private static let wrongSignature = S3Error(
        .signatureDoesNotMatch,
        "A chunk's signature does not match its data: the body was changed or signed wrongly.")

    private static func malformed(_ reason: String) -> S3Error {
        S3Error(.invalidRequest, "The body is not valid aws-chunked data: \(reason).")
    }
}
