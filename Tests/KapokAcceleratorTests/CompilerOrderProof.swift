@testable import KapokAccelerator

/// A set of small numbers.
struct Marks {
    private var words: [UInt64]

    init(_ count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

    func contains(_ number: Int) -> Bool { words[number >> 6] >> UInt64(number & 63) & 1 == 1 }
    mutating func insert(_ number: Int) { words[number >> 6] |= 1 << UInt64(number & 63) }
    mutating func formUnion(_ other: Marks) {
        for index in words.indices { words[index] |= other.words[index] }
    }
}

/// Checks a program by brute force: everything that happens before an instruction's start follows
/// from queues, units, rings and semaphores, and every pair of instructions that touch the same
/// byte must be ordered by it. Quadratic; for small programs.
struct OrderProof {
    /// Pairs that nothing orders, as text.
    private(set) var races: [String] = []
    /// Waits that follow from other waits and from the order of queues.
    private(set) var needlessWaits: [String] = []

    private let program: Program
    private var knownAtStart: [Marks] = []
    private var knownAtEnd: [Marks] = []

    init(_ program: Program) {
        self.program = program
        follow()
        findRaces()
    }

    /// For each instruction, all that have ended before it starts, and before it ends.
    private mutating func follow() {
        var lastInQueue: [Engine: Int] = [:]
        var lastInStream: [Int: Int] = [:]
        var reached: [UInt16: [(value: UInt32, instruction: Int)]] = [:]
        for (index, instruction) in program.instructions.enumerated() {
            var known = Marks(program.instructions.count)
            if let before = lastInQueue[instruction.engine] { known = knownAtStart[before] }
            let producers = [instruction.wait0, instruction.wait1, instruction.wait2]
                .filter(\.isPresent)
                .map { wait in
                    reached[wait.semaphore]?.first { $0.value >= wait.value }?.instruction
                }
            for (number, producer) in producers.enumerated() {
                guard let producer else {
                    races.append("\(index) waits for a value that nothing before it reaches")
                    continue
                }
                // Implied by the queue, or by another wait?
                let others = producers.enumerated().filter { $0.offset != number }
                    .compactMap { $0.element }
                if known.contains(producer)
                    || others.contains(where: { knownAtEnd[$0].contains(producer) })
                {
                    needlessWaits.append("\(index) waits for \(producer)")
                }
            }
            for case let producer? in producers { known.formUnion(knownAtEnd[producer]) }
            // A multiplication starts after its stationary matrix has been loaded.
            if instruction.opcode == .multiplyMoving,
                let load = lastInStream[Int(Unit.tensorLoad.rawValue)]
            {
                known.formUnion(knownAtEnd[load])
            }
            knownAtStart.append(known)
            lastInQueue[instruction.engine] = index
            let stream =
                instruction.opcode.isDMA
                ? 100 + Int(instruction.ring) : Int(instruction.unit.rawValue)
            if let before = lastInStream[stream] { known.formUnion(knownAtEnd[before]) }
            known.insert(index)
            knownAtEnd.append(known)
            lastInStream[stream] = index
            if instruction.signal != SemaphoreWait.none {
                let value = reached[instruction.signal]?.last?.value ?? 0
                reached[instruction.signal, default: []].append(
                    (value + UInt32(instruction.signalAmount), index))
            }
        }
    }

    private struct Touch {
        var instruction: Int
        var reads: Bool
        var writes: Bool
    }

    private mutating func findRaces() {
        var touches: [UInt64: [Touch]] = [:]
        for (index, instruction) in program.instructions.enumerated() {
            let operands = OperandAccesses(instruction)
            for slot in 0..<operands.count {
                let operand = operands[slot]
                for cell in Self.cells(program.patterns[Int(operand.pattern)]) {
                    touches[cell, default: []].append(
                        Touch(
                            instruction: index, reads: operand.reads, writes: operand.writes))
                }
            }
        }
        var found: Set<String> = []
        for list in touches.values {
            for (number, later) in list.enumerated() {
                for earlier in list[..<number] where earlier.writes || later.writes {
                    if !isOrdered(earlier, later) {
                        found.insert("\(earlier.instruction) and \(later.instruction)")
                    }
                }
            }
        }
        races += found.sorted()
    }

    private func isOrdered(_ earlier: Touch, _ later: Touch) -> Bool {
        guard earlier.instruction != later.instruction else { return true }
        let first = program.instructions[earlier.instruction]
        let second = program.instructions[later.instruction]
        if !first.opcode.isDMA, !second.opcode.isDMA, first.unit == second.unit {
            // The unit keeps writes after reads and after writes in order, and accumulates in
            // order.
            let isFlow = earlier.writes && later.reads
            if !isFlow || second.opcode == .multiplyMoving { return true }
        }
        return knownAtStart[later.instruction].contains(earlier.instruction)
    }

    /// The 32-bit words that a pattern touches, as numbers: memory, row, and place there.
    private static func cells(_ pattern: AccessPattern) -> Set<UInt64> {
        let bytes = pattern.type.byteCount
        var offsets = [Int(pattern.offset)]
        for dimension in [
            pattern.dimension0, pattern.dimension1, pattern.dimension2, pattern.dimension3,
        ] where dimension.count > 1 {
            offsets = offsets.flatMap { first in
                (0..<Int(dimension.count)).map { first + $0 * Int(dimension.stride) * bytes }
            }
        }
        var result: Set<UInt64> = []
        for row in 0..<Int(pattern.partitionCount) {
            var base = UInt64(pattern.space.rawValue) << 56
            if pattern.space == .hbm {
                base |= UInt64(pattern.tensor) << 40
                base += UInt64(row * Int(pattern.partitionStride) * bytes)
            } else {
                base |= UInt64(Int(pattern.partitionStart) + row) << 24
            }
            for offset in offsets {
                for byte in stride(from: 0, to: bytes, by: min(4, bytes)) {
                    result.insert((base + UInt64(offset + byte)) >> 2)
                }
            }
        }
        return result
    }
}
