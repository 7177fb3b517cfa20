import KapokModel
public import KapokWorld

/// How a scheduler decides. The defaults suit a small model on a few cores.
public struct SchedulerConfiguration: Sendable {
    /// Pages of the KV cache.
    public var pages: Int
    /// Tokens that a prompt and its answer may have together.
    public var contextLimit: Int
    /// `[.both]`, or `[.prefill, .decode]`.
    public var executors: [ExecutorRole] = [.both]

    /// Prompt tokens that a step may take beside sequences that decode.
    public var prefillTokensPerStep = 128
    /// Prompt tokens of a step in which nothing decodes.
    public var prefillTokensAlone = 512
    /// How long a step with decoding sequences should take: `prefillTokensPerStep` is then an upper
    /// limit, and fewer tokens are taken on a slow machine. Nil to go by tokens alone.
    public var mixedStepTarget: Interval? = .milliseconds(60)
    /// Standard requests that hold pages and run at a time; also the most that decode in one step.
    public var maximumDecodeSequences = 64
    /// Where prefill has an executor of its own, the decode executor runs the last part of a prompt
    /// if it is not longer than this.
    public var shortPrefill = 16
    /// In one of so many steps with prefill the oldest prompt goes first; in the others the one
    /// that is done soonest, and latency-optimised ones before all.
    public var oldestPrefillTurn = 3

    /// Requests that may wait, of all tenants together.
    public var queueLimit = 256
    /// Requests that a tenant may have, waiting and running.
    public var tenantLimit = 128
    /// The share of each tenant in proportion to the others'; 1 for those that are not named.
    public var tenantWeights: [UInt32: UInt32] = [:]
    /// How long the first waiting request of a tenant lets others go before it; after that none
    /// goes before it but those that have been first in their line longer.
    public var patience = Interval.seconds(5)

    /// Latency-optimised requests at a time, of all tenants and of one.
    public var optimizedLimit = 4
    /// Latency-optimised requests of a tenant at a time; nil for `optimizedLimit`.
    public var optimizedTenantLimit: Int?
    /// Tokens (prompt and generated) that a tenant may have served in optimised mode within
    /// `optimizedWindow`; nil for no limit.
    public var optimizedTokensPerWindow: Int?
    /// The length of a window for `optimizedTokensPerWindow`.
    public var optimizedWindow = Interval.seconds(60)
    /// So many latency-optimised requests may start one after another while standard ones wait.
    public var optimizedBurst = 4
    /// Prompt tokens of a step in which a latency-optimised request decodes.
    public var prefillTokensBesideOptimized = 32
    /// Standard sequences that decode in a step beside a latency-optimised one; they take turns.
    public var sequencesBesideOptimized = 4

    /// Speculative tokens of one sequence in a step.
    public var maximumDrafts = 8
    /// Speculative tokens of all sequences in a step.
    public var draftTokensPerStep = 32

    /// Prompts with at least so many tokens to compute are pulled from a prefill role; nil for
    /// never.
    public var pullThreshold: Int?
    /// Pulls at a time.
    public var maximumPulls = 4
    /// After this time a pull is abandoned and the prompt is computed here.
    public var pullTimeLimit = Interval.seconds(10)

    /// A deliberate mistake, to prove that the simulator notices it.
    public var defect: SchedulerDefect?
    /// Bits of a page's hash. Fewer than 64 only in tests, so that hashes meet.
    public var hashBits = 64

    /// Defaults for `pages` pages and a context of `contextLimit` tokens.
    public init(pages: Int, contextLimit: Int) {
        self.pages = pages
        self.contextLimit = contextLimit
    }

    /// No step has more tokens than this, drafts included.
    public var maximumStepTokens: Int {
        max(prefillTokensAlone, prefillTokensPerStep) + maximumDecodeSequences + optimizedLimit
            + draftTokensPerStep
    }

    /// The most tokens that a request may have: what context and pages allow.
    public var longestRequest: Int { min(contextLimit, pages * KVPage.tokens) }

    /// Why no scheduler can work like this; nil when one can.
    public var fault: String? {
        guard pages >= 1, contextLimit >= 2 else { return "there is no room for two tokens" }
        guard executors == [.both] || executors == [.prefill, .decode] else {
            return "executors are [.both] or [.prefill, .decode]"
        }
        let positive = [
            prefillTokensPerStep, prefillTokensAlone, maximumDecodeSequences, oldestPrefillTurn,
            queueLimit, tenantLimit, optimizedBurst, prefillTokensBesideOptimized,
            sequencesBesideOptimized, maximumPulls, shortPrefill,
        ]
        guard positive.allSatisfy({ $0 >= 1 }) else { return "a limit is below 1" }
        guard maximumDrafts >= 0, draftTokensPerStep >= 0, optimizedLimit >= 0 else {
            return "a limit is below 0"
        }
        guard (1...64).contains(hashBits) else { return "a hash has 1 to 64 bits" }
        return nil
    }
}
