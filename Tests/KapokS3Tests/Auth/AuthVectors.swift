@testable import KapokS3

/// The credentials of all examples in Amazon's documentation.
enum AuthVectors {
    static let key = AccessKey(
        id: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    /// 2013-05-24T00:00:00Z, the time of Amazon's examples.
    static let documentationTime: Int64 = 1_369_353_600
    /// 2024-02-29T23:59:58Z, the time of the botocore vectors.
    static let botocoreTime: Int64 = 1_709_251_198

    static var verifier: SignatureVerifier { SignatureVerifier(keys: AccessKeyStore([key])) }

    struct Case: Sendable {
        var name: String
        var method = "GET"
        var target: String
        var headers: [(name: String, value: String)]
        var time: Int64

        func head() throws(S3Error) -> RequestHead {
            try RequestHead(method: method, target: target, headers: headers)
        }
    }

    private static func documented(
        _ name: String, _ method: String, _ target: String,
        _ headers: [(name: String, value: String)], signed: String, signature: String,
        payload: String = emptyHash
    ) -> Case {
        Case(
            name: name, method: method, target: target,
            headers: [
                ("Host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", payload),
                ("x-amz-date", "20130524T000000Z"),
                (
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                        + "aws4_request,SignedHeaders=\(signed),Signature=\(signature)"
                ),
            ] + headers, time: documentationTime)
    }

    /// Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring
    /// Payload in a Single Chunk", examples, and "Authenticating Requests: Using Query Parameters".
    static let documentation: [Case] = [
        documented(
            "GET object", "GET", "/test.txt", [("Range", "bytes=0-9")],
            signed: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        documented(
            "PUT object", "PUT", "/test$file.text",
            [
                ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            signed: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            payload: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
        documented(
            "GET bucket lifecycle", "GET", "/?lifecycle", [],
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        documented(
            "GET bucket, list objects", "GET", "/?max-keys=2&prefix=J", [],
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        Case(
            name: "presigned GET",
            target: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
                + "aws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature="
                + "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
            headers: [("Host", "examplebucket.s3.amazonaws.com")], time: documentationTime),
    ]

    private static func botocore(
        _ method: String, _ target: String, host: String = "127.0.0.1:9000",
        _ headers: [(name: String, value: String)] = [], payload: String = emptyHash,
        signed: String = "host;x-amz-content-sha256;x-amz-date", signature: String
    ) -> Case {
        Case(
            name: "\(method) \(target)", method: method, target: target,
            headers: [
                ("Host", host), ("X-Amz-Content-SHA256", payload),
                ("X-Amz-Date", "20240229T235958Z"),
                (
                    "Authorization",
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/eu-west-3/s3/"
                        + "aws4_request, SignedHeaders=\(signed), Signature=\(signature)"
                ),
            ] + headers, time: botocoreTime)
    }

    /// Made with botocore 1.43's S3SigV4Auth and S3SigV4QueryAuth at a fixed time.
    static let botocore: [Case] = [
        botocore(
            "GET", "/bucket/a%20b/%C3%BC~-_.%2Bx%28y%29",
            signature: "48bc9c9f17e1163ae0a50d5a42109fdadba1e2d2f4f05a04e333e3e66df1533a"),
        botocore(
            "GET",
            "/?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&encoding-type=url&continuation-token=",
            host: "bucket.s3.localhost:9000",
            signature: "9b2a23b5a1180dd86830ffa0e73481860245753eabf4afb70fce85e64b63181e"),
        botocore(
            "PUT", "/bucket/key",
            [
                ("x-amz-meta-b", "two  spaces "), ("x-amz-meta-a", "1"),
                ("Content-Type", "text/plain"),
            ],
            payload: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            signed: "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-meta-b",
            signature: "efa60d65a235d2ca1c07d344fb9187b59ca17221ba21e94ec09a733d15f8bdfb"),
        botocore(
            "POST", "/bucket?delete", [("Content-MD5", "rL0Y20zC+Fzt72VPzMSk2A==")],
            payload: "e2000f6b1fc1db795626ddaf9c13324157e9f56cb7820b40d7c3253a08ee5b91",
            signed: "content-md5;host;x-amz-content-sha256;x-amz-date",
            signature: "51b0591225497ced2a9f3ec138097df9f852bccc6ed180770fc3b86642fd4334"),
        botocore(
            "DELETE", "/bucket//double//slash/../dots",
            signature: "dbdcfabf2e85b21eaf318d1a36d6865a495d99b1538ae2d8e880a849a844d675"),
        Case(
            name: "presigned GET with overrides",
            target: "/bucket/a%20b?response-content-type=text%2Fplain&versionId=null"
                + "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240229%2Feu-west-3%2Fs3%2F"
                + "aws4_request"
                + "&X-Amz-Date=20240229T235958Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature="
                + "7138d111f23362af98788c805c6c082b28cf04000f9ede0e7863352252a69ad0",
            headers: [("Host", "127.0.0.1:9000")], time: botocoreTime),
        Case(
            name: "presigned PUT", method: "PUT",
            target: "/bucket/k?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240229%2Feu-west-3%2Fs3%2F"
                + "aws4_request"
                + "&X-Amz-Date=20240229T235958Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature="
                + "c60843ec96c65a60827bfca00c68abe26a32fae3b38c769c1e63f185d8caca7f",
            headers: [("Host", "127.0.0.1:9000")], time: botocoreTime),
    ]
}
