import Testing

@testable import KapokS3

@Suite struct SignatureV2Tests {
    private static let host: (name: String, value: String) = (
        "Host", "johnsmith.s3.amazonaws.com"
    )

    private static func documented(
        _ method: String, _ target: String, _ date: String, time: Int64, signature: String,
        _ headers: [(name: String, value: String)] = [], host: String = "johnsmith.s3.amazonaws.com"
    ) -> AuthVectors.Case {
        AuthVectors.Case(
            name: "\(method) \(target)", method: method, target: target,
            headers: [
                ("Host", host), ("Date", date),
                ("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:" + signature),
            ] + headers, time: time)
    }

    /// Amazon S3 Developer Guide (2006-03-01), "Signing and Authenticating REST Requests",
    /// "Authentication Examples".
    static let documentation: [AuthVectors.Case] = [
        documented(
            "GET", "/photos/puppy.jpg", "Tue, 27 Mar 2007 19:36:42 +0000", time: 1_175_024_202,
            signature: "bWq2s1WEIj+Ydj0vQ697zp+IXMU="),
        documented(
            "PUT", "/photos/puppy.jpg", "Tue, 27 Mar 2007 21:15:45 +0000", time: 1_175_030_145,
            signature: "MyyxeRY7whkBe+bq8fHCL/2kKUg=", [("Content-Type", "image/jpeg")]),
        documented(
            "GET", "/?prefix=photos&max-keys=50&marker=puppy", "Tue, 27 Mar 2007 19:42:41 +0000",
            time: 1_175_024_561, signature: "htDYFYduRNen8P9ZfE/s9SuKy0U="),
        documented(
            "GET", "/?acl", "Tue, 27 Mar 2007 19:44:46 +0000", time: 1_175_024_686,
            signature: "c2WLPFtWHVgbEmeEG93a4cG37dM="),
        documented(
            "DELETE", "/johnsmith/photos/puppy.jpg", "Tue, 27 Mar 2007 21:20:26 +0000",
            time: 1_175_030_426, signature: "lx3byBScXR6KzyMaifNkardMwNk=",
            host: "s3.amazonaws.com"),
        documented(
            "GET", "/", "Wed, 28 Mar 2007 01:29:59 +0000", time: 1_175_045_399,
            signature: "qGdzdERIC03wnaRNKh6OqZehG9s=", host: "s3.amazonaws.com"),
        documented(
            "GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
            "Wed, 28 Mar 2007 01:49:49 +0000", time: 1_175_046_589,
            signature: "DNEZGsoieTZ92F3bUfSPQcbGmlM=", host: "s3.amazonaws.com"),
        AuthVectors.Case(
            name: "presigned",
            target: "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"
                + "&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620",
            headers: [host], time: 1_175_139_620),
    ]

    private static func botocore(
        _ method: String, _ target: String, host: String = "127.0.0.1:9000",
        _ headers: [(name: String, value: String)] = [], signature: String? = nil
    ) -> AuthVectors.Case {
        let signed = signature.map {
            [
                (name: "Date", value: "Thu, 29 Feb 2024 23:59:58 GMT"),
                (name: "Authorization", value: "AWS AKIAIOSFODNN7EXAMPLE:" + $0),
            ]
        }
        return AuthVectors.Case(
            name: "\(method) \(target)", method: method, target: target,
            headers: [("Host", host)] + headers + (signed ?? []), time: AuthVectors.botocoreTime)
    }

