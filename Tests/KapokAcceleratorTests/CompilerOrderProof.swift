@testable import KapokAccelerator

/// Checks a program by brute force: everything that happens before an instruction's start follows from
/// queues, units, rings and semaphores, and every pair of instructions that touch the same byte must be
/// ordered by it. Quadratic; for small programs.
struct OrderProof {
    /// Pairs that nothing orders, as text.
    private(set) var races: [String] = []
    /// Waits that follow from other waits and from the order of queues.
    private(set) var needlessWaits: [String] = []

    private let program: Program
    private var knownAtStart: [Set<Int>] = []
    private var knownAtEnd: [Set<Int>] = []

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
            var known: Set<Int> = []
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

    private struct Cell: Hashable {
        var space: UInt16
        var row: Int
        var byte: Int
    }

    private mutating func findRaces() {
        var touches: [Cell: [Touch]] = [:]
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
            // The unit keeps writes after reads and after writes in order, and accumulates in order.
            let isFlow = earlier.writes && later.reads
            if !isFlow || second.opcode == .multiplyMoving { return true }
        }
        return knownAtStart[later.instruction].contains(earlier.instruction)
    }

    private static func cells(_ pattern: AccessPattern) -> [Cell] {
        let bytes = pattern.type.byteCount
        var offsets = [0]
        for dimension in [
            pattern.dimension0, pattern.dimension1, pattern.dimension2, pattern.dimension3,
        ] {
            offsets = offsets.flatMap { first in
                (0..<Int(dimension.count)).map { first + $0 * Int(dimension.stride) }
            }
        }
        var result: [Cell] = []
        for row in 0..<Int(pattern.partitionCount) {
            for offset in offsets {
                for byte in 0..<bytes {
                    let place = Int(pattern.offset) + offset * bytes + byte
                    if pattern.space == .hbm {
                        result.append(
                            Cell(
                                space: 10 + pattern.tensor, row: 0,
                                byte: place + row * Int(pattern.partitionStride) * bytes))
                    } else {
                        result.append(
                            Cell(
                                space: UInt16(pattern.space.rawValue),
                                row: Int(pattern.partitionStart) + row, byte: place))
                    }
                }
            }
        }
        return result
    }
}
