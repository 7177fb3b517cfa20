import Foundation
import HTTPTypes
import Hummingbird
import KapokModel
import NIOCore
import OrderedCollections

/// What a route needs of its connection.
struct InferenceContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}

/// A place among the requests under way; given back with its last reference, whatever became of the
/// request.
final class RequestPlace: Sendable {
    private let metrics: HTTPMetrics

    /// Nil when all places are taken.
    init?(_ metrics: HTTPMetrics, limit: Int) {
        guard metrics.begin(limit: limit) else { return nil }
        self.metrics = metrics
    }

    deinit { metrics.end() }
}

/// One request that may be answered: read, allowed and counted.
struct APICall: Sendable {
    let model: ServedModel
    /// The body; empty for requests without one.
    let body: RequestFieldsBox
    let headers: HTTPFields
    let tenant: UInt32
    let life: ConnectionLife
    let limits: APILimits
    let metrics: HTTPMetrics
    let place: RequestPlace
    /// Seconds since 1970.
    let created: Int
    /// Names the request in its answer and in the log.
    let id: String

    var fields: RequestFields { body.fields }

    /// The same call with another body: what a request holds inside of itself.
    func with(body: JSONObject) -> APICall {
        APICall(
            model: model, body: RequestFieldsBox(body), headers: headers, tenant: tenant,
            life: life, limits: limits, metrics: metrics, place: place, created: created, id: id)
    }

    func header(_ name: String) -> String? {
        HTTPField.Name(name).flatMap { headers[$0] }
    }

    /// Starts generations that end with the client.
    func start(
        _ requests: [GenerationRequest]
    ) -> AsyncThrowingStream<GenerationItem, any Error> {
        GenerationFeed.start(
            requests, on: model.service, parallel: limits.parallelGenerations, life: life,
            metrics: metrics)
    }

    /// An id of 24 letters and digits after a prefix: `chatcmpl-…`.
    static func makeID(_ prefix: String) -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        return prefix + String((0..<24).map { _ in letters[Int.random(in: 0..<letters.count)] })
    }
}

/// The body's members, to be read in any task.
struct RequestFieldsBox: Sendable {
    private let object: JSONObject

    init(_ object: JSONObject) { self.object = object }

    var fields: RequestFields { RequestFields(object) }
}

/// Reads bodies: bounded in length and time, JSON objects.
enum BodyReader {
    /// The bytes of a body.
    static func bytes(of request: Request, limits: APILimits) async throws -> [UInt8] {
        let tooLarge = APIError(
            .tooLarge,
            "the body is longer than the \(limits.bodyBytes) bytes that this server takes",
            code: "request_too_large")
        if let length = request.headers[.contentLength].flatMap({ Int($0) }),
            length > limits.bodyBytes
        {
            throw tooLarge
        }
        let body = request.body
        return try await withThrowingTaskGroup(of: [UInt8].self) { group in
            group.addTask {
                var bytes: [UInt8] = []
                do {
                    for try await buffer in body {
                        guard bytes.count + buffer.readableBytes <= limits.bodyBytes else {
                            throw tooLarge
                        }
                        bytes.append(contentsOf: buffer.readableBytesView)
                    }
                } catch let error as APIError {
                    throw error
                } catch let error as CancellationError {
                    throw error
                } catch {
                    // The client went away, or what it sends is no HTTP.
                    throw APIError(.invalid, "the body broke off: \(error)")
                }
                return bytes
            }
            group.addTask {
                try await Task.sleep(for: .seconds(limits.bodySeconds))
                throw APIError(
                    .slowRequest, "the body did not come within \(limits.bodySeconds) s")
            }
            defer { group.cancelAll() }
            guard let bytes = try await group.next() else { throw CancellationError() }
            return bytes
        }
    }

    /// The members of a JSON object.
    static func object(_ bytes: [UInt8], limits: APILimits) throws(APIError) -> JSONObject {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(
                parsing: bytes,
                limits: JSONLimits(bytes: limits.bodyBytes, depth: 64, values: 2 << 20))
        } catch {
            throw APIError(
                .invalid, "the body is not JSON: \(error)", code: "invalid_json")
        }
        guard case .object(let object) = value else {
            throw APIError(
                .invalid, "the body is \(value.kindDescription), not an object",
                code: "invalid_json")
        }
        return object
    }
}
