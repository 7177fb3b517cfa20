import HTTPTypes
import Hummingbird
import KapokModel
import NIOCore
import OrderedCollections

/// Makes answers.
enum Answer {
    /// A JSON document.
    static func json(
        _ value: JSONValue, status: Int = 200, headers: HTTPFields = [:]
    ) -> Response {
        var fields: HTTPFields = [.contentType: "application/json", .cacheControl: "no-store"]
        for field in headers { fields.append(field) }
        return Response(
            status: .init(code: status), headers: fields,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.bytes())))
    }

    /// Plain text, such as metrics.
    static func text(_ text: String, type: String) -> Response {
        Response(
            status: .ok, headers: [.contentType: type, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }

    /// An error in OpenAI's form.
    static func openAI(_ error: APIError) -> Response {
        json(error.openAI, status: error.status, headers: extra(error))
    }

    /// An error as AWS' REST-JSON protocol has it.
    static func aws(_ error: APIError) -> Response {
        var headers = extra(error)
        headers[.errorType] = error.exception.name
        return json(
            ["message": .string(error.message)], status: error.exception.status, headers: headers)
    }

    private static func extra(_ error: APIError) -> HTTPFields {
        var headers: HTTPFields = [:]
        if let seconds = error.retryAfter { headers[.retryAfter] = "\(seconds)" }
        if error.kind == .unauthorized { headers[.wwwAuthenticate] = "Bearer realm=\"kapok\"" }
        if error.kind == .tooLarge || error.kind == .slowRequest {
            headers[.connection] = "close"
        }
        return headers
    }

    /// Server-sent events (WHATWG HTML, 9.2): `body` writes them, and its errors become a last one.
    static func events(
        headers: HTTPFields = [:],
        _ body: @escaping @Sendable (inout EventWriter) async throws -> Void
    ) -> Response {
        var fields: HTTPFields = [
            .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache",
            // Proxies (nginx) hold answers back without it.
            .accelBuffering: "no",
        ]
        for field in headers { fields.append(field) }
        return Response(
            status: .ok, headers: fields,
            body: ResponseBody { writer in
                var events = EventWriter(BodySink(writer))
                try await body(&events)
                try await events.flush()
                try await writer.finish(nil)
            })
    }
}

/// Where the bytes of an answer go. Used by one task at a time, which is what makes it safe.
final class BodySink: @unchecked Sendable {
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    /// Writes and waits until there is room for more.
    @concurrent func write(_ bytes: ByteBuffer) async throws { try await writer.write(bytes) }
}

/// Writes server-sent events.
struct EventWriter: Sendable {
    private let sink: BodySink
    private var buffer = ByteBuffer()

    init(_ sink: BodySink) { self.sink = sink }

    /// An event without a name.
    mutating func send(_ value: JSONValue) async throws {
        add(value)
        try await flush()
    }

    /// An event with a name.
    mutating func send(_ value: JSONValue, event: String) async throws {
        buffer.writeString("event: \(event)\n")
        try await send(value)
    }

    /// An event that goes out with the next one.
    mutating func add(_ value: JSONValue) {
        buffer.writeStaticString("data: ")
        buffer.writeBytes(value.bytes())
        buffer.writeStaticString("\n\n")
    }

    /// The end of OpenAI's older streams.
    mutating func done() async throws {
        buffer.writeStaticString("data: [DONE]\n\n")
        try await flush()
    }

    mutating func flush() async throws {
        guard buffer.readableBytes > 0 else { return }
        let piece = buffer
        buffer = ByteBuffer()
        try await sink.write(piece)
    }
}

extension HTTPField.Name {
    /// AWS' name of the exception.
    static let errorType = name("x-amzn-errortype")
    /// Whether a proxy may hold the answer back.
    static let accelBuffering = name("x-accel-buffering")
    /// The mode of a request and the one that was served.
    static let performanceLatency = name(GenerationFields.latencyHeader)
    /// What the parts of a Bedrock stream are.
    static let bedrockContentType = name("x-amzn-bedrock-content-type")
    /// The request's id, as OpenAI's clients show it.
    static let requestID = name("x-request-id")
    /// The request's id, as AWS' clients show it.
    static let amazonRequestID = name("x-amzn-requestid")

    private static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("\(text) is a token") }
        return name
    }
}
