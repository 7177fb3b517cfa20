import Crypto
import Foundation
import FoundationNetworking

/// Signs requests for objects: AWS Signature Version 4 in the Authorization header
/// (Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header").
struct StoredModelSignature {
    let access: String
    let secret: String
    /// A token of temporary keys.
    let session: String?
    let region: String

    /// Keys of the environment, as AWS' clients find them; nil without any.
    init?(environment: [String: String]) {
        guard
            let access = environment["AWS_ACCESS_KEY_ID"] ?? environment["KAPOK_ACCESS_KEY"],
            let secret = environment["AWS_SECRET_ACCESS_KEY"] ?? environment["KAPOK_SECRET_KEY"]
        else { return nil }
        self.access = access
        self.secret = secret
        session = environment["AWS_SESSION_TOKEN"]
        region =
            environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1"
    }

    /// A key as a path: everything but letters, digits, `-._~/` as %XX.
    static func coded(path: String) -> String {
        path.utf8.reduce(into: "") { text, byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default: text += String(format: "%%%02X", byte)
            }
        }
    }

    /// Adds the headers of a signature to a request without a body. `path` is percent-coded.
    func sign(_ request: inout URLRequest, host: String, path: String, at time: Date) {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "yyyyMMdd'T'HHmmss'Z'"
        let date = formatter.string(from: time)
        let payload = Self.hex(SHA256.hash(data: Data()))
        var headers = [
            ("host", host), ("x-amz-content-sha256", payload), ("x-amz-date", date),
        ]
        if let session { headers.append(("x-amz-security-token", session)) }
        let names = headers.map(\.0).joined(separator: ";")
        let lines = headers.map { "\($0.0):\($0.1)\n" }.joined()
        let method = request.httpMethod ?? "GET"
        let canonical = "\(method)\n\(path)\n\n\(lines)\n\(names)\n\(payload)"
        let scope = [String(date.prefix(8)), region, "s3", "aws4_request"]
        let text =
            "AWS4-HMAC-SHA256\n\(date)\n\(scope.joined(separator: "/"))\n"
            + Self.hex(SHA256.hash(data: Data(canonical.utf8)))
        let key = scope.reduce(Data("AWS4\(secret)".utf8)) { key, part in
            Data(
                HMAC<SHA256>.authenticationCode(
                    for: Data(part.utf8), using: SymmetricKey(data: key)))
        }
        let signature = HMAC<SHA256>.authenticationCode(
            for: Data(text.utf8), using: SymmetricKey(data: key))
        for (name, value) in headers where name != "host" {
            request.setValue(value, forHTTPHeaderField: name)
        }
        request.setValue(
            "AWS4-HMAC-SHA256 Credential=\(access)/\(scope.joined(separator: "/")), "
                + "SignedHeaders=\(names), Signature=\(Self.hex(signature))",
            forHTTPHeaderField: "Authorization")
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { String(format: "%02x", $0) }.joined()
    }
}
