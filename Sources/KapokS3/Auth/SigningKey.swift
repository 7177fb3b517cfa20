import Crypto
import Synchronization

/// What a signing key is derived for. Source: AWS IAM User Guide, "Create a signed AWS API
/// request", step 4.
struct CredentialScope: Hashable, Sendable {
    /// `YYYYMMDD`.
    var date: String
    var region: String

    /// The service part of every scope here.
    static let service = "s3"
    /// The last part of every scope.
    static let terminator = "aws4_request"

    /// `20130524/us-east-1/s3/aws4_request`.
    var text: String { date + "/" + region + "/" + Self.service + "/" + Self.terminator }
}

/// A key that signs the requests of one day in one region.
struct SigningKey: Sendable {
    private let key: SymmetricKey

    /// Derives the key from the secret: four HMACs.
    init(secret: String, scope: CredentialScope) {
        let initial = SymmetricKey(data: Array(("AWS4" + secret).utf8))
        let dateKey = Self.derive(initial, scope.date)
        let regionKey = Self.derive(dateKey, scope.region)
        let serviceKey = Self.derive(regionKey, CredentialScope.service)
        key = Self.derive(serviceKey, CredentialScope.terminator)
    }

    private static func derive(_ key: SymmetricKey, _ text: String) -> SymmetricKey {
        let code = HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
        return code.withUnsafeBytes { SymmetricKey(data: $0) }
    }

    /// The signature of `stringToSign`: 64 lower-case hexadecimal digits.
    func sign(_ stringToSign: [UInt8]) -> [UInt8] {
        let code = HMAC<SHA256>.authenticationCode(for: stringToSign, using: key)
        var out: [UInt8] = []
        out.reserveCapacity(64)
        code.withUnsafeBytes { out.appendHexadecimal($0) }
        return out
    }
}

/// Keeps derived signing keys, so that a request costs one HMAC instead of five.
final class SigningKeyCache: Sendable {
    private struct Name: Hashable {
        var keyID: String
        var scope: CredentialScope
    }

    private struct Entry {
        var key: SigningKey
        /// The secret it was derived from: a changed secret must not go on working.
        var secret: String
    }

    /// The most keys kept. One access key needs one a day and region.
    static let capacity = 1024

    private let entries = Mutex<[Name: Entry]>([:])

    /// The key for `scope`, and whether it came from the cache.
    func key(
        id: String, secret: String, scope: CredentialScope
    ) -> (key: SigningKey, cached: Bool) {
        let name = Name(keyID: id, scope: scope)
        let found = entries.withLock { $0[name] }
        if let found, found.secret == secret { return (found.key, true) }
        return (SigningKey(secret: secret, scope: scope), false)
    }

    /// Keeps a key that a right signature has shown to be in use. A stranger, who knows an id but
    /// no secret, can therefore not fill the cache.
    func keep(_ key: SigningKey, id: String, secret: String, scope: CredentialScope) {
        entries.withLock { entries in
            // Rare (days and regions): starting over costs one derivation for each key in use.
            if entries.count >= Self.capacity { entries.removeAll(keepingCapacity: true) }
            entries[Name(keyID: id, scope: scope)] = Entry(key: key, secret: secret)
        }
    }
}

extension [UInt8] {
    /// Appends two lower-case digits for each byte.
    mutating func appendHexadecimal(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            append(Hexadecimal.digit(byte >> 4))
            append(Hexadecimal.digit(byte & 15))
        }
    }

    /// Appends the SHA-256 of `bytes` as 64 lower-case digits.
    mutating func appendSHA256(of bytes: [UInt8]) {
        SHA256.hash(data: bytes).withUnsafeBytes { appendHexadecimal($0) }
    }
}

/// Whether both are equal, in time that depends on the lengths only.
func equalInConstantTime(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    var difference: UInt8 = 0
    for i in a.indices { difference |= a[i] ^ b[i] }
    return difference == 0
}
