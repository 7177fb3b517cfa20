import Foundation
import FoundationNetworking

/// A conversation with a server that has OpenAI's interface.
struct ChatClient: Sendable {
    /// What an answer came to.
    struct Answer: Encodable, Sendable {
        var text = ""
        var finishReason: String?
        var model: String?
        var promptTokens: Int?
        var completionTokens: Int?
        var cachedTokens: Int?
        var latency: String?
        var secondsToFirstToken: Double?
        var tokensPerSecond: Double?
    }

    /// How answers are made.
    struct Options: Sendable {
        var temperature: Double?
        var topP: Double?
        var maximumTokens: Int?
        var seed: Int?
        var latency: String?
    }

    /// The server, without a slash at its end.
    let base: String
    let apiKey: String?
    let model: String

    /// Reads `http://host:port`, with or without `/v1`.
    /// - Parameter model: nil for the first that the server has.
    init(url: String, apiKey: String?, model: String?) async throws {
        var base = url.contains("://") ? url : "http://\(url)"
        while base.hasSuffix("/") { base.removeLast() }
        if base.hasSuffix("/v1") { base.removeLast(3) }
        guard let parsed = URL(string: base), parsed.host != nil else {
            throw CommandFailure(description: "'\(url)' is no URL: http://host:port")
        }
        self.base = base
        self.apiKey = apiKey
        if let model {
            self.model = model
        } else {
            self.model = try await Self.firstModel(base, apiKey)
        }
    }

    private static func request(_ url: String, _ apiKey: String?) throws -> URLRequest {
        guard let url = URL(string: url) else {
            throw CommandFailure(description: "'\(url)' is no URL")
        }
        // Answers may take their time; the server has the limit.
        var request = URLRequest(url: url, timeoutInterval: 3600)
        if let apiKey { request.setValue("Bearer \(apiKey)", forHTTPHeaderField: "Authorization") }
        return request
    }

    private static func firstModel(_ base: String, _ apiKey: String?) async throws -> String {
        let data: Data
        do {
            let (bytes, answer) = try await URLSession.shared.data(
                for: try request("\(base)/v1/models", apiKey))
            try check(answer, bytes)
            data = bytes
        } catch let error as URLError {
            throw CommandFailure(
                description: "cannot reach \(base): \(error.localizedDescription). Is a server "
                    + "running there? 'kapok serve --model FILE' starts one")
        }
        let list = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
        let models = list?["data"] as? [[String: Any]]
        guard let name = models?.first?["id"] as? String else {
            throw CommandFailure(description: "\(base) lists no models: name one with --name")
        }
        return name
    }

    private static func check(_ answer: URLResponse?, _ body: Data) throws {
        guard let answer = answer as? HTTPURLResponse else {
            throw CommandFailure(description: "the server's answer is no HTTP")
        }
        guard answer.statusCode != 200 else { return }
        let document = (try? JSONSerialization.jsonObject(with: body)) as? [String: Any]
        let error = document?["error"] as? [String: Any]
        let message =
            error?["message"] as? String ?? String(decoding: body.prefix(500), as: UTF8.self)
        throw CommandFailure(description: "the server answered \(answer.statusCode): \(message)")
    }

    /// Asks for an answer to `messages` and hands its text on as it comes. A task that is cancelled
    /// ends the answer, here and on the server.
    func answer(
        to messages: [[String: String]], _ options: Options,
        onText: @Sendable (String) -> Void
    ) async throws -> Answer {
        var body: [String: Any] = [
            "model": model, "messages": messages, "stream": true,
            "stream_options": ["include_usage": true],
        ]
        if let value = options.temperature { body["temperature"] = value }
        if let value = options.topP { body["top_p"] = value }
        if let value = options.maximumTokens { body["max_tokens"] = value }
        if let value = options.seed { body["seed"] = value }
        if let value = options.latency { body["latency"] = value }
        var request = try Self.request("\(base)/v1/chat/completions", apiKey)
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = try JSONSerialization.data(withJSONObject: body)
        var reading = AnswerReading()
        do {
            try await stream(request) { event in
                if let text = try reading.take(event) { onText(text) }
            }
        } catch let error as URLError where error.code != .cancelled {
            throw CommandFailure(
                description: "the connection to \(base) broke: \(error.localizedDescription)")
        }
        return reading.finished()
    }

