import Crypto
import Foundation

/// A request signed with AWS Signature Version 4 in its Authorization header (AWS General
/// Reference, "Signature Version 4 signing process"), as boto3 sends it to Bedrock.
struct SignedRequest {
    /// How far the client's clock may be off, in seconds (as AWS has it).
    static let allowedSkew = 900.0

    private let access: Substring
    private let scope: [Substring]
    private let signedHeaders: [Substring]
    private let signature: Substring

    /// Reads an Authorization header; nil when it is of another scheme.
    init?(authorization: String) throws(APIError) {
        let scheme = "AWS4-HMAC-SHA256 "
        guard authorization.hasPrefix(scheme) else { return nil }
        var parts: [Substring: Substring] = [:]
        for part in authorization.dropFirst(scheme.count).split(separator: ",").prefix(8) {
            let trimmed = part.drop { $0 == " " }
            guard let equals = trimmed.firstIndex(of: "=") else { continue }
            parts[trimmed[..<equals]] = trimmed[trimmed.index(after: equals)...]
        }
        guard let credential = parts["Credential"], let headers = parts["SignedHeaders"],
            let signature = parts["Signature"]
        else { throw Self.refusal("the Authorization header lacks a part") }
        let scope = credential.split(separator: "/", omittingEmptySubsequences: false)
        // ACCESS/DATE/REGION/SERVICE/aws4_request
        guard scope.count == 5, scope[4] == "aws4_request" else {
            throw Self.refusal(
                "the credential scope is not ACCESS/DATE/REGION/SERVICE/aws4_request")
        }
        access = scope[0]
        self.scope = Array(scope.dropFirst())
        signedHeaders = headers.split(separator: ";")
        self.signature = signature
    }

    /// The tenant that signed the request.
    ///
    /// - Parameters:
    ///   - rawPath: the path as it was sent, percent-coded.
    ///   - header: the values of a header by lower-case name, joined with commas.
    ///   - now: seconds since 1970.
    func tenant(
        keys: APIKeys, method: String, rawPath: String, rawQuery: String,
        header: (String) -> String?, body: [UInt8], now: Double
    ) throws(APIError) -> UInt32 {
        guard let pair = keys.pair(access: access) else {
            throw Self.refusal("the access key id is none of this server's")
        }
        guard signedHeaders.contains("host"), let date = header("x-amz-date"),
            let seconds = Self.seconds(date), date.hasPrefix(scope[0])
        else { throw Self.refusal("host and x-amz-date must be there, host signed") }
        guard abs(now - seconds) <= Self.allowedSkew else {
            throw Self.refusal(
                "the signature's time differs from the server's by more than 15 minutes")
        }
        var canonical = "\(method)\n\(Self.canonicalPath(rawPath))\n"
        canonical += Self.canonicalQuery(rawQuery) + "\n"
        for name in signedHeaders {
            guard let value = header(String(name)) else {
                throw Self.refusal("the signed header \(name) is missing")
            }
            canonical += "\(name):\(Self.collapsed(value))\n"
        }
        canonical += "\n" + signedHeaders.joined(separator: ";") + "\n"
        canonical += Self.hex(SHA256.hash(data: body))
        let scopeText = scope.joined(separator: "/")
        let text =
            "AWS4-HMAC-SHA256\n\(date)\n\(scopeText)\n"
            + Self.hex(SHA256.hash(data: Array(canonical.utf8)))
        var key = Array("AWS4\(pair.secret)".utf8)
        for part in scope {
            key = Array(
                HMAC<SHA256>.authenticationCode(
                    for: Array(part.utf8), using: SymmetricKey(data: key)))
        }
        guard let given = Self.bytes(hex: signature),
            HMAC<SHA256>.isValidAuthenticationCode(
                given, authenticating: Array(text.utf8), using: SymmetricKey(data: key))
        else {
            throw Self.refusal(
                "the signature is not what the secret key gives for this request")
        }
        return pair.tenant
    }

    private static func refusal(_ why: String) -> APIError {
        APIError(.unauthorized, "the request's signature is refused: \(why)")
    }

    /// `20260131T235959Z` in seconds since 1970.
    private static func seconds(_ text: String) -> Double? {
        let digits = Array(text.utf8)
        guard digits.count == 16, digits[8] == UInt8(ascii: "T"), digits[15] == UInt8(ascii: "Z")
        else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            Int(String(decoding: digits[range], as: UTF8.self))
        }
        guard let year = number(0..<4), let month = number(4..<6), let day = number(6..<8),
            let hour = number(9..<11), let minute = number(11..<13), let second = number(13..<15)
        else { return nil }
        // Days from civil (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return Double((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
    }

    /// All services but S3 percent-code the path once more.
    private static func canonicalPath(_ path: String) -> String {
        path.utf8.reduce(into: "") { result, byte in
            if byte == UInt8(ascii: "/") {
                result += "/"
            } else {
                result += coded(byte)
            }
        }
    }

    private static func coded(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            return String(Unicode.Scalar(byte))
        default: return "%" + hex([byte]).uppercased()
        }
    }

    /// Parameters in order of their names; they come percent-coded.
    private static func canonicalQuery(_ query: String) -> String {
        query.split(separator: "&").map { $0.contains("=") ? String($0) : "\($0)=" }.sorted()
            .joined(separator: "&")
    }

    /// Without spaces at the ends, and with single ones between.
    private static func collapsed(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.reduce(into: "") { text, byte in
            text += byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16)
        }
    }

    private static func bytes(hex: Substring) -> [UInt8]? {
        guard hex.utf8.count == 64 else { return nil }
        var bytes: [UInt8] = []
        var rest = hex[...]
        while !rest.isEmpty {
            guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
