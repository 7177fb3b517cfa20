import KapokStore
import Logging
import NIOCore
import NIOPosix

@testable import KapokS3

/// A server on a free loopback port over a store in memory, for as long as `body` runs.
func withServer(
    limits: S3Configuration.Limits = .init(), store: MemoryStore = MemoryStore(),
    _ body: @Sendable @escaping (LiveServer) async throws -> Void
) async throws {
    let configuration = S3Configuration(
        port: 0, accessKeys: AccessKeyStore([AuthVectors.key]), limits: limits)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = S3Server(configuration: configuration, store: store, logger: logger)
    let (ports, ready) = AsyncStream<Int>.makeStream()
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run { ready.yield($0) } }
        group.addTask {
            for await port in ports {
                try await body(LiveServer(port: port, store: store))
                break
            }
        }
        // The body ends first; the server runs until it is cancelled.
        try await group.next()
        group.cancelAll()
    }
}

/// A running server, to tests.
struct LiveServer: Sendable {
    let port: Int
    let store: MemoryStore
    private let signer = RequestSigner(accessKey: AuthVectors.key)

    init(port: Int, store: MemoryStore) {
        self.port = port
        self.store = store
    }

    var host: String { "127.0.0.1:\(port)" }

    /// A connection, closed when `body` ends.
    func connect<Result: Sendable>(
        _ body: @Sendable (inout RawClient) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var client = RawClient(inbound.makeAsyncIterator(), outbound)
            return try await body(&client)
        }
    }

    /// The text of a signed request without its body.
    func head(
        _ method: String, _ target: String, _ headers: [(name: String, value: String)] = [],
        length: Int? = nil, payload: String = "UNSIGNED-PAYLOAD", host: String? = nil
    ) throws -> String {
        try signed(method, target, headers, length: length, payload: payload, host: host).head
    }

    /// The same, with the signer of the chunks that follow.
    func signed(
        _ method: String, _ target: String, _ headers: [(name: String, value: String)] = [],
        length: Int? = nil, payload: String = "UNSIGNED-PAYLOAD", host: String? = nil
    ) throws -> (head: String, chunks: ChunkSigner) {
        let all = [(name: "Host", value: host ?? self.host)] + headers
        let (added, chunks) = try signer.sign(
            method: method, target: target, headers: all, payload: payload,
            unixSeconds: WallClock.nowSeconds())
        var text = "\(method) \(target) HTTP/1.1\r\n"
        for (name, value) in all + added { text += "\(name): \(value)\r\n" }
        if let length { text += "Content-Length: \(length)\r\n" }
        return (text + "\r\n", chunks)
    }

    /// Sends one request on a connection of its own.
    @discardableResult
    func request(
        _ method: String, _ target: String, _ headers: [(name: String, value: String)] = [],
        body: [UInt8] = [], host: String? = nil
    ) async throws -> RawResponse {
        let head = try head(
            method, target, headers,
            length: body.isEmpty && method != "PUT" ? nil : body.count, host: host)
        return try await connect { client in
            try await client.send(Array(head.utf8) + body)
            return try await client.response(isHead: method == "HEAD")
        }
    }
}

/// An answer as it came.
struct RawResponse: Sendable {
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The `Code` of an error document.
    var code: String? { (try? XMLParser.parse(body))?["Code"]?.text }
}

/// Why a raw answer could not be read.
enum RawError: Error {
    /// The server closed the connection.
    case closed(after: [UInt8])
    case malformed(String)
}

/// The client's side of a connection, byte by byte.
struct RawClient {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffer: [UInt8] = []

    init(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.inbound = inbound
        self.outbound = outbound
    }

    func send(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }
    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Ends this side: the server sees the end of the stream.
    func finish() { outbound.finish() }

    /// False at the end of the stream, and when the server has reset the connection.
    private mutating func receive() async -> Bool {
        nonisolated(unsafe) var iterator = inbound
        defer { inbound = iterator }
        guard let piece = try? await iterator.next() else { return false }
        buffer.append(contentsOf: piece.readableBytesView)
        return true
    }

    /// The next answer.
    mutating func response(isHead: Bool = false) async throws -> RawResponse {
        var end: Int?
        while true {
            end = headerEnd()
            if end != nil { break }
            guard await receive() else { throw RawError.closed(after: buffer) }
        }
        let headerLength = end ?? 0
        let lines = String(decoding: buffer[..<headerLength], as: UTF8.self)
            .split(separator: "\r\n")
        let statusLine = lines.first?.split(separator: " ") ?? []
        guard statusLine.count >= 2, statusLine[0] == "HTTP/1.1", let status = Int(statusLine[1])
        else { throw RawError.malformed(String(lines.first ?? "")) }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                String(line[line.index(after: colon)...]).trimmed
        }
        buffer.removeFirst(headerLength)
        let length = isHead ? 0 : Int(headers["content-length"] ?? "0") ?? 0
        while buffer.count < length {
            guard await receive() else { throw RawError.closed(after: buffer) }
        }
        let body = Array(buffer[..<length])
        buffer.removeFirst(length)
        return RawResponse(status: status, headers: headers, body: body)
    }

    private func headerEnd() -> Int? {
        guard buffer.count >= 4 else { return nil }
        for i in 0...(buffer.count - 4) where buffer[i] == 13 {
            if buffer[i + 1] == 10, buffer[i + 2] == 13, buffer[i + 3] == 10 { return i + 4 }
        }
        return nil
    }

    /// All bytes until the server closes.
    mutating func rest() async -> [UInt8] {
        while await receive() {}
        defer { buffer = [] }
        return buffer
    }
}
