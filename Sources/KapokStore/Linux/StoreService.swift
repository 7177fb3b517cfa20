import Dispatch
import KapokDrive
import KapokLinux
import KapokWorld
import Synchronization

/// A store machine at work on Linux: it carries events to the machine and the machine's effects to
/// the drives, the index and whoever waits. Any number of tasks may use it at the same time.
public final class StoreService: StoreClient {
    struct State: ~Copyable {
        var machine: StoreMachine
        var effects = EffectBuffer<StoreEffect>()
        var waiters: [StoreToken: @Sendable (StoreReply) -> Void] = [:]
        var nextToken: StoreToken = 1
    }

    let state: Mutex<State>
    let driveTable: Mutex<[LocalDrive?]>
    let index: SQLiteIndex
    let pool: PoolDescriptor
    let code: ErasureCode
    let epoch: Epoch
    let isMemoryBacked: Bool
    /// Where the drives and the index lie.
    public let directory: String
    /// Transactions that were on the drives and not in the index when the store was opened.
    public let replayedTransactions: Int
    /// Bounds the memory of stripes on their way to the drives.
    let stripeSlots = AsyncSlots(count: 64)
    let readStatistics = ReadStatistics()
    /// Reads do not pass through the machine; their numbers keep clear of its own.
    let readIDs = Atomic<UInt64>(1 << 63)
    let maintenanceQueue = DispatchQueue(label: "kapok.store.maintenance", qos: .utility)
    let maintenance = Mutex<[Task<Void, Never>]>([])
    private let indexQueue = DispatchQueue(label: "kapok.store.index")
    private let timerQueue = DispatchQueue(label: "kapok.store.timers")

    init(
        machine: consuming StoreMachine, drives: [LocalDrive?], index: SQLiteIndex,
        pool: PoolDescriptor, code: ErasureCode, directory: String, replayedTransactions: Int
    ) {
        epoch = machine.epoch
        isMemoryBacked = drives.allSatisfy { $0?.isMemoryBacked ?? true }
        state = Mutex(State(machine: machine))
        driveTable = Mutex(drives)
        self.directory = directory
        self.replayedTransactions = replayedTransactions
        self.index = index
        self.pool = pool
        self.code = code
    }

    /// The drive at `position`; nil when there is none.
    func drive(_ position: UInt32) -> LocalDrive? {
        driveTable.withLock { $0[Int(position)] }
    }

    /// All drives, for a thread that may wait for them.
    var blocks: LocalBlocks { LocalBlocks(drives: driveTable.withLock { $0 }, epoch: epoch) }

    // MARK: Events and effects

    /// What a machine wants, with the waiters it has answers for.
    private struct Outcome {
        var effects: [StoreEffect] = []
        var replies: [(waiter: @Sendable (StoreReply) -> Void, reply: StoreReply)] = []
    }

    private static func handle(_ event: StoreEvent, _ state: inout State) -> Outcome {
        state.machine.handle(event, at: MonotonicClock.now(), into: &state.effects)
        var outcome = Outcome()
        for effect in state.effects.takeAll() {
            if case .reply(let token, let reply) = effect {
                if let waiter = state.waiters.removeValue(forKey: token) {
                    outcome.replies.append((waiter, reply))
                }
            } else {
                outcome.effects.append(effect)
            }
        }
        return outcome
    }

    /// Hands `event` to the machine and carries out what it wants.
    func handle(_ event: StoreEvent) {
        perform(state.withLock { Self.handle(event, &$0) })
    }

    /// Hands over an event that will be replied to; `body` makes it from its token.
    func request(
        _ body: (StoreToken) -> StoreEvent, reply: @escaping @Sendable (StoreReply) -> Void
    ) {
        perform(
            state.withLock { state in
                let token = state.nextToken
                state.nextToken += 1
                state.waiters[token] = reply
                return Self.handle(body(token), &state)
            })
    }

    func request(_ body: (StoreToken) -> StoreEvent) async -> StoreReply {
        await withUnsafeContinuation { continuation in
            request(body) { continuation.resume(returning: $0) }
        }
    }

    private func perform(_ outcome: Outcome) {
        for effect in outcome.effects {
            switch effect {
            case .drive(let position, let command): submit(command, to: position)
            case .index(let operations, let head):
                indexQueue.async { self.applyToIndex(operations, head: head) }
            case .setTimer(let timer, let instant):
                let delay = instant - MonotonicClock.now()
                timerQueue.asyncAfter(
                    deadline: .now() + .nanoseconds(Int(clamping: delay.nanoseconds))
                ) { self.handle(.timer(timer)) }
            case .reply: preconditionFailure("replies were taken out")
            }
        }
        for (waiter, reply) in outcome.replies { waiter(reply) }
    }

    private func submit(_ command: DriveCommand, to position: UInt32) {
        guard let drive = drive(position) else {
            handle(
                .driveCompleted(
                    position: position, DriveCompletion(id: command.id, status: .driveFailed)))
            return
        }
        drive.submit(command) { self.handle(.driveCompleted(position: position, $0)) }
    }

