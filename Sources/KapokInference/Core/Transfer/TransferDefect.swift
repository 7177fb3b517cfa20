/// Deliberate mistakes in the transfer, which the simulation's oracle must find: a test of the
/// test.
public enum TransferDefect: String, CaseIterable, Sendable {
    /// Takes pages without comparing their codes.
    case acceptAnyDigest
    /// Takes pages without comparing which tokens they belong to, and a host that serves the pages
    /// of another transfer.
    case serveOtherTransfer
    /// Lets a page that comes twice overwrite the verified one.
    case writeTwice
    /// Counts pages behind a gap as good.
    case countBehindGap
    /// Lets the rest of a page arrive after the pull was reported as over.
    case keepWriting
    /// Never gives up on a host that makes no progress.
    case waitForEver
    /// Does not give up the pages of a connection that is gone.
    case keepAfterClose
    /// Does not let leases run out, nor give up on silent connections.
    case leasesForEver
    /// Gives pages up while the kernel still sends from them.
    case releaseWhileSending
    /// Reports a pull twice when its host is lost while it is abandoned.
    case reportTwice
}
