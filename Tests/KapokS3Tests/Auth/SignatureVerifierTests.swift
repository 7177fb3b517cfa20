import Testing

@testable import KapokS3

@Suite struct SignatureVerifierTests {
    private func code(_ test: AuthVectors.Case, now: Int64? = nil) -> S3Error.Code? {
        do {
            _ = try AuthVectors.verifier.verify(test.head(), now: now ?? test.time)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("the examples of Amazon's documentation verify", arguments: AuthVectors.documentation)
    func documentation(_ test: AuthVectors.Case) throws {
        let verified = try AuthVectors.verifier.verify(test.head(), now: test.time)
        #expect(verified.keyID == AuthVectors.key.id)
        #expect(verified.isPresigned == test.name.hasPrefix("presigned"))
    }

    @Test("what botocore signs verifies", arguments: AuthVectors.botocore)
    func botocore(_ test: AuthVectors.Case) throws {
        #expect(code(test) == nil)
    }

    @Test("a verifier that has cached the signing key gives the same answers")
    func cached() throws {
        let verifier = AuthVectors.verifier
        for test in AuthVectors.botocore + AuthVectors.botocore {
            _ = try verifier.verify(test.head(), now: test.time)
        }
        var wrong = AuthVectors.botocore[0]
        wrong.target += "x"
        #expect(throws: S3Error.self) { try verifier.verify(wrong.head(), now: wrong.time) }
    }

    @Test("any changed byte of target, method or signed header is refused")
    func mutations() throws {
        for test in AuthVectors.documentation + AuthVectors.botocore {
            var other = test
            other.method = test.method == "GET" ? "HEAD" : "GET"
            #expect(code(other) == .signatureDoesNotMatch)
            other = test
            other.target += test.target.contains("?") ? "&a=b" : "?a=b"
            #expect(code(other) == .signatureDoesNotMatch)
            for i in test.headers.indices where test.headers[i].name == "Host" {
                other = test
                other.headers[i].value += "x"
                #expect(code(other) == .signatureDoesNotMatch)
            }
        }
    }

    @Test("each flipped digit of the signature is refused")
    func flippedSignature() throws {
        let test = AuthVectors.botocore[0]
        let index = try #require(test.headers.firstIndex { $0.name == "Authorization" })
        let text = test.headers[index].value
        var position = text.index(text.endIndex, offsetBy: -64)
        while position < text.endIndex {
            var digits = text
            let digit = digits[position] == "0" ? "1" : "0"
            digits.replaceSubrange(position...position, with: digit)
            var other = test
            other.headers[index].value = digits
            #expect(code(other) == .signatureDoesNotMatch)
            position = text.index(after: position)
        }
        var short = test
        short.headers[index].value.removeLast()
        #expect(code(short) == .signatureDoesNotMatch)
    }

    @Test("a clock is allowed fifteen minutes of error and no second more")
    func skew() {
        let test = AuthVectors.botocore[0]
        for offset: Int64 in [0, 900, -900] {
            #expect(code(test, now: test.time + offset) == nil)
        }
        for offset: Int64 in [901, -901, 86_400] {
            #expect(code(test, now: test.time + offset) == .requestTimeTooSkewed)
        }
    }

    @Test("a presigned URL is valid from its date until it expires")
    func expiry() throws {
        let test = try #require(AuthVectors.botocore.last)
        #expect(code(test, now: test.time + 600) == nil)
        #expect(code(test, now: test.time + 601) == .accessDenied)
        #expect(code(test, now: test.time - 900) == nil)
        #expect(code(test, now: test.time - 901) == .accessDenied)
    }

    @Test("an X-Amz-Expires that is no number or above a week is refused, one below 1 has expired")
    func expiresBounds() throws {
        let test = try #require(AuthVectors.botocore.last)
        for ended in ["0", "-1", "-1000", "-9223372036854775808"] {
            var other = test
            other.target = test.target.replacing("Expires=600", with: "Expires=\(ended)")
            #expect(code(other) == .accessDenied, "\(ended)")
        }
        for bad in ["604801", "x", "", "99999999999999999999"] {
            var other = test
            other.target = test.target.replacing("Expires=600", with: "Expires=\(bad)")
            #expect(code(other) == .authorizationQueryParametersError, "\(bad)")
        }
    }

    @Test("an anonymous request is denied, and other mechanisms are named")
    func otherMechanisms() {
        let time = AuthVectors.botocoreTime
        let host = [(name: "Host", value: "h")]
        let anonymous = AuthVectors.Case(name: "", target: "/b/k", headers: host, time: time)
        #expect(code(anonymous) == .accessDenied)
        var other = anonymous
        other.headers.append(("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=a"))
        #expect(code(other) == .invalidRequest)
        other = anonymous
        other.headers.append(("Authorization", "Bearer x"))
        #expect(code(other) == .invalidArgument)
    }

    @Test("an unknown access key is named as such")
    func unknownKey() {
        var test = AuthVectors.botocore[0]
        for i in test.headers.indices {
            test.headers[i].value = test.headers[i].value.replacing("AKIAIO", with: "AKIAXX")
        }
        #expect(code(test) == .invalidAccessKeyId)
    }

    @Test("an x-amz header that is not signed is refused")
    func unsignedHeader() {
        var test = AuthVectors.botocore[0]
        test.headers.append(("X-Amz-Acl", "public-read"))
        #expect(code(test) == .accessDenied)
    }

    @Test("host must be among the signed headers")
    func unsignedHost() throws {
        let signer = RequestSigner(accessKey: AuthVectors.key)
        let added = try signer.headers(
            method: "GET", target: "/b/k", headers: [], unixSeconds: AuthVectors.botocoreTime)
        let test = AuthVectors.Case(
            name: "", target: "/b/k", headers: [("Host", "h")] + added,
            time: AuthVectors.botocoreTime)
        #expect(code(test) == .accessDenied)
    }

    @Test("malformed authorizations are refused with the code for their place")
    func malformed() throws {
        let test = AuthVectors.botocore[0]
        let index = try #require(test.headers.firstIndex { $0.name == "Authorization" })
        let changes = [
            ("/s3/", "/ec2/"), ("aws4_request", "aws5_request"), ("20240229/", "20240228/"),
            ("20240229/", "2024022/"), ("SignedHeaders=", "Signed="), ("Credential=", "Cred="),
            ("Signature=", "Sig="), ("AKIAIOSFODNN7EXAMPLE/", ""), ("/eu-west-3", "/"),
        ]
        for (from, to) in changes {
            var other = test
            other.headers[index].value = test.headers[index].value.replacing(from, with: to)
            #expect(code(other) == .authorizationHeaderMalformed, "\(from) -> \(to)")
        }
        for bad in ["", "20240229", "20240230T000000Z", "2024-02-29T23:59:58Z", "20240229T246000Z"]
        {
            var other = test
            for i in other.headers.indices where other.headers[i].name == "X-Amz-Date" {
                other.headers[i].value = bad
            }
            #expect(code(other) == .accessDenied, "\(bad)")
        }
    }

    @Test("a request whose payload hash is missing or no hash is refused")
    func payloadHash() throws {
        var test = AuthVectors.botocore[0]
        test.headers.removeAll { $0.name == "X-Amz-Content-SHA256" }
        #expect(code(test) == .signatureDoesNotMatch)
        test.headers.append(("Content-Length", "1"))
        #expect(code(test) == .invalidRequest)
        let signer = RequestSigner(accessKey: AuthVectors.key)
        let host = [(name: "host", value: "h")]
        for word in ["", "abc", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "UNSIGNED"] {
            let added = try signer.headers(
                method: "PUT", target: "/b/k", headers: host, payload: word,
                unixSeconds: AuthVectors.botocoreTime)
            let other = AuthVectors.Case(
                name: "", method: "PUT", target: "/b/k", headers: host + added,
                time: AuthVectors.botocoreTime)
            #expect(code(other) == .invalidArgument, "\(word)")
        }
    }

    /// Made with curl 7.88.1: `curl --aws-sigv4 aws:amz:us-east-1:s3`, which sends no payload hash.
    @Test("a request without a body may leave the hash of its body out")
    func noPayloadHash() throws {
        var test = AuthVectors.Case(
            name: "", target: "/other?list-type=2",
            headers: [
                ("Host", "127.0.0.1:9299"),
                (
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261124/us-east-1/s3/"
                        + "aws4_request, SignedHeaders=host;x-amz-date, Signature="
                        + "74df9ac33fe858ce0e7a77430af47c2ff02b1a107ee72b7fba9f7bce3590c4cb"
                ), ("X-Amz-Date", "20261124T204750Z"),
            ], time: 1_795_553_270)
        #expect(code(test) == nil)
        test.target = "/other?list-type=1"
        #expect(code(test) == .signatureDoesNotMatch)
    }

    @Test("a slash coded as %2F verifies whichever way the client signed it")
    func codedSlash() throws {
        let signer = RequestSigner(accessKey: AuthVectors.key)
        let host = [(name: "host", value: "h")]
        for signedTarget in ["/b/a%2Fb", "/b/a/b"] {
            let added = try signer.headers(
                method: "GET", target: signedTarget, headers: host,
                unixSeconds: AuthVectors.botocoreTime)
            let test = AuthVectors.Case(
                name: "", target: "/b/a%2Fb", headers: host + added,
                time: AuthVectors.botocoreTime)
            #expect(code(test) == nil, "\(signedTarget)")
        }
    }

    @Test("a secret that was replaced or removed is refused at once")
    func changedSecret() throws {
        let keys = AccessKeyStore([AuthVectors.key])
        let verifier = SignatureVerifier(keys: keys)
        let test = AuthVectors.botocore[0]
        _ = try verifier.verify(test.head(), now: test.time)
        keys.add(AccessKey(id: AuthVectors.key.id, secret: "another"))
        #expect(throws: S3Error.self) { try verifier.verify(test.head(), now: test.time) }
        keys.add(AuthVectors.key)
        _ = try verifier.verify(test.head(), now: test.time)
        keys.remove(AuthVectors.key.id)
        #expect(throws: S3Error.self) { try verifier.verify(test.head(), now: test.time) }
    }

    @Test("random changes to a signed request never crash and never verify")
    func fuzz() throws {
        var random = SplitMix(seed: 0x5163_7634)
        let verifier = AuthVectors.verifier
        let cases = AuthVectors.documentation + AuthVectors.botocore
        for _ in 0..<SplitMix.rounds(5000) {
            let test = cases[random.below(cases.count)]
            var other = test
            if random.below(3) == 0 {
                other.target = random.mutate(test.target)
            } else {
                let i = random.below(test.headers.count)
                other.headers[i].value = random.mutate(test.headers[i].value)
            }
            let before = meaning(test)
            guard let head = try? other.head(), meaning(other) != before else { continue }
            #expect(throws: S3Error.self, "\(other)") { try verifier.verify(head, now: test.time) }
        }
    }

    /// What a signature covers, up to differences that canonical form removes on purpose.
    private func meaning(_ test: AuthVectors.Case) -> [String]? {
        guard let head = try? test.head(), let claim = try? Authorization(head) else { return nil }
        let canonical = CanonicalRequest.build(
            head, signedHeaders: claim.signedHeaders, payload: head["x-amz-content-sha256"] ?? "",
            plainCodedSlash: true, omitSignature: true)
        return [
            String(decoding: canonical ?? [], as: UTF8.self), claim.scope.text, claim.keyID,
            String(decoding: claim.signature, as: UTF8.self), claim.timestamp,
        ]
    }
}
