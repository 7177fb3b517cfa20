public import KapokInference

/// What is sent where.
public struct ServeOptions: Sendable {
    /// Which of OpenAI's interfaces is used.
    public enum Interface: String, Sendable, CaseIterable {
        case chat
        case completions
    }

    /// The server; `/v1` is below it.
    public var endpoint: Endpoint
    public var apiKey: String?
    public var model: String
    public var interface = Interface.chat
    public var load: ServingLoad
    /// Requests on their way at a time; further ones wait. nil for no limit (an open loop).
    public var concurrency: Int?
    /// Asks servers that know `ignore_eos` (vLLM, llama.cpp, Kapok) for answers of full length.
    public var ignoresEnd = true
    /// Of the words in the prompts.
    public var seed: UInt64 = 1
    /// After so many seconds a request is given up.
    public var timeoutSeconds = 600.0

    /// A load for the server at `endpoint`.
    public init(endpoint: Endpoint, model: String, load: ServingLoad) {
        self.endpoint = endpoint
        self.model = model
        self.load = load
    }
}
