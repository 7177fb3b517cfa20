internal import Glibc

/// Runs independent pieces of work on a few threads and hands on their results in order.
enum WorkerThreads {
    /// Pieces that each thread does before results are handed on: bounds what is held in memory.
    private static let piecesPerThread = 8

    /// Calls `work` for 0 ..< `count`, spread over `threads` threads, and `emit` with each result
    /// in order, on the calling thread.
    ///
    /// - Parameters:
    ///   - work: gets the piece and the number of the thread, 0 ..< `threads`. Pieces of one thread
    ///     never overlap, so each thread may have scratch memory of its own.
    ///   - emit: what it throws ends the run after the pieces under way.
    static func run<Failure: Error>(
        count: Int, threads: Int, work: @Sendable (_ piece: Int, _ thread: Int) -> [UInt8],
        emit: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(threads > 0)
        let batchSize = threads * piecesPerThread
        var start = 0
        while start < count {
            let pieces = start..<min(start + batchSize, count)
            for result in batch(pieces, threads: threads, work: work) { try emit(result) }
            start = pieces.upperBound
        }
    }

    /// The results of `pieces`, in order.
    private static func batch(
        _ pieces: Range<Int>, threads: Int, work: @Sendable (Int, Int) -> [UInt8]
    ) -> [[UInt8]] {
        withoutActuallyEscaping(work) { work in
            let batch = Batch(pieces, threads: min(threads, pieces.count), work: work)
            var others: [pthread_t] = []
            for thread in 1..<max(1, batch.threads) {
                if let other = batch.start(thread) {
                    others.append(other)
                } else {
                    // No thread to be had: its share is done here.
                    batch.run(thread)
                }
            }
            batch.run(0)
            for other in others { pthread_join(other, nil) }
            return batch.takeResults()
        }
    }
}

/// Pieces that several threads work on: thread t does pieces t, t + threads, and so on, and writes
/// only to their slots. The results are read after all threads were joined; that makes it safe to
/// share.
private final class Batch: @unchecked Sendable {
    let threads: Int
    private let pieces: Range<Int>
    private let work: @Sendable (Int, Int) -> [UInt8]
    private let results: UnsafeMutablePointer<[UInt8]>

    init(_ pieces: Range<Int>, threads: Int, work: @escaping @Sendable (Int, Int) -> [UInt8]) {
        self.pieces = pieces
        self.threads = threads
        self.work = work
        results = .allocate(capacity: pieces.count)
        results.initialize(repeating: [], count: pieces.count)
    }

    deinit {
        results.deinitialize(count: pieces.count)
        results.deallocate()
    }

    func run(_ thread: Int) {
        for piece in stride(from: thread, to: pieces.count, by: threads) {
            results[piece] = work(pieces.lowerBound + piece, thread)
        }
    }

    func takeResults() -> [[UInt8]] {
        Array(UnsafeBufferPointer(start: results, count: pieces.count))
    }

    /// Starts a thread that does the share of `thread`; nil when the system has none.
    func start(_ thread: Int) -> pthread_t? {
        let share = Unmanaged.passRetained(Share(batch: self, thread: thread))
        var handle = pthread_t()
        let status = pthread_create(
            &handle, nil,
            { raw in
                guard let raw else { return nil }
                let share = Unmanaged<Share>.fromOpaque(raw).takeRetainedValue()
                share.batch.run(share.thread)
                return nil
            }, share.toOpaque())
        guard status == 0 else {
            share.release()
            return nil
        }
        return handle
    }

    private final class Share {
        let batch: Batch
        let thread: Int

        init(batch: Batch, thread: Int) {
            self.batch = batch
            self.thread = thread
        }
    }
}
