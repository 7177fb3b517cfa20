import KapokWorld

@testable import KapokAccelerator

/// Well-formed programs in which every field of every table varies: for tests of the file formats.
/// They make no sense to a machine.
struct KirPrograms {
    private var random: RandomStream

    init(seed: UInt64) { random = RandomStream(seed: seed) }

    private static let names = [
        "", "a", "lhs", "tile 3", "\"quoted\"", "back\\slash", "sbuf", "wait", "x#1", "größe",
        "q\n",
        "Kernels/Matmul.swift", "_", "1", "\u{7F}\u{1}", "acc[0]", "kir", "e\u{301}",
    ]

    private mutating func name() -> String { Self.names[random.below(Self.names.count)] }

    private mutating func choice<T: CaseIterable>(_: T.Type) -> T {
        let all = Array(T.allCases)
        return all[random.below(all.count)]
    }

    private mutating func index(below count: Int, orNone none: UInt32) -> UInt32 {
        count == 0 || random.chance(1, in: 4) ? none : UInt32(random.below(count))
    }

    /// A program of up to `size` entries in each table.
    mutating func next(size: Int = 12) -> Program {
        var program = Program(name: name(), machine: name())
        for _ in 0..<random.below(size) {
            program.parameters.append(KernelParameter(name(), name()))
        }
        for _ in 0..<random.below(size) {
            program.lines.append(SourceLine(file: name(), line: random.below(1 << 31)))
        }
        addTensorsAndTiles(&program, size)
        addLoops(&program, size)
        for _ in 0..<random.below(size) { program.patterns.append(pattern(program)) }
        for _ in 0..<random.below(size) { program.instructions.append(instruction(program)) }
        // Patterns in order of use, as compilers leave them, every other time.
        if random.chance(1, in: 2) { reorderPatterns(&program) }
        let count = program.instructions.count
        if random.chance(2, in: 3) {
            program.iterationOfInstruction = (0..<count).map { _ in
                index(below: program.iterations.count, orNone: LoopIteration.none)
            }
        }
        if count > 0 { addReasons(&program, size) }
        return program
    }

    private mutating func addTensorsAndTiles(_ program: inout Program, _ size: Int) {
        for i in 0..<random.below(size) {
            let name = random.chance(1, in: 3) ? "\(name())\(i)" : "T\(i)"
            let shape = (0..<random.below(4)).map { _ in 1 + random.below(64) }
            program.tensors.append(
                TensorDeclaration(
                    name: name, shape: shape, type: choice(ElementType.self),
                    role: choice(TensorDeclaration.Role.self)))
        }
        for _ in 0..<random.below(size) {
            program.tiles.append(
                TileAllocation(
                    name: name(), space: random.chance(1, in: 2) ? .sbuf : .psum,
                    partitionStart: random.below(4) * 32, partitionCount: 1 + random.below(128),
                    offset: random.below(4096), bytesPerPartition: random.below(2048),
                    type: choice(ElementType.self),
                    line: UInt32(random.below(program.lines.count)),
                    firstUse: UInt32(truncatingIfNeeded: random.next()),
                    lastUse: UInt32(random.below(9))))
        }
    }

    private mutating func addLoops(_ program: inout Program, _ size: Int) {
        for _ in 0..<random.below(4) {
            program.loops.append(
                LoopDeclaration(name: name(), line: UInt32(random.below(program.lines.count))))
        }
        guard !program.loops.isEmpty else { return }
        for i in 0..<random.below(size) {
            program.iterations.append(
                LoopIteration(
                    loop: UInt32(random.below(program.loops.count)),
                    index: UInt32(random.below(100)),
                    parent: index(below: i, orNone: LoopIteration.none)))
        }
    }

    private mutating func pattern(_ program: Program) -> AccessPattern {
        var dimensions: [FreeDimension] = []
        for _ in 0..<random.below(5) {
            let stride = random.chance(1, in: 2) ? 1 : random.below(600) - 100
            dimensions.append(FreeDimension(count: 1 + random.below(40), stride: stride))
        }
        let tile = index(below: program.tiles.count, orNone: AccessPattern.noTile)
        let type = choice(ElementType.self)
        if !program.tensors.isEmpty, random.chance(1, in: 2) {
            let tensor = random.below(program.tensors.count)
            let rowLength = program.tensors[tensor].shape.dropFirst().reduce(1, *)
            return AccessPattern(
                .hbm, random.chance(1, in: 2) ? program.tensors[tensor].type : type,
                partitionCount: 1 + random.below(300), offset: random.below(4000) - 100,
                tensor: tensor,
                partitionStride: random.chance(1, in: 2) ? rowLength : random.below(99) - 9,
                tile: random.chance(1, in: 4) ? tile : AccessPattern.noTile,
                dimensions: dimensions)
        }
        var space = random.chance(1, in: 2) ? MemorySpace.sbuf : .psum
        if tile != AccessPattern.noTile, random.chance(3, in: 4) {
            space = program.tiles[Int(tile)].space
        }
        return AccessPattern(
            space, type, partitionStart: random.below(256), partitionCount: 1 + random.below(300),
            offset: random.below(5000) - 100, tile: tile, dimensions: dimensions)
    }

