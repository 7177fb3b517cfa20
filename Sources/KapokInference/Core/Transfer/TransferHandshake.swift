import Crypto
public import KapokWorld

/// Which side of a transfer a process is.
public enum TransferRole: UInt8, Sendable, CaseIterable {
    /// Pulls pages; opens connections.
    case decode = 1
    /// Computes pages; accepts connections.
    case prefill = 2

    /// The other side.
    public var peer: TransferRole { self == .decode ? .prefill : .decode }
}

/// What a process says of itself before anything moves.
public struct TransferIdentity: Sendable {
    /// Its side.
    public var role: TransferRole
    /// What model it runs, and with which arithmetic (`ModelFingerprint`): 32 bytes. Two sides
    /// with different ones refuse each other.
    public var fingerprint: [UInt8]
    /// The bytes of a page.
    public var pageBytes: Int
    /// The tokens of a page.
    public var pageTokens: Int
    /// Drawn anew whenever the process starts: a restarted host is another one.
    public var incarnation: UniqueID
    /// What both sides know and nobody else: at least `minimumSecretBytes`. Without one, whoever
    /// reaches the port is served, and codes find accidents only.
    public var secret: [UInt8]?

    /// The shortest secret.
    public static let minimumSecretBytes = 16

    /// An identity from its parts.
    public init(
        role: TransferRole, fingerprint: [UInt8], pageBytes: Int, pageTokens: Int,
        incarnation: UniqueID, secret: [UInt8]? = nil
    ) {
        precondition(fingerprint.count == 32, "a fingerprint has 32 bytes")
        self.role = role
        self.fingerprint = fingerprint
        self.pageBytes = pageBytes
        self.pageTokens = pageTokens
        self.incarnation = incarnation
        self.secret = secret
    }
}

/// Why two processes do not work together.
public enum TransferRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The first bytes are not of this protocol.
    case notThisProtocol
    /// The peer speaks another version.
    case version(theirs: UInt16)
    /// Two prefill roles, or two decode roles.
    case sameRole
    /// Another model, another quantisation of it, or kernels that round differently.
    case otherModel
    /// Pages of another size: bytes, tokens.
    case otherPages(bytes: Int, tokens: Int)
    /// Only one side has a transfer key.
    case keyOnOneSide(ours: Bool)
    /// The peer does not know the transfer key, or somebody changed what was said.
    case wrongKey
    /// The evidence does not convince.
    case attestation(String)
    /// A message that cannot be read, or that does not belong here.
    case malformed(String)
    /// The peer said that it refuses.
    case refusedByPeer(String)

    /// What happened, why and what to do, in a sentence.
    public var description: String {
        switch self {
        case .notThisProtocol:
            "the peer does not speak Kapok's transfer protocol: is this the --transfer-listen port?"
        case .version(let theirs):
            "the peer speaks version \(theirs) of the transfer protocol, not "
                + "\(TransferCoding.version): run the same release on both sides"
        case .sameRole: "both sides have the same role: one must be prefill and one decode"
        case .otherModel:
            "the peer serves another model, another quantisation of it, or computes with kernels "
                + "that round differently: give both sides the same file and like processors"
        case .otherPages(let bytes, let tokens):
            "the peer's pages have \(bytes) bytes for \(tokens) tokens: run the same release on "
                + "both sides"
        case .keyOnOneSide(let ours):
            ours
                ? "the peer has no transfer key: give it the same --transfer-key"
                : "the peer wants a transfer key: give this side the same --transfer-key"
        case .wrongKey: "the peer's transfer key is not ours"
        case .attestation(let why): "the peer's attestation is refused: \(why)"
        case .malformed(let what): "the handshake cannot be read: \(what)"
        case .refusedByPeer(let why): "the peer refuses: \(why)"
        }
    }
}

/// What both sides have agreed on.
public struct TransferSession: Sendable {
    /// 16 bytes: what codes of sent frames are made with.
    public var sendKey: [UInt8]
    /// 16 bytes: what codes of received frames are made with.
    public var receiveKey: [UInt8]
    /// Which run of the peer this is.
    public var peerIncarnation: UniqueID
    /// Whether the peer has proven to know the secret.
    public var isAuthenticated: Bool
}

/// What happens in a handshake.
public enum HandshakeEvent: Sendable {
    /// The connection stands.
    case connected
    /// A message of the peer.
    case received([UInt8])
}

/// What a handshake wants done.
public enum HandshakeEffect: Sendable {
    /// Send a message.
    case send([UInt8])
    /// Both sides agree: go on with codes of this session.
    case established(TransferSession)
    /// Close the connection (what is to be sent before it has been said).
    case refused(TransferRefusal)
}

