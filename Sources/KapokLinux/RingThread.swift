import CUring
import Glibc
import KapokWorld

/// An io_uring with the one thread that owns it: submitters leave operations in a queue, the thread
/// hands over all it finds with one system call and picks completions up with the same call.
///
/// One thread owns the ring because the kernel finishes requests in the thread that submitted them:
/// submitted from anywhere, completions would interrupt whatever that thread does next, and a
/// thread that ends would take its requests with it.
final class RingThread: Sendable {
    typealias Completion = @Sendable (Int32) -> Void

    /// The most operations that wait or are under way; see `submit`.
    static let capacity = 4096
    /// The most operations that the kernel has at a time.
    static let depth = 256

    private struct Entry {
        var operation: FileOperation
        var completion: Completion
    }

    private struct Queue {
        var entries: [Entry] = []
        /// Waiting and under way.
        var outstanding = 0
        var isAsleep = false
        var isClosed = false
    }

    private let queue: Monitor<Queue>
    private let thread: NativeThread
    private let wakeup: Int32

    /// Sets up the ring; fails with ENOSYS or EPERM where the kernel has none or forbids it.
    init(name: String) throws(SystemError) {
        let wakeup = kapok_eventfd()
        guard wakeup >= 0 else { throw .last("eventfd") }
        let queue = Monitor(Queue())
        let started = Monitor<Int32?>(nil)
        do throws(SystemError) {
            thread = try NativeThread(name: name) {
                // The thread makes its ring itself: the first to submit is the only one who may.
                var ring: OpaquePointer?
                let result = kapok_uring_create(UInt32(Self.depth), &ring)
                started.withLock { $0 = result }
                started.wakeAll()
                guard result == 0, let ring else {
                    close(wakeup)
                    return
                }
                var worker = Worker(ring: ring, queue: queue, wakeup: wakeup)
                worker.run()
            }
        } catch {
            close(wakeup)
            throw error
        }
        self.queue = queue
        self.wakeup = wakeup
        let result = started.withLock(when: { $0 != nil }) { $0 ?? 0 }
        guard result == 0 else {
            // The thread has ended itself.
            throw SystemError(code: -result, call: "io_uring_setup")
        }
    }

    deinit {
        queue.withLock { queue in
            queue.isClosed = true
            // Under the lock: once the thread has seen the end it closes the descriptor.
            if queue.isAsleep { Self.wake(wakeup) }
        }
    }

    private static func wake(_ descriptor: Int32) { kapok_eventfd_wake(descriptor) }

    /// Has the ring carry `operation` out. `completion` runs on the ring's thread. At the bound the
    /// submitter does the work itself before this returns, unless it is the ring's own thread (or
    /// deep in such work), whose submissions take the place of what has just completed.
    func submit(_ operation: FileOperation, completion: @escaping Completion) {
        let mayExceed = thread.isCurrent || InlineWork.depth > 0
        let (isQueued, mustWake) = queue.withLock { queue in
            guard mayExceed || queue.outstanding < Self.capacity else { return (false, false) }
            queue.outstanding += 1
            queue.entries.append(Entry(operation: operation, completion: completion))
            defer { queue.isAsleep = false }
            return (true, queue.isAsleep)
        }
        if mustWake { Self.wake(wakeup) }
        guard !isQueued else { return }
        _ = InlineWork.run { completion(operation.perform()) }
    }

    /// What the thread does and knows.
    private struct Worker {
        /// An operation that the kernel has, or that waits for its next step.
        private struct Flight {
            var entry: Entry
            var progress = FileOperation.Progress()
        }

        /// The tag of the read that wakes the thread; operations have their index.
        private static let wakeTag = UInt64.max

        let ring: OpaquePointer
        let queue: Monitor<Queue>
        let wakeup: Int32
        private var flights: [Flight?] = Array(repeating: nil, count: RingThread.depth - 1)
        private var free: [Int]
        /// Flights that are due for a step.
        private var ready: [Int] = []
        private var backlog = JobQueue<Entry>()
        private var isWakeArmed = false
        private let wakeCount = AlignedBuffer(byteCount: 8)

        init(ring: OpaquePointer, queue: Monitor<Queue>, wakeup: Int32) {
            self.ring = ring
            self.queue = queue
            self.wakeup = wakeup
            free = Array((0..<RingThread.depth - 1).reversed())
        }

        mutating func run() {
            var completions = [kapok_uring_completion](
                repeating: kapok_uring_completion(), count: RingThread.depth)
            while takeIn() {
                submitReady()
                armWake()
                // Errors other than EINTR are of the ring as a whole and have no cause left:
                // completions may then still be found.
                _ = kapok_uring_submit_and_wait(ring)
                queue.withLock { $0.isAsleep = false }
                let count = kapok_uring_take(ring, &completions, UInt32(completions.count))
                for completion in completions.prefix(Int(count)) { finish(completion) }
            }
            kapok_uring_destroy(ring)
            close(wakeup)
        }

        /// Takes new entries in and says whether to go on. With nothing new and nothing to submit
        /// the thread counts as asleep from here: the next submitter wakes it.
        private mutating func takeIn() -> Bool {
            let (entries, isEnd) = queue.withLock { queue -> ([Entry], Bool) in
                var entries: [Entry] = []
                swap(&entries, &queue.entries)
                queue.isAsleep = true
                return (entries, queue.isClosed && queue.outstanding == 0)
            }
            for entry in entries { backlog.append(entry) }
            while let slot = free.last, let entry = backlog.popFirst() {
                free.removeLast()
                flights[slot] = Flight(entry: entry)
                ready.append(slot)
            }
            return !isEnd
        }

        private mutating func submitReady() {
            var left: [Int] = []
            for slot in ready {
                guard let flight = flights[slot] else { continue }
                if !queueStep(of: flight, tag: UInt64(slot)) { left.append(slot) }
            }
            ready = left
        }

        private func queueStep(of flight: Flight, tag: UInt64) -> Bool {
            let file = flight.entry.operation.file.descriptor
            switch flight.entry.operation.step(after: flight.progress) {
            case .read(let bytes, let count, let offset):
                return kapok_uring_read(ring, tag, file, bytes, UInt32(count), offset) == 0
            case .write(let bytes, let count, let offset, let isDurable):
                return kapok_uring_write(
                    ring, tag, file, bytes, UInt32(count), offset, isDurable ? 1 : 0) == 0
            case .synchronizeData:
                return kapok_uring_fdatasync(ring, tag, file) == 0
            }
        }

        private mutating func armWake() {
            guard !isWakeArmed else { return }
            isWakeArmed =
                kapok_uring_read(ring, Self.wakeTag, wakeup, wakeCount.baseAddress, 8, 0) == 0
        }

        private mutating func finish(_ completion: kapok_uring_completion) {
            guard completion.tag != Self.wakeTag else {
                isWakeArmed = false
                return
            }
            let slot = Int(completion.tag)
            guard var flight = flights[slot] else { return }
            guard
                let result = flight.progress.advance(
                    by: Int(completion.result), of: flight.entry.operation)
            else {
                flights[slot] = flight
                ready.append(slot)
                return
            }
            flights[slot] = nil
            free.append(slot)
            queue.withLock { $0.outstanding -= 1 }
            flight.entry.completion(result)
        }
    }
}
