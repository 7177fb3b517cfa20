import KapokInference
import KapokWorld
import Testing

/// Convinces where the evidence is the challenge and a word that both know.
private struct WordAttestation: PeerAttestation {
    var word: String
    var statement: String { "says the word" }
    func evidence(for challenge: [UInt8]) -> [UInt8] { challenge + Array(word.utf8) }
    func appraise(_ evidence: [UInt8], for challenge: [UInt8]) throws(AttestationRefusal) {
        guard evidence == challenge + Array(word.utf8) else { throw AttestationRefusal("no word") }
    }
}

@Suite("KV transfer: handshake")
struct TransferHandshakeTests {
    private struct Side {
        var handshake: TransferHandshake
        var inbox: [[UInt8]] = []
        var session: TransferSession?
        var refusal: TransferRefusal?
        var sent: [[UInt8]] = []
    }

    private static func identity(
        _ role: TransferRole, model: UInt8 = 1, pageBytes: Int = 4096, secret: String? = nil
    ) -> TransferIdentity {
        TransferIdentity(
            role: role, fingerprint: Array(repeating: model, count: 32), pageBytes: pageBytes,
            pageTokens: 16, incarnation: UniqueID(high: 0, low: UInt64(role.rawValue)),
            secret: secret.map { Array($0.utf8) })
    }

    private static func side(
        _ identity: TransferIdentity, nonce: UInt8, _ attestation: any PeerAttestation
    ) -> Side {
        Side(
            handshake: TransferHandshake(
                identity, nonce: Array(repeating: nonce, count: 32), attestation: attestation))
    }

    private func drive(_ side: inout Side, _ event: HandshakeEvent) -> [[UInt8]] {
        var effects = EffectBuffer<HandshakeEffect>()
        side.handshake.handle(event, at: .zero, into: &effects)
        var out: [[UInt8]] = []
        for effect in effects.takeAll() {
            switch effect {
            case .send(let bytes): out.append(bytes)
            case .established(let session): side.session = session
            case .refused(let why): side.refusal = why
            }
        }
        side.sent += out
        return out
    }

    /// Runs both sides to their ends; `change` may alter what goes over the wire.
    private func run(
        _ decode: TransferIdentity, _ prefill: TransferIdentity,
        attestations: (any PeerAttestation, any PeerAttestation) = (
            NoAttestation(), NoAttestation()
        ),
        change: (inout [UInt8]) -> Void = { _ in }
    ) -> (decode: Side, prefill: Side) {
        var a = Self.side(decode, nonce: 1, attestations.0)
        var b = Self.side(prefill, nonce: 2, attestations.1)
        var toB = drive(&a, .connected)
        var toA = drive(&b, .connected)
        for _ in 0..<4 {
            let (forB, forA) = (toB, toA)
            (toA, toB) = ([], [])
            for var bytes in forB {
                change(&bytes)
                toA += drive(&b, .received(bytes))
            }
            for bytes in forA { toB += drive(&a, .received(bytes)) }
        }
        return (a, b)
    }

    @Test("two roles of one model agree on a session, each with the other's keys")
    func agree() throws {
        for secret in [nil, "a secret of some length"] {
            let (a, b) = run(
                Self.identity(.decode, secret: secret), Self.identity(.prefill, secret: secret))
            let (ours, theirs) = (try #require(a.session), try #require(b.session))
            #expect(ours.sendKey == theirs.receiveKey)
            #expect(ours.receiveKey == theirs.sendKey)
            #expect(ours.sendKey != ours.receiveKey)
            #expect(ours.isAuthenticated == (secret != nil))
            #expect(ours.peerIncarnation.low == 2)
        }
    }

    @Test("another model, other pages, the same role, a key on one side: refused before pages move")
    func disagree() {
        let mine = Self.identity(.decode)
        #expect(run(mine, Self.identity(.prefill, model: 2)).decode.refusal == .otherModel)
        #expect(
            run(mine, Self.identity(.prefill, pageBytes: 8192)).decode.refusal
                == .otherPages(bytes: 8192, tokens: 16))
        #expect(run(mine, Self.identity(.decode)).decode.refusal == .sameRole)
        let keyed = run(mine, Self.identity(.prefill, secret: "a secret of some length"))
        #expect(keyed.decode.refusal == .keyOnOneSide(ours: false))
        #expect(keyed.decode.session == nil && keyed.prefill.session == nil)
    }

    @Test("a wrong key is refused by both")
    func wrongKey() {
        let (a, b) = run(
            Self.identity(.decode, secret: "a secret of some length"),
            Self.identity(.prefill, secret: "another secret, as long"))
        #expect(a.refusal == .wrongKey)
        #expect(b.refusal == .wrongKey)
    }

    @Test("who only repeats what was said to him proves nothing")
    func reflection() {
        var decode = Self.side(
            Self.identity(.decode, secret: "a secret of some length"), nonce: 1, NoAttestation())
        // A hello of the other role without the secret, then the own proof sent back.
        var stranger = Self.side(
            Self.identity(.prefill, secret: "some secret of his own!"), nonce: 2, NoAttestation())
        _ = drive(&decode, .connected)
        let hello = drive(&stranger, .connected)
        let proof = drive(&decode, .received(hello[0]))
        _ = drive(&decode, .received(proof[0]))
        #expect(decode.session == nil)
        #expect(decode.refusal == .wrongKey)
    }

    @Test("evidence that does not convince is refused, with the reason told to the peer")
    func attestation() {
        let good = run(
            Self.identity(.decode), Self.identity(.prefill),
            attestations: (WordAttestation(word: "kapok"), WordAttestation(word: "kapok")))
        #expect(good.decode.session != nil && good.prefill.session != nil)
        let bad = run(
            Self.identity(.decode), Self.identity(.prefill),
            attestations: (WordAttestation(word: "kapok"), WordAttestation(word: "cotton")))
        #expect(bad.decode.refusal == .attestation("no word"))
        #expect(bad.prefill.session == nil)
    }

    @Test("another version is named, whatever follows it")
    func version() {
        let result = run(Self.identity(.decode), Self.identity(.prefill)) { bytes in
            if bytes[0] == 129 {
                bytes[5] = 9
                bytes.removeLast(10)
            }
        }
        #expect(result.prefill.refusal == .version(theirs: 9))
    }

    @Test("one changed bit anywhere in the handshake and no session comes of it")
    func everyBit() {
        var random = RandomStream(seed: 3)
        for round in 0..<400 {
            var isChanged = false
            let result = run(
                Self.identity(.decode, secret: "a secret of some length"),
                Self.identity(.prefill, secret: "a secret of some length")
            ) { bytes in
                guard !isChanged, round % 2 == 0 || bytes[0] == 130 else { return }
                isChanged = true
                bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
            }
            #expect(isChanged)
            #expect(result.prefill.session == nil, "round \(round)")
        }
    }

    @Test("broken messages are refused and crash nothing")
    func fuzz() {
        var random = RandomStream(seed: 5)
        let source = run(Self.identity(.decode), Self.identity(.prefill)).decode.sent
        for _ in 0..<3000 {
            var bytes = source[random.below(source.count)]
            switch random.below(3) {
            case 0: bytes.removeLast(random.below(bytes.count) + 1)
            case 1: bytes += (0..<random.below(20)).map { _ in UInt8(random.below(256)) }
            default:
                for _ in 0..<4 { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            }
            var side = Self.side(Self.identity(.prefill), nonce: 9, NoAttestation())
            _ = drive(&side, .connected)
            _ = drive(&side, .received(bytes))
            #expect(side.session == nil)
        }
    }
}
