import Crypto

/// Who may use a server: keys, each of which is a tenant of its own.
///
/// A key of the form `ACCESS:SECRET` is one pair for AWS' clients: they sign with it, or send the
/// secret as a bearer token. With no keys everybody may, and nothing is verified.
struct APIKeys: Sendable {
    /// A key pair for signed requests.
    struct Pair: Sendable {
        var access: String
        var secret: String
        var tenant: UInt32
    }

    /// Digests are of one length and compare in constant time, however long the keys are.
    private let digests: [SHA256Digest]
    private let pairs: [Pair]

    /// Tenants are numbered from 1 in the order of `keys`.
    init(_ keys: [String]) {
        var digests: [SHA256Digest] = []
        var pairs: [Pair] = []
        for (index, key) in keys.enumerated() {
            guard let colon = key.firstIndex(of: ":") else {
                digests.append(Self.digest(key))
                continue
            }
            let secret = String(key[key.index(after: colon)...])
            digests.append(Self.digest(secret))
            pairs.append(
                Pair(access: String(key[..<colon]), secret: secret, tenant: UInt32(index) + 1))
        }
        self.digests = digests
        self.pairs = pairs
    }

    /// Whether everybody may.
    var areNone: Bool { digests.isEmpty }

    private static func digest(_ key: some StringProtocol) -> SHA256Digest {
        SHA256.hash(data: Array(key.utf8))
    }

    /// The tenant of a bearer key. Looks at all keys, so that the time does not tell which it was.
    func tenant(bearer key: some StringProtocol) -> UInt32? {
        let given = Self.digest(key)
        var tenant: UInt32?
        for (index, digest) in digests.enumerated() where digest == given {
            tenant = UInt32(index) + 1
        }
        return tenant
    }

    /// The key pair of an access key id, which is no secret.
    func pair(access: some StringProtocol) -> Pair? { pairs.first { $0.access == access } }
}
