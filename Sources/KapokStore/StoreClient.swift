public import KapokWorld

/// A key of the store's ordered key space: any bytes, compared bytewise, at most 2,048 of them.
public struct StoreKey: Hashable, Comparable, Sendable {
    /// The most bytes a key may have.
    public static let maximumLength = 2048

    /// The bytes.
    public var bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public static func < (a: StoreKey, b: StoreKey) -> Bool {
        a.bytes.lexicographicallyPrecedes(b.bytes)
    }

    /// The first key after all that begin with this one; nil when there is none.
    public var endOfPrefix: StoreKey? {
        var end = bytes
        while let last = end.last {
            if last < 0xFF {
                end[end.count - 1] = last + 1
                return StoreKey(end)
            }
            end.removeLast()
        }
        return nil
    }
}

/// The identity of a blob: immutable bytes that exactly one entry at a time refers to.
public struct BlobID: Hashable, Comparable, Sendable {
    /// Never used twice.
    public var number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (a: BlobID, b: BlobID) -> Bool { a.number < b.number }
}

/// A blob and its length, as entries refer to it.
public struct BlobReference: Hashable, Sendable {
    /// Which blob.
    public var id: BlobID
    /// In bytes.
    public var length: UInt64

    public init(id: BlobID, length: UInt64) {
        self.id = id
        self.length = length
    }
}

/// What the store holds under a key.
public struct Entry: Sendable, Equatable {
    /// The number of the commit that wrote it: rises with every commit, never repeats.
    public var version: UInt64
    /// The caller's bytes; the store does not look into them.
    public var value: [UInt8]
    /// The blobs this entry keeps alive, in order.
    public var blobs: [BlobReference]

    public init(version: UInt64, value: [UInt8], blobs: [BlobReference]) {
        self.version = version
        self.value = value
        self.blobs = blobs
    }
}

/// A point in the order of commits: a transaction conflicts when something it has read was written
/// by a commit after this point.
public struct ReadPoint: Hashable, Comparable, Sendable {
    /// The version of the last commit that had returned.
    public var version: UInt64
    public init(version: UInt64) { self.version = version }
    public static func < (a: ReadPoint, b: ReadPoint) -> Bool { a.version < b.version }
}

/// Bytes that are stored (or held in memory, when small) but not referred to yet. They become an
/// entry's blob by a commit, or vanish when dropped.
public protocol StagedBlob: Sendable {
    var reference: BlobReference { get }
}

/// Takes in the bytes of one blob, in order. Memory is bounded by a few stripes whatever the
/// length. One caller at a time.
public protocol BlobWriter: AnyObject, Sendable {
    /// Copies as many of `bytes` as there is room for and returns how many that was. When it took
    /// fewer than given, call `makeRoom` and go on with the rest.
    func take(_ bytes: UnsafeRawBufferPointer) -> Int
    /// Sends what is full on its way to the drives. Suspends while too much is in flight.
    func makeRoom() async throws(StoreError)
    /// Ends the blob. Its bytes are durable once a commit that names it has returned.
    func finish() async throws(StoreError) -> any StagedBlob
    /// Gives up; the space is reclaimed.
    func abandon()
}

/// Verified bytes of a blob, on their way out.
public struct BlobPiece: Sendable {
    private let buffer: AlignedBuffer
    private let range: Range<Int>

    public init(buffer: AlignedBuffer, range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= buffer.count)
        self.buffer = buffer
        self.range = range
    }

    /// In bytes.
    public var count: Int { range.count }

    /// Lends the bytes to `body`.
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(rebasing: buffer.bytes[range]))
    }
}

