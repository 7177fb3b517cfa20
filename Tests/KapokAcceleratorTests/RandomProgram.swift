import KapokWorld

@testable import KapokAccelerator

/// Makes random programs that any machine accepts: legal operands, every opcode, transfers from all
/// engines that can trigger them, loops, tiles, and waits that can be satisfied (each waits for
/// signals of instructions before it). They are not free of races, and their values mean nothing.
struct RandomProgram {
    private var random: RandomStream
    private var program: Program
    private var patternIndices: [AccessPattern: UInt32] = [:]
    private var streams: [Stream]
    private var iteration = LoopIteration.none

    /// What signals: a unit or a ring, with the semaphores that belong to it.
    private struct Stream {
        var semaphores: [UInt16]
        /// What each signal of a semaphore adds; 0: a random amount each time.
        var amounts: [UInt16]
        var reached: [UInt32]
    }

    private static let ringEngines: [Engine] = [.sync, .sync, .scalar, .scalar, .gpsimd, .sync]
    private static let types: [ElementType] = [.fp32, .bf16, .fp16, .fp8e4m3, .int32]

    /// The program of a seed.
    ///
    /// - Parameter length: instructions, about.
    static func program(seed: UInt64, length: Int = 60, machine: Machine) -> Program {
        var maker = RandomProgram(seed: seed, machine: machine)
        maker.addTilesAndTensors()
        while maker.program.instructions.count < length { maker.addStep() }
        return maker.program
    }

    private init(seed: UInt64, machine: Machine) {
        random = RandomStream(seed: seed)
        program = Program(name: "random \(seed)", machine: machine.description.name)
        streams = []
        var semaphore: UInt16 = 0
        for _ in 0..<(Unit.engineUnitCount + Self.ringEngines.count) {
            let count = 1 + random.below(2)
            var stream = Stream(semaphores: [], amounts: [], reached: [])
            for _ in 0..<count {
                stream.semaphores.append(semaphore)
                stream.amounts.append([1, 1, 1, 3, 0][random.below(5)])
                stream.reached.append(0)
                semaphore += 1
            }
            streams.append(stream)
        }
    }

    private mutating func addTilesAndTensors() {
        for index in 0..<8 {
            program.lines.append(SourceLine(file: "Kernels/Random.swift", line: 10 + index))
        }
        for (name, role) in [
            ("a", TensorDeclaration.Role.input), ("b", .output), ("c", .scratch),
        ] {
            program.tensors.append(
                TensorDeclaration(name: name, shape: [256, 4096], type: .fp32, role: role))
        }
        for index in 0..<12 {
            let isPSUM = index >= 8
            program.tiles.append(
                TileAllocation(
                    name: "t\(index)", space: isPSUM ? .psum : .sbuf, partitionStart: 0,
                    partitionCount: 128, offset: isPSUM ? (index - 8) * 2048 : index * 4096,
                    bytesPerPartition: isPSUM ? 2048 : 4096, type: .fp32,
                    line: UInt32(1 + index % 8)))
        }
        for name in ["outer", "inner"] {
            program.loops.append(LoopDeclaration(name: name, line: 1))
        }
    }

    private mutating func addStep() {
        if random.chance(1, in: 6) { enterIteration() }
        switch random.below(10) {
        case 0...2: addMultiplication()
        case 3...5: addElementwise(on: .vector)
        case 6: addElementwise(on: .scalar)
        case 7: addElementwise(on: .gpsimd)
        case 8: addTransfer()
        default:
            let engine = Engine.allCases[random.below(5)]
            add(Instruction(.nop, on: engine))
        }
    }

    private mutating func enterIteration() {
        let number = UInt32(program.iterations.count)
        let outer = program.iterations.lastIndex { $0.loop == 0 }
        if let outer, random.chance(2, in: 3) {
            program.iterations.append(
                LoopIteration(loop: 1, index: number, parent: UInt32(outer)))
        } else {
            program.iterations.append(
                LoopIteration(loop: 0, index: number, parent: LoopIteration.none))
        }
        iteration = number
    }
}

/// Instructions.
extension RandomProgram {
    private mutating func addMultiplication() {
        let rows = [32, 64, 128][random.below(3)]
        let columns = [1, 32, 128][random.below(3)]
        let type = Self.types[random.below(3)]
        var load = Instruction(.loadStationary, on: .tensor)
        load.source0 = sbuf(rows, columns, type)
        add(load)
        let bank = 8 + random.below(4)
        for turn in 0..<(1 + random.below(3)) {
            var multiply = Instruction(.multiplyMoving, on: .tensor)
            let moving = [1, 64, 256, 512][random.below(4)]
            multiply.source0 = sbuf(rows, moving, type)
            multiply.destination = psum(columns, moving, .fp32, tile: bank)
            if turn > 0 { multiply.flags = .accumulate }
            if rows == columns, random.chance(1, in: 8) { multiply.flags = .transpose }
            add(multiply)
        }
    }

