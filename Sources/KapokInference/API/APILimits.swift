/// What one request may ask for, and what a connection may send. Each bound has an answer: too long
/// a body 413, too many requests 429, everything else 400 with the field's name.
public struct APILimits: Hashable, Sendable {
    /// The longest body, in bytes.
    public var bodyBytes = 8 << 20
    /// How long a client may take to send a body, in seconds.
    public var bodySeconds = 60
    /// The longest request line and headers, in bytes.
    public var headerBytes = 32 << 10
    /// The most headers.
    public var headerCount = 100
    /// The most connections; more wait in the kernel's queue.
    public var connections = 1024
    /// How long a connection without a request stays open, in seconds.
    public var idleSeconds = 120
    /// The most requests worked on at a time, of all clients.
    public var requestsInFlight = 512
    /// The most choices of a prompt (`n`).
    public var choices = 16
    /// The most prompts or inputs in one request.
    public var prompts = 256
    /// The most generations of one request: prompts times choices.
    public var generations = 256
    /// How many generations of one request run at a time; the others wait for them.
    public var parallelGenerations = 8
    /// The most messages of a conversation.
    public var messages = 4096
    /// The most stop texts.
    public var stops = 16
    /// The longest stop text, in bytes.
    public var stopBytes = 1024
    /// The most tools.
    public var tools = 128
    /// The most biased tokens.
    public var biases = 1024
    /// The most alternatives of a token.
    public var alternatives = 20
    /// When a request is given up, in seconds after it came; nil for never.
    public var requestSeconds: Double? = 600
    /// How long requests under way may go on when the server is told to stop, in seconds.
    public var drainSeconds = 30

    /// The usual limits.
    public init() {}
}
