/// What is known to have completed when an instruction starts, from the order of queues and units
/// and from semaphores alone.
///
/// Each stream (a unit, or a DMA ring) completes in order, so what is known is one number for each
/// stream: a vector clock. An instruction knows at its start what its predecessor in the queue knew
/// at its own start, and what each instruction that it waits for knew at its end. A multiplication
/// also knows that the last stationary matrix is loaded: the array could not multiply without it.
///
/// Nothing here depends on how long anything takes.
struct CompletionOrder {
    let streams: Streams
    let semaphores: SemaphoreTable
    /// What the waits of instruction `i` wait for, at `3 * i`.
    private(set) var targets: [SemaphoreTable.Target] = []
    /// For each instruction, the one before it in its queue and in its stream, and for
    /// multiplications the last load; `none` when there is none.
    private(set) var queueBefore: [UInt32] = []
    private(set) var streamBefore: [UInt32] = []
    private(set) var loadBefore: [UInt32] = []
    /// Clocks: entry `i * streams.count + s` counts the instructions of stream `s` that have
    /// completed when `i` starts, and when it ends.
    private(set) var atStart: [UInt32]
    private(set) var atEnd: [UInt32]

    /// Stands for no instruction.
    static let none: UInt32 = .max
    /// The most entries of the clocks.
    static let maximumClockEntries = 1 << 29

    /// - Parameter order: all instructions, each behind those that it waits for.
    init(
        _ program: Program, _ streams: Streams, _ semaphores: SemaphoreTable, order: [UInt32]
    ) throws(CheckLimit) {
        self.streams = streams
        self.semaphores = semaphores
        let count = program.instructions.count
        let width = streams.count
        guard count * max(1, width) <= Self.maximumClockEntries else {
            throw CheckLimit(.instructions)
        }
        targets.reserveCapacity(3 * count)
        for one in program.instructions {
            for slot in 0..<3 { targets.append(semaphores.target(of: one.wait(inSlot: slot))) }
        }
        atStart = Array(repeating: 0, count: count * width)
        atEnd = atStart
        link(program)
        runClocks(order)
    }

    private mutating func link(_ program: Program) {
        let count = program.instructions.count
        queueBefore = Array(repeating: Self.none, count: count)
        streamBefore = queueBefore
        loadBefore = queueBefore
        var lastOfQueue = [UInt32](repeating: Self.none, count: Engine.allCases.count)
        var lastOfStream = [UInt32](repeating: Self.none, count: streams.count)
        var lastLoad = Self.none
        for (i, one) in program.instructions.enumerated() {
            let queue = Int(one.engine.rawValue)
            let stream = Int(streams.of[i])
            queueBefore[i] = lastOfQueue[queue]
            streamBefore[i] = lastOfStream[stream]
            lastOfQueue[queue] = UInt32(i)
            lastOfStream[stream] = UInt32(i)
            if one.opcode == .multiplyMoving { loadBefore[i] = lastLoad }
            if one.opcode == .loadStationary { lastLoad = UInt32(i) }
        }
    }

    // MARK: Clocks

    private mutating func runClocks(_ order: [UInt32]) {
        let width = streams.count
        let (streams, targets) = (streams, targets)
        let (queueBefore, streamBefore, loadBefore) = (queueBefore, streamBefore, loadBefore)
        atStart.withUnsafeMutableBufferPointer { atStart in
            atEnd.withUnsafeMutableBufferPointer { atEnd in
                for index in order {
                    let i = Int(index)
                    let start = Clock(atStart, i, width)
                    let end = Clock(atEnd, i, width)
                    if queueBefore[i] != Self.none {
                        start.join(Clock(atStart, Int(queueBefore[i]), width))
                    }
                    if loadBefore[i] != Self.none {
                        start.join(Clock(atEnd, Int(loadBefore[i]), width))
                    }
                    for slot in 0..<3 {
                        guard case .instruction(let producer) = targets[3 * i + slot]
                        else { continue }
                        start.join(Clock(atEnd, Int(producer), width))
                    }
                    end.join(start)
                    if streamBefore[i] != Self.none {
                        end.join(Clock(atEnd, Int(streamBefore[i]), width))
                    }
                    end[Int(streams.of[i])] = streams.ordinal[i]
                }
            }
        }
    }

    /// Whether `first` has completed when `second` starts.
    @inline(__always)
    func isComplete(_ first: Int, atStartOf second: Int) -> Bool {
        atStart[second * streams.count + Int(streams.of[first])] >= streams.ordinal[first]
    }
}

/// The clock of one instruction inside of a table of clocks.
struct Clock {
    private let entries: UnsafeMutableBufferPointer<UInt32>
    private let base: Int
    private let width: Int

    /// Clock `index` of a table with `width` entries for each.
    @inline(__always)
    init(_ table: UnsafeMutableBufferPointer<UInt32>, _ index: Int, _ width: Int) {
        entries = table
        base = index * width
        self.width = width
    }

    subscript(_ stream: Int) -> UInt32 {
        @inline(__always) get { entries[base + stream] }
        @inline(__always) nonmutating set { entries[base + stream] = newValue }
    }

    /// Takes over what `other` knows.
    @inline(__always)
    func join(_ other: Clock) {
        for s in 0..<width where other[s] > self[s] { self[s] = other[s] }
    }
}