/// The first two messages in each direction: who are you, and prove it.
///
/// Both sides send a hello (version, role, model, pages, incarnation, 32 random bytes), and after
/// the peer's hello a proof: HMAC-SHA-256 with the shared secret over the sender's role, both
/// hellos and its attestation evidence, which answers a challenge made of both hellos. So proofs
/// are fresh, cannot be sent back to whom they came from, and evidence of another connection is
/// worth nothing. The session's keys come from the secret and both hellos (HKDF).
public struct TransferHandshake: StateMachine {
    private enum State {
        case hello
        case proof(peer: TransferHello, transcript: [UInt8])
        case over
    }

    private let identity: TransferIdentity
    private let attestation: any PeerAttestation
    private let ownHello: TransferHello
    private var state = State.hello

    /// A handshake; `nonce` are 32 bytes that nobody can foresee.
    public init(
        _ identity: TransferIdentity, nonce: [UInt8], attestation: any PeerAttestation
    ) {
        self.identity = identity
        self.attestation = attestation
        ownHello = TransferHello(identity, nonce: nonce)
    }

    /// Takes in what happened.
    public mutating func handle(
        _ event: HandshakeEvent, at now: Instant, into effects: inout EffectBuffer<HandshakeEffect>
    ) {
        switch event {
        case .connected:
            effects.append(.send(HandshakeMessage.hello(ownHello).encoded))
        case .received(let bytes):
            do {
                try receive(try HandshakeMessage(bytes), into: &effects)
            } catch {
                let isTold: Bool
                if case .refusedByPeer = error { isTold = false } else { isTold = true }
                if isTold { effects.append(.send(HandshakeMessage.fault("\(error)").encoded)) }
                state = .over
                effects.append(.refused(error))
            }
        }
    }

    private mutating func receive(
        _ message: HandshakeMessage, into effects: inout EffectBuffer<HandshakeEffect>
    ) throws(TransferRefusal) {
        switch (state, message) {
        case (.over, _): return
        case (_, .fault(let text)): throw .refusedByPeer(text)
        case (.hello, .hello(let peer)):
            try check(peer)
            let isDecode = identity.role == .decode
            let transcript = Array(
                SHA256.hash(
                    data: isDecode
                        ? ownHello.encoded + peer.encoded
                        : peer.encoded + ownHello.encoded))
            state = .proof(peer: peer, transcript: transcript)
            let evidence = attestation.evidence(
                for: Self.challenge(transcript, of: identity.role))
            let code = HMAC<SHA256>.authenticationCode(
                for: Self.proven(transcript, by: identity.role, evidence), using: secretKey)
            effects.append(
                .send(HandshakeMessage.proof(code: Array(code), evidence: evidence).encoded))
        case (.proof(let peer, let transcript), .proof(let code, let evidence)):
            let role = identity.role.peer
            guard
                HMAC<SHA256>.isValidAuthenticationCode(
                    code, authenticating: Self.proven(transcript, by: role, evidence),
                    using: secretKey)
            else { throw .wrongKey }
            do {
                try attestation.appraise(evidence, for: Self.challenge(transcript, of: role))
            } catch { throw .attestation(error.why) }
            state = .over
            effects.append(.established(session(peer, transcript)))
        case (.hello, .proof), (.proof, .hello):
            throw .malformed("a message out of its order")
        }
    }

    private func check(_ peer: TransferHello) throws(TransferRefusal) {
        guard peer.version == TransferCoding.version else { throw .version(theirs: peer.version) }
        guard peer.role == identity.role.peer else { throw .sameRole }
        guard peer.pageBytes == identity.pageBytes, peer.pageTokens == identity.pageTokens else {
            throw .otherPages(bytes: peer.pageBytes, tokens: peer.pageTokens)
        }
        guard peer.fingerprint == identity.fingerprint else { throw .otherModel }
        guard peer.hasSecret == (identity.secret != nil) else {
            throw .keyOnOneSide(ours: identity.secret != nil)
        }
    }

    /// Without a secret everybody knows the key, and codes only find accidents.
    private var secretKey: SymmetricKey {
        SymmetricKey(data: identity.secret ?? Array("kapok transfer without a key".utf8))
    }

    private static func challenge(_ transcript: [UInt8], of role: TransferRole) -> [UInt8] {
        Array(
            SHA256.hash(data: Array("kapok transfer challenge".utf8) + [role.rawValue] + transcript)
        )
    }

    private static func proven(
        _ transcript: [UInt8], by role: TransferRole, _ evidence: [UInt8]
    ) -> [UInt8] {
        Array("kapok transfer proof".utf8) + [role.rawValue] + transcript
            + Array(SHA256.hash(data: evidence))
    }

    private func session(_ peer: TransferHello, _ transcript: [UInt8]) -> TransferSession {
        func key(of role: TransferRole) -> [UInt8] {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: secretKey, salt: transcript,
                info: Array("kapok transfer frames".utf8) + [role.rawValue], outputByteCount: 16
            ).withUnsafeBytes { Array($0) }
        }
        return TransferSession(
            sendKey: key(of: identity.role), receiveKey: key(of: identity.role.peer),
            peerIncarnation: peer.incarnation, isAuthenticated: identity.secret != nil)
    }
}
