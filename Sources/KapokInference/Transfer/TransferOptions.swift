import KapokModel
public import KapokWorld

/// What both sides of a transfer are told.
public struct TransferOptions: Sendable {
    /// What model this is (`ModelFingerprint`).
    public var fingerprint: [UInt8]
    /// What both sides know and nobody else, as UTF-8 or raw: at least
    /// `TransferIdentity.minimumSecretBytes`; nil takes every peer at its word.
    public var secret: [UInt8]?
    /// What this side shows of itself and how it judges the other.
    public var attestation: any PeerAttestation
    /// Which run of the process this is.
    public var incarnation: UniqueID

    /// Options with a fresh incarnation.
    public init(
        fingerprint: [UInt8], secret: [UInt8]? = nil,
        attestation: any PeerAttestation = NoAttestation()
    ) {
        self.fingerprint = fingerprint
        self.secret = secret
        self.attestation = attestation
        var random = SystemRandomNumberGenerator()
        incarnation = UniqueID(from: &random)
    }

    /// What a process with these options says of itself.
    func identity(_ role: TransferRole, pageBytes: Int) -> TransferIdentity {
        TransferIdentity(
            role: role, fingerprint: fingerprint, pageBytes: pageBytes, pageTokens: KVPage.tokens,
            incarnation: incarnation, secret: secret)
    }

    /// Refuses a secret that is too short.
    func check() throws(TransferSetupError) {
        if let secret, secret.count < TransferIdentity.minimumSecretBytes {
            throw TransferSetupError(
                "a transfer key of \(secret.count) bytes can be guessed: give at least "
                    + "\(TransferIdentity.minimumSecretBytes)")
        }
    }

    /// What protects the pages, in a sentence, for the log.
    var protection: String {
        let key =
            secret == nil
            ? "no transfer key: whoever reaches the port is served, and codes find accidents only"
            : "authenticated with the transfer key, not encrypted"
        return "\(key); \(attestation.statement)"
    }
}

/// Why a transfer's server or client did not start.
public struct TransferSetupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What happened, why, and what to do.
    public let description: String
    /// An error of that text.
    public init(_ description: String) { self.description = description }
}