    /// Made with botocore 1.44's HmacV1Auth and HmacV1QueryAuth at a fixed time.
    static let botocore: [AuthVectors.Case] = [
        botocore(
            "GET", "/bucket/a%20b/%C3%BC~-_.%2Bx%28y%29", signature: "PbgdvZnmib5ESO4RFJJH7sEu3P8="
        ),
        botocore(
            "PUT", "/bucket/key",
            [
                ("Content-Type", "text/plain"), ("Content-MD5", "XrY7u+Ae7tCTyyK7j1rNww=="),
                ("x-amz-meta-b", "two  spaces"), ("x-amz-meta-a", "1"),
            ], signature: "VEG3jOEV/it0x/1/C0A2X0Kgvxc="),
        botocore(
            "PUT", "/bucket", [("x-amz-acl", "private")], signature: "8CvUpImpvlMSkifn1Pgw7BcYL90="
        ),
        botocore(
            "GET", "/?uploads&prefix=a", host: "bucket.localhost:9000",
            signature: "CoVmFW42dePcoUa+7AV7sjbjIHo="),
        // As Go's clients send it.
        botocore(
            "GET", "/?uploads=&prefix=a", host: "bucket.localhost:9000",
            signature: "CoVmFW42dePcoUa+7AV7sjbjIHo="),
        botocore(
            "POST", "/bucket/key?uploadId=a%2Fb%2B", signature: "J6sQzLOKTIG9/CPTVPivokaLAPE="),
        botocore(
            "GET",
            "/bucket/a%20b?response-content-type=text%2Fplain&response-expires=x%20y"
                + "&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=kc4Fh2KGCJ0xbgpHbe4UjIt58pU%3D"
                + "&Expires=1709251798"),
        botocore(
            "PUT",
            "/bucket/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"
                + "&Signature=Nmm3yvjoiDRVdGVUljlAHgOwpgs%3D&content-type=q%2Fr&x-amz-meta-m=1"
                + "&Expires=1709251798"),
        botocore(
            "GET",
            "/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"
                + "&Signature=M%2FcCsvxyH7Q851Mkm684qnIflHI%3D&Expires=1709251798",
            host: "bucket.s3.localhost:9000"),
    ]

    private func code(_ test: AuthVectors.Case, now: Int64? = nil) -> S3Error.Code? {
        let verifier = SignatureVerifier(
            keys: AccessKeyStore([AuthVectors.key]), baseDomains: ["localhost"])
        do {
            _ = try verifier.verify(test.head(), now: now ?? test.time)
            return nil
        } catch {
            return error.code
        }
    }

