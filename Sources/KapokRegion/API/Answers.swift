import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Makes answers of JSON.
enum JSONAnswer {
    static func make(_ document: some Encodable, status: HTTPResponse.Status = .ok) throws
        -> Response
    {
        Response(
            status: status,
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: try line(document)))
    }

    /// The document on one line, with its end.
    static func line(_ document: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var buffer = ByteBuffer(bytes: try encoder.encode(document))
        buffer.writeString("\n")
        return buffer
    }
}

/// A request that is refused.
struct Refusal: Error {
    var status: HTTPResponse.Status
    var error: APIError
    var headers: HTTPFields = [:]

    init(_ status: HTTPResponse.Status, _ code: String, _ message: String) {
        self.status = status
        error = APIError(code: code, message: message)
    }
}

/// Answers whatever is thrown with JSON; what nobody foresaw, without its details.
struct ErrorsAsJSON<Context: RequestContext>: RouterMiddleware {
    let logger: Logger

    private struct Document: Encodable {
        var error: APIError
    }

    func handle(
        _ request: Request, context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let refusal as Refusal {
            return try answer(refusal)
        } catch let error as any HTTPResponseError {
            return try answer(
                Refusal(
                    error.status, error.status == .notFound ? "NotFound" : "Refused",
                    "\(request.method.rawValue) \(request.uri.path): \(error.status.reasonPhrase)"))
        } catch {
            logger.error("\(request.method.rawValue) \(request.uri.path): \(error)")
            return try answer(
                Refusal(
                    .internalServerError, "InternalError",
                    "the request failed; the region's log says why"))
        }
    }

    private func answer(_ refusal: Refusal) throws -> Response {
        var response = try JSONAnswer.make(
            Document(error: refusal.error), status: refusal.status)
        for field in refusal.headers { response.headers.append(field) }
        return response
    }
}
