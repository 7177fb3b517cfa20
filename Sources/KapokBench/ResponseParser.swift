internal import Glibc
internal import NIOCore

/// What a response begins with, as far as a load generator needs it.
struct ResponseHead: Equatable {
    /// The status code, 100 to 599.
    var status: Int
    /// The Content-Length header.
    var contentLength: Int?
    /// Whether the body comes in chunks (RFC 9112, section 7.1).
    var isChunked = false
    /// Whether the server closes the connection after this response.
    var closes = false
}

/// A response that is not HTTP/1.1, or outside of the parser's bounds.
struct MalformedResponse: Error, Equatable {
    var reason: String
}

/// Reads HTTP/1.1 responses (RFC 9112) from a byte stream, one after another, without copying
/// bodies. Heads are bounded to 64 KiB; a body without a length is refused.
struct ResponseParser {
    /// The most bytes of a head, and of trailers.
    static let maximumHeadBytes = 64 * 1024

    /// What the bytes at hand amount to.
    enum Event: Equatable {
        /// Nothing until more bytes arrive.
        case needsMore
        case head(ResponseHead)
        /// This many readable bytes belong to the body: the caller uses and consumes them.
        case body(Int)
        case end
    }

    private enum State {
        case head
        case body(remaining: Int)
        case chunkSize
        case chunk(remaining: Int)
        case chunkEnd
        case trailers
    }

    private var state = State.head

    /// Takes the next event from `buffer`. With `bodyless` (an answer to HEAD) no body follows.
    mutating func next(
        _ buffer: inout ByteBuffer, bodyless: Bool
    ) throws(MalformedResponse) -> Event {
        while true {
            switch state {
            case .head:
                guard let head = try Self.readHead(&buffer) else { return .needsMore }
                if (100..<200).contains(head.status) { continue }
                try begin(body: head, bodyless: bodyless)
                return .head(head)
            case .body(remaining: 0):
                state = .head
                return .end
            case .body(let remaining):
                return take(&buffer, of: remaining) { .body(remaining: $0) }
            case .chunkSize:
                guard let line = try Self.readLine(&buffer) else { return .needsMore }
                let digits = line.prefix { $0 != ";" && $0 != " " }
                guard digits.count <= 15, let size = Int(digits, radix: 16), size >= 0 else {
                    throw MalformedResponse(reason: "bad chunk size")
                }
                state = size == 0 ? .trailers : .chunk(remaining: size)
            case .chunk(let remaining):
                return take(&buffer, of: remaining) {
                    $0 == 0 ? .chunkEnd : .chunk(remaining: $0)
                }
            case .chunkEnd:
                guard let line = try Self.readLine(&buffer) else { return .needsMore }
                guard line.isEmpty else {
                    throw MalformedResponse(reason: "chunk longer than its size")
                }
                state = .chunkSize
            case .trailers:
                guard let line = try Self.readLine(&buffer) else { return .needsMore }
                if line.isEmpty {
                    state = .head
                    return .end
                }
            }
        }
    }

    private mutating func begin(
        body head: ResponseHead, bodyless: Bool
    ) throws(MalformedResponse) {
        if bodyless || head.status == 204 || head.status == 304 {
            state = .body(remaining: 0)
        } else if head.isChunked {
            state = .chunkSize
        } else if let length = head.contentLength {
            state = .body(remaining: length)
        } else {
            throw MalformedResponse(reason: "a body without a length")
        }
    }

    private mutating func take(
        _ buffer: inout ByteBuffer, of remaining: Int, then next: (Int) -> State
    ) -> Event {
        let count = min(remaining, buffer.readableBytes)
        guard count > 0 else { return .needsMore }
        state = next(remaining - count)
        return .body(count)
    }

    /// A line without its end; nil until there is one.
    private static func readLine(
        _ buffer: inout ByteBuffer
    ) throws(MalformedResponse) -> String? {
        let length = buffer.withUnsafeReadableBytes { find("\r\n", in: $0) }
        guard let length else {
            guard buffer.readableBytes <= 4096 else {
                throw MalformedResponse(reason: "a line of more than 4 KiB")
            }
            return nil
        }
        let line = buffer.readString(length: length)
        buffer.moveReaderIndex(forwardBy: 2)
        return line
    }

