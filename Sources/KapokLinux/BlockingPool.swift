/// A fixed number of threads for calls that block, behind a queue of bounded length.
///
/// A full queue neither blocks the submitter nor drops work: the submitter does the job itself, on
/// its own thread, before `submit` returns. That slows down exactly those who ask too much and
/// cannot deadlock. Jobs that submit further jobs (from a pool thread, or from a job that its
/// submitter does) are queued even when the queue is full, up to once more its bound: each takes
/// the place of the job that submits it, so the queue grows by what one job submits beyond one.
public final class BlockingPool: Sendable {
    private typealias Job = @Sendable () -> Void

    private struct Queue {
        var jobs = JobQueue<Job>()
        var isClosed = false
        /// Threads that have not ended.
        var alive = 0
    }

    private let queue: Monitor<Queue>
    private let threads: [NativeThread]
    /// The most jobs that wait.
    public let capacity: Int

    /// Starts `threads` threads that show as `name` in `ps -L`.
    public init(threads: Int, capacity: Int = 4096, name: String) throws(SystemError) {
        precondition(threads > 0 && capacity > 0)
        self.capacity = capacity
        let queue = Monitor(Queue())
        self.queue = queue
        var started: [NativeThread] = []
        for _ in 0..<threads {
            queue.withLock { $0.alive += 1 }
            do throws(SystemError) {
                started.append(try NativeThread(name: name) { Self.work(queue) })
            } catch {
                queue.withLock { $0.alive -= 1 }
                // Fewer threads are slower, none is an error.
                if started.isEmpty { throw error }
                break
            }
        }
        self.threads = started
    }

    deinit { end() }

    private static func work(_ queue: Monitor<Queue>) {
        while true {
            let job: Job? = queue.withLock(when: { !$0.jobs.isEmpty || $0.isClosed }) {
                $0.jobs.popFirst()
            }
            guard let job else { break }
            job()
        }
        queue.withLock { $0.alive -= 1 }
        queue.wakeAll()
    }

    /// Has a pool thread run `job`; at the bound runs it before returning (see above).
    public func submit(_ job: @escaping @Sendable () -> Void) {
        let isNested = InlineWork.depth > 0 || threads.contains { $0.isCurrent }
        let bound = isNested ? 2 * capacity : capacity
        let isQueued = queue.withLock { queue in
            precondition(!queue.isClosed, "submitted to a pool that is closed")
            guard queue.jobs.count < bound else { return false }
            queue.jobs.append(job)
            return true
        }
        if isQueued { return queue.wakeOne() }
        if !InlineWork.run(job) { job() }
    }

    private func end() {
        queue.withLock { $0.isClosed = true }
        queue.wakeAll()
    }

    /// Has the threads end when all jobs are done, and waits for that. Not from a job; idempotent.
    public func close() {
        end()
        queue.withLock(when: { $0.alive == 0 }) { _ in }
    }
}
