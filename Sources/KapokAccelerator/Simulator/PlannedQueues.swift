/// Steps that have been planned and not yet carried out, by queue. They stand in chunks of one
/// common buffer: chunks of used-up steps are used again, so that the steps in use stay in the
/// cache.
struct PlannedQueues: ~Copyable {
    private static let chunkShift = 8
    private static let chunkMask = 1 << chunkShift - 1

    /// A queue's part of the buffer.
    struct Queue: BitwiseCopyable {
        /// Where its first step stands, and where the next one goes.
        var head = 0
        var end = 0
        /// How many steps it has.
        var count = 0
    }

    private let steps: FlatBuffer<PlannedStep>
    private let queues: FlatBuffer<Queue>
    /// For each chunk of a queue the one that continues it; for each free chunk the next free one.
    private let chunkAfter: FlatBuffer<Int32>
    private var firstFree: Int32 = -1
    private var chunksTouched: Int32 = 0

    /// - Parameter stepCount: the most steps that all queues can hold together.
    init(queueCount: Int, stepCount: Int) {
        // A queue wastes at most what is left of its first and of its last chunk.
        let chunkCount = stepCount >> Self.chunkShift + 2 * queueCount
        steps = FlatBuffer(uninitializedCount: chunkCount << Self.chunkShift)
        chunkAfter = FlatBuffer(uninitializedCount: chunkCount)
        queues = FlatBuffer(repeating: Queue(), count: queueCount)
    }

    @inline(__always)
    func isEmpty(_ queue: Int) -> Bool { queues[queue].count == 0 }

    /// The first step of a queue that is not empty.
    @inline(__always)
    func first(of queue: Int) -> PlannedStep { steps[queues[queue].head] }

    @inline(__always)
    mutating func append(_ step: PlannedStep, to queue: Int) {
        if queues[queue].end & Self.chunkMask == 0 { openChunk(queue) }
        steps[queues[queue].end] = step
        queues[queue].end &+= 1
        queues[queue].count &+= 1
    }

    /// Drops the first step of a queue.
    @inline(__always)
    mutating func removeFirst(of queue: Int) {
        queues[queue].head &+= 1
        queues[queue].count &-= 1
        if queues[queue].head & Self.chunkMask == 0 { closeChunk(queue) }
    }

    private mutating func openChunk(_ queue: Int) {
        var chunk = firstFree
        if chunk >= 0 {
            firstFree = chunkAfter[Int(chunk)]
        } else {
            chunk = chunksTouched
            chunksTouched += 1
        }
        let position = Int(chunk) << Self.chunkShift
        if queues[queue].count == 0 {
            queues[queue].head = position
        } else {
            chunkAfter[(queues[queue].end - 1) >> Self.chunkShift] = chunk
        }
        queues[queue].end = position
    }

    /// The last step of a chunk has been dropped.
    private mutating func closeChunk(_ queue: Int) {
        let chunk = (queues[queue].head - 1) >> Self.chunkShift
        if queues[queue].count == 0 {
            // The next step opens a chunk.
            queues[queue].end = 0
        } else {
            queues[queue].head = Int(chunkAfter[chunk]) << Self.chunkShift
        }
        chunkAfter[chunk] = firstFree
        firstFree = Int32(chunk)
    }
}
