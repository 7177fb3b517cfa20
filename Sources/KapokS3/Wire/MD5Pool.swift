import NIOCore
import Synchronization

/// Takes the MD5 of large bodies that come in at the same time, several at once in the lanes of
/// the processor's vectors: several times as fast as one after the other.
///
/// There is no thread: bytes wait with their streams until several streams have enough of them, and
/// the task that brings the last of these hashes for all. A stream alone is hashed as it comes.
final class MD5Pool: Sendable {
    /// A stream that has so many bytes is ready for company. In bytes.
    static let readyBytes = 128 << 10
    /// So many unhashed bytes make a stream go ahead without company; beyond them, one that another
    /// task is hashing waits for it. In bytes.
    static let pendingBytes = 1 << 20
    /// So many ready streams do not wait for more: narrower runs save little. The number is the
    /// width of the narrowest vectors.
    static let company = 4
    /// Streams hashed at once.
    static let lanes = 16

    /// What the pool knows of a stream.
    fileprivate struct Entry {
        /// Nil while a task is hashing.
        var state: MD5State? = MD5State()
        /// Not hashed yet.
        var pieces: [MD5Piece] = []
        /// Bytes of the first piece that are hashed already.
        var offset = 0
        /// Bytes of `pieces` not hashed.
        var pending = 0
        /// The stream's own task, waiting for the task that is hashing it.
        var waiter: CheckedContinuation<Void, Never>?

        mutating func append(_ piece: MD5Piece) {
            pieces.append(piece)
            pending += piece.count
        }
    }

    /// What a stream's task does next.
    fileprivate enum Step {
        case goOn
        case wait
        case hash([(id: UInt64, lane: MD5Lane)])
        case finished(MD5State)
    }

    fileprivate struct Contents {
        var entries: [UInt64: Entry] = [:]
        var nextID: UInt64 = 0
    }

    private let contents = Mutex(Contents())

    /// A new stream. It leaves the pool with `finish`, or when the last reference to it goes.
    func makeStream() -> MD5Stream {
        contents.withLock { contents in
            contents.nextID += 1
            contents.entries[contents.nextID] = Entry()
            return MD5Stream(pool: self, id: contents.nextID)
        }
    }

    /// How many streams there are.
    var count: Int { contents.withLock { $0.entries.count } }

    /// Bytes that wait.
    var unhashedBytes: Int { contents.withLock { $0.entries.values.reduce(0) { $0 + $1.pending } } }

    fileprivate func remove(_ id: UInt64) {
        _ = contents.withLock { $0.entries.removeValue(forKey: id) }
    }

    fileprivate func append(_ piece: MD5Piece, to id: UInt64) async {
        var step = contents.withLock { contents in
            contents.entries[id]?.append(piece)
            return contents.next(id, isLast: false)
        }
        while true {
            switch step {
            case .goOn, .finished: return
            case .wait: await wait(for: id)
            case .hash(let batch): hash(batch)
            }
            step = contents.withLock { $0.next(id, isLast: false) }
        }
    }

    fileprivate func finish(_ id: UInt64) async -> [UInt8] {
        while true {
            switch contents.withLock({ $0.next(id, isLast: true) }) {
            case .goOn: preconditionFailure("a stream is finished once")
            case .wait: await wait(for: id)
            case .hash(let batch): hash(batch)
            case .finished(let state): return state.finish()
            }
        }
    }