    private mutating func instruction(_ program: Program) -> Instruction {
        var one = Instruction(choice(Opcode.self), on: choice(Engine.self))
        let count = program.patterns.count
        one.destination = index(below: count, orNone: Instruction.noPattern)
        one.source0 = index(below: count, orNone: Instruction.noPattern)
        one.source1 = index(below: count, orNone: Instruction.noPattern)
        one.source2 = index(below: count, orNone: Instruction.noPattern)
        if one.opcode.hasCoefficients {
            one.source1 = UInt32(bitPattern: Int32(random.below(21) - 10))
            one.source2 = UInt32(bitPattern: Int32(random.below(21) - 10))
        }
        one.flags = InstructionFlags(rawValue: UInt16(random.below(1024)))
        if random.chance(1, in: 2) { one.flags = [] }
        one.immediate0 = immediate()
        one.immediate1 = immediate()
        one.operation0 = UInt8(random.below(random.chance(1, in: 4) ? 256 : 15))
        one.operation1 = UInt8(random.below(random.chance(1, in: 4) ? 256 : 15))
        one.ring = UInt8(random.below(random.chance(1, in: 4) ? 256 : 16))
        one.line = UInt32(random.below(program.lines.count))
        one.wait0 = wait()
        one.wait1 = wait()
        one.wait2 = wait()
        if random.chance(1, in: 2) {
            one.signal = UInt16(random.below(40))
            one.signalAmount = UInt16(random.below(3))
        }
        return one
    }

    private mutating func immediate() -> Float {
        switch random.below(8) {
        case 0: Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
        case 1: -0.0
        case 2: random.chance(1, in: 2) ? .infinity : -.infinity
        case 3: random.chance(1, in: 2) ? .nan : Float(bitPattern: 0xFF80_0001)
        case 4: Float(random.below(100)) / 7
        default: 0
        }
    }

    private mutating func wait() -> SemaphoreWait {
        guard random.chance(1, in: 2) else { return SemaphoreWait() }
        return SemaphoreWait(
            semaphore: UInt16(random.below(65_535)), value: UInt32(random.below(1 << 32)),
            kind: choice(DependenceKind.self))
    }

    private mutating func addReasons(_ program: inout Program, _ size: Int) {
        let count = program.instructions.count
        for _ in 0..<random.below(size) {
            program.waitReasons.append(
                WaitReason(
                    consumer: UInt32(random.below(count)), slot: UInt8(random.below(3)),
                    kind: choice(DependenceKind.self), producer: UInt32(random.below(count)),
                    tile: index(below: program.tiles.count, orNone: AccessPattern.noTile)))
        }
        guard random.chance(1, in: 2) else { return }
        // In order of consumers and waits, at waits that are there: as compilers leave them.
        program.waitReasons = program.waitReasons.enumerated()
            .filter { _, reason in
                let one = program.instructions[Int(reason.consumer)]
                return [one.wait0, one.wait1, one.wait2][Int(reason.slot)].isPresent
            }
            .sorted { a, b in
                (a.element.consumer, a.element.slot, a.offset)
                    < (b.element.consumer, b.element.slot, b.offset)
            }
            .map(\.element)
    }

    private func reorderPatterns(_ program: inout Program) {
        var order: [AccessPattern: UInt32] = [:]
        var patterns: [AccessPattern] = []
        func moved(_ index: UInt32) -> UInt32 {
            guard index != Instruction.noPattern else { return index }
            let pattern = program.patterns[Int(index)]
            if let known = order[pattern] { return known }
            order[pattern] = UInt32(patterns.count)
            patterns.append(pattern)
            return UInt32(patterns.count - 1)
        }
        var instructions = program.instructions
        for i in instructions.indices {
            instructions[i].destination = moved(instructions[i].destination)
            instructions[i].source0 = moved(instructions[i].source0)
            if !instructions[i].opcode.hasCoefficients {
                instructions[i].source1 = moved(instructions[i].source1)
                instructions[i].source2 = moved(instructions[i].source2)
            }
        }
        program.instructions = instructions
        program.patterns = patterns
    }
}

/// Whether two programs are the same to the last bit: NaN equals itself, -0 differs from 0.
func isSameProgram(_ a: Program, _ b: Program) -> Bool {
    func immediates(_ program: Program) -> [UInt32] {
        program.instructions.flatMap { [$0.immediate0.bitPattern, $0.immediate1.bitPattern] }
    }
    func withoutImmediates(_ program: Program) -> Program {
        var copy = program
        for i in copy.instructions.indices {
            copy.instructions[i].immediate0 = 0
            copy.instructions[i].immediate1 = 0
        }
        return copy
    }
    return immediates(a) == immediates(b) && withoutImmediates(a) == withoutImmediates(b)
}
