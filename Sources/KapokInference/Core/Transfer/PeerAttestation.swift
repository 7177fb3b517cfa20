/// Why a peer's evidence does not convince.
public struct AttestationRefusal: Error, Hashable, Sendable {
    /// The reason, for logs and for the peer.
    public var why: String
    /// A refusal for that reason.
    public init(_ why: String) { self.why = why }
}

/// The seam for attestation: what a process shows of itself before pages move, and how it judges
/// what its peer shows. A TPM's quote or an enclave's report is made and judged behind this
/// protocol. Evidence travels in clear, inside the handshake's proof.
public protocol PeerAttestation: Sendable {
    /// Says in a sentence what is proven, for logs and metrics.
    var statement: String { get }
    /// What to show, at most 64 KiB, for a challenge of 32 bytes that no other connection has.
    func evidence(for challenge: [UInt8]) -> [UInt8]
    /// Judges what the peer shows for its challenge; throws when it does not convince.
    func appraise(_ evidence: [UInt8], for challenge: [UInt8]) throws(AttestationRefusal)
}

/// Shows nothing and takes every peer at its word.
public struct NoAttestation: PeerAttestation {
    /// No attestation.
    public init() {}
    /// That nothing is proven.
    public var statement: String { "not attested: the peer is taken at its word" }
    /// Nothing.
    public func evidence(for challenge: [UInt8]) -> [UInt8] { [] }
    /// Never refuses.
    public func appraise(_ evidence: [UInt8], for challenge: [UInt8]) throws(AttestationRefusal) {}
}
