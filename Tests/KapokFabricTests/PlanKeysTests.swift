import Crypto
import Testing

@testable import KapokFabric

@Suite("The keys of a fabric")
struct PlanKeysTests {
    let secret = (0..<32).map { UInt8($0) }

    @Test("they are HKDF-SHA256 of the secret, as Python's hmac computes it")
    func knownAnswers() throws {
        let keys = try #require(FabricKeys(secret: secret))
        let news = keys.newsKey.withUnsafeBytes { Array($0) }
        #expect(
            PlanDigest.hexadecimal(news)
                == "bdbd07c77f5b59bc2eef6501abdb5be661a2dc58528a2b7036f0f3e0683d4517")
        #expect(
            keys.helloKey(of: LinkID(131_071)) == (0xd940_723f_53bd_175d, 0x2d55_7f6e_df5b_52ba))
    }

    @Test("each link has its own, and another secret has others")
    func different() throws {
        let keys = try #require(FabricKeys(secret: secret))
        let other = try #require(FabricKeys(secret: [UInt8](repeating: 1, count: 32)))
        let all = (0..<100).map { keys.helloKey(of: LinkID($0)).0 }
        #expect(Set(all).count == 100)
        #expect(keys.helloKey(of: LinkID(0)) != other.helloKey(of: LinkID(0)))
        #expect(FabricKeys(secret: [1, 2, 3]) == nil)
        #expect(FabricKeys.newSecret() != FabricKeys.newSecret())
        #expect(FabricKeys.newSecret().count == FabricKeys.secretBytes)
    }

    @Test("a switch that signs the fresh challenge with the key of its place is let in, no other")
    func attestation() {
        let key = PlannerSigner()
        let place = SwitchID(4)
        let judge = SignatureAttestation(identities: [
            place: key.publicKey.bytes, SwitchID(5): [1, 2, 3],
        ])
        let challenge = [UInt8](repeating: 9, count: 16)
        func objection(
            _ claim: SwitchID, _ challenge: [UInt8], _ answer: [UInt8]
        ) -> String? {
            judge.objection(
                to: AttestationEvidence(claim: claim, challenge: challenge, answer: answer))
        }
        let answer = SignatureAttestation.answer(to: challenge, claiming: place, with: key)
        #expect(objection(place, challenge, answer) == nil)
        #expect(objection(place, [UInt8](repeating: 8, count: 16), answer) != nil)
        #expect(objection(SwitchID(5), challenge, answer) != nil)
        #expect(objection(SwitchID(6), challenge, answer) != nil)
        let short = SignatureAttestation.answer(to: [], claiming: place, with: key)
        #expect(objection(place, [], short) != nil)
        let stranger = SignatureAttestation.answer(
            to: challenge, claiming: place, with: PlannerSigner())
        #expect(objection(place, challenge, stranger) != nil)
    }

    @Test("who lets everybody in says so")
    func acceptAll() {
        let judge = AcceptAllSwitches()
        let evidence = AttestationEvidence(claim: SwitchID(0), challenge: [], answer: [])
        #expect(judge.objection(to: evidence) == nil)
        #expect(judge.statement.contains("no attestation"))
    }
}
