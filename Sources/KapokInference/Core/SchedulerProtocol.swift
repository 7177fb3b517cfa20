public import KapokModel
public import KapokWorld

/// Who runs steps: one in a plain server; two where prefill and decode have pools of their own.
public enum ExecutorRole: UInt8, Sendable, CaseIterable {
    /// Prefill and decode in the same steps.
    case both
    case prefill
    case decode
}

/// What happens to the scheduler.
public enum SchedulerEvent: Sendable {
    /// A request arrived.
    case submit(ScheduledRequest)
    /// Nobody waits for a request any more.
    case cancel(RequestID)
    /// A step of an executor is done.
    case stepDone(executor: ExecutorRole, StepOutcome)
    /// The pages of a request's prompt that were pulled from a prefill role are in place, up to
    /// `tokens` tokens; fewer than asked for (down to 0) means that the rest is computed here.
    case pulled(RequestID, tokens: Int)
    /// A timer that `SchedulerEffect.setTimer` asked for.
    case timer
    /// Take no more requests; those that run go on.
    case drain
}

/// What the scheduler wants done.
public enum SchedulerEffect: Sendable {
    /// The request is in: in the mode that will be served.
    case admitted(RequestID, mode: LatencyMode)
    /// The request is not taken.
    case refused(RequestID, RefusalReason)
    /// Run a step on an executor that is idle; answer with `stepDone`.
    case run(Step)
    /// Pull the KV pages of the first `tokens` prompt tokens (whole pages and the last one in part)
    /// from a prefill role into `pages`, which begin at position `from`; answer with `pulled`.
    case pull(RequestID, from: Int, tokens: Int, pages: [PageID])
    /// Stop pulling: the request is gone. Its pages stay reserved until `pulled` comes.
    case abandonPull(RequestID)
    /// The keys and values of the first `tokens` tokens of a `prefillOnly` request are in `pages`,
    /// so that sending them can begin; those pages stay where they are from now on.
    case prefillProgress(RequestID, tokens: Int, pages: [PageID])
    /// A `prefillOnly` request has all its keys and values in `pages`; they stay until `cancel`.
    case prefilled(RequestID, pages: [PageID])
    /// The request is over and its pages are free (or left to the prefix cache).
    case finished(RequestID, FinishReason, RequestAccount)
    /// Send `timer` at that time; replaces an earlier one.
    case setTimer(at: Instant)
}

/// What a request used.
public struct RequestAccount: Hashable, Sendable {
    /// Prompt tokens found in the prefix cache.
    public var cachedTokens = 0
    /// Prompt tokens whose pages were pulled from a prefill role.
    public var pulledTokens = 0
    /// Tokens generated.
    public var generatedTokens = 0
    /// Speculative tokens run.
    public var draftedTokens = 0
    /// Speculative tokens that were right.
    public var acceptedTokens = 0
    /// How often it had to give up its pages and start again from its tokens.
    public var preemptions = 0
    /// The mode it was served in.
    public var mode = LatencyMode.standard
    /// Nothing used.
    public init() {}
}

/// One pass through the model.
public struct Step: Sendable {
    /// Who runs it.
    public var executor: ExecutorRole
    /// Rises by one with each step of an executor.
    public var number: UInt64
    /// The requests that take part, and with what.
    public var entries: [StepEntry]

    /// A step of entries, each of another request.
    public init(executor: ExecutorRole, number: UInt64, entries: [StepEntry]) {
        self.executor = executor
        self.number = number
        self.entries = entries
    }
}

/// One request's part of a step. The tokens themselves are the driver's: prompt, then generated.
public struct StepEntry: Sendable {
    /// Whose part it is.
    public var request: RequestID
    /// Position of the first token that goes through.
    public var start: Int
    /// How many known tokens (of the prompt, or generated before) go through.
    public var count: Int
    /// How many speculative tokens the driver may add behind them (it may have fewer, or none);
    /// pages for them are reserved.
    public var drafts: Int
    /// Whether a token is sampled after the last known one: false for all but the last part of a
    /// prompt.
    public var samples: Bool
    /// The request's pages, enough for `start + count + drafts` positions.
    public var pages: [PageID]

    /// An entry from its parts.
    public init(
        request: RequestID, start: Int, count: Int, drafts: Int, samples: Bool, pages: [PageID]
    ) {
        self.request = request
        self.start = start
        self.count = count
        self.drafts = drafts
        self.samples = samples
        self.pages = pages
    }
}

/// What came of a step.
public struct StepOutcome: Sendable {
    /// The step's number.
    public var number: UInt64
    /// One for each entry, in its order. Empty when the step failed as a whole: every request of it
    /// ends with `FinishReason.failed`.
    public var entries: [EntryOutcome]

    /// The outcome of step `number`.
    public init(number: UInt64, entries: [EntryOutcome]) {
        self.number = number
        self.entries = entries
    }
}

/// What came of one entry.
public struct EntryOutcome: Sendable {
    /// Whose part it is.
    public var request: RequestID
    /// The tokens generated: none when the entry did not sample, one, or more when drafts were
    /// accepted. All but the last have gone through the model.
    public var tokens: [TokenID]
    /// How many drafts went through.
    public var drafted: Int
    /// Set when the driver found an end (stop text, end token).
    public var finish: FinishReason?

    /// An outcome from its parts.
    public init(
        request: RequestID, tokens: [TokenID], drafted: Int = 0, finish: FinishReason? = nil
    ) {
        self.request = request
        self.tokens = tokens
        self.drafted = drafted
        self.finish = finish
    }
}
