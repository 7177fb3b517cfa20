import Foundation
import Hummingbird
import KapokModel
import OrderedCollections

/// `POST /v1/embeddings`: the normalised mean of the last layer's states over a text.
enum EmbeddingRoute {
    static func answer(_ call: APICall) async throws -> Response {
        let fields = call.fields
        try call.model.check(name: try fields.string("model"))
        let width = call.model.service.configuration.width
        try fields.refuse(
            "dimensions", "this model's embeddings have \(width) numbers and cannot be shortened",
            unless: { $0.integerValue == width })
        let format = try fields.string("encoding_format") ?? "float"
        guard format == "float" || format == "base64" else {
            throw APIError.invalid(
                "encoding_format", "'\(format)' is neither 'float' nor 'base64'",
                code: "invalid_value")
        }
        let inputs = try CompletionRequest.prompts(
            fields, "input", limits: call.limits, model: call.model)
        for input in inputs {
            try call.model.prompts.check(input.tokens, newTokens: 0, parameter: "input")
        }
        let embeddings = try await embed(inputs.map(\.tokens), call)
        let count = inputs.reduce(0) { $0 + $1.tokens.count }
        return Answer.json([
            "object": "list", "model": .string(call.model.service.modelName),
            "data": .array(
                embeddings.enumerated().map { index, numbers in
                    [
                        "object": "embedding", "index": .count(index),
                        "embedding": format == "float"
                            ? .array(numbers.map { .number(Double($0)) }) : base64(numbers),
                    ]
                }),
            "usage": ["prompt_tokens": .count(count), "total_tokens": .count(count)],
        ])
    }

    /// One after the other: each uses all threads. Ends with the client.
    private static func embed(
        _ inputs: [[TokenID]], _ call: APICall
    ) async throws -> [[Float]] {
        let task = Task {
            var result: [[Float]] = []
            for input in inputs {
                try Task.checkCancellation()
                result.append(try await call.model.service.embed(input, tenant: call.tenant))
            }
            return result
        }
        let registration = call.life.onEnd {
            call.metrics.vanished()
            task.cancel()
        }
        defer { registration.end() }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Little-endian floats, as the openai package asks for them.
    private static func base64(_ numbers: [Float]) -> JSONValue {
        var data = Data(capacity: numbers.count * 4)
        for number in numbers {
            withUnsafeBytes(of: number.bitPattern.littleEndian) { data.append(contentsOf: $0) }
        }
        return .string(data.base64EncodedString())
    }
}