    /// Goes through the data of server-sent events.
    private func stream(
        _ request: URLRequest, _ body: (String) throws -> Void
    ) async throws {
        let receiver = StreamReceiver()
        var pending = Data()
        var refusal = Data()
        var status: HTTPURLResponse?
        for try await part in receiver.start(request) {
            switch part {
            case .head(let answer): status = answer as? HTTPURLResponse
            case .data(let data):
                guard status?.statusCode == 200 else {
                    refusal.append(data)
                    continue
                }
                pending.append(data)
                while let end = pending.firstIndex(of: 0x0A) {
                    let line = String(decoding: pending[..<end], as: UTF8.self)
                    pending = Data(pending[pending.index(after: end)...])
                    guard line.hasPrefix("data:") else { continue }
                    let event = line.dropFirst(5).trimmingCharacters(in: .whitespaces)
                    if event != "[DONE]" { try body(event) }
                }
            }
        }
        // A cancelled stream just ends.
        try Task.checkCancellation()
        try Self.check(status, refusal)
    }

    /// Puts the chunks of an answer together.
    private struct AnswerReading {
        private var answer = Answer()
        private let began = ContinuousClock.now
        private var first: ContinuousClock.Instant?
        private var last: ContinuousClock.Instant?

        mutating func take(_ event: String) throws -> String? {
            let document =
                (try? JSONSerialization.jsonObject(with: Data(event.utf8))) as? [String: Any]
            guard let document else { return nil }
            if let error = document["error"] as? [String: Any] {
                throw CommandFailure(
                    description: error["message"] as? String ?? "the server failed")
            }
            answer.model = document["model"] as? String ?? answer.model
            answer.latency = document["latency"] as? String ?? answer.latency
            if let usage = document["usage"] as? [String: Any] {
                answer.promptTokens = usage["prompt_tokens"] as? Int
                answer.completionTokens = usage["completion_tokens"] as? Int
                let details = usage["prompt_tokens_details"] as? [String: Any]
                answer.cachedTokens = details?["cached_tokens"] as? Int
            }
            guard let choice = (document["choices"] as? [[String: Any]])?.first else { return nil }
            answer.finishReason = choice["finish_reason"] as? String ?? answer.finishReason
            let delta = choice["delta"] as? [String: Any]
            guard let text = delta?["content"] as? String, !text.isEmpty else { return nil }
            first = first ?? .now
            last = .now
            answer.text += text
            return text
        }

        func finished() -> Answer {
            var result = answer
            guard let first, let last else { return result }
            result.secondsToFirstToken = (first - began) / .seconds(1)
            let seconds = (last - first) / .seconds(1)
            if let count = answer.completionTokens, count > 1, seconds > 0 {
                result.tokensPerSecond = Double(count - 1) / seconds
            }
            return result
        }
    }
}

/// Receives an answer in pieces.
private final class StreamReceiver: NSObject, URLSessionDataDelegate {
    enum Part: Sendable {
        case head(URLResponse)
        case data(Data)
    }

    private let stream: AsyncThrowingStream<Part, any Error>
    private let sink: AsyncThrowingStream<Part, any Error>.Continuation

    override init() {
        (stream, sink) = AsyncThrowingStream.makeStream()
    }

    /// Sends the request; the stream's end (also by cancellation) ends it.
    func start(_ request: URLRequest) -> AsyncThrowingStream<Part, any Error> {
        let session = URLSession(configuration: .ephemeral, delegate: self, delegateQueue: nil)
        let task = session.dataTask(with: request)
        sink.onTermination = { _ in
            task.cancel()
            session.finishTasksAndInvalidate()
        }
        task.resume()
        return stream
    }

    func urlSession(
        _ session: URLSession, dataTask: URLSessionDataTask, didReceive response: URLResponse,
        completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
    ) {
        sink.yield(.head(response))
        completionHandler(.allow)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        sink.yield(.data(data))
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?
    ) {
        sink.finish(throwing: error)
    }
}