    private static let vectorOpcodes: [Opcode] = [
        .tensorTensor, .tensorScalar, .scalarTensorTensor, .tensorReduce, .tensorCopy, .memset,
        .tensorTensorScan, .copyPredicated, .max8, .findIndex8, .matchReplace8, .bnStats,
        .bnAggregate, .reciprocal,
    ]
    private static let gpsimdOpcodes: [Opcode] = [
        .tensorTensor, .tensorScalar, .tensorCopy, .memset, .iota, .affineSelect,
        .partitionReduce,
    ]

    private mutating func addElementwise(on engine: Engine) {
        let opcode: Opcode =
            switch engine {
            case .scalar: [.activation, .activation, .tensorCopy][random.below(3)]
            case .gpsimd: Self.gpsimdOpcodes[random.below(Self.gpsimdOpcodes.count)]
            default: Self.vectorOpcodes[random.below(Self.vectorOpcodes.count)]
            }
        let rows = [32, 64, 128][random.below(3)]
        let count = [8, 64, 256, 500][random.below(4)]
        let type = Self.types[random.below(2)]
        var instruction = Instruction(opcode, on: engine)
        let canUsePSUM = engine != .gpsimd
        instruction.source0 = operand(rows, count, type, inPSUM: canUsePSUM)
        instruction.destination = operand(rows, count, type, inPSUM: canUsePSUM)
        instruction.operation0 = ALUOperation.add.rawValue
        instruction.operation1 = ALUOperation.multiply.rawValue
        setOperands(of: &instruction, rows, count, type)
        add(instruction)
    }

    private mutating func setOperands(
        of instruction: inout Instruction, _ rows: Int, _ count: Int, _ type: ElementType
    ) {
        let perPartition = sbuf(rows, 1, .fp32)
        switch instruction.opcode {
        case .tensorTensor, .copyPredicated, .tensorTensorScan:
            instruction.source1 = sbuf(rows, count, type)
        case .scalarTensorTensor:
            instruction.source1 = sbuf(rows, count, type)
            if random.chance(1, in: 2) {
                instruction.flags = .scalar0
                instruction.source2 = perPartition
            }
        case .tensorScalar:
            if random.chance(1, in: 2) {
                instruction.flags = .scalar0
                instruction.source1 = perPartition
            }
        case .tensorReduce, .partitionReduce:
            let isAcross = instruction.opcode == .partitionReduce
            instruction.destination = isAcross ? sbuf(1, count, .fp32) : sbuf(rows, 1, .fp32)
        case .memset:
            instruction.source0 = Instruction.noPattern
            instruction.immediate0 = random.chance(1, in: 2) ? 0 : 1
        case .activation:
            instruction.operation0 = Activation.exp.rawValue
            if random.chance(1, in: 2) {
                instruction.flags = .reduces
                instruction.source1 = perPartition
            }
        case .iota, .affineSelect:
            if instruction.opcode == .iota { instruction.source0 = Instruction.noPattern }
            instruction.source1 = 1
            instruction.source2 = UInt32(bitPattern: -1)
        default: setNarrowOperands(of: &instruction, rows, count)
        }
    }

    private mutating func setNarrowOperands(
        of instruction: inout Instruction, _ rows: Int, _ count: Int
    ) {
        switch instruction.opcode {
        case .max8: instruction.destination = sbuf(rows, 8, .fp32)
        case .findIndex8:
            instruction.source0 = sbuf(rows, 8, .fp32)
            instruction.source1 = sbuf(rows, count, .fp32)
            instruction.destination = sbuf(rows, 8, .uint32)
        case .matchReplace8: instruction.source1 = sbuf(rows, 8, .fp32)
        case .bnStats: instruction.destination = sbuf(rows, 3, .fp32)
        case .bnAggregate:
            instruction.source0 = sbuf(rows, 12, .fp32)
            instruction.destination = sbuf(rows, 2, .fp32)
        default: break
        }
    }

