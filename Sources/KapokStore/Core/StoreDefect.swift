/// Deliberate mistakes, to prove that the simulator's oracle notices them. Production never sets
/// one.
public enum StoreDefect: String, CaseIterable, Sendable {
    /// Acknowledges a commit when it is written, not when it is flushed.
    case skipFlush
    /// Acknowledges a commit before its writes have completed.
    case acknowledgeEarly
    /// Takes a failed write or flush for a good one.
    case ignoreDriveErrors
    /// Sends commands that no epoch fences.
    case skipEpoch
    /// Believes shards without looking at their checksums.
    case skipChecksums
    /// Commits without looking for conflicts.
    case skipConflictCheck
    /// Does not replay the tail of the log after a crash.
    case skipTailReplay
    /// Hands out numbers again after a restart.
    case reuseNumbers
    /// Gives extents back although something lives in them.
    case releaseLiveExtents
    /// Moves chunks without looking whether they are still wanted.
    case moveWithoutComparing
    /// Forgets deletions while outdated records are still on the drives.
    case forgetTombstones
    /// Lists from the index without waiting for what is on its way there.
    case staleListing
}
