import Foundation
import HTTPTypes
import Hummingbird
import KapokModel
import Logging
import NIOCore
import OrderedCollections

/// All paths, and what every request goes through: a place, a key, a body that is JSON, a model,
/// and an error in the dialect of its path.
struct APIRoutes: Sendable {
    let slot: ModelSlot
    let keys: APIKeys
    let limits: APILimits
    /// Pages of this origin may use the server from a browser; `*` for all.
    let allowedOrigin: String?
    let metrics: HTTPMetrics
    let logger: Logger

    /// Whose errors and headers a path has.
    enum Dialect: Sendable {
        case openAI
        case bedrock
    }

    typealias Handler = @Sendable (APICall, Parameters) async throws -> Response

    func router() -> Router<InferenceContext> {
        let router = Router(
            context: InferenceContext.self, options: .autoGenerateHeadEndpoints)
        if let origin = allowedOrigin {
            router.add(
                middleware: CORSMiddleware(
                    allowOrigin: origin == "*" ? .all : .custom(origin),
                    allowHeaders: [.accept, .authorization, .contentType, .performanceLatency],
                    allowMethods: [.get, .post, .options]))
        }
        router.add(middleware: UnknownPaths(metrics: metrics))
        router.get("/healthz") { _, _ in counted("/healthz", health()) }
        router.get("/health") { _, _ in counted("/health", health()) }
        router.get("/metrics") { _, _ in counted("/metrics", metricsAnswer()) }
        get(router, "/v1/models") { call, _ in ModelRoutes.list(call) }
        get(router, "/v1/models/**") { call, parameters in
            let name = parameters.getCatchAll().joined(separator: "/")
            return try ModelRoutes.one(call, name: name.removingPercentEncoding ?? name)
        }
        post(router, "/v1/chat/completions") { call, _ in try await ChatRoute.answer(call) }
        post(router, "/v1/completions") { call, _ in try await CompletionRoute.answer(call) }
        post(router, "/v1/responses") { call, _ in try await ResponseRoute.answer(call) }
        get(router, "/v1/responses/:id") { _, parameters in
            throw ResponseRoute.notKept(parameters.get("id") ?? "")
        }
        post(router, "/v1/embeddings") { call, _ in try await EmbeddingRoute.answer(call) }
        post(router, "/tokenize") { call, _ in try TokenRoutes.tokenize(call) }
        post(router, "/detokenize") { call, _ in try TokenRoutes.detokenize(call) }
        addBedrock(router)
        return router
    }

    private func addBedrock(_ router: Router<InferenceContext>) {
        @Sendable func model(_ parameters: Parameters) -> String {
            let name = parameters.get("modelId") ?? ""
            return name.removingPercentEncoding ?? name
        }
        for (operation, streams) in [("converse", false), ("converse-stream", true)] {
            post(router, "/model/:modelId/\(operation)", .bedrock) { call, parameters in
                try await ConverseRoute.answer(
                    call, modelID: model(parameters), streams: streams)
            }
        }
        for (operation, streams) in [("invoke", false), ("invoke-with-response-stream", true)] {
            post(router, "/model/:modelId/\(operation)", .bedrock) { call, parameters in
                try await InvokeRoute.answer(call, modelID: model(parameters), streams: streams)
            }
        }
        post(router, "/model/:modelId/count-tokens", .bedrock) { call, parameters in
            try ConverseRoute.countTokens(call, modelID: model(parameters))
        }
    }

    private func post(
        _ router: Router<InferenceContext>, _ path: String, _ dialect: Dialect = .openAI,
        _ handler: @escaping Handler
    ) {
        router.post(RouterPath(path)) { request, context in
            await respond(request, context, path, dialect, readsBody: true, handler)
        }
    }

    private func get(
        _ router: Router<InferenceContext>, _ path: String, _ handler: @escaping Handler
    ) {
        router.get(RouterPath(path)) { request, context in
            await respond(request, context, path, .openAI, readsBody: false, handler)
        }
    }

    private func respond(
        _ request: Request, _ context: InferenceContext, _ route: String, _ dialect: Dialect,
        readsBody: Bool, _ handler: Handler
    ) async -> Response {
        let id = APICall.makeID("req_")
        var response: Response
        do {
            let call = try await admit(request, context, id: id, readsBody: readsBody)
            response = try await handler(call, context.parameters)
        } catch {
            response = refuse(error, route, dialect)
        }
        response.headers[dialect == .openAI ? .requestID : .amazonRequestID] = id
        return counted(route, response)
    }