/// One atomic change: all writes take effect together, or none, and only if nothing in
/// `checkedKeys` and `checkedRanges` was committed after `readPoint`.
public struct Transaction: Sendable {
    /// One key's new content: an entry, or nothing.
    public struct Write: Sendable {
        /// Whose content.
        public var key: StoreKey
        /// The new value; nil deletes the key (no matter whether it exists).
        public var value: [UInt8]?
        /// The blobs the entry refers to from now on. Blobs that the replaced entry referred to and
        /// that no write of this transaction names are freed.
        public var blobs: [BlobReference]

        public init(key: StoreKey, value: [UInt8]?, blobs: [BlobReference] = []) {
            self.key = key
            self.value = value
            self.blobs = blobs
        }
    }

    /// The most writes in one transaction.
    public static let maximumWrites = 10_100

    /// Taken before the first read that the transaction depends on. Nil checks nothing.
    public var readPoint: ReadPoint?
    /// Keys that must not have changed since. Written keys are not checked unless named here.
    public var checkedKeys: [StoreKey] = []
    /// Half-open ranges of keys in which nothing may have changed since.
    public var checkedRanges: [(from: StoreKey, to: StoreKey)] = []
    public var writes: [Write] = []
    /// Blobs written for this transaction, named by its writes.
    public var staged: [any StagedBlob] = []

    public init(readPoint: ReadPoint? = nil) { self.readPoint = readPoint }
}

/// How a commit ended.
public enum CommitOutcome: Sendable, Equatable {
    /// Done and durable; entries written carry this version.
    case committed(version: UInt64)
    /// Something checked has changed (or the read point is too old to tell): read again.
    case conflict
}

/// Why the store refused.
public enum StoreError: Error, Sendable, Equatable {
    /// No room for more data; reads go on.
    case full
    /// Fewer healthy drives than the coding needs: writes are refused rather than stored with less
    /// redundancy than promised. The text says what is missing.
    case degraded(String)
    /// Too many requests in flight: try again.
    case busy
    /// More drives lost than the coding covers, for the bytes named.
    case dataLost(String)
    /// The entry's blob was overwritten or deleted while being read.
    case gone
    /// The transaction or key is larger than the store takes.
    case tooLarge(String)
    /// The store is closing.
    case closed
    /// The index or the drives failed in a way that the text says.
    case failed(String)
}

extension StoreError: CustomStringConvertible {
    /// The error for a person.
    public var description: String {
        switch self {
        case .full: "the store is full: delete something, or give it larger drives"
        case .degraded(let text): text
        case .busy: "too many requests are in flight: try again"
        case .dataLost(let text): "data is lost: \(text)"
        case .gone: "it was overwritten or deleted while being read"
        case .tooLarge(let text): "too large: \(text)"
        case .closed: "the store is closing"
        case .failed(let text): text
        }
    }
}

/// The store as its front ends see it: an ordered transactional key space whose entries own blobs.
/// Reads see every commit that returned before they began (linearizable).
public protocol StoreClient: Sendable {
    /// The latest point in the order of commits.
    func readPoint() -> ReadPoint

    /// The entry under `key`.
    func get(_ key: StoreKey) async throws(StoreError) -> Entry?

    /// Up to `limit` entries with `from <= key < to`, ascending. `limit` is at most 10,000.
    func range(
        from: StoreKey, to: StoreKey, limit: Int
    ) async throws(StoreError) -> [(key: StoreKey, entry: Entry)]

    /// A writer for a new blob. `expectedLength` lets small blobs stay in memory until the commit.
    func makeBlobWriter(expectedLength: UInt64?) throws(StoreError) -> any BlobWriter

    /// Reads `range` (bytes within the blob) of `blob`, handing pieces in order to `consume`.
    /// Pieces are verified before they are handed out. `consume` may suspend for back pressure; the
    /// next pieces are read ahead by a bounded amount.
    func read(
        _ blob: BlobReference, range: Range<UInt64>,
        consume: (BlobPiece) async throws -> Void
    ) async throws

    /// Carries out `transaction`; returns when it is durable.
    func commit(_ transaction: Transaction) async throws(StoreError) -> CommitOutcome
}
