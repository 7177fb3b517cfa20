/// What is known of semaphores and queues before a simulation begins, from one look at all
/// instructions.
///
/// Streams complete in order, so the n-th signal of a semaphore always comes from the same
/// instruction, and after it the semaphore always has the same value.
struct SignalLists: ~Copyable {
    /// What the program does with a semaphore.
    struct Signals: BitwiseCopyable {
        /// Instructions that signal it.
        var count: UInt32 = 0
        /// What each of them adds, or 0 when they add different amounts.
        var amount: UInt32 = 0
        /// The sum of all amounts.
        var total: Int64 = 0
        /// Where its list begins.
        var start = 0
        /// The first instruction that signals it.
        var first = SimulationPlan.none
        /// The stream of those instructions: a unit, or a ring after them.
        var stream: UInt8 = .max
    }

    /// By semaphore.
    let signals: FlatBuffer<Signals>
    /// The number of all signals.
    private(set) var count = 0
    /// Instructions by engine, and those of them that load stationary matrices.
    let engineCounts = FlatBuffer<Int>(repeating: 0, count: Engine.allCases.count)
    private(set) var loadCount = 0
    /// Transfers.
    private(set) var transferCount = 0
    /// The values that semaphores reach; empty when every semaphore grows by equal amounts.
    private(set) var values = FlatBuffer<Int64>(uninitializedCount: 0)
    /// The instructions that signal; empty when not needed.
    private(set) var producers = FlatBuffer<UInt32>(uninitializedCount: 0)

    private init(semaphoreCount: Int) {
        signals = FlatBuffer(repeating: Signals(), count: semaphoreCount)
    }

    /// - Throws: when a semaphore does not exist or is signalled by two streams.
    static func make(
        _ program: Program, _ instructions: UnsafeBufferPointer<Instruction>,
        semaphoreCount: Int, withProducers: Bool
    ) throws(SimulationError) -> SignalLists {
        var lists = SignalLists(semaphoreCount: semaphoreCount)
        for index in 0..<instructions.count {
            let instruction = instructions[index]
            lists.engineCounts[Int(instruction.engine.rawValue)] &+= 1
            lists.loadCount &+= instruction.opcode == .loadStationary ? 1 : 0
            lists.transferCount &+= instruction.isTransfer ? 1 : 0
            if instruction.signal != SemaphoreWait.none {
                try lists.add(index, instruction, program)
            }
        }
        lists.finish(instructions, withProducers: withProducers)
        return lists
    }

    @inline(__always)
    private mutating func add(
        _ index: Int, _ instruction: Instruction, _ program: Program
    ) throws(SimulationError) {
        let semaphore = Int(instruction.signal)
        guard semaphore < signals.count else {
            throw .invalidInstruction(
                InstructionPlace(index, in: program),
                problem: "it signals semaphore \(semaphore) of \(signals.count)")
        }
        let amount = UInt32(instruction.signalAmount)
        if amount == 0 { return }
        if signals[semaphore].count == 0 {
            signals[semaphore].first = UInt32(truncatingIfNeeded: index)
            signals[semaphore].stream = instruction.stream
            signals[semaphore].amount = amount
        } else if signals[semaphore].stream != instruction.stream {
            throw .semaphoreOfTwoStreams(
                semaphore: semaphore,
                first: InstructionPlace(Int(signals[semaphore].first), in: program),
                second: InstructionPlace(index, in: program))
        } else if signals[semaphore].amount != amount {
            signals[semaphore].amount = 0
        }
        signals[semaphore].count &+= 1
        signals[semaphore].total &+= Int64(amount)
    }

    private mutating func finish(
        _ instructions: UnsafeBufferPointer<Instruction>, withProducers: Bool
    ) {
        var needsValues = false
        for semaphore in 0..<signals.count {
            signals[semaphore].start = count
            count += Int(signals[semaphore].count)
            if signals[semaphore].count > 0, signals[semaphore].amount == 0 { needsValues = true }
        }
        if !needsValues && !withProducers { return }
        values = FlatBuffer(repeating: 0, count: needsValues ? count : 0)
        producers = FlatBuffer(repeating: 0, count: withProducers ? count : 0)
        fillLists(instructions)
    }

    private func fillLists(_ instructions: UnsafeBufferPointer<Instruction>) {
        var next = (0..<signals.count).map { signals[$0].start }
        var value = [Int64](repeating: 0, count: signals.count)
        for (index, instruction) in instructions.enumerated()
        where instruction.signal != SemaphoreWait.none && instruction.signalAmount > 0 {
            let semaphore = Int(instruction.signal)
            value[semaphore] += Int64(instruction.signalAmount)
            if values.count > 0 { values[next[semaphore]] = value[semaphore] }
            if producers.count > 0 { producers[next[semaphore]] = UInt32(index) }
            next[semaphore] += 1
        }
    }

    /// The position in the list of all signals of the one with which `semaphore` reaches `value`,
    /// which is at least 1 and not above the total.
    func position(_ semaphore: UInt16, _ value: UInt32) -> Int {
        let known = signals[Int(semaphore)]
        if known.amount > 0 { return known.start + Int((value - 1) / known.amount) }
        var (low, high) = (known.start, known.start + Int(known.count) - 1)
        while low < high {
            let middle = (low + high) / 2
            if values[middle] < Int64(value) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