    @Test(
        "the examples of Amazon's documentation verify", arguments: SignatureV2Tests.documentation)
    func documented(_ test: AuthVectors.Case) { #expect(code(test) == nil) }

    @Test("what botocore signs verifies", arguments: SignatureV2Tests.botocore)
    func fromBotocore(_ test: AuthVectors.Case) { #expect(code(test) == nil) }

    @Test("any changed method, host bucket, header, or parameter that matters is refused")
    func changes() throws {
        for test in Self.documentation + Self.botocore {
            var other = test
            other.method = test.method == "GET" ? "HEAD" : "GET"
            #expect(code(other) == .signatureDoesNotMatch)
            for added in ["partNumber=1", "uploadId=x", "acl&tagging", "versions", "attributes"] {
                other = test
                other.target += (test.target.contains("?") ? "&" : "?") + added
                #expect(code(other) == .signatureDoesNotMatch, "\(other.target)")
            }
            other = test
            other.headers.append(("x-amz-copy-source", "/other/key"))
            #expect(code(other) == .signatureDoesNotMatch)
            other = test
            other.headers.insert(("Content-Type", "a/b"), at: 0)
            #expect(code(other) == .signatureDoesNotMatch)
        }
        var other = Self.documentation[0]
        other.headers[0].value = "another.s3.amazonaws.com"
        #expect(code(other) == .signatureDoesNotMatch)
        other = Self.botocore[7]
        other.target += "&x-amz-acl=public-read"
        #expect(code(other) == .signatureDoesNotMatch)
    }

    @Test("each flipped digit of the signature is refused")
    func flipped() throws {
        let test = Self.botocore[0]
        let index = try #require(test.headers.firstIndex { $0.name == "Authorization" })
        let text = test.headers[index].value
        // The last digit before the = holds two bits that base 64 does not use.
        for offset in 2...28 {
            var digits = text
            let position = digits.index(digits.endIndex, offsetBy: -offset)
            digits.replaceSubrange(position...position, with: digits[position] == "A" ? "B" : "A")
            var other = test
            other.headers[index].value = digits
            #expect(code(other) == .signatureDoesNotMatch, "\(digits)")
        }
    }

    @Test("a presigned URL is valid until the second that it names")
    func expiry() {
        let test = Self.botocore[6]
        #expect(code(test, now: 1_709_251_798) == nil)
        #expect(code(test, now: 1_709_251_799) == .accessDenied)
        for bad in ["x", "", "99999999999999999999"] {
            var other = test
            other.target = test.target.replacing("Expires=17", with: "Expires=\(bad)&x=17")
            #expect(code(other) == .accessDenied, "\(bad)")
        }
        var far = test
        far.target = test.target.replacing(
            "Expires=1709251798", with: "Expires=9223372036854775807")
        #expect(code(far) == .signatureDoesNotMatch)
        far.target = test.target.replacing("Expires=17", with: "Expires=-9223372036854775808&x=17")
        #expect(code(far) == .accessDenied)
    }

    @Test("a clock is allowed fifteen minutes of error, and there must be a date")
    func skew() {
        let test = Self.documentation[0]
        #expect(code(test, now: test.time + 900) == nil)
        #expect(code(test, now: test.time - 901) == .requestTimeTooSkewed)
        var other = test
        other.headers.removeAll { $0.name == "Date" }
        #expect(code(other) == .accessDenied)
    }

    @Test("x-amz-date takes the place of Date")
    func amazonDate() throws {
        let text = Array("GET\n\n\n\nx-amz-date:20240229T235958Z\n/b/k".utf8)
        let signature = Base64.encode(SignatureV2.sign(text, secret: AuthVectors.key.secret))
        let test = AuthVectors.Case(
            name: "", target: "/b/k",
            headers: [
                ("Host", "h"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
                ("x-amz-date", "20240229T235958Z"),
                ("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:" + signature),
            ], time: AuthVectors.botocoreTime)
        #expect(code(test) == nil)
    }

    @Test("unknown keys, malformed headers and two authorizations are told apart")
    func malformed() {
        let test = Self.documentation[0]
        for (value, expected) in [
            ("AWS AKIAOTHER:bWq2s1WEIj+Ydj0vQ697zp+IXMU=", S3Error.Code.invalidAccessKeyId),
            ("AWS AKIAIOSFODNN7EXAMPLE", .invalidArgument), ("AWS :x", .invalidArgument),
            ("AWS AKIAIOSFODNN7EXAMPLE:", .signatureDoesNotMatch),
            ("AWS AKIAIOSFODNN7EXAMPLE:%%", .signatureDoesNotMatch),
        ] {
            var other = test
            other.headers[2].value = value
            #expect(code(other) == expected, "\(value)")
        }
        var both = Self.documentation[7]
        both.headers.append(("Authorization", test.headers[2].value))
        #expect(code(both) == .invalidArgument)
        both = Self.documentation[7]
        both.target += "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        #expect(code(both) == .invalidArgument)
    }

    @Test("chunks signed with version 4 cannot follow a head signed with version 2")
    func chunks() {
        let text =
            "PUT\n\n\nThu, 29 Feb 2024 23:59:58 GMT\n"
            + "x-amz-content-sha256:STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n/b/k"
        let signature = Base64.encode(
            SignatureV2.sign(Array(text.utf8), secret: AuthVectors.key.secret))
        let test = Self.botocore(
            "PUT", "/b/k", [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")],
            signature: signature)
        #expect(code(test) == .invalidRequest)
    }

    @Test("random changes to a signed request never crash")
    func fuzz() {
        var random = SplitMix(seed: 0x5163_7632)
        let cases = Self.documentation + Self.botocore
        for _ in 0..<SplitMix.rounds(3000) {
            var test = cases[random.below(cases.count)]
            if random.below(2) == 0 {
                test.target = random.mutate(test.target)
            } else {
                let i = random.below(test.headers.count)
                test.headers[i].value = random.mutate(test.headers[i].value)
            }
            _ = code(test)
        }
    }
}