    private mutating func addTransfer() {
        let ring = random.below(Self.ringEngines.count)
        let isTransposed = random.chance(1, in: 5)
        var instruction = Instruction(
            isTransposed ? .dmaTranspose : .dmaCopy, on: Self.ringEngines[ring])
        instruction.ring = UInt8(ring)
        let rows = [1, 32, 64, 128][random.below(4)]
        let columns = isTransposed ? rows : [1, 16, 512, 1000][random.below(4)]
        let type = isTransposed ? ElementType.bf16 : Self.types[random.below(2)]
        let (inSBUF, inHBM) = (sbuf(rows, columns, type), hbm(rows, columns, type))
        switch random.below(4) {
        case 0: (instruction.destination, instruction.source0) = (inHBM, inSBUF)
        case 1:
            (instruction.destination, instruction.source0) = (inSBUF, sbuf(rows, columns, type))
        default: (instruction.destination, instruction.source0) = (inSBUF, inHBM)
        }
        add(instruction)
    }
}

/// Operands, waits and signals.
extension RandomProgram {
    private mutating func index(of pattern: AccessPattern) -> UInt32 {
        if let index = patternIndices[pattern] { return index }
        let index = UInt32(program.patterns.count)
        program.patterns.append(pattern)
        patternIndices[pattern] = index
        return index
    }

    private mutating func onChip(
        _ space: MemorySpace, _ rows: Int, _ columns: Int, _ type: ElementType, tile: Int
    ) -> UInt32 {
        let start = rows > 64 ? 0 : rows > 32 ? [0, 64][random.below(2)] : 32 * random.below(4)
        // At most 512 elements of 4 bytes 2 apart fill the 4 KiB of a tile in SBUF.
        let stride = space == .sbuf && columns > 1 && random.chance(1, in: 4) ? 2 : 1
        return index(
            of: AccessPattern(
                space, type, partitionStart: start, partitionCount: rows,
                offset: program.tiles[tile].offset, tile: UInt32(tile),
                dimensions: [FreeDimension(count: columns, stride: columns == 1 ? 1 : stride)]))
    }

    private mutating func sbuf(_ rows: Int, _ columns: Int, _ type: ElementType) -> UInt32 {
        // Transfers of 1000 elements fit without gaps only.
        if columns > 512 {
            return index(
                of: AccessPattern(
                    .sbuf, type, partitionCount: rows, offset: 0, tile: 0,
                    dimensions: [FreeDimension(count: columns, stride: 1)]))
        }
        return onChip(.sbuf, rows, columns, type, tile: random.below(8))
    }

    private mutating func psum(
        _ rows: Int, _ columns: Int, _ type: ElementType, tile: Int
    ) -> UInt32 {
        onChip(.psum, rows, columns, type, tile: tile)
    }

    private mutating func operand(
        _ rows: Int, _ columns: Int, _ type: ElementType, inPSUM: Bool
    ) -> UInt32 {
        inPSUM && random.chance(1, in: 2)
            ? psum(rows, columns, type, tile: 8 + random.below(4)) : sbuf(rows, columns, type)
    }

    private mutating func hbm(_ rows: Int, _ columns: Int, _ type: ElementType) -> UInt32 {
        index(
            of: AccessPattern(
                .hbm, type, partitionCount: rows, offset: 4096 * random.below(4),
                tensor: random.below(3), partitionStride: 4096,
                dimensions: [FreeDimension(count: columns, stride: 1)]))
    }

    private mutating func add(_ instruction: Instruction) {
        var instruction = instruction
        instruction.line = UInt32(random.below(program.lines.count))
        // Drawn from the left, so that some instructions have 0, some 3 waits.
        if random.chance(1, in: 2) { instruction.wait0 = wait() }
        if random.chance(1, in: 4) { instruction.wait1 = wait() }
        if random.chance(1, in: 8) { instruction.wait2 = wait() }
        if random.chance(9, in: 10) { signal(&instruction) }
        program.instructions.append(instruction)
        program.iterationOfInstruction.append(iteration)
    }

    /// A condition that instructions before satisfy; often none.
    private mutating func wait() -> SemaphoreWait {
        let stream = streams[random.below(streams.count)]
        let choice = random.below(stream.semaphores.count)
        let reached = stream.reached[choice]
        guard reached > 0 else { return SemaphoreWait() }
        // Mostly for the latest signal.
        let value = random.chance(3, in: 4) ? reached : 1 + UInt32(random.below(Int(reached)))
        let kind = DependenceKind.allCases[random.below(DependenceKind.allCases.count)]
        return SemaphoreWait(semaphore: stream.semaphores[choice], value: value, kind: kind)
    }

    private mutating func signal(_ instruction: inout Instruction) {
        let stream = Int(instruction.stream)
        let choice = random.below(streams[stream].semaphores.count)
        let amount = streams[stream].amounts[choice]
        instruction.signal = streams[stream].semaphores[choice]
        instruction.signalAmount = amount > 0 ? amount : UInt16(1 + random.below(4))
        streams[stream].reached[choice] += UInt32(instruction.signalAmount)
    }
}
