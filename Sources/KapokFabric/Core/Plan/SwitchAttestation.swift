import Crypto
import KapokWorld

/// What a switch shows before it is given the fabric's secret or a plan.
public struct AttestationEvidence: Hashable, Sendable {
    /// The place in the fabric that it asks for.
    public var claim: SwitchID
    /// The random bytes that it was asked to answer, fresh each time.
    public var challenge: [UInt8]
    /// Its answer; what that is depends on who judges it.
    public var answer: [UInt8]

    public init(claim: SwitchID, challenge: [UInt8], answer: [UInt8]) {
        self.claim = claim
        self.challenge = challenge
        self.answer = answer
    }
}

/// The seam for attestation: who judges whether a switch is what it says, before it is given the
/// fabric's secret or a plan. A TPM's quote, or a measured boot log, is judged behind this
/// protocol; here are a judge of plain signatures and one that lets everybody in.
public protocol SwitchAttestation: Sendable {
    /// Why the switch is not let in; nil when it is.
    func objection(to evidence: AttestationEvidence) -> String?
    /// Says in a sentence what is proven, for logs and manifests.
    var statement: String { get }
}

/// Lets every switch in, whatever it shows. Right for a lab on one machine; on a real network
/// whoever reaches the planner gets the fabric's secret.
public struct AcceptAllSwitches: SwitchAttestation {
    public init() {}
    /// Never objects.
    public func objection(to evidence: AttestationEvidence) -> String? { nil }
    /// That nothing is proven.
    public var statement: String { "no attestation: every switch is taken at its word" }
}

/// Lets a switch in that signs the challenge with the key that the plan knows for its place: its
/// identity (`SwitchPlan.identity`) is an Ed25519 public key. That proves who it is, not what
/// software it runs.
public struct SignatureAttestation: SwitchAttestation {
    private let identities: [SwitchID: PlannerKey]

    /// Judges by these identities; those that are no key let nobody in.
    public init(identities: [SwitchID: [UInt8]]) {
        self.identities = identities.compactMapValues { PlannerKey($0) }
    }

    /// That the key is proven.
    public var statement: String { "each switch signs a challenge with the key of its place" }

    /// Objects to unknown switches, short challenges and wrong signatures.
    public func objection(to evidence: AttestationEvidence) -> String? {
        guard let key = identities[evidence.claim] else {
            return "the plan knows no key for \(evidence.claim)"
        }
        guard evidence.challenge.count >= 16 else { return "a challenge of less than 16 bytes" }
        let message = Self.message(claim: evidence.claim, challenge: evidence.challenge)
        guard key.isValid(evidence.answer, over: message) else {
            return "the answer is not signed with the key of \(evidence.claim)"
        }
        return nil
    }

    /// What a switch answers to a challenge.
    public static func answer(
        to challenge: [UInt8], claiming claim: SwitchID, with key: PlannerSigner
    ) -> [UInt8] {
        key.signature(over: message(claim: claim, challenge: challenge))
    }

    private static func message(claim: SwitchID, challenge: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.string("kapok fabric attestation 1")
        writer.uint64(UInt64(claim.index))
        writer.lengthPrefixed(challenge)
        return writer.bytes
    }
}
