import KapokModel

/// How an engine runs.
public struct EngineOptions: Sendable {
    /// The name under which the model is served; nil for the file's own.
    public var modelName: String?
    /// Threads that compute, of all executors together.
    public var threads: Int
    /// Prefill and decode with threads of their own, half of them each, in this process.
    public var splitsExecutors = false
    /// What this process is to others.
    public var role = EngineRole.alone
    /// Tokens that a prompt and its answer may have together; nil for what the model was trained
    /// for, as far as the pages reach.
    public var contextLimit: Int?
    /// Memory for keys and values, in bytes; it is touched only as far as it is used.
    public var cacheBytes = 2 << 30
    /// Prompt tokens that a step may take beside the decoding sequences.
    public var prefillTokensPerStep: Int?
    /// Sequences that decode in one step.
    public var maximumSequences = 64
    /// Requests that wait, of all tenants and of one.
    public var queueLimit = 256
    public var tenantLimit = 128
    /// Latency-optimised requests at a time; others are served as standard ones.
    public var optimizedLimit = 4
    /// Speculative tokens in a step of a request.
    public var maximumDrafts = 8
    /// Whether standard requests are decoded speculatively too.
    public var speculatesAlways = false
    /// A smaller model of the same vocabulary that proposes tokens; look-up without one.
    public var draftModel: String?
    /// A file that gets a line for each step: what it held and how long it took.
    public var stepLog: String?
    /// Where a prefill role listens for decode roles.
    public var transferListen: TransferEndpoint?
    /// The prefill roles of a decode role.
    public var prefillHosts: [TransferEndpoint] = []
    /// What prefill and decode roles know and nobody else; nil takes every peer at its word.
    public var transferKey: [UInt8]?
    /// How both sides of a transfer prove what they are.
    public var attestation: any PeerAttestation = NoAttestation()
    /// Prompts with at least so many tokens to compute are pulled, in a decode role.
    public var pullThreshold = 64

    /// Defaults for a machine with so many processors to use.
    public init(threads: Int) { self.threads = threads }
}

/// What a process is to others.
public enum EngineRole: String, Sendable, CaseIterable {
    /// Prefill and decode.
    case alone
    /// Computes keys and values for decode roles.
    case prefill
    /// Serves clients, and lets prefill roles compute long prompts.
    case decode
}

/// Why an engine did not start.
public struct EngineError: Error, CustomStringConvertible {
    /// What happened, why, and what to do.
    public let description: String
    /// An error of that text.
    public init(_ description: String) { self.description = description }
}
