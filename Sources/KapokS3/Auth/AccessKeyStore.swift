import Synchronization

/// An access key: the public name and the secret behind it.
public struct AccessKey: Sendable, Hashable {
    /// What requests name, such as `AKIAIOSFODNN7EXAMPLE`. Without slashes.
    public var id: String
    /// What signs requests.
    public var secret: String

    public init(id: String, secret: String) {
        self.id = id
        self.secret = secret
    }
}

/// The access keys that the server knows. All of them act as the one owner of all buckets.
public final class AccessKeyStore: Sendable {
    private let secrets: Mutex<[String: String]>

    public init(_ keys: [AccessKey]) {
        secrets = Mutex(
            Dictionary(keys.map { ($0.id, $0.secret) }, uniquingKeysWith: { _, last in last }))
    }

    /// Adds `key`, or gives its id a new secret; the old one is refused from now on.
    public func add(_ key: AccessKey) { secrets.withLock { $0[key.id] = key.secret } }

    /// Forgets the key called `id`: requests signed with it are refused from now on.
    public func remove(_ id: String) { _ = secrets.withLock { $0.removeValue(forKey: id) } }

    /// The secret of the key called `id`; nil when there is none.
    func secret(of id: String) -> String? { secrets.withLock { $0[id] } }
}
