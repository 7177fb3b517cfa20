/// The sequences of instructions that complete in order: the units of the engines and the DMA
/// rings.
struct Streams {
    /// Streams in use, numbered from 0.
    private(set) var count = 0
    /// The stream of each instruction.
    private(set) var of: [UInt16] = []
    /// Which instruction of its stream each is, from 1.
    private(set) var ordinal: [UInt32] = []
    /// Names for reports, by number.
    private(set) var names: [String] = []
    /// The instructions of each stream, in order.
    private(set) var members: [[UInt32]] = []

    private static let kinds = Unit.engineUnitCount + 256

    init(_ program: Program) {
        var numbers = [Int](repeating: -1, count: Self.kinds)
        of.reserveCapacity(program.instructions.count)
        ordinal.reserveCapacity(program.instructions.count)
        for (i, one) in program.instructions.enumerated() {
            let kind =
                one.opcode.isDMA
                ? Unit.engineUnitCount + Int(one.ring) : Int(one.unit.rawValue)
            if numbers[kind] < 0 {
                numbers[kind] = count
                count += 1
                names.append(one.opcode.isDMA ? "ring \(one.ring)" : one.unit.name)
                members.append([])
            }
            let stream = numbers[kind]
            members[stream].append(UInt32(i))
            of.append(UInt16(stream))
            ordinal.append(UInt32(members[stream].count))
        }
    }
}

/// Who signals each semaphore, and what each wait waits for.
struct SemaphoreTable {
    /// Signals of one semaphore, in program order.
    struct Signals {
        /// The stream that signals it; nil when there are several.
        var stream: UInt16?
        var instructions: [UInt32] = []
        /// The semaphore's value after each of them.
        var values: [UInt64] = []

        mutating func add(_ instruction: Int, of stream: UInt16, _ amount: UInt16) {
            if self.stream != stream { self.stream = nil }
            instructions.append(UInt32(instruction))
            values.append((values.last ?? 0) + UInt64(amount))
        }
    }

    /// What a wait waits for.
    enum Target: Equatable {
        /// No wait in this slot.
        case absent
        /// A value that is there from the start.
        case nothing
        /// The completion of an instruction.
        case instruction(UInt32)
        /// A value that is never reached; the highest one is given.
        case never(UInt64)
        /// A semaphore that several streams signal: nobody can say.
        case unclear
    }

    private(set) var signals: [UInt16: Signals] = [:]

    init(_ program: Program, _ streams: Streams) {
        for (i, one) in program.instructions.enumerated() where one.signal != SemaphoreWait.none {
            let stream = streams.of[i]
            signals[one.signal, default: Signals(stream: stream)].add(
                i, of: stream, one.signalAmount)
        }
    }

    /// What `wait` waits for. Logarithmic in the number of signals.
    func target(of wait: SemaphoreWait) -> Target {
        guard wait.isPresent else { return .absent }
        guard wait.value > 0 else { return .nothing }
        guard let entry = signals[wait.semaphore] else { return .never(0) }
        let value = UInt64(wait.value)
        guard let last = entry.values.last, last >= value else {
            return .never(entry.values.last ?? 0)
        }
        guard entry.stream != nil else { return .unclear }
        return .instruction(entry.instructions[entry.values.firstPosition { $0 >= value }])
    }

    /// Which of the signals of `semaphore` an instruction gives; nil when it gives none.
    func position(of instruction: UInt32, signalling semaphore: UInt16) -> Int? {
        guard let all = signals[semaphore]?.instructions else { return nil }
        let position = all.firstPosition { $0 >= instruction }
        return position < all.count && all[position] == instruction ? position : nil
    }

    /// The value of `semaphore` when an instruction has signalled it; nil when it does not.
    func value(after instruction: UInt32, of semaphore: UInt16) -> UInt64? {
        position(of: instruction, signalling: semaphore).flatMap { signals[semaphore]?.values[$0] }
    }
}

extension RandomAccessCollection where Index == Int {
    /// The first position whose element passes a test that all elements behind it pass too;
    /// `endIndex` when none does. Logarithmic.
    func firstPosition(where passes: (Element) -> Bool) -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = (low + high) / 2
            if passes(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