    /// Until no task is hashing the stream. That task is running and does not suspend, so this is
    /// short and need not be cancelled.
    private func wait(for id: UInt64) async {
        await withCheckedContinuation { continuation in
            let isFree = contents.withLock { contents in
                guard contents.entries[id]?.state == nil, contents.entries[id] != nil else {
                    return true
                }
                contents.entries[id]?.waiter = continuation
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func hash(_ batch: [(id: UInt64, lane: MD5Lane)]) {
        var lanes = batch.map(\.lane)
        MD5Lane.advance(&lanes)
        let waiters = contents.withLock { contents in
            zip(batch, lanes).compactMap { contents.putBack($0.id, $1) }
        }
        for waiter in waiters { waiter.resume() }
    }
}

extension MD5Pool.Contents {
    /// - Parameter isLast: whether the stream gets no more bytes.
    fileprivate mutating func next(_ id: UInt64, isLast: Bool) -> MD5Pool.Step {
        guard let entry = entries[id] else { return .goOn }
        guard let state = entry.state else {
            return isLast || entry.pending >= MD5Pool.pendingBytes ? .wait : .goOn
        }
        if isLast {
            guard entry.pending > 0 else {
                entries[id] = nil
                return .finished(state)
            }
            return .hash(batch(around: id, limit: entry.pending))
        }
        guard entry.pending > 0, let limit = due(entry) else { return .goOn }
        return .hash(batch(around: id, limit: limit))
    }

    /// How many bytes of the stream to hash now; nil for none yet.
    private func due(_ entry: MD5Pool.Entry) -> Int? {
        guard entries.count > 1 else { return entry.pending }
        guard entry.pending >= MD5Pool.readyBytes else { return nil }
        let ready = entries.values.filter { $0.state != nil && $0.pending >= MD5Pool.readyBytes }
            .map(\.pending).sorted(by: >)
        let company = min(entries.count, MD5Pool.company)
        // As far as the company goes: the rest can wait for the next.
        if ready.count >= company { return min(entry.pending, ready[company - 1]) }
        return entry.pending >= MD5Pool.pendingBytes ? entry.pending / 2 : nil
    }

    /// Takes stream `id`, and those others that have most, for `limit` bytes of each.
    private mutating func batch(
        around id: UInt64, limit: Int
    ) -> [(id: UInt64, lane: MD5Lane)] {
        var others = entries.compactMap { other, entry in
            other != id && entry.state != nil && entry.pending > 0
                ? (id: other, pending: entry.pending) : nil
        }
        if others.count >= MD5Pool.lanes {
            others.sort { $0.pending > $1.pending }
            others.removeSubrange((MD5Pool.lanes - 1)...)
        }
        return ([id] + others.map(\.id)).compactMap { id in
            guard let state = entries[id]?.state, let entry = entries[id] else { return nil }
            entries[id]?.state = nil
            entries[id]?.pieces = []
            entries[id]?.offset = 0
            entries[id]?.pending = 0
            return (id, MD5Lane(state, entry.pieces, from: entry.offset, limit: limit))
        }
    }

    /// Ends what `batch` began, unless the stream has left. Returns who waits for that.
    fileprivate mutating func putBack(
        _ id: UInt64, _ lane: MD5Lane
    ) -> CheckedContinuation<Void, Never>? {
        guard var entry = entries.removeValue(forKey: id) else { return nil }
        let rest = lane.rest
        entry.state = lane.state
        entry.pieces.insert(contentsOf: rest.pieces, at: 0)
        entry.offset = rest.offset
        entry.pending += rest.count
        let waiter = entry.waiter
        entry.waiter = nil
        entries[id] = entry
        return waiter
    }
}

/// A body whose MD5 is being taken by a pool. One task uses it.
final class MD5Stream: Sendable {
    private let pool: MD5Pool
    private let id: UInt64

    fileprivate init(pool: MD5Pool, id: UInt64) {
        self.pool = pool
        self.id = id
    }

    deinit { pool.remove(id) }

    /// Adds the bytes `range` of the readable bytes of `buffer`, which is kept until they are
    /// hashed. Suspends while too much is unhashed.
    func append(_ buffer: ByteBuffer, _ range: Range<Int>) async {
        guard !range.isEmpty else { return }
        await pool.append(MD5Piece(buffer, range), to: id)
    }

    /// The digest of all bytes given; 16 bytes. To be called once, as the last.
    func finish() async -> [UInt8] { await pool.finish(id) }
}
