import KapokWorld

@testable import KapokAccelerator

/// Small random programs that are valid and synchronised: tiles in SBUF and PSUM whose memory
/// serves many uses, all engines, DMA on several rings, strided operands.
///
/// Waits are put in by brute force (``RaceOracle``), far more than needed, so that some are
/// superfluous.
struct CheckerPrograms {
    private var random: RandomStream
    private var program = Program(name: "random", machine: "trn2")

    init(seed: UInt64) { random = RandomStream(seed: seed) }

    /// A program of `count` operations before waits are added.
    mutating func next(count: Int) -> Program {
        program = Program(name: "random", machine: "trn2")
        program.tensors = [
            TensorDeclaration(name: "A", shape: [8, 32], type: .fp32, role: .input),
            TensorDeclaration(name: "S", shape: [8, 32], type: .fp32, role: .scratch),
        ]
        program.lines = [SourceLine(file: "", line: 0)]
        initialise()
        for _ in 0..<count { addOperation() }
        for i in program.instructions.indices {
            program.lines.append(SourceLine(file: "Random.swift", line: i + 1))
            program.instructions[i].line = UInt32(i + 1)
        }
        synchronise()
        return program
    }

    private static let sbufBytes = 128

    // MARK: Operations

    private mutating func index(of pattern: AccessPattern) -> UInt32 {
        if let known = program.patterns.firstIndex(of: pattern) { return UInt32(known) }
        program.patterns.append(pattern)
        return UInt32(program.patterns.count - 1)
    }

    /// Everything is written once, so that nothing reads what is not there.
    private mutating func initialise() {
        for space in [MemorySpace.sbuf, .psum] {
            for start in [0, 32] {
                var one = Instruction(.memset, on: .vector)
                one.destination = index(
                    of: AccessPattern(
                        space, .fp32, partitionStart: start, partitionCount: 3,
                        dimensions: [FreeDimension(count: Self.sbufBytes / 4, stride: 1)]))
                program.instructions.append(one)
            }
        }
        var one = Instruction(.dmaCopy, on: .sync)
        one.destination = index(of: tensor(1, row: 0, rows: 8, column: 0, columns: 32))
        one.source0 = index(of: tensor(0, row: 0, rows: 8, column: 0, columns: 32))
        program.instructions.append(one)
    }

    private func tensor(
        _ tensor: Int, row: Int, rows: Int, column: Int, columns: Int
    ) -> AccessPattern {
        AccessPattern(
            .hbm, .fp32, partitionCount: rows, offset: (row * 32 + column) * 4, tensor: tensor,
            partitionStride: 32, dimensions: [FreeDimension(count: columns, stride: 1)])
    }

    /// An operand of `elements` a partition, anywhere, side by side or with gaps.
    private mutating func operand(
        _ space: MemorySpace, _ elements: Int, partitions: Int = 2
    ) -> UInt32 {
        let stride = random.chance(1, in: 3) ? 2 : 1
        let room = Self.sbufBytes / 4 - (elements - 1) * stride
        return index(
            of: AccessPattern(
                space, .fp32, partitionStart: random.chance(1, in: 4) ? 32 : 0,
                partitionCount: partitions, offset: random.below(room) * 4,
                dimensions: [FreeDimension(count: elements, stride: stride)]))
    }

    private mutating func addOperation() {
        let elements = 1 + random.below(8)
        switch random.below(6) {
        case 0:
            var one = Instruction(.tensorCopy, on: .vector)
            one.source0 = operand(random.chance(1, in: 3) ? .psum : .sbuf, elements)
            one.destination = operand(random.chance(1, in: 3) ? .psum : .sbuf, elements)
            program.instructions.append(one)
        case 1:
            var one = Instruction(.tensorTensor, on: random.chance(1, in: 2) ? .vector : .gpsimd)
            one.operation0 = ALUOperation.add.rawValue
            one.source0 = operand(.sbuf, elements)
            one.source1 = operand(.sbuf, elements)
            one.destination = operand(.sbuf, elements)
            program.instructions.append(one)
        case 2:
            var one = Instruction(.activation, on: .scalar)
            one.source0 = operand(random.chance(1, in: 2) ? .psum : .sbuf, elements)
            one.destination = operand(.sbuf, elements)
            if random.chance(1, in: 2) {
                one.flags = .reduces
                one.source1 = operand(.sbuf, 1)
            }
            program.instructions.append(one)
        case 3: addMultiplication(elements)
        default: addTransfer(elements)
        }
    }