    private func refuse(_ error: any Error, _ route: String, _ dialect: Dialect) -> Response {
        let known: APIError
        switch error {
        case let error as APIError: known = error
        case let error as GenerationError: known = APIError(error)
        case is ClientVanished, is CancellationError:
            // Nobody reads it; 499 is nginx' number for it, and shows in the metrics.
            return Response(status: .init(code: 499))
        default:
            logger.error("\(route): \(error)")
            known = APIError(.failed, "the request failed; the server's log says why")
        }
        return dialect == .openAI ? Answer.openAI(known) : Answer.aws(known)
    }

    private func counted(_ route: String, _ response: Response) -> Response {
        metrics.answered(route: route, status: response.status.code)
        return response
    }

    // MARK: Admission

    private func admit(
        _ request: Request, _ context: InferenceContext, id: String, readsBody: Bool
    ) async throws -> APICall {
        let life = await ConnectionWatch.life(of: context.channel)
        let signed = try authorization(request)
        guard let place = RequestPlace(metrics, limit: limits.requestsInFlight) else {
            throw APIError(
                .busy,
                "the server works on \(limits.requestsInFlight) requests already: try again later",
                code: "rate_limit_exceeded", retryAfter: 1)
        }
        var bytes: [UInt8] = []
        if readsBody || signed.signature != nil {
            bytes = try await BodyReader.bytes(of: request, limits: limits)
        }
        var tenant = signed.tenant
        if let signature = signed.signature {
            tenant = try verify(signature, request, bytes)
        }
        let object = readsBody ? try BodyReader.object(bytes, limits: limits) : [:]
        return APICall(
            model: try slot.model(), body: RequestFieldsBox(object), headers: request.headers,
            tenant: tenant, life: life, limits: limits, metrics: metrics, place: place,
            created: Int(Date().timeIntervalSince1970), id: id)
    }

    /// The tenant of a bearer key, or a signature to be verified once the body is there.
    private func authorization(
        _ request: Request
    ) throws(APIError) -> (tenant: UInt32, signature: SignedRequest?) {
        if keys.areNone { return (0, nil) }
        guard let field = request.headers[.authorization] else {
            throw APIError(
                .unauthorized,
                "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.",
                code: "invalid_api_key")
        }
        if let signed = try SignedRequest(authorization: field) { return (0, signed) }
        let scheme = "bearer "
        guard field.prefix(scheme.count).lowercased() == scheme,
            let tenant = keys.tenant(bearer: field.dropFirst(scheme.count).drop { $0 == " " })
        else {
            throw APIError(
                .unauthorized, "Incorrect API key provided: it is none of this server's.",
                code: "invalid_api_key")
        }
        return (tenant, nil)
    }

    private func verify(
        _ signature: SignedRequest, _ request: Request, _ body: [UInt8]
    ) throws(APIError) -> UInt32 {
        let target = request.head.path ?? "/"
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        return try signature.tenant(
            keys: keys, method: request.method.rawValue, rawPath: String(parts[0]),
            rawQuery: parts.count > 1 ? String(parts[1]) : "",
            header: { name in
                // The host became the request's authority.
                if name == "host" { return request.head.authority }
                guard let field = HTTPField.Name(name) else { return nil }
                let values = request.headers[values: field]
                return values.isEmpty ? nil : values.joined(separator: ",")
            }, body: body, now: Date().timeIntervalSince1970)
    }

    // MARK: Health and metrics

    private func health() -> Response {
        switch slot.current {
        case .ready(let model):
            Answer.json(["status": "ok", "model": .string(model.service.modelName)])
        case .loading: Answer.json(["status": "loading"], status: 503)
        case .failed(let why):
            Answer.json(["status": "failed", "reason": .string(why)], status: 503)
        case .draining: Answer.json(["status": "draining"], status: 503)
        }
    }

    private func metricsAnswer() -> Response {
        var text = metrics.text()
        if let model = try? slot.model() { text = model.service.metricsText() + text }
        return Answer.text(text, type: "text/plain; version=0.0.4; charset=utf-8")
    }
}

/// Answers paths that lead nowhere, in the dialect that they look like.
private struct UnknownPaths: RouterMiddleware {
    typealias Context = InferenceContext
    let metrics: HTTPMetrics

    func handle(
        _ request: Request, context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch let error as any HTTPResponseError {
            let what = "\(request.method.rawValue) \(request.uri.path)"
            let kind: APIError.Kind =
                error.status == .methodNotAllowed
                ? .methodNotAllowed : error.status == .notFound ? .notFound : .invalid
            let known = APIError(
                kind,
                kind == .notFound
                    ? "Unknown request URL: \(what). See docs/serve-api.md for what there is."
                    : "\(what): \(error.status.reasonPhrase)",
                code: kind == .notFound ? "unknown_url" : nil)
            let answer =
                request.uri.path.hasPrefix("/model/") ? Answer.aws(known) : Answer.openAI(known)
            metrics.answered(route: "unknown", status: answer.status.code)
            return answer
        }
    }
}
