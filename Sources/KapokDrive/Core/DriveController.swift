public import KapokWorld

/// What happens to a drive.
public enum DriveEvent: Sendable {
    /// Somebody sent a command.
    case submit(DriveCommand)
    /// The media operation has ended.
    case mediaCompleted(id: UInt64, succeeded: Bool)
    /// The media are gone or were replaced; the text says how.
    case mediaVanished(reason: String)
}

/// What a drive wants done.
public enum DriveEffect: Sendable {
    /// Start this on the media and report its end.
    case media(MediaOperation)
    /// Tell the submitter.
    case complete(DriveCompletion)
}

/// Stands between the submitters of commands and the media of one drive: checks bounds and epochs,
/// fences lower epochs, and fails the drive for good when its media can no longer be trusted.
///
/// Every command completes exactly once, provided that every media operation is reported to have
/// ended. How many commands are under way is the submitters' affair (a queue's depth): the
/// controller passes on what it accepts and queues attaches only, of which it takes a few.
///
/// Attaching with a higher epoch is a reservation's preempt-and-abort: new commands of lower epochs
/// are refused at once, those under way are waited for, and only when the epoch is stable in both
/// superblocks does the attach complete. No write of a lower epoch reaches the media after that.
public struct DriveController: StateMachine {
    /// See `DriveEvent`.
    public typealias Event = DriveEvent
    /// See `DriveEffect`.
    public typealias Effect = DriveEffect

    private enum State {
        case ready
        case attaching(Attach)
        case failed(reason: String)
    }

    private struct Attach {
        enum Step {
            /// Waits for this many operations of lower epochs.
            case draining(left: Int)
            /// Waits for this copy of the superblock.
            case writing(copy: Int)
        }
        var command: UInt64
        var superblock: Superblock
        var step: Step
    }

    /// The most attaches that wait for the one under way; more are refused.
    static let maximumWaitingAttaches = 16

    private var superblock: Superblock
    /// Commands of lower epochs are refused. Runs ahead of the superblock's while attaching.
    private var fence: Epoch
    private var state = State.ready
    private var outstanding = OutstandingOperations()
    private var waitingAttaches: [DriveCommand] = []

    /// A drive as its superblock describes it, with nothing under way.
    public init(superblock: Superblock) {
        self.superblock = superblock
        fence = superblock.epoch
    }

    /// What the drive is.
    public var identity: DriveIdentity { superblock.identity }
    /// The epoch that is stable on the media.
    public var epoch: Epoch { superblock.epoch }
    /// How many media operations are under way.
    public var outstandingCount: Int { outstanding.count }
    /// Why the drive failed; nil while it works.
    public var failure: String? {
        if case .failed(let reason) = state { reason } else { nil }
    }

    /// Takes in one event and says what is to be done.
    public mutating func handle(
        _ event: DriveEvent, at now: Instant, into effects: inout EffectBuffer<DriveEffect>
    ) {
        switch event {
        case .submit(let command): submit(command, &effects)
        case .mediaCompleted(let id, let succeeded): mediaCompleted(id, succeeded, &effects)
        case .mediaVanished(let reason): fail(reason, &effects)
        }
    }

    // MARK: Submission

    private mutating func submit(
        _ command: DriveCommand, _ effects: inout EffectBuffer<DriveEffect>
    ) {
        if case .failed = state { return complete(command.id, .driveFailed, &effects) }
        guard command.epoch >= fence else {
            return complete(command.id, .reservationConflict, &effects)
        }
        guard isAddressable(command.operation) else {
            return complete(command.id, .lbaOutOfRange, &effects)
        }
        switch command.operation {
        case .attach: attach(command, &effects)
        case .flush: start(.flush, .flush, for: command, &effects)
        case .read(let lba, let count, let buffer, let offset):
            start(
                .read(lba: lba, blockCount: count, buffer: buffer, bufferOffset: offset), .read,
                for: command, &effects)
        case .write(let lba, let count, let buffer, let offset, let isForced):
            start(
                .write(
                    lba: lba, blockCount: count, buffer: buffer, bufferOffset: offset,
                    forceUnitAccess: isForced), .write, for: command, &effects)
        case .writeZeroes(let lba, let count, let isForced):
            start(
                .writeZeroes(lba: lba, blockCount: count, forceUnitAccess: isForced), .write,
                for: command, &effects)
        }
    }

    /// Whether the blocks exist, are not too many, and have room in the buffer.
    func isAddressable(_ operation: DriveOperation) -> Bool {
        switch operation {
        case .attach, .flush: true
        case .read(let lba, let count, let buffer, let offset),
            .write(let lba, let count, let buffer, let offset, _):
            isWithin(lba, count) && fits(count, buffer, offset)
        case .writeZeroes(let lba, let count, _): isWithin(lba, count)
        }
    }

    private func isWithin(_ lba: UInt64, _ count: UInt32) -> Bool {
        let capacity = superblock.identity.capacityBlocks
        return count > 0 && count <= driveMaximumTransferBlocks && lba < capacity
            && UInt64(count) <= capacity - lba
    }

    private func fits(_ count: UInt32, _ buffer: AlignedBuffer, _ offset: Int) -> Bool {
        offset >= 0 && offset % driveBlockSize == 0 && offset <= buffer.count
            && Int(count) * driveBlockSize <= buffer.count - offset
    }

