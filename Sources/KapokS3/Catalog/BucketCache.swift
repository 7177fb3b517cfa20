import KapokStore
import Synchronization

/// A bucket as it was at some read point.
struct KnownBucket: Sendable {
    var id: BucketID
    /// Taken before the bucket was read: a transaction with it that checks the bucket's key commits
    /// only if this knowledge still holds.
    var readPoint: ReadPoint
}

/// Buckets read lately, which may have been deleted since. Whoever uses one must find out: a write
/// by checking the bucket's key, a read by what it finds (an object only exists while its bucket
/// does), and by asking again when it finds nothing.
final class BucketCache: Sendable {
    private static let capacity = 4096

    private let buckets = Mutex<[String: KnownBucket]>([:])

    subscript(_ name: String) -> KnownBucket? { buckets.withLock { $0[name] } }

    func remember(_ name: String, _ bucket: KnownBucket) {
        buckets.withLock {
            // Rather forget all than keep an order that every read would have to touch.
            if $0.count >= Self.capacity, $0[name] == nil { $0.removeAll(keepingCapacity: true) }
            $0[name] = bucket
        }
    }

    func forget(_ name: String) { buckets.withLock { $0[name] = nil } }
}
