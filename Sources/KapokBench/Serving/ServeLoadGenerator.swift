import KapokInference
import KapokModel
import NIOCore
import NIOHTTP1
import NIOPosix
import OrderedCollections

/// Sends a load to a server with OpenAI's interface, each request at its time whatever became of
/// those before (an open loop), and measures the answers.
public enum ServeLoadGenerator {
    /// Runs the load to its end.
    /// - Parameter progress: told how many requests are over, after each.
    public static func run(
        _ options: ServeOptions, progress: @Sendable @escaping (Int) -> Void = { _ in }
    ) async throws -> [ServeRecord] {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let begin = ContinuousClock.now
        let texts = PromptText(seed: options.seed)
        let records = await withTaskGroup(of: ServeRecord.self) { tasks in
            var records: [ServeRecord] = []
            var running = 0
            func collect() async {
                if let record = await tasks.next() {
                    records.append(record)
                    running -= 1
                    progress(records.count)
                }
            }
            for (index, arrival) in options.load.arrivals.enumerated() {
                while let limit = options.concurrency, running >= limit { await collect() }
                let time = begin + .seconds(arrival.seconds)
                if time > .now { try? await Task.sleep(until: time, clock: .continuous) }
                let prompt = texts.prompt(
                    index: index, tokens: arrival.promptTokens, group: arrival.prefixGroup,
                    groupTokens: arrival.prefixTokens)
                running += 1
                tasks.addTask {
                    let record = ServeRecord(
                        index: index, arrival: arrival,
                        sent: (ContinuousClock.now - begin).seconds)
                    return await send(arrival, prompt, record, options, group)
                }
            }
            while running > 0 { await collect() }
            return records.sorted { $0.index < $1.index }
        }
        try await group.shutdownGracefully()
        return records
    }

    private static func send(
        _ arrival: ServingLoad.Arrival, _ prompt: String, _ record: ServeRecord,
        _ options: ServeOptions, _ group: MultiThreadedEventLoopGroup
    ) async -> ServeRecord {
        let body = ByteBuffer(string: requestBody(arrival, prompt, options).text())
        var head = HTTPRequestHead(
            version: .http1_1, method: .POST,
            uri: options.interface == .chat ? "/v1/chat/completions" : "/v1/completions")
        head.headers.add(
            name: "host", value: "\(options.endpoint.host):\(options.endpoint.port)")
        head.headers.add(name: "content-type", value: "application/json")
        head.headers.add(name: "content-length", value: "\(body.readableBytes)")
        head.headers.add(name: "connection", value: "close")
        if let key = options.apiKey {
            head.headers.add(name: "authorization", value: "Bearer \(key)")
        }
        let loop = group.next()
        let promise = loop.makePromise(of: ServeRecord.self)
        let limit = TimeAmount.nanoseconds(Int64(options.timeoutSeconds * 1e9))
        do {
            _ = try await ClientBootstrap(group: loop)
                .connectTimeout(.seconds(10))
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { [head] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = ServeRequestHandler(
                            head: head, body: body, record: record, promise: promise)
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        try channel.pipeline.syncOperations.addHandler(handler)
                        let context = try channel.pipeline.syncOperations.context(
                            handler: handler)
                        channel.eventLoop.assumeIsolated().scheduleTask(in: limit) {
                            handler.giveUp("no answer in time", context: context)
                        }
                    }
                }
                .connect(host: options.endpoint.host, port: options.endpoint.port).get()
        } catch {
            var failed = record
            failed.error = "cannot connect to \(options.endpoint): \(error)"
            promise.succeed(failed)
        }
        do { return try await promise.futureResult.get() } catch {
            var failed = record
            failed.error = "\(error)"
            return failed
        }
    }

    private static func requestBody(
        _ arrival: ServingLoad.Arrival, _ prompt: String, _ options: ServeOptions
    ) -> JSONValue {
        var body: JSONObject = [
            "model": .string(options.model), "stream": .bool(true),
            "stream_options": .object(["include_usage": .bool(true)]),
            "max_tokens": .integer(Int64(arrival.newTokens)), "temperature": .integer(0),
        ]
        if options.interface == .chat {
            body["messages"] = .array([
                .object(["role": .string("user"), "content": .string(prompt)])
            ])
        } else {
            body["prompt"] = .string(prompt)
        }
        if options.ignoresEnd { body["ignore_eos"] = .bool(true) }
        if arrival.mode == .optimized { body["service_tier"] = .string("priority") }
        return .object(body)
    }
}

extension Duration {
    fileprivate var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