    private mutating func addMultiplication(_ elements: Int) {
        var load = Instruction(.loadStationary, on: .tensor)
        load.source0 = operand(.sbuf, 3)
        program.instructions.append(load)
        for _ in 0...random.below(2) {
            var multiply = Instruction(.multiplyMoving, on: .tensor)
            multiply.source0 = operand(.sbuf, elements)
            multiply.destination = operand(.psum, elements, partitions: 3)
            if random.chance(1, in: 2) { multiply.flags = .accumulate }
            program.instructions.append(multiply)
        }
    }

    private mutating func addTransfer(_ elements: Int) {
        // Each engine has rings of its own.
        let (engine, ring): (Engine, Int) =
            [(.sync, 0), (.sync, 1), (.scalar, 2), (.gpsimd, 3)][random.below(4)]
        var one = Instruction(.dmaCopy, on: engine)
        one.ring = UInt8(ring)
        let row = random.below(7)
        let column = random.below(32 - elements)
        let chip = operand(.sbuf, elements)
        let isStore = random.chance(1, in: 2)
        let memory = index(
            of: tensor(
                isStore || random.chance(1, in: 2) ? 1 : 0, row: row, rows: 2, column: column,
                columns: elements))
        one.destination = isStore ? memory : chip
        one.source0 = isStore ? chip : memory
        program.instructions.append(one)
    }

    // MARK: Synchronisation

    /// Now and then, waits for a later instruction of the stream than is needed, and for some
    /// instruction that need not be waited for.
    private mutating func addNeedlessWaits(_ i: Int, _ needs: inout [Int], _ bare: RaceOracle) {
        for k in needs.indices where random.chance(1, in: 4) {
            let later = (needs[k] + 1..<i).filter { bare.stream($0) == bare.stream(needs[k]) }
            if !later.isEmpty { needs[k] = later[random.below(later.count)] }
        }
        if i > 3, random.chance(1, in: 4) {
            let extra = random.below(i)
            if !needs.contains(extra) { needs.append(extra) }
        }
    }

    /// Lets every instruction signal its stream's semaphore, and wait for all that it conflicts
    /// with; where three waits are too few, nops before it take the others.
    private mutating func synchronise() {
        let bare = RaceOracle(program)
        var needs: [[Int]] = program.instructions.indices.map { second in
            // Of each stream, the last one that it conflicts with.
            var last: [Int: Int] = [:]
            for first in 0..<second where bare.mustBeOrdered(first, second) != nil {
                last[bare.stream(first)] = first
            }
            return last.values.sorted()
        }
        var signals: [Int: Int] = [:]
        var value = [Int](repeating: 0, count: program.instructions.count)
        for i in program.instructions.indices {
            let stream = bare.stream(i)
            signals[stream, default: 0] += 1
            value[i] = signals[stream] ?? 0
            program.instructions[i].signal = UInt16(stream)
            program.instructions[i].signalAmount = 1
            addNeedlessWaits(i, &needs[i], bare)
        }
        var result: [Instruction] = []
        for i in program.instructions.indices {
            var one = program.instructions[i]
            var waits = needs[i].map {
                SemaphoreWait(
                    semaphore: UInt16(bare.stream($0)), value: UInt32(value[$0]), kind: .flow)
            }
            while waits.count > 3 {
                var nop = Instruction(.nop, on: one.engine)
                nop.line = one.line
                nop.wait0 = waits.removeLast()
                result.append(nop)
            }
            if waits.count > 0 { one.wait0 = waits[0] }
            if waits.count > 1 { one.wait1 = waits[1] }
            if waits.count > 2 { one.wait2 = waits[2] }
            result.append(one)
        }
        program.instructions = result
    }
}