    private mutating func start(
        _ action: MediaOperation.Action, _ kind: OutstandingOperations.Kind,
        for command: DriveCommand, _ effects: inout EffectBuffer<DriveEffect>
    ) {
        let id = outstanding.insert(.init(command: command.id, epoch: command.epoch, kind: kind))
        effects.append(.media(MediaOperation(id: id, action: action)))
    }

    private func complete(
        _ command: UInt64, _ status: DriveStatus, _ effects: inout EffectBuffer<DriveEffect>
    ) {
        effects.append(.complete(DriveCompletion(id: command, status: status)))
    }
}

// MARK: - Attaching

extension DriveController {
    private mutating func attach(
        _ command: DriveCommand, _ effects: inout EffectBuffer<DriveEffect>
    ) {
        if case .attaching = state {
            guard waitingAttaches.count < Self.maximumWaitingAttaches else {
                return complete(command.id, .reservationConflict, &effects)
            }
            fence = command.epoch
            waitingAttaches.append(command)
            return
        }
        guard command.epoch > superblock.epoch else {
            return complete(command.id, .success, &effects)
        }
        fence = command.epoch
        var raised = superblock
        raised.epoch = command.epoch
        raised.generation += 1
        let left = outstanding.count(below: command.epoch)
        let attach = Attach(
            command: command.id, superblock: raised, step: .draining(left: left))
        state = .attaching(attach)
        if left == 0 { write(copy: 0, attach, &effects) }
    }

    /// An operation of `epoch` has ended.
    private mutating func drained(_ epoch: Epoch, _ effects: inout EffectBuffer<DriveEffect>) {
        guard case .attaching(var attach) = state, case .draining(let left) = attach.step,
            epoch < attach.superblock.epoch
        else { return }
        attach.step = .draining(left: left - 1)
        state = .attaching(attach)
        if left == 1 { write(copy: 0, attach, &effects) }
    }

    private mutating func write(
        copy: Int, _ attach: Attach, _ effects: inout EffectBuffer<DriveEffect>
    ) {
        var attach = attach
        attach.step = .writing(copy: copy)
        state = .attaching(attach)
        let id = outstanding.insert(
            .init(command: attach.command, epoch: attach.superblock.epoch, kind: .superblock))
        effects.append(
            .media(
                MediaOperation(
                    id: id,
                    action: .writeSuperblock(copy: copy, block: attach.superblock.encoded()))))
    }

    private mutating func superblockWritten(_ effects: inout EffectBuffer<DriveEffect>) {
        guard case .attaching(let attach) = state, case .writing(let copy) = attach.step else {
            preconditionFailure("superblocks are written while attaching only")
        }
        if copy == 0 { return write(copy: 1, attach, &effects) }
        superblock = attach.superblock
        state = .ready
        complete(attach.command, .success, &effects)
        // Those that a later one has fenced meanwhile are refused here.
        let waiting = waitingAttaches
        waitingAttaches = []
        for command in waiting { submit(command, &effects) }
    }
}

// MARK: - Completion and failure

extension DriveController {
    private mutating func mediaCompleted(
        _ id: UInt64, _ succeeded: Bool, _ effects: inout EffectBuffer<DriveEffect>
    ) {
        guard let operation = outstanding.remove(id) else { return }
        if case .failed = state {
            // The attach that a superblock was written for has been told already.
            if operation.kind != .superblock {
                complete(operation.command, .driveFailed, &effects)
            }
            return
        }
        if operation.kind == .superblock {
            guard succeeded else { return fail("a superblock could not be written", &effects) }
            return superblockWritten(&effects)
        }
        if succeeded {
            complete(operation.command, .success, &effects)
        } else {
            failed(operation, &effects)
        }
        drained(operation.epoch, &effects)
    }

    /// A block that cannot be read leaves what was written before as it is. After a failed write or
    /// flush nobody knows any more what the media hold: the kernel may have dropped the dirty pages
    /// and report the next flush as done.
    private mutating func failed(
        _ operation: OutstandingOperations.Operation, _ effects: inout EffectBuffer<DriveEffect>
    ) {
        switch operation.kind {
        case .read:
            complete(operation.command, .unrecoveredReadError, &effects)
        case .write:
            complete(operation.command, .writeFault, &effects)
            fail("a write failed", &effects)
        case .flush:
            complete(operation.command, .driveFailed, &effects)
            fail("a flush failed: what was written before it may be lost", &effects)
        case .superblock:
            fail("a superblock could not be written", &effects)
        }
    }

    /// Accepts nothing any more. Attaches end now; other commands under way complete as failed when
    /// their media operations end, because until then their buffers are in use.
    private mutating func fail(_ reason: String, _ effects: inout EffectBuffer<DriveEffect>) {
        if case .failed = state { return }
        var attaches = waitingAttaches.map(\.id)
        waitingAttaches = []
        if case .attaching(let attach) = state { attaches.insert(attach.command, at: 0) }
        state = .failed(reason: reason)
        for id in attaches { complete(id, .driveFailed, &effects) }
    }
}

extension DriveController: CustomStringConvertible {
    /// The state in one line.
    public var description: String {
        let what =
            switch state {
            case .ready: "ready"
            case .failed(let reason): "failed (\(reason))"
            case .attaching(let attach):
                switch attach.step {
                case .draining(let left):
                    "attaching \(attach.superblock.epoch), waiting for \(left)"
                case .writing(let copy):
                    "attaching \(attach.superblock.epoch), writing superblock \(copy)"
                }
            }
        return "drive \(superblock.identity.position) epoch \(superblock.epoch) fence \(fence): "
            + "\(what); \(outstanding.count) under way, \(waitingAttaches.count) attaches waiting"
    }
}
