import HTTPTypes
import Hummingbird
import HummingbirdTesting
import KapokModel
import Logging
import NIOCore
import OrderedCollections
import Testing

@testable import KapokInference

/// An answer, read.
struct APIReply: Sendable {
    var status: Int
    var headers: HTTPFields
    var bytes: [UInt8]

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The body as JSON; null when it is none.
    var json: JSONValue { (try? JSONValue(parsing: bytes)) ?? .null }

    /// The data of server-sent events.
    var events: [String] {
        text.split(separator: "\n\n", omittingEmptySubsequences: true).compactMap { block in
            block.split(separator: "\n").first { $0.hasPrefix("data: ") }.map {
                String($0.dropFirst(6))
            }
        }
    }

    /// The events that are JSON.
    var documents: [JSONValue] { events.compactMap { try? JSONValue(parsing: $0) } }

    /// What `error` says of a member.
    func error(_ member: String) -> String? { json["error"]?[member]?.stringValue }
}

/// A server over a stand-in, without a network unless asked for.
struct APITestServer: Sendable {
    let server: InferenceServer

    init(
        _ service: (any GenerationService)?, keys: [String] = [], limits: APILimits = APILimits()
    ) {
        var options = InferenceServerOptions(host: "127.0.0.1", port: 0)
        options.apiKeys = keys
        options.limits = limits
        options.aliases = ["alias/of-it"]
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        server = InferenceServer(options, logger: logger)
        if let service { server.serve(service) }
    }

    func test<Value>(
        _ setup: TestingSetup = .router,
        _ body: @escaping @Sendable (any TestClientProtocol) async throws -> Value
    ) async throws -> Value {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try await server.application(logger).test(setup, body)
    }

    /// Sends one request.
    func send(
        _ method: HTTPRequest.Method = .post, _ path: String, _ body: String = "",
        headers: HTTPFields = [:]
    ) async throws -> APIReply {
        try await test { client in
            let response = try await client.executeRequest(
                uri: path, method: method, headers: headers,
                body: body.isEmpty ? nil : ByteBuffer(string: body))
            return APIReply(
                status: response.status.code, headers: response.headers,
                bytes: Array(response.body.readableBytesView))
        }
    }
}
