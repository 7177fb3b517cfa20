public import KapokModel

/// How the next token is chosen. Defaults are greedy decoding without penalties.
public struct SamplingOptions: Sendable {
    /// 0 chooses the most probable token.
    public var temperature: Float = 0
    /// Keep the most probable tokens up to this probability; 1 keeps all.
    public var topP: Float = 1
    /// Keep so many tokens; 0 keeps all.
    public var topK = 0
    /// Keep tokens with at least this share of the best one's probability; 0 keeps all.
    public var minP: Float = 0
    /// OpenAI's penalties, on tokens generated so far; and the multiplicative one of CTRL
    /// (arXiv 1909.05858), on prompt and generated tokens, 1 for none.
    public var presencePenalty: Float = 0
    public var frequencyPenalty: Float = 0
    public var repetitionPenalty: Float = 1
    /// Added to logits.
    public var logitBias: [TokenID: Float] = [:]
    /// Equal seeds give equal texts.
    public var seed: UInt64?

    /// Greedy decoding.
    public init() {}
}

/// What is asked of the engine.
public struct GenerationRequest: Sendable {
    /// The prompt's tokens.
    public var prompt: [TokenID]
    /// The most tokens to generate; nil for as many as the context holds.
    public var maximumNewTokens: Int?
    public var sampling = SamplingOptions()
    /// Texts that end the generation; they are not part of the text.
    public var stop: [String] = []
    /// Whether end-of-text tokens are ordinary ones.
    public var ignoresEnd = false
    /// How many alternatives to give for each token, 0 to 20; nil for no log probabilities.
    public var logProbabilities: Int?
    /// What the text must conform to.
    public var constraint: TextConstraint?
    public var mode = LatencyMode.standard
    /// Whether a request in standard mode is also decoded speculatively.
    public var speculates: Bool?
    /// Whose request it is.
    public var tenant: UInt32 = 0
    /// Seconds after which the request is given up.
    public var timeoutSeconds: Double?
    public var usesPrefixCache = true

    /// A request with defaults for everything but its prompt.
    public init(prompt: [TokenID]) { self.prompt = prompt }
}

/// One token and how probable it was.
public struct TokenProbability: Sendable {
    /// The token.
    public var token: TokenID
    /// The token's bytes.
    public var bytes: [UInt8]
    /// Natural logarithm of the probability.
    public var logProbability: Float

    /// A token with its probability.
    public init(token: TokenID, bytes: [UInt8], logProbability: Float) {
        self.token = token
        self.bytes = bytes
        self.logProbability = logProbability
    }
}

/// What the engine says of a request, in this order: `admitted`, any number of `text`, one
/// `finished`.
public enum GenerationEvent: Sendable {
    /// The mode that is served.
    case admitted(LatencyMode)
    /// More text, always whole characters; and, where asked for, the tokens with their
    /// alternatives. Text that may be the beginning of a stop text is held back.
    case text(String, tokens: [TokenReport])
    case finished(GenerationSummary)
}

/// A generated token where log probabilities were asked for.
public struct TokenReport: Sendable {
    /// The token that was chosen.
    public var chosen: TokenProbability
    /// The most probable ones, the best first.
    public var alternatives: [TokenProbability]

    /// A report of a token.
    public init(chosen: TokenProbability, alternatives: [TokenProbability]) {
        self.chosen = chosen
        self.alternatives = alternatives
    }
}

/// What a request came to.
public struct GenerationSummary: Sendable {
    /// Why it ended.
    public var reason: FinishReason
    /// The stop text that ended it.
    public var stopText: String?
    public var promptTokens: Int
    public var account: RequestAccount
    /// Seconds from the request to its first token, where there was one.
    public var secondsToFirstToken: Double?

    /// A summary from its parts.
    public init(
        reason: FinishReason, stopText: String?, promptTokens: Int, account: RequestAccount,
        secondsToFirstToken: Double?
    ) {
        self.reason = reason
        self.stopText = stopText
        self.promptTokens = promptTokens
        self.account = account
        self.secondsToFirstToken = secondsToFirstToken
    }
}

/// Why the engine did not take or not finish a request.
public enum GenerationError: Error, Sendable {
    case refused(RefusalReason)
    case invalid(String)
    case failed(String)
}

/// What the APIs serve: an engine, or a stand-in in tests.
public protocol GenerationService: Sendable {
    /// The name under which the model is served.
    var modelName: String { get }
    var configuration: ModelConfiguration { get }
    var tokenizer: any Tokenizer { get }
    /// Tokens that a prompt and its answer may have together.
    var contextLimit: Int { get }
    /// The model's chat template, where it has one.
    var chatTemplate: String? { get }

    /// Starts a request. The stream ends after `finished`, or throws `GenerationError`; whoever
    /// stops reading it (its task is cancelled, the stream is dropped) cancels the request.
    func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error>

    /// The normalised mean of the last layer's states over the tokens of `prompt`: `width` numbers.
    func embed(_ prompt: [TokenID], tenant: UInt32) async throws -> [Float]

    /// Figures of the moment, in Prometheus' text format.
    func metricsText() -> String
}
