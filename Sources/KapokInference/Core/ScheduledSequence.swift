import KapokModel
import KapokWorld

/// Where a request stands.
public enum RequestPhase: UInt8, Sendable {
    /// In its tenant's line.
    case waiting
    /// Its turn came; it waits until there is one pull fewer.
    case awaitingPull
    /// Its prompt's pages are on their way from a prefill role.
    case pulling
    /// It takes part in steps.
    case running
    /// Its prompt is computed and its pages wait for `cancel`.
    case held
}

/// What the scheduler remembers of a request.
struct ScheduledSequence {
    /// Whether the slot has a request.
    var isTaken = true
    var id: RequestID
    /// Rises with each request that is taken.
    var order: UInt64
    /// Index into the tenants' table.
    var tenant: Int
    /// The mode that is served.
    var mode: LatencyMode
    var prefillOnly: Bool
    var usesPrefixCache: Bool
    var speculates: Bool
    var maximumNewTokens: Int
    /// When it is given up.
    var deadline: Instant?

    /// Prompt and generated tokens.
    var tokens: [TokenID]
    var promptCount: Int
    /// Positions that have keys and values.
    var computed = 0
    /// The most positions that ever had: what lies below was counted and charged.
    var accounted = 0
    var pages: [PageID] = []
    /// How many of `pages` are known to the prefix cache, from the first on.
    var published = 0
    /// The chain's hashes, as far as they were needed.
    var hashes: [UInt64] = []
    /// A page was not known because hashes met: the rest of the chain cannot be either.
    var isChainBroken = false

    var phase = RequestPhase.waiting
    /// A step with it is on its way, so many of its known tokens, and whether it samples.
    var isInStep = false
    var stepTokens = 0
    var stepSamples = false
    /// The end that it gets when its step is over.
    var ending: FinishReason?
    /// A pull went wrong, so its prompt is computed here.
    var computesItself = false
    /// Its prompt was charged to its tenant.
    var isCharged = false

    /// When it first came to be the first in its line.
    var firstSince: Instant?
    /// It waited longer than patience lasts, so that it is set back for the oldest request only.
    var isProtected = false
    /// The number of the last decode step that it was in.
    var lastStep: UInt64 = 0
    /// How many drafts are worth trying, and steps since the last one when none are.
    var draftLimit = 4
    var stepsWithoutDrafts = 0
    var account = RequestAccount()
    /// Tokens of the optimised mode's window that it has reserved, and that window's number.
    var reservedTokens = 0
    var reservedWindow: UInt64 = 0

    /// Tokens without keys and values.
    var remaining: Int { tokens.count - computed }
    var generated: Int { tokens.count - promptCount }
    /// Whether it can be part of a step.
    var isReady: Bool { phase == .running && !isInStep && ending == nil }
    /// How many of its first pages may come from elsewhere: the last token is always computed,
    /// except where only keys and values are wanted.
    var shareablePages: Int {
        usesPrefixCache ? (tokens.count - (prefillOnly ? 0 : 1)) / KVPage.tokens : 0
    }

    func tokens(ofPage page: Int) -> ArraySlice<TokenID> {
        tokens[page * KVPage.tokens..<(page + 1) * KVPage.tokens]
    }

    /// What stands in a slot without a request.
    static var vacant: ScheduledSequence {
        ScheduledSequence(
            isTaken: false, id: RequestID(0), order: 0, tenant: 0, mode: .standard,
            prefillOnly: false, usesPrefixCache: false, speculates: false, maximumNewTokens: 0,
            deadline: nil, tokens: [], promptCount: 0)
    }
}
