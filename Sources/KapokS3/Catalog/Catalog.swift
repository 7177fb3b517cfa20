public import KapokStore
import KapokWorld

/// All of S3's meaning over a store, without HTTP: buckets, objects, listings, multipart uploads,
/// copies and tags. Every operation is linearizable, conditional writes too: what a condition was
/// evaluated against is what the write replaces.
public final class Catalog: S3Backend {
    /// How often an operation is tried again after it lost to another.
    static let maximumAttempts = 64
    /// How many commits a bucket's read point may lag before it is read again; well below what the
    /// store remembers, or every write would conflict.
    private static let maximumLag: UInt64 = 2048
    private static let maximumBucketName = 63

    let store: any StoreClient
    let locks = KeyLocks()
    private let buckets = BucketCache()
    private let clock: @Sendable () -> UInt64

    /// - Parameters:
    ///   - store: where everything is kept.
    ///   - clock: milliseconds since 1970-01-01T00:00:00Z.
    public init(store: any StoreClient, clock: @escaping @Sendable () -> UInt64) {
        self.store = store
        self.clock = clock
    }

    /// Milliseconds since 1970.
    func now() -> UInt64 { clock() }

    // MARK: The store, with S3's errors

    func entry(_ key: StoreKey) async throws(S3Error) -> Entry? {
        do throws(StoreError) {
            return try await store.get(key)
        } catch {
            throw S3Error(error)
        }
    }

    func entries(
        _ range: (from: StoreKey, to: StoreKey), limit: Int
    ) async throws(S3Error) -> [(key: StoreKey, entry: Entry)] {
        do throws(StoreError) {
            return try await store.range(from: range.from, to: range.to, limit: limit)
        } catch {
            throw S3Error(error)
        }
    }

    /// Whether it was carried out; false when something it checks has changed.
    func commit(_ transaction: Transaction) async throws(S3Error) -> Bool {
        do throws(StoreError) {
            switch try await store.commit(transaction) {
            case .committed: return true
            case .conflict: return false
            }
        } catch {
            throw S3Error(error)
        }
    }

    /// Runs `attempt` until it returns something; it returns nil when it lost to another write.
    /// - Throws: `ConditionalRequestConflict` after too many attempts.
    func retrying<Result>(
        _ attempt: () async throws(S3Error) -> Result?
    ) async throws(S3Error) -> Result {
        for _ in 0..<Self.maximumAttempts {
            if let result = try await attempt() { return result }
            await Task.yield()
        }
        throw .contended
    }

    // MARK: Buckets

    /// Reads a bucket and remembers it.
    /// - Throws: `NoSuchBucket`.
    func readBucket(
        _ name: String
    ) async throws(S3Error) -> (bucket: KnownBucket, record: BucketRecord) {
        guard name.utf8.count <= Self.maximumBucketName else { throw .noSuchBucket(name) }
        let readPoint = store.readPoint()
        guard let entry = try await entry(KeySpace.bucket(name)) else {
            buckets.forget(name)
            throw .noSuchBucket(name)
        }
        do throws(ByteCodingError) {
            let record = try BucketRecord(decoding: entry.value)
            let bucket = KnownBucket(id: record.id, readPoint: readPoint)
            buckets.remember(name, bucket)
            return (bucket, record)
        } catch {
            throw S3Error(error, of: "the bucket \(name)")
        }
    }

    /// The bucket as remembered, if its read point is young enough to write with; else read.
    /// - Throws: `NoSuchBucket`.
    func knownBucket(_ name: String) async throws(S3Error) -> KnownBucket {
        if let known = buckets[name],
            store.readPoint().version &- known.readPoint.version <= Self.maximumLag
        {
            return known
        }
        return try await readBucket(name).bucket
    }

    func forgetBucket(_ name: String) { buckets.forget(name) }

    /// The entry under the key that `key` makes for a bucket, and the bucket. When there is none
    /// and the bucket was only remembered, the bucket is read, and if it is another one by now, so
    /// is the entry once more.
    /// - Throws: `NoSuchBucket`.
    func lookUp(
        in name: String, _ key: (BucketID) -> StoreKey
    ) async throws(S3Error) -> (bucket: KnownBucket, entry: Entry?) {
        let known = try await knownBucket(name)
        if let found = try await entry(key(known.id)) { return (known, found) }
        let read = try await readBucket(name).bucket
        guard read.id != known.id else { return (read, nil) }
        return (read, try await entry(key(read.id)))
    }
}
