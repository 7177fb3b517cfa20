import KapokModel
import KapokWorld

/// What a step held and how long it took: a line of the step log, and what cost models are
/// fitted to.
public struct StepSample: Codable, Sendable {
    /// The executor: both, prefill or decode.
    public var executor: String
    /// Tokens of prompts.
    public var prefillTokens = 0
    /// Tokens of sequences that decode, drafts included.
    public var decodeTokens = 0
    /// Sequences that decode.
    public var decodeSequences = 0
    /// Keys attended to, summed over the tokens of prompts: a chunk reads them once for many.
    public var prefillKeys = 0
    /// Keys attended to, summed over the tokens of sequences that decode.
    public var decodeKeys = 0
    /// Rows of logits.
    public var logitRows = 0
    /// From the step's start to its end, sampling included.
    public var nanoseconds: UInt64 = 0
    /// From the end of the executor's step before to this one's start; 0 for the first.
    public var gapNanoseconds: UInt64 = 0
    /// How much of the step other executors of the process were busy too.
    public var overlapNanoseconds: UInt64 = 0

    /// A step of `executor` with nothing in it.
    public init(executor: String) { self.executor = executor }

    /// Adds `count` tokens of a sequence, the first at position `start`, of which the last
    /// `logits` give a row of logits each.
    public mutating func add(count: Int, start: Int, logits: Int, isDecode: Bool) {
        let keys = count * start + count * (count + 1) / 2
        if isDecode {
            decodeTokens += count
            decodeSequences += 1
            decodeKeys += keys
        } else {
            prefillTokens += count
            prefillKeys += keys
        }
        logitRows += logits
    }
}

/// Adds up the times in which an executor runs steps.
struct BusyTime {
    private var sum: UInt64 = 0
    private var since: Instant?
    private var lastEnd: Instant?

    /// A step begins.
    /// - Returns: nanoseconds since the one before ended; 0 for the first.
    mutating func begin(at time: Instant) -> UInt64 {
        since = time
        return lastEnd.map { (time - $0).nanoseconds } ?? 0
    }

    /// The step ends.
    mutating func end(at time: Instant) {
        if let since { sum += (time - since).nanoseconds }
        since = nil
        lastEnd = time
    }

    /// All of it up to `time`, in nanoseconds.
    func total(upTo time: Instant) -> UInt64 {
        sum + (since.map { (time - $0).nanoseconds } ?? 0)
    }
}