    private static func readHead(
        _ buffer: inout ByteBuffer
    ) throws(MalformedResponse) -> ResponseHead? {
        let result = buffer.withUnsafeReadableBytes {
            bytes -> Result<(ResponseHead, Int)?, MalformedResponse> in
            guard let end = find("\r\n\r\n", in: bytes) else { return .success(nil) }
            let head = UnsafeRawBufferPointer(rebasing: bytes[..<(end + 2)])
            do throws(MalformedResponse) {
                return .success((try parse(head), end + 4))
            } catch {
                return .failure(error)
            }
        }
        guard let (head, length) = try result.get() else {
            guard buffer.readableBytes <= maximumHeadBytes else {
                throw MalformedResponse(reason: "a head of more than 64 KiB")
            }
            return nil
        }
        buffer.moveReaderIndex(forwardBy: length)
        return head
    }

    /// Parses a head whose every line ends in CR LF.
    private static func parse(
        _ bytes: UnsafeRawBufferPointer
    ) throws(MalformedResponse) -> ResponseHead {
        guard bytes.count >= 14, starts(bytes, with: "HTTP/1."), bytes[8] == 32,
            let status = number(UnsafeRawBufferPointer(rebasing: bytes[9..<12])),
            (100..<600).contains(status)
        else { throw MalformedResponse(reason: "not an HTTP/1.1 status line") }
        var head = ResponseHead(status: status)
        head.closes = bytes[7] == UInt8(ascii: "0")
        var rest = bytes
        while let end = find("\r\n", in: rest) {
            try apply(line: UnsafeRawBufferPointer(rebasing: rest[..<end]), to: &head)
            rest = UnsafeRawBufferPointer(rebasing: rest[(end + 2)...])
        }
        return head
    }

    private static func apply(
        line: UnsafeRawBufferPointer, to head: inout ResponseHead
    ) throws(MalformedResponse) {
        if let value = value(of: "content-length:", in: line) {
            guard let length = number(value) else {
                throw MalformedResponse(reason: "bad Content-Length")
            }
            head.contentLength = length
        } else if let value = value(of: "transfer-encoding:", in: line) {
            head.isChunked = starts(value, with: "chunked")
        } else if let value = value(of: "connection:", in: line), starts(value, with: "close") {
            head.closes = true
        }
    }

    /// What follows `name` in `line`, without white space around it.
    private static func value(
        of name: StaticString, in line: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        guard starts(line, with: name) else { return nil }
        var value = line[name.utf8CodeUnitCount...]
        while let first = value.first, first == 32 || first == 9 { value.removeFirst() }
        while let last = value.last, last == 32 || last == 9 { value.removeLast() }
        return UnsafeRawBufferPointer(rebasing: value)
    }

    /// Whether `bytes` begin with `text`, ASCII letters in either case.
    private static func starts(_ bytes: UnsafeRawBufferPointer, with text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count >= count, let address = bytes.baseAddress else { return false }
        return strncasecmp(
            address.assumingMemoryBound(to: CChar.self),
            UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self), count) == 0
    }

    /// Where `text` first occurs in `bytes`.
    private static func find(_ text: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        let count = text.utf8CodeUnitCount
        var from = 0
        while bytes.count - from >= count,
            let found = memchr(
                base + from, Int32(text.utf8Start[0]), bytes.count - count + 1 - from)
        {
            if memcmp(found, text.utf8Start, count) == 0 { return UnsafeRawPointer(found) - base }
            from = UnsafeRawPointer(found) - base + 1
        }
        return nil
    }

    /// A decimal number of 1 to 18 digits.
    private static func number(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard (1...18).contains(bytes.count) else { return nil }
        var value = 0
        for byte in bytes {
            guard byte >= 48, byte <= 57 else { return nil }
            value = value * 10 + Int(byte - 48)
        }
        return value
    }
}
