import KapokModel
import OrderedCollections

/// Why a request is not answered as it was meant to be: what both dialects tell their clients.
struct APIError: Error, Sendable {
    /// What went wrong, as both dialects tell it apart.
    enum Kind: Sendable {
        /// The request is wrong, and will be tomorrow.
        case invalid
        /// No key, or not one of ours.
        case unauthorized
        /// No such model, no such path.
        case notFound
        /// The path is served, with another method.
        case methodNotAllowed
        /// The body is too long.
        case tooLarge
        /// The client took too long to send its request.
        case slowRequest
        /// Too many requests: later it may do.
        case busy
        /// The model is being loaded, or the server goes down.
        case unavailable
        /// The request's time is over.
        case timeout
        /// The server's fault.
        case failed
    }

    var kind: Kind
    var message: String
    /// The field that is to blame, as a path: `messages[2].content`.
    var parameter: String?
    /// OpenAI's code for programs: `context_length_exceeded`.
    var code: String?
    /// When to try again, in seconds.
    var retryAfter: Int?

    init(
        _ kind: Kind, _ message: String, parameter: String? = nil, code: String? = nil,
        retryAfter: Int? = nil
    ) {
        self.kind = kind
        self.message = message
        self.parameter = parameter
        self.code = code
        self.retryAfter = retryAfter
    }

    /// A field with a value that cannot be.
    static func invalid(_ parameter: String, _ message: String, code: String? = nil) -> APIError {
        APIError(.invalid, "\(parameter): \(message)", parameter: parameter, code: code)
    }

    /// A field that is known and not offered.
    static func unsupported(_ parameter: String, _ message: String) -> APIError {
        APIError(
            .invalid, "\(parameter): \(message)", parameter: parameter,
            code: "unsupported_parameter")
    }

    /// More tokens than prompt and answer may have together.
    static func tooLong(
        prompt: Int, new: Int?, limit: Int, parameter: String
    ) -> APIError {
        let wanted =
            new.map {
                "you requested \(prompt + $0) tokens (\(prompt) in the prompt, \($0) for the "
                    + "answer)"
            } ?? "your prompt has \(prompt) tokens, which leaves no room for an answer"
        return APIError(
            .invalid,
            "This model's maximum context length is \(limit) tokens; \(wanted). Shorten the prompt "
                + "or ask for fewer tokens.",
            parameter: parameter, code: "context_length_exceeded")
    }

    /// What the engine says, in the words of a server.
    init(_ error: GenerationError) {
        switch error {
        case .invalid(let why): self.init(.invalid, why)
        case .failed(let why): self.init(.failed, "the model failed: \(why)")
        case .refused(.queueFull(let limit)):
            self.init(
                .busy,
                "the server's queue is full (\(limit) requests are waiting): try again later",
                code: "rate_limit_exceeded", retryAfter: 1)
        case .refused(.tenantLimit(let limit)):
            self.init(
                .busy,
                "this key has \(limit) requests under way, which is as many as it may have: wait "
                    + "for one of them", code: "rate_limit_exceeded", retryAfter: 1)
        case .refused(.tooLong(let tokens, let limit)):
            self.init(
                .invalid,
                "This model's maximum context length is \(limit) tokens; prompt and answer would "
                    + "have \(tokens). Shorten the prompt or ask for fewer tokens.",
                code: "context_length_exceeded")
        case .refused(.draining):
            self.init(.unavailable, "the server is going down", retryAfter: 5)
        }
    }

    /// The HTTP status.
    var status: Int {
        switch kind {
        case .invalid: 400
        case .unauthorized: 401
        case .notFound: 404
        case .methodNotAllowed: 405
        case .slowRequest: 408
        case .tooLarge: 413
        case .busy: 429
        case .unavailable: 503
        case .timeout: 504
        case .failed: 500
        }
    }

    /// OpenAI's error document (API reference, "Error codes").
    var openAI: JSONValue {
        let type =
            switch kind {
            case .invalid, .methodNotAllowed, .tooLarge, .slowRequest, .notFound:
                "invalid_request_error"
            case .unauthorized: "authentication_error"
            case .busy: "rate_limit_error"
            case .unavailable, .timeout, .failed: "server_error"
            }
        return [
            "error": [
                "message": .string(message), "type": .string(type), "param": .optional(parameter),
                "code": .optional(code),
            ]
        ]
    }

    /// The exception of Bedrock's runtime (Amazon Bedrock API reference, "Converse", errors), and
    /// its status there.
    var exception: (name: String, status: Int) {
        switch kind {
        case .invalid, .methodNotAllowed, .tooLarge: ("ValidationException", 400)
        case .unauthorized: ("AccessDeniedException", 403)
        case .notFound: ("ResourceNotFoundException", 404)
        case .busy: ("ThrottlingException", 429)
        case .unavailable: ("ServiceUnavailableException", 503)
        case .slowRequest, .timeout: ("ModelTimeoutException", 408)
        case .failed: ("InternalServerException", 500)
        }
    }
}

extension JSONValue {
    /// A text, or null.
    static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

    /// A whole number.
    static func count(_ value: Int) -> JSONValue { .integer(Int64(value)) }
}
