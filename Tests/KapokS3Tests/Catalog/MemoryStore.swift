import KapokStore
import KapokWorld
import Synchronization

/// A store in memory that keeps the contract of `StoreClient` to the letter: conflicts by versions,
/// blobs that exactly one entry refers to, bytes freed with the entry that held them. What breaks
/// the contract is refused with `StoreError.failed`, so that tests see it; what stays behind is
/// counted.
final class MemoryStore: StoreClient {
    fileprivate struct State {
        /// Ascending by key.
        var rows: [(key: StoreKey, entry: Entry)] = []
        /// When a key was last written or deleted.
        var written: [StoreKey: UInt64] = [:]
        /// The same in the order of commits.
        var history: [(version: UInt64, key: StoreKey)] = []
        var version: UInt64 = 1
        var blobs: [BlobID: [UInt8]] = [:]
        var nextBlob: UInt64 = 1
        var refusals: [StoreError] = []
        var commits = 0
        var conflicts = 0
        var rowsRead = 0
        var beforeCommit: (@Sendable (Transaction) async -> Void)?
        var beforePiece: (@Sendable (BlobReference) async -> Void)?
    }

    /// How many bytes a writer takes before it wants `makeRoom`.
    static let writerRoom = 100_000
    /// How many bytes a read hands out at a time.
    static let pieceSize = 64 << 10

    private let state = Mutex(State())

    // MARK: What tests look at and meddle with

    /// How many blobs hold space.
    var blobCount: Int { state.withLock { $0.blobs.count } }

    /// How many bytes the blobs hold.
    var blobBytes: Int { state.withLock { $0.blobs.values.reduce(0) { $0 + $1.count } } }

    /// How many entries there are whose keys begin with `prefix`.
    func entryCount(prefix: [UInt8] = []) -> Int {
        state.withLock { $0.rows.count { $0.key.bytes.starts(with: prefix) } }
    }

    /// How many transactions were carried out, and how many conflicted.
    var commits: Int { state.withLock { $0.commits } }
    var conflicts: Int { state.withLock { $0.conflicts } }

    /// How many rows all calls of `range` have returned.
    var rowsRead: Int { state.withLock { $0.rowsRead } }

    /// Refuses the next commit with `error`; several calls queue up.
    func refuseNextCommit(_ error: StoreError) { state.withLock { $0.refusals.append(error) } }

    /// Runs `hook` whenever a commit has arrived but was not looked at.
    func beforeCommit(_ hook: (@Sendable (Transaction) async -> Void)?) {
        state.withLock { $0.beforeCommit = hook }
    }

    /// Runs `hook` before each piece of a read.
    func beforePiece(_ hook: (@Sendable (BlobReference) async -> Void)?) {
        state.withLock { $0.beforePiece = hook }
    }

    // MARK: Reading

    func readPoint() -> ReadPoint { ReadPoint(version: state.withLock { $0.version }) }

    func get(_ key: StoreKey) async throws(StoreError) -> Entry? {
        // Suspends as a real store does, so that tasks interleave.
        await Task.yield()
        return state.withLock { state in
            let i = state.position(of: key)
            return i < state.rows.count && state.rows[i].key == key ? state.rows[i].entry : nil
        }
    }

    func range(
        from: StoreKey, to: StoreKey, limit: Int
    ) async throws(StoreError) -> [(key: StoreKey, entry: Entry)] {
        guard (0...10_000).contains(limit) else { throw .failed("a limit of \(limit)") }
        await Task.yield()
        return state.withLock { state in
            let start = state.position(of: from)
            let end = max(start, state.position(of: to))
            let rows = Array(state.rows[start..<min(end, start + limit)])
            state.rowsRead += rows.count
            return rows
        }
    }

    func read(
        _ blob: BlobReference, range: Range<UInt64>,
        consume: (BlobPiece) async throws -> Void
    ) async throws {
        guard range.upperBound <= blob.length else {
            throw StoreError.failed("bytes \(range) of a blob of \(blob.length)")
        }
        var start = Int(range.lowerBound)
        while start < range.upperBound {
            let end = min(start + Self.pieceSize, Int(range.upperBound))
            let hook = state.withLock { $0.beforePiece }
            await hook?(blob)
            let bytes = state.withLock { $0.blobs[blob.id].map { Array($0[start..<end]) } }
            guard let bytes else { throw StoreError.gone }
            let buffer = AlignedBuffer(byteCount: bytes.count)
            buffer.mutableBytes.copyBytes(from: bytes)
            try await consume(BlobPiece(buffer: buffer, range: 0..<bytes.count))
            start = end
        }
    }

    // MARK: Writing

    func makeBlobWriter(expectedLength: UInt64?) throws(StoreError) -> any BlobWriter {
        let id = state.withLock { state in
            defer { state.nextBlob += 1 }
            return BlobID(state.nextBlob)
        }
        return MemoryBlobWriter(id: id)
    }

