public import Crypto
import KapokWorld

/// The keys of a fabric, all derived from one secret of 32 bytes by HKDF-SHA256 (RFC 5869). Every
/// switch of the fabric has the secret; the planner's private key is another matter and stays with
/// the planner.
public struct FabricKeys: Sendable {
    /// The bytes of a secret.
    public static let secretBytes = 32

    private let root: SymmetricKey
    /// Authenticates news, hop by hop: HMAC-SHA256 (RFC 2104), cut to 16 bytes.
    public let newsKey: SymmetricKey

    /// The keys of a secret; nil unless it has 32 bytes.
    public init?(secret: [UInt8]) {
        guard secret.count == Self.secretBytes else { return nil }
        let extracted = HKDF<SHA256>.extract(
            inputKeyMaterial: SymmetricKey(data: secret), salt: Array("kapok fabric keys 1".utf8))
        root = SymmetricKey(data: extracted)
        newsKey = Self.derive(root, "news", number: nil, byteCount: 32)
    }

    /// A new secret from the system's randomness.
    public static func newSecret() -> [UInt8] {
        SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
    }

    /// The key for hellos on a link: the two halves of a SipHash-2-4 key, little endian. Takes a
    /// few microseconds: keep it.
    public func helloKey(of link: LinkID) -> (UInt64, UInt64) {
        Self.derive(root, "hello", number: link.index, byteCount: 16).withUnsafeBytes { bytes in
            (
                UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }

    private static func derive(
        _ root: SymmetricKey, _ purpose: String, number: Int?, byteCount: Int
    ) -> SymmetricKey {
        var info = ByteWriter(minimumCapacity: 16)
        info.string(purpose)
        if let number { info.uint64(UInt64(number)) }
        return HKDF<SHA256>.expand(
            pseudoRandomKey: root, info: info.bytes, outputByteCount: byteCount)
    }
}
