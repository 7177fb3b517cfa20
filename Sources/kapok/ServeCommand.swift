public import ArgumentParser
import Foundation
import KapokBench
public import KapokInference
import Logging

/// `kapok serve`: a model behind OpenAI's and Bedrock's interfaces.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve a language model to clients of OpenAI and of Amazon Bedrock.",
        discussion: """
            The model is a GGUF or safetensors file, or an object in a store (s3://bucket/key). \
            The server listens at once and is ready when /healthz answers 200. Without --api-key \
            everybody may use it. Ctrl-C lets requests under way finish, then stops.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Server") var server: ServerOptions
    @OptionGroup(title: "Engine") var engine: EngineFlags
    @OptionGroup(title: "Roles") var roles: RoleOptions
    @OptionGroup(title: "Explanation (no server)") var explanation: ExplainOptions
    @Flag(help: "Print one line of JSON when ready (or the explanation as JSON), nothing else.")
    var json = false

    /// Which model.
    struct ModelOptions: ParsableArguments {
        @Option(help: "The model: a file, or s3://bucket/key.")
        var model: String
        @Option(
            help: "The name under which it is served. (default: the file's, without its ending)")
        var name: String?
        @Option(help: "A further name. May be given several times.")
        var alias: [String] = []
        @Option(help: "A smaller model of the same vocabulary that proposes tokens.")
        var draftModel: String?
        @OptionGroup var store: ModelSource.Options

        /// The last part of the path, or of the key, without its ending.
        var fileName: String? {
            let last = model.split(separator: "/").last.map(String.init) ?? ""
            let name = last.hasSuffix(".gguf") ? String(last.dropLast(5)) : last
            return name.isEmpty ? nil : name
        }
    }

    /// Where and for whom.
    struct ServerOptions: ParsableArguments {
        @Option(help: "The address to listen on.")
        var host = "127.0.0.1"
        @Option(help: "The port; 0 for any free one.")
        var port = 8080
        @Option(
            help: """
                A key that clients must send, each a tenant of its own; ACCESS:SECRET is a pair \
                for AWS' clients. May be given several times.
                """)
        var apiKey: [String] = []
        @Option(help: "A file with such keys, one a line: unlike options, others cannot see it.")
        var apiKeyFile: String?
        @Option(help: "Pages of this origin may use the server from a browser; * for all.")
        var allowOrigin: String?
        @Option(help: "The longest body of a request.", transform: parseSize)
        var maxBody = ByteSize(bytes: 8 << 20)
        @Option(help: "Requests worked on at a time; more get 429.")
        var maxRequests = 512
        @Option(help: "Seconds after which a request is given up; 0 for never.")
        var requestTimeout = 600.0
        @Option(help: "Seconds that requests under way get when the server stops.")
        var drainTimeout = 30
    }

    /// How the engine runs.
    struct EngineFlags: ParsableArguments {
        @Option(help: "Threads that compute. (default: all processors)")
        var threads: Int?
        @Option(help: "Tokens of prompt and answer together. (default: the model's)")
        var context: Int?
        @Option(help: "Memory for keys and values.", transform: parseSize)
        var kvMemory = ByteSize(bytes: 2 << 30)
        @Option(help: "Sequences that decode together.")
        var sequences = 64
        @Option(help: "Prompt tokens in a step beside decoding sequences. (default: measured)")
        var prefillTokens: Int?
        @Option(help: "Requests that may wait, of all keys together.")
        var queue = 256
        @Option(help: "Requests that one key may have under way and waiting.")
        var tenantQueue = 128
        @Option(help: "Latency-optimised requests at a time; more are served as standard ones.")
        var optimized = 4
        @Option(help: "Tokens that speculation may propose in a step.")
        var drafts = 8
        @Flag(help: "Decode standard requests speculatively, too.")
        var speculate = false
        @Flag(help: "Give prefill and decode threads of their own, half of them each.")
        var split = false
        @Option(help: "A file that gets a line for each step of the engine.")
        var stepLog: String?

        func options(name: String?, draft: String?) -> EngineOptions {
            var options = EngineOptions(
                threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
            options.modelName = name
            options.draftModel = draft
            options.contextLimit = context
            options.cacheBytes = kvMemory.bytes
            options.maximumSequences = sequences
            options.prefillTokensPerStep = prefillTokens
            options.queueLimit = queue
            options.tenantLimit = tenantQueue
            options.optimizedLimit = optimized
            options.maximumDrafts = drafts
            options.speculatesAlways = speculate
            options.splitsExecutors = split
            options.stepLog = stepLog
            return options
        }
    }

    /// Prefill and decode in processes of their own.
    struct RoleOptions: ParsableArguments {
        @Option(help: "alone, prefill (computes prompts for others) or decode (serves clients).")
        var role = EngineRole.alone
        @Option(help: "Where a prefill role listens for decode roles: HOST:PORT.")
        var transferListen: String?
        @Option(help: "The prefill roles of a decode role: HOST:PORT[,HOST:PORT].")
        var prefill: String?
        @Option(help: "What both roles know and nobody else (else KAPOK_TRANSFER_KEY).")
        var transferKey: String?
        @Option(help: "Prompts with at least so many tokens to compute are prefilled elsewhere.")
        var pullThreshold = 64

        func apply(to options: inout EngineOptions) throws {
            options.role = role
            options.transferListen = try transferListen.map(endpoint)
            options.prefillHosts = try (prefill ?? "").split(separator: ",").map {
                try endpoint(String($0))
            }
            let key = transferKey ?? ProcessInfo.processInfo.environment["KAPOK_TRANSFER_KEY"]
            options.transferKey = key.map { Array($0.utf8) }
            options.pullThreshold = pullThreshold
        }

        private func endpoint(_ text: String) throws -> TransferEndpoint {
            guard let endpoint = TransferEndpoint(text) else {
                throw CommandFailure(description: "'\(text)' is no HOST:PORT")
            }
            return endpoint
        }
    }

    func validate() throws {
        func check(_ name: String, _ value: Int, _ bounds: ClosedRange<Int>) throws {
            guard bounds.contains(value) else {
                throw ValidationError(
                    "--\(name) \(value) is not between \(bounds.lowerBound) and "
                        + "\(bounds.upperBound)")
            }
        }
        try check("port", server.port, 0...65535)
        try check("max-requests", server.maxRequests, 1...100_000)
        try check("drain-timeout", server.drainTimeout, 0...86_400)
        try check("threads", engine.threads ?? 1, 1...1024)
        try check("context", engine.context ?? 16, 16...16_777_216)
        try check("sequences", engine.sequences, 1...4096)
        try check("queue", engine.queue, 1...1_000_000)
        try check("tenant-queue", engine.tenantQueue, 1...1_000_000)
        try check("optimized", engine.optimized, 0...4096)
        try check("drafts", engine.drafts, 0...64)
        try check("pull-threshold", roles.pullThreshold, 1...1_000_000)
        try check("prefill-tokens", engine.prefillTokens ?? 16, 1...1_000_000)
        guard server.requestTimeout >= 0, server.requestTimeout <= 1e6 else {
            throw ValidationError("--request-timeout must be 0 to 1000000 seconds")
        }
        for key in server.apiKey where key.isEmpty || key.hasPrefix(":") || key.hasSuffix(":") {
            throw ValidationError("--api-key: empty keys, ids and secrets are not allowed")
        }
    }

    func run() async throws {
        if let machine = explanation.explain {
            let path = try await ModelSource.resolve(model.model, model.store)
            return try explanation.run(machine: machine, model: path, json: json)
        }
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "kapok")
        logger.logLevel = .notice
        let front = InferenceServer(try frontOptions(), logger: logger)
        do { try await serve(front) } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(
                description: "cannot serve on \(server.host):\(server.port): \(error). Is "
                    + "something else listening there? Choose another with --port")
        }
    }

    private func frontOptions() throws -> InferenceServerOptions {
        var options = InferenceServerOptions(host: server.host, port: server.port)
        options.apiKeys = try keys()
        options.allowedOrigin = server.allowOrigin
        options.aliases = model.alias + ["default"]
        options.limits.bodyBytes = server.maxBody.bytes
        options.limits.requestsInFlight = server.maxRequests
        options.limits.requestSeconds = server.requestTimeout > 0 ? server.requestTimeout : nil
        options.limits.drainSeconds = server.drainTimeout
        return options
    }

    /// The keys of options and file.
    private func keys() throws -> [String] {
        guard let path = server.apiKeyFile else { return server.apiKey }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw CommandFailure(description: "cannot read the keys in \(path)")
        }
        let lines = text.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        guard !lines.isEmpty else { throw CommandFailure(description: "\(path) has no keys") }
        return server.apiKey + lines
    }

    /// Listens and loads at the same time; whichever ends first ends both.
    private func serve(_ front: InferenceServer) async throws {
        let began = ContinuousClock.now
        let (ports, listening) = AsyncStream<Int>.makeStream()
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await front.run { port in
                    listening.yield(port)
                    listening.finish()
                }
                return true
            }
            group.addTask {
                let engine = try await load()
                front.serve(engine)
                for await port in ports { announce(engine, port: port, began) }
                return false
            }
            // A model that does not load ends the server; a loaded one leaves it running.
            while let isOver = try await group.next(), !isOver {}
            group.cancelAll()
        }
    }

    /// Fetches and opens the model on a thread of its own: reading files blocks.
    private func load() async throws -> Engine {
        do {
            let path = try await ModelSource.resolve(model.model, model.store)
            var draft: String?
            if let source = model.draftModel {
                draft = try await ModelSource.resolve(source, model.store)
            }
            var options = engine.options(name: model.name ?? model.fileName, draft: draft)
            try roles.apply(to: &options)
            return try await withCheckedThrowingContinuation { [options] continuation in
                Thread.detachNewThread {
                    continuation.resume(
                        with: Result { try Engine.start(path: path, options: options) })
                }
            }
        } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(description: "cannot load \(model.model): \(error)")
        }
    }

    private func announce(
        _ engine: Engine, port: Int, _ began: ContinuousClock.Instant
    ) {
        let host = server.host.contains(":") ? "[\(server.host)]" : server.host
        let url = "http://\(host):\(port)"
        if json {
            try? ChipOutput.printJSON(
                ServeAddress(
                    url: url, model: engine.modelName, contextTokens: engine.contextLimit))
        } else {
            print(greeting(engine, url: url, ContinuousClock.now - began))
        }
        fflush(nil)
    }

    private func greeting(_ engine: Engine, url: String, _ time: Duration) -> String {
        let milliseconds = Int(time / .milliseconds(1))
        let name =
            engine.modelName.addingPercentEncoding(withAllowedCharacters: .urlHostAllowed)
            ?? engine.modelName
        let isOpen = server.apiKey.isEmpty && server.apiKeyFile == nil
        let key = isOpen ? "" : " -H 'Authorization: Bearer KEY'"
        return """
            Kapok serves \(engine.modelName) (\(milliseconds) ms).

              OpenAI        \(url)/v1
              Bedrock       \(url)/model/\(name)/converse
              metrics       \(url)/metrics
              context       \(engine.contextLimit) tokens
              keys          \(isOpen ? "none: everybody may" : "required")

            Try it:
              kapok chat --url \(url)
              curl \(url)/v1/chat/completions\(key) -H 'Content-Type: application/json' \\
                -d '{"messages":[{"role":"user","content":"Hello!"}]}'

            Ctrl-C stops it.
            """
    }
}

extension EngineRole: ExpressibleByArgument {}

/// What a script is told when a model is ready.
private struct ServeAddress: Encodable {
    var url: String
    var model: String
    var contextTokens: Int
}
