/// Deliberate mistakes, to prove that the simulator's oracle notices them. Production never sets
/// one.
public enum SchedulerDefect: String, CaseIterable, Sendable {
    /// Keeps the pages of a request that is cancelled while it waits for a step's end.
    case leakOnCancel
    /// Gives pages back at once although a step still writes to them.
    case freeWhileRunning
    /// Gives pages back at once although a pull still writes to them.
    case freeWhilePulling
    /// Makes pages known when their step begins, not when it is done.
    case shareBeforeComputed
    /// Uses a known page without counting the holder.
    case shareWithoutHolding
    /// Believes hashes without comparing tokens.
    case trustHashes
    /// Counts drafts as computed although they were rejected.
    case keepRejectedDrafts
    /// Believes that a pull brought all that was asked for.
    case trustPulls
    /// Forgets the last token of a request that is set back, so that it is generated again.
    case repeatAfterPreemption
    /// Takes pages of the oldest request for younger ones.
    case preemptOldest
    /// Lets latency-optimised requests go first always.
    case starveStandard
    /// Goes by fair shares alone, however long a request has waited.
    case ignorePatience
    /// Lets the same standard sequences decode beside latency-optimised ones each time.
    case skipRotation
    /// Says the end of a request twice when its deadline meets a step's end.
    case finishTwice
    /// Does not look at deadlines.
    case ignoreDeadlines
    /// Serves more latency-optimised requests than it may.
    case ignoreQuota
    /// Says that a prompt is prefilled one part too early.
    case announceEarly
}
