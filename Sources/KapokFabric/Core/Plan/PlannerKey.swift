import Crypto

/// The planner's public key, by which switches know its plans: Ed25519 (RFC 8032).
public struct PlannerKey: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes of the key.
    public let bytes: [UInt8]

    /// A key of 32 bytes; nil for any other number.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32,
            (try? Curve25519.Signing.PublicKey(rawRepresentation: bytes)) != nil
        else { return nil }
        self.bytes = bytes
    }

    /// A key written as 64 hexadecimal digits.
    public init?(hexadecimal text: String) {
        guard let bytes = Self.bytes(hexadecimal: text) else { return nil }
        self.init(bytes)
    }

    /// The bytes of a key.
    public static let byteCount = 32

    /// 32 bytes written as 64 hexadecimal digits; nil for anything else.
    public static func bytes(hexadecimal text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard text.utf8.count == 2 * byteCount, digits.count == 2 * byteCount else { return nil }
        return (0..<byteCount).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }

    fileprivate init(of key: Curve25519.Signing.PublicKey) { bytes = Array(key.rawRepresentation) }

    /// Whether `signature` (64 bytes) is this key's over `message`.
    public func isValid(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes) else {
            return false
        }
        return key.isValidSignature(signature, for: message)
    }

    /// 64 hexadecimal digits.
    public var description: String { PlanDigest.hexadecimal(bytes) }
}

/// The planner's private key.
public struct PlannerSigner: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// A new key from the system's randomness.
    public init() { key = Curve25519.Signing.PrivateKey() }

    /// The key of a 32-byte seed (RFC 8032, section 5.1.5); nil for any other number of bytes.
    public init?(seed: [UInt8]) {
        guard seed.count == 32,
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed)
        else { return nil }
        self.key = key
    }

    /// The seed: keep it secret.
    public var seed: [UInt8] { Array(key.rawRepresentation) }

    /// What switches must trust.
    public var publicKey: PlannerKey { PlannerKey(of: key.publicKey) }

    /// The signature over a message, 64 bytes; equal messages have equal signatures.
    func signature(over message: [UInt8]) -> [UInt8] {
        guard let signature = try? key.signature(for: message) else {
            preconditionFailure("Ed25519 signs every message")
        }
        return Array(signature)
    }
}

/// SHA-256 as bytes.
enum PlanDigest {
    static let byteCount = 32

    static func of(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        Array(SHA256.hash(data: Array(bytes)))
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