    private func applyToIndex(_ operations: [IndexOperation], head: HeadRow) {
        do throws(IndexError) {
            var projection = Projection(index: index)
            for operation in operations { try projection.apply(operation) }
            let (commit, newHead) = projection.commit(as: head)
            if try index.commit(commit) {
                let touched = projection.touchedExtents.map { (id: $0.0, row: $0.1) }
                handle(.indexDone(IndexResult(head: newHead, extents: touched)))
            } else {
                handle(.indexFailed("another head has taken over the index", isFinal: true))
            }
        } catch {
            handle(.indexFailed("\(error)", isFinal: false))
        }
    }

    // MARK: Reading entries

    /// See `StoreClient`.
    public func readPoint() -> ReadPoint {
        ReadPoint(version: state.withLock { $0.machine.publishedVersion })
    }

    /// See `StoreClient`.
    public func get(_ key: StoreKey) async throws(StoreError) -> Entry? {
        switch state.withLock({ $0.machine.overlay.lookup(key.bytes) }) {
        case .entry(let entry): return entry
        case .deleted: return nil
        case .unknown: break
        }
        do throws(IndexError) {
            guard let bytes = try index.get(IndexKey.entry(key.bytes)) else { return nil }
            return try EntryRow(decoding: bytes).entry
        } catch {
            throw .failed("the index: \(error)")
        }
    }

    /// See `StoreClient`.
    public func range(
        from: StoreKey, to: StoreKey, limit: Int
    ) async throws(StoreError) -> [(key: StoreKey, entry: Entry)] {
        try await drain()
        do throws(IndexError) {
            let rows = try index.range(
                from: IndexKey.entry(from.bytes), to: IndexKey.entry(to.bytes),
                limit: min(limit, 10_000))
            var found: [(key: StoreKey, entry: Entry)] = []
            found.reserveCapacity(rows.count)
            for row in rows {
                found.append(
                    (StoreKey(Array(row.key.dropFirst())), try EntryRow(decoding: row.value).entry))
            }
            return found
        } catch {
            throw .failed("the index: \(error)")
        }
    }

    /// Waits until the index has every commit that has returned.
    func drain() async throws(StoreError) {
        if case .refused(let error) = await request({ .drain($0) }) { throw error }
    }

    // MARK: Committing

    /// See `StoreClient`.
    public func makeBlobWriter(
        expectedLength: UInt64?
    ) throws(StoreError) -> any BlobWriter {
        let (failure, id) = state.withLock { state in
            (state.machine.failure ?? state.machine.degradedError, state.machine.takeNumber())
        }
        if let failure { throw failure }
        return StoreBlobWriter(service: self, id: BlobID(id), expectedLength: expectedLength)
    }

    /// See `StoreClient`.
    public func commit(_ transaction: Transaction) async throws(StoreError) -> CommitOutcome {
        let request = try CommitRequest(transaction)
        switch await self.request({ .commit($0, request) }) {
        case .committed(let version): return .committed(version: version)
        case .conflict: return .conflict
        case .refused(let error): throw error
        case .appended, .done: preconditionFailure("a commit is answered with its outcome")
        }
    }

    /// Takes no more commits, brings the index up to date and lets the drives go.
    public func close() async {
        for task in maintenance.withLock({ $0 }) {
            task.cancel()
            await task.value
        }
        _ = await request { .close($0) }
        await onMaintenanceThread {
            self.index.checkpoint()
            for drive in self.driveTable.withLock({ $0 }) { drive?.close() }
        }
    }
}

extension CommitRequest {
    /// Encodes a transaction; what is wrong with it is told before anything is written.
    init(_ transaction: Transaction) throws(StoreError) {
        guard transaction.writes.count <= Transaction.maximumWrites else {
            throw .tooLarge(
                "\(transaction.writes.count) writes; \(Transaction.maximumWrites) are allowed")
        }
        var body = TransactionBody()
        var data: [AlignedPiece] = []
        var length = 0
        var extents: [ExtentID] = []
        for write in transaction.writes {
            guard write.key.bytes.count <= StoreKey.maximumLength else {
                throw .tooLarge("a key of \(write.key.bytes.count) bytes")
            }
            guard write.blobs.count <= Record.maximumBlobs else {
                throw .tooLarge("\(write.blobs.count) blobs in one entry")
            }
            body.writes.append(
                EntryWrite(key: write.key.bytes, value: write.value, blobs: write.blobs))
        }
        for staged in transaction.staged {
            guard let blob = staged as? StagedStoreBlob else {
                throw .failed("a blob of another store")
            }
            switch blob.content {
            case .inline(let piece):
                body.inline.append(
                    InlineBlob(
                        id: blob.reference.id, offset: UInt32(length), length: UInt32(piece.count)))
                data.append(piece)
                length += piece.count
            case .chunks(let chunks):
                body.chunked.append(ChunkedBlob(id: blob.reference.id, chunks: chunks))
                extents.append(contentsOf: chunks.map(\.record.extent))
            }
        }
        self.init(
            readPoint: transaction.readPoint, checkedKeys: transaction.checkedKeys,
            checkedRanges: transaction.checkedRanges, body: body,
            record: PreparedRecord(kind: .transaction, body: body.encoded(), data: data),
            stagedExtents: extents,
            frees: transaction.staged.isEmpty && transaction.writes.allSatisfy { $0.value == nil })
    }
}
