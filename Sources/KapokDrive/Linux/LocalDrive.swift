public import KapokLinux
public import KapokWorld

/// A drive on a file or a block device of this machine: the controller's core over real media.
///
/// Any number of threads may use it at the same time. Completions are called exactly once each,
/// never under a lock: on a thread of the I/O engine, or, for what is refused and for memory-backed
/// drives, on the submitter's thread before `submit` returns. The media are never mapped into
/// memory, so that a file that is cut or deleted under the drive means failed commands and no
/// signal.
public final class LocalDrive: Sendable {
    private typealias Waiter = @Sendable (DriveCompletion) -> Void

    private struct State {
        var controller: DriveController
        var effects = EffectBuffer<DriveEffect>()
        /// By the number that the controller knows a command by: submitters choose theirs
        /// independently, so that those of two may be equal.
        var waiters: [UInt64: (id: UInt64, waiter: Waiter)] = [:]
        var nextNumber: UInt64 = 1
        /// Commands whose completion has not returned.
        var unfinished = 0
        /// Commands are refused from here on.
        var isClosing = false
        /// Nil once closed.
        var media: DriveMedia?
    }

    /// What is to be done when the lock is released.
    private enum Work {
        case media(MediaOperation, DriveMedia)
        case complete(Waiter, DriveCompletion)
    }

    private let state: Monitor<State>
    private let engine: IOEngine
    private let mediaByteCount: UInt64

    /// What the drive is.
    public let identity: DriveIdentity
    /// Where the drive was opened.
    public let path: String
    /// Whether the media are memory (tmpfs): transfers are copies, done by the submitter, and
    /// flushes have nothing to do.
    public let isMemoryBacked: Bool

    /// Opens the drive at `path`, which `format` has made, and takes it for this instance alone.
    public init(path: String, engine: IOEngine = .default) throws(LocalDriveError) {
        let file = try Self.system { () throws(SystemError) in
            try OpenFile(path: path, mode: .existing, direct: true)
        }
        guard try Self.system({ () throws(SystemError) in try file.lockExclusively() }) else {
            throw .inUse(path: path)
        }
        let size = try Self.system { () throws(SystemError) in try file.size() }
        let superblock = try DriveMedia.readSuperblock(of: file, byteCount: size)
        let media = DriveMedia(file: file, capacityBlocks: superblock.identity.capacityBlocks)
        guard let room = MediaLayout.capacityBlocks(ofMediaBytes: size),
            superblock.identity.capacityBlocks <= room
        else {
            throw .shrunk(
                path: path, expectedBlocks: superblock.identity.capacityBlocks, actualBytes: size)
        }
        self.path = path
        self.engine = engine
        identity = superblock.identity
        mediaByteCount = media.byteCount
        isMemoryBacked = !file.isBlockDevice && file.fileSystem.isMemory
        state = Monitor(State(controller: DriveController(superblock: superblock), media: media))
    }

    /// The drive's epoch: commands of lower ones are refused.
    public var epoch: Epoch { state.withLock { $0.controller.epoch } }

    /// Whether the drive works.
    public enum Health: Sendable, Equatable {
        case ok
        /// For good; the text says why.
        case failed(reason: String)
    }

    /// Whether the drive works, as far as commands have shown; `probe` also looks.
    public var health: Health { state.withLock { Self.health(of: $0) } }

    private static func health(of state: State) -> Health {
        if let reason = state.controller.failure { return .failed(reason: reason) }
        return state.media == nil ? .failed(reason: "closed") : .ok
    }

    // MARK: Commands

    /// Carries `command` out and calls `completion`, once. Refused with `driveFailed` when closed.
    /// A buffer belongs to the drive until then.
    public func submit(
        _ command: DriveCommand, completion: @escaping @Sendable (DriveCompletion) -> Void
    ) {
        let work: [Work]? = state.withLock { state in
            guard !state.isClosing else { return nil }
            let number = state.nextNumber
            state.nextNumber += 1
            state.waiters[number] = (command.id, completion)
            state.unfinished += 1
            var numbered = command
            numbered.id = number
            return Self.handle(.submit(numbered), &state)
        }
        guard let work else {
            return completion(DriveCompletion(id: command.id, status: .driveFailed))
        }
        carryOut(work)
    }

    private func process(_ event: DriveEvent) {
        carryOut(state.withLock { Self.handle(event, &$0) })
    }