    func commit(_ transaction: Transaction) async throws(StoreError) -> CommitOutcome {
        let hook = state.withLock { $0.beforeCommit }
        await hook?(transaction)
        await Task.yield()
        let result = state.withLock { state -> Result<CommitOutcome, StoreError> in
            if !state.refusals.isEmpty { return .failure(state.refusals.removeFirst()) }
            if let flaw = Self.flaw(in: transaction) { return .failure(flaw) }
            guard state.permits(transaction) else {
                state.conflicts += 1
                return .success(.conflict)
            }
            if let flaw = state.blobFlaw(in: transaction) { return .failure(flaw) }
            state.apply(transaction)
            state.commits += 1
            return .success(.committed(version: state.version))
        }
        return try result.get()
    }

    private static func flaw(in transaction: Transaction) -> StoreError? {
        guard transaction.writes.count <= Transaction.maximumWrites else {
            return .tooLarge("\(transaction.writes.count) writes")
        }
        if Set(transaction.writes.map(\.key)).count != transaction.writes.count {
            return .failed("a key is written twice in one transaction")
        }
        for write in transaction.writes where write.key.bytes.count > StoreKey.maximumLength {
            return .tooLarge("a key of \(write.key.bytes.count) bytes")
        }
        let checks = !transaction.checkedKeys.isEmpty || !transaction.checkedRanges.isEmpty
        if transaction.readPoint == nil, checks { return .failed("checks without a read point") }
        return nil
    }
}

extension MemoryStore.State {
    /// The index of the first row that is not before `key`.
    fileprivate func position(of key: StoreKey) -> Int {
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether nothing that the transaction checks was written after its read point.
    fileprivate func permits(_ transaction: Transaction) -> Bool {
        guard let readPoint = transaction.readPoint else { return true }
        for key in transaction.checkedKeys {
            if let version = written[key], version > readPoint.version { return false }
        }
        for write in history.reversed() {
            guard write.version > readPoint.version else { break }
            let isChecked = transaction.checkedRanges.contains {
                $0.from <= write.key && write.key < $0.to
            }
            if isChecked { return false }
        }
        return true
    }

    /// The blobs of entries that the transaction replaces or deletes.
    private func replacedBlobs(_ transaction: Transaction) -> Set<BlobID> {
        var blobs: Set<BlobID> = []
        for write in transaction.writes {
            let i = position(of: write.key)
            guard i < rows.count, rows[i].key == write.key else { continue }
            blobs.formUnion(rows[i].entry.blobs.map(\.id))
        }
        return blobs
    }

    /// Each blob that a write names must be staged now or come from an entry that gives it up now,
    /// and be named once.
    fileprivate func blobFlaw(in transaction: Transaction) -> StoreError? {
        var available = replacedBlobs(transaction)
        for staged in transaction.staged {
            guard let blob = staged as? MemoryStagedBlob else { return .failed("a foreign blob") }
            guard blobs[blob.reference.id] == nil else { return .failed("a blob staged twice") }
            available.insert(blob.reference.id)
        }
        for write in transaction.writes {
            if write.value == nil, !write.blobs.isEmpty { return .failed("a delete with blobs") }
            for blob in write.blobs where available.remove(blob.id) == nil {
                return .failed("blob \(blob.id.number) belongs to another entry, or to none")
            }
        }
        let staged = transaction.staged.contains { available.contains($0.reference.id) }
        return staged ? .failed("a staged blob that no write names") : nil
    }

    fileprivate mutating func apply(_ transaction: Transaction) {
        version += 1
        let replaced = replacedBlobs(transaction)
        for case let staged as MemoryStagedBlob in transaction.staged {
            blobs[staged.reference.id] = staged.bytes
        }
        var named: Set<BlobID> = []
        for write in transaction.writes {
            named.formUnion(write.blobs.map(\.id))
            written[write.key] = version
            history.append((version, write.key))
            let i = position(of: write.key)
            let exists = i < rows.count && rows[i].key == write.key
            guard let value = write.value else {
                if exists { rows.remove(at: i) }
                continue
            }
            let entry = Entry(version: version, value: value, blobs: write.blobs)
            if exists {
                rows[i].entry = entry
            } else {
                rows.insert((write.key, entry), at: i)
            }
        }
        for blob in replaced.subtracting(named) { blobs[blob] = nil }
    }
}

/// A blob that waits for its commit.
private struct MemoryStagedBlob: StagedBlob {
    let reference: BlobReference
    let bytes: [UInt8]
}

private final class MemoryBlobWriter: BlobWriter {
    private struct State {
        var bytes: [UInt8] = []
        var room = MemoryStore.writerRoom
        var isEnded = false
    }

    private let id: BlobID
    private let state = Mutex(State())

    init(id: BlobID) { self.id = id }

    func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        state.withLock { state in
            precondition(!state.isEnded, "a blob that has ended takes no more bytes")
            let count = min(bytes.count, state.room)
            state.bytes.append(contentsOf: bytes[0..<count])
            state.room -= count
            return count
        }
    }

    func makeRoom() async throws(StoreError) {
        await Task.yield()
        state.withLock { $0.room = MemoryStore.writerRoom }
    }

    func finish() async throws(StoreError) -> any StagedBlob {
        await Task.yield()
        return state.withLock { state in
            state.isEnded = true
            let length = UInt64(state.bytes.count)
            return MemoryStagedBlob(
                reference: BlobReference(id: id, length: length), bytes: state.bytes)
        }
    }

    func abandon() { state.withLock { $0.isEnded = true } }
}
