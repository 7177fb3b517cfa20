import NIOCore
import Testing

@testable import KapokBench

/// Signatures computed with botocore 1.43.11 (`S3SigV4Auth`) for the documentation's example keys.
@Suite("Signature Version 4")
struct RequestSignerTests {
    private static let secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

    private func signer(host: String, region: String = "us-east-1") -> RequestSigner {
        RequestSigner(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: Self.secretKey, region: region,
            host: host)
    }

    private func head(
        _ signer: inout RequestSigner, _ method: StaticString, _ path: String,
        payload: [UInt8], length: Int? = nil, at seconds: Int
    ) -> [String] {
        var buffer = ByteBuffer()
        signer.write(
            method: method, path: Array(path.utf8), payloadHash: payload, contentLength: length,
            secondsSince1970: seconds, into: &buffer)
        let text = String(buffer: buffer)
        #expect(text.hasSuffix("\r\n\r\n"))
        return text.split(separator: "\r\n").map(String.init)
    }

    @Test("a GET signs as botocore does")
    func get() {
        var signer = signer(host: "127.0.0.1:9000")
        let lines = head(
            &signer, "GET", "/kapok-bench/4096-1-17", payload: RequestSigner.emptyPayload,
            at: 1_369_353_600)
        #expect(
            lines == [
                "GET /kapok-bench/4096-1-17 HTTP/1.1",
                "Host: 127.0.0.1:9000",
                "x-amz-content-sha256: "
                    + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "x-amz-date: 20130524T000000Z",
                "Authorization: AWS4-HMAC-SHA256 "
                    + "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                    + "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
                    + "91a48267791f6486e4ac349a6e3d4156ddf419fdffc1c212f175521110fff918",
            ])
    }

    @Test("a PUT in another region signs as botocore does")
    func put() throws {
        var signer = signer(host: "127.0.0.1:9000", region: "eu-central-1")
        let lines = head(
            &signer, "PUT", "/kapok-bench/4096-1-17", payload: RequestSigner.unsignedPayload,
            length: 4096, at: 1_709_251_199)
        #expect(lines.contains("Content-Length: 4096"))
        #expect(lines.contains("x-amz-content-sha256: UNSIGNED-PAYLOAD"))
        #expect(lines.contains("x-amz-date: 20240229T235959Z"))
        #expect(
            try #require(lines.last).hasSuffix(
                "Signature=c8d7bdaab1cc124bc2d0ae1f3a8e6c0ba2e53e7abe517a0b44e2b8ea4ebb32d1"))
    }

    @Test("the port of HTTP is not signed, as botocore does")
    func defaultPort() throws {
        let endpoint = try Endpoint(parsing: "http://storage.example:80/")
        var signer = signer(host: endpoint.hostHeader)
        let lines = head(
            &signer, "HEAD", "/kapok-bench", payload: RequestSigner.emptyPayload,
            at: 1_709_251_200)
        #expect(
            try #require(lines.last).hasSuffix(
                "Signature=cb4cf3702ec4dfd62e995159b4fd6b8b446e8920b077a71ceecff28974f1e473"))
    }

    @Test("one signer goes on over midnight with a new signing key")
    func midnight() throws {
        var signer = signer(host: "127.0.0.1:9000")
        let signatures = [1_709_251_199, 1_709_251_199, 1_709_251_200].map { seconds in
            head(
                &signer, "PUT", "/kapok-bench/4096-1-17",
                payload: RequestSigner.unsignedPayload, at: seconds
            ).last?.suffix(64)
        }
        #expect(signatures == [Self.beforeMidnight, Self.beforeMidnight, Self.afterMidnight])
    }

    private static let beforeMidnight: Substring =
        "833e3ef758c9b9f0298c6a114c8bdce8fff3796393ebe94d4b3bdcf286dbc69e"
    private static let afterMidnight: Substring =
        "b982e3023c322144912ffe7fdb466a7b61e3eed2ce3bb0a0657aeb917a651fa5"

    @Test(
        "dates match the calendar",
        arguments: [
            (0, "19700101T000000Z"), (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"), (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"), (253_402_300_799, "99991231T235959Z"),
        ])
    func dates(seconds: Int, text: String) {
        #expect(SigningDate(secondsSince1970: seconds).text == Array(text.utf8))
    }

    @Test("the payload hash covers the whole object")
    func payloadHash() {
        let pattern = ObjectPattern(seed: 7)
        let whole = RequestSigner.payloadHash(of: 3, size: 700_000, pattern: pattern)
        let shorter = RequestSigner.payloadHash(of: 3, size: 699_999, pattern: pattern)
        #expect(whole.count == 64)
        #expect(whole != shorter)
        #expect(
            RequestSigner.payloadHash(of: 3, size: 0, pattern: pattern)
                == RequestSigner.emptyPayload)
    }
}