    /// Takes the event to the controller and returns what it wants done, in order.
    private static func handle(_ event: DriveEvent, _ state: inout State) -> [Work] {
        state.controller.handle(event, at: MonotonicClock.now(), into: &state.effects)
        var work: [Work] = []
        for effect in state.effects.takeAll() {
            switch effect {
            case .media(let operation):
                // `close` waits for all commands, so that none is left to want this.
                guard let media = state.media else { preconditionFailure("closed in use") }
                work.append(.media(operation, media))
            case .complete(let completion):
                guard let (id, waiter) = state.waiters.removeValue(forKey: completion.id) else {
                    preconditionFailure("command \(completion.id) has completed twice")
                }
                work.append(
                    .complete(waiter, DriveCompletion(id: id, status: completion.status)))
            }
        }
        return work
    }

    private func carryOut(_ work: [Work]) {
        for work in work {
            switch work {
            case .media(let operation, let media): start(operation, on: media)
            case .complete(let waiter, let completion):
                waiter(completion)
                let isLast = state.withLock { state in
                    state.unfinished -= 1
                    return state.unfinished == 0
                }
                if isLast { state.wakeAll() }
            }
        }
    }

    private func start(_ operation: MediaOperation, on media: DriveMedia) {
        let id = operation.id
        if operation.action.changesMedia,
            // A write beyond the end of a file that was cut would succeed and make the file long
            // again, with a hole; one to a deleted file would succeed and be lost.
            let defect = media.file.defect(expecting: mediaByteCount, checksPath: false)
        {
            process(.mediaVanished(reason: defect))
            process(.mediaCompleted(id: id, succeeded: false))
            return
        }
        let fileOperation = media.operation(for: operation.action)
        if isMemoryBacked {
            // A copy in memory costs less than handing it over to another thread.
            let isDone = InlineWork.run {
                let succeeded = fileOperation.perform() == 0
                process(.mediaCompleted(id: id, succeeded: succeeded))
            }
            if isDone { return }
        }
        engine.submit(fileOperation) {
            self.process(.mediaCompleted(id: id, succeeded: $0 == 0))
        }
    }

    // MARK: Reading on the caller's thread

    /// Reads at once when the media are memory; nil when they are not, and `submit` is the way.
    /// (Memory that was swapped out makes even this wait: tmpfs refuses RWF_NOWAIT, as of Linux
    /// 6.18.) Checks bounds and health, not epochs.
    public func readNow(
        lba: UInt64, blockCount: UInt32, into buffer: AlignedBuffer, bufferOffset: Int
    ) -> DriveStatus? {
        guard isMemoryBacked else { return nil }
        return readBlocking(
            lba: lba, blockCount: blockCount, into: buffer, bufferOffset: bufferOffset)
    }

    /// Reads on the calling thread, which waits for the media. Checks bounds and health, not
    /// epochs.
    public func readBlocking(
        lba: UInt64, blockCount: UInt32, into buffer: AlignedBuffer, bufferOffset: Int
    ) -> DriveStatus {
        let capacity = identity.capacityBlocks
        guard blockCount > 0, blockCount <= driveMaximumTransferBlocks, lba < capacity,
            UInt64(blockCount) <= capacity - lba,
            bufferOffset >= 0, bufferOffset % driveBlockSize == 0, bufferOffset <= buffer.count,
            Int(blockCount) * driveBlockSize <= buffer.count - bufferOffset
        else { return .lbaOutOfRange }
        // The reference keeps the file open while the lock is not held.
        let media = state.withLock { $0.controller.failure == nil ? $0.media : nil }
        guard let media else { return .driveFailed }
        let read = media.operation(
            for: .read(
                lba: lba, blockCount: blockCount, buffer: buffer, bufferOffset: bufferOffset))
        return read.perform() == 0 ? .success : .unrecoveredReadError
    }

    // MARK: Health and end

    /// Looks whether the file is still there, at its path and with its size, and fails the drive
    /// when it is not. Costs two or three system calls; may wait for the file system.
    public func probe() -> Health {
        let (media, health) = state.withLock { ($0.media, Self.health(of: $0)) }
        guard let media, health == .ok,
            let defect = media.file.defect(expecting: mediaByteCount, checksPath: true)
        else { return health }
        process(.mediaVanished(reason: defect))
        return self.health
    }

    /// Waits for the commands under way, completions included, and lets the file go; commands from
    /// here on are refused. Idempotent. Must not be called from a completion, which it would wait
    /// for.
    public func close() {
        state.withLock { $0.isClosing = true }
        let media = state.withLock(when: { $0.unfinished == 0 }) { state in
            defer { state.media = nil }
            return state.media
        }
        // Not left to the last reference: a reader may still hold one for a moment.
        media?.file.unlock()
    }
}

extension MediaOperation.Action {
    /// Whether its success promises something about later reads.
    fileprivate var changesMedia: Bool {
        if case .read = self { return false }
        return true
    }
}
