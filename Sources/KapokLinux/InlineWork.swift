import Glibc

/// Work that a submitter does itself instead of handing it over, and how deep it has got into that:
/// a completion that is called on the submitter's stack may submit again, and that must end.
public enum InlineWork {
    /// How many pieces of inline work one thread nests.
    public static let depthLimit = 8

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        precondition(pthread_key_create(&key, nil) == 0)
        return key
    }()

    /// How many pieces of inline work the calling thread is in.
    static var depth: Int { Int(bitPattern: pthread_getspecific(key)) }

    /// Runs `body` unless the thread is already `depthLimit` deep; tells whether it did.
    public static func run(_ body: () -> Void) -> Bool {
        let depth = depth
        guard depth < depthLimit else { return false }
        pthread_setspecific(key, UnsafeRawPointer(bitPattern: depth + 1))
        body()
        pthread_setspecific(key, UnsafeRawPointer(bitPattern: depth))
        return true
    }
}
