import KapokStore
import KapokWorld

/// The identity of a bucket: drawn anew whenever a bucket is created, so that a bucket never sees
/// the objects of an earlier one of its name.
typealias BucketID = UniqueID

/// The identity of a multipart upload. Its first 48 bits are the time in milliseconds, so that the
/// uploads of a key sort in the order in which they were begun; the rest is random.
typealias UploadID = UniqueID

/// The layout of the catalog's keys. Each begins with one byte that names its space; another layout
/// would take other bytes, so that both could live in one store.
///
///     B name                               buckets
///     O bucket(16) key 00 version(8)       objects
///     U bucket(16) key 00 upload(16)       multipart uploads in progress
///     P bucket(16) upload(16) number(2)    their parts
///
/// Ids and numbers are big-endian. An object's key is never empty and holds no zero byte
/// (`ObjectKey.validate`), so the zero behind it keeps the order of keys: what is shorter sorts
/// first. Versions of a key sort newest first; the null version, the only one until a bucket can
/// keep several, is last of all.
enum KeySpace {
    private static let bucketSpace = UInt8(ascii: "B")
    private static let objectSpace = UInt8(ascii: "O")
    private static let uploadSpace = UInt8(ascii: "U")
    private static let partSpace = UInt8(ascii: "P")

    /// How many bytes stand before the name in keys of objects and uploads.
    static let nameOffset = 17
    private static let nullVersion: UInt64 = .max

    // MARK: Buckets

    static func bucket(_ name: String) -> StoreKey { StoreKey([bucketSpace] + name.utf8) }

    /// Keys of buckets whose names begin with `prefix` and come after `after`.
    static func buckets(prefix: String, after: String?) -> (from: StoreKey, to: StoreKey) {
        let all = StoreKey([bucketSpace] + prefix.utf8)
        let behind = after.map { StoreKey([bucketSpace] + $0.utf8 + [0]) } ?? all
        return (max(all, behind), end(all))
    }

    static func bucketName(_ key: StoreKey) -> String {
        String(decoding: key.bytes.dropFirst(), as: UTF8.self)
    }

    // MARK: Objects and uploads

    static func object(_ bucket: BucketID, _ key: String) -> StoreKey {
        var bytes = named(objectSpace, bucket, key)
        append(nullVersion, to: &bytes)
        return StoreKey(bytes)
    }

    static func upload(_ bucket: BucketID, _ key: String, _ id: UploadID) -> StoreKey {
        var bytes = named(uploadSpace, bucket, key)
        append(id, to: &bytes)
        return StoreKey(bytes)
    }

    /// What all keys of the objects of `bucket` begin with.
    static func objects(of bucket: BucketID) -> StoreKey { space(objectSpace, bucket) }

    /// What all keys of the uploads in `bucket` begin with.
    static func uploads(of bucket: BucketID) -> StoreKey { space(uploadSpace, bucket) }

    /// The name in a key of an object or upload.
    static func name(_ key: StoreKey) -> ArraySlice<UInt8> {
        let rest = key.bytes[nameOffset...]
        return rest.prefix { $0 != 0 }
    }

    /// The id at the end of an upload's key.
    static func uploadID(_ key: StoreKey) -> UploadID {
        let id = key.bytes.suffix(16)
        return UploadID(high: number(id.prefix(8)), low: number(id.suffix(8)))
    }

    // MARK: Parts

    static func part(_ bucket: BucketID, _ upload: UploadID, _ number: Int) -> StoreKey {
        var bytes = space(partSpace, bucket).bytes
        append(upload, to: &bytes)
        bytes.append(UInt8(number >> 8))
        bytes.append(UInt8(number & 0xFF))
        return StoreKey(bytes)
    }

    /// What the keys of all parts of one upload begin with.
    static func parts(of bucket: BucketID, _ upload: UploadID) -> StoreKey {
        var bytes = space(partSpace, bucket).bytes
        append(upload, to: &bytes)
        return StoreKey(bytes)
    }

    /// What the keys of all parts in `bucket` begin with.
    static func parts(of bucket: BucketID) -> StoreKey { space(partSpace, bucket) }

    static func partNumber(_ key: StoreKey) -> Int { Int(number(key.bytes.suffix(2))) }

    // MARK: Building

    /// The keys that begin with `prefix`.
    static func range(_ prefix: StoreKey) -> (from: StoreKey, to: StoreKey) {
        (prefix, end(prefix))
    }

    /// The first key after all that begin with `prefix`. There always is one: the first byte is a
    /// letter.
    static func end(_ prefix: StoreKey) -> StoreKey { prefix.endOfPrefix ?? StoreKey([0xFF]) }

    private static func space(_ space: UInt8, _ bucket: BucketID) -> StoreKey {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(64)
        bytes.append(space)
        append(bucket, to: &bytes)
        return StoreKey(bytes)
    }

    private static func named(_ space: UInt8, _ bucket: BucketID, _ name: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(nameOffset + name.utf8.count + 17)
        bytes.append(space)
        append(bucket, to: &bytes)
        bytes.append(contentsOf: name.utf8)
        bytes.append(0)
        return bytes
    }

    private static func append(_ id: UniqueID, to bytes: inout [UInt8]) {
        append(id.high, to: &bytes)
        append(id.low, to: &bytes)
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
