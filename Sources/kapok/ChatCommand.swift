import ArgumentParser
import Foundation
import KapokInference
import Logging

/// `kapok chat`: a conversation in a terminal.
struct ChatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat",
        abstract: "Talk to a model: of a running server, or of a file.",
        discussion: """
            In a terminal it asks for messages until Ctrl-D; Ctrl-C stops an answer, and /help \
            tells what else there is. With a prompt as argument or on standard input it gives one \
            answer and ends: echo 'Why is the sky blue?' | kapok chat. The key comes from \
            --api-key, else from KAPOK_API_KEY or OPENAI_API_KEY.
            """)

    @Argument(help: "A prompt; the answer to it is all that is printed.")
    var prompt: String?
    @Option(help: "The server: http://host:port. (default: http://127.0.0.1:8080)")
    var url: String?
    @Option(help: "Serve this model in the same process instead: a file, or s3://bucket/key.")
    var model: String?
    @Option(help: "The model's name on the server. (default: the first one)")
    var name: String?
    @Option(help: "The server's API key.")
    var apiKey: String?
    @Option(help: "What the model is to be.")
    var system: String?
    @Option(help: "0 chooses the most probable token. (default: the server's)")
    var temperature: Double?
    @Option(help: "Choose among the most probable tokens up to this probability.")
    var topP: Double?
    @Option(help: "The most tokens of an answer.")
    var maxTokens: Int?
    @Option(help: "Equal seeds give equal answers.")
    var seed: Int?
    @Option(help: "standard or optimized.")
    var latency: String?
    @Option(help: "Threads that compute, with --model. (default: all processors)")
    var threads: Int?
    @OptionGroup var store: ModelSource.Options
    @Flag(help: "Print the answer to one prompt as a JSON object.")
    var json = false

    func validate() throws {
        guard url == nil || model == nil else {
            throw ValidationError("--url and --model exclude each other")
        }
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads \(threads) is not between 1 and 1024")
        }
    }

    func run() async throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        let environment = ProcessInfo.processInfo.environment
        guard let model else {
            let key =
                apiKey ?? environment["KAPOK_API_KEY"] ?? environment["OPENAI_API_KEY"]
            return try await talk(
                ChatClient(
                    url: url ?? environment["OPENAI_BASE_URL"] ?? "http://127.0.0.1:8080",
                    apiKey: key, model: name))
        }
        try await withServer(model) { url, key in
            try await talk(ChatClient(url: url, apiKey: key, model: name))
        }
    }

    private func talk(_ client: ChatClient) async throws {
        var options = ChatClient.Options()
        options.temperature = temperature
        options.topP = topP
        options.maximumTokens = maxTokens
        options.seed = seed
        options.latency = latency
        var session = ChatSession(client: client, options: options, system: system)
        if let prompt { return try await session.answerOnce(prompt, asJSON: json) }
        guard isatty(STDIN_FILENO) == 1 else {
            let data = FileHandle.standardInput.readDataToEndOfFile()
            let text = String(decoding: data, as: UTF8.self)
            return try await session.answerOnce(
                text.trimmingCharacters(in: .whitespacesAndNewlines), asJSON: json)
        }
        guard !json else {
            throw CommandFailure(
                description: "--json prints one answer: give a prompt as argument or on standard "
                    + "input")
        }
        try await session.talk()
    }

    /// Serves a model on a port of this machine, to this process alone: its key is random.
    private func withServer(
        _ source: String, _ body: (_ url: String, _ key: String) async throws -> Void
    ) async throws {
        let path = try await ModelSource.resolve(source, store)
        let engine: Engine
        do {
            engine = try Engine.start(
                path: path,
                options: EngineOptions(
                    threads: threads ?? ProcessInfo.processInfo.activeProcessorCount))
        } catch {
            throw CommandFailure(description: "cannot load \(source): \(error)")
        }
        let key = UUID().uuidString
        var options = InferenceServerOptions(host: "127.0.0.1", port: 0)
        options.apiKeys = [key]
        options.stopsOnSignals = false
        var logger = Logger(label: "kapok")
        logger.logLevel = .error
        let server = InferenceServer(options, logger: logger)
        server.serve(engine)
        let (ports, listening) = AsyncStream<Int>.makeStream()
        let serving = Task {
            try await server.run { port in listening.yield(port) }
            listening.finish()
        }
        defer {
            serving.cancel()
            engine.stop()
        }
        for await port in ports {
            return try await body("http://127.0.0.1:\(port)", key)
        }
    }
}
