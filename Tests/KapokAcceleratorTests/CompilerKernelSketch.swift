import KapokAccelerator

/// Builds traced kernels by hand, the way the kernel language would record them.
struct KernelSketch {
    var kernel: TracedKernel
    private var known: [AccessPattern: UInt32] = [:]
    private var lineNumbers: [Int: UInt32] = [:]
    private var openIterations: [UInt32] = []

    init(_ name: String, machine: Machine) {
        kernel = TracedKernel(name: name, machine: machine)
    }

    /// One of the machines that come with Kapok.
    static func machine(_ name: String) throws -> Machine {
        guard let description = MachineDescription.named(name) else {
            throw MachineError(machine: name, problem: "unknown")
        }
        return try Machine(description)
    }

    /// Trainium2 with a smaller SBUF.
    static func smallMachine(sbuf: Int) throws -> Machine {
        try Machine(
            MachineDescription.trainium2.setting(
                .sbufBytesPerPartition, to: Double(sbuf), source: "test", confidence: .assumed))
    }

    /// Index of a source line.
    mutating func line(_ number: Int) -> UInt32 {
        if let index = lineNumbers[number] { return index }
        kernel.lines.append(SourceLine(file: "Kernel.swift", line: number))
        let index = UInt32(kernel.lines.count - 1)
        lineNumbers[number] = index
        return index
    }

    mutating func tensor(
        _ name: String, _ rows: Int, _ columns: Int, _ role: TensorDeclaration.Role,
        type: ElementType = .fp32
    ) -> Int {
        kernel.tensors.append(
            TensorDeclaration(name: name, shape: [rows, columns], type: type, role: role))
        return kernel.tensors.count - 1
    }

    mutating func tile(
        _ name: String, _ space: MemorySpace = .sbuf, partitions: Int = 128, columns: Int,
        line number: Int, type: ElementType = .fp32
    ) -> UInt32 {
        kernel.tiles.append(
            TracedTile(
                name: name, space: space, type: type, partitionCount: partitions,
                freeShape: [columns], line: line(number)))
        return UInt32(kernel.tiles.count - 1)
    }

    /// A range of columns of a tile, every `stride`-th of them.
    mutating func part(
        _ tile: UInt32, columns: Range<Int>? = nil, stride: Int = 1, partitions: Range<Int>? = nil
    ) -> UInt32 {
        let made = kernel.tiles[Int(tile)]
        let columns = columns ?? 0..<made.freeShape.reduce(1, *)
        let rows = partitions ?? 0..<made.partitionCount
        let count = (columns.count + stride - 1) / stride
        return intern(
            AccessPattern(
                made.space, made.type, partitionStart: rows.lowerBound,
                partitionCount: rows.count, offset: columns.lowerBound * made.type.byteCount,
                tile: tile, dimensions: [FreeDimension(count: count, stride: stride)]))
    }

    /// A rectangle of a tensor in HBM.
    mutating func region(_ tensor: Int, rows: Range<Int>, columns: Range<Int>) -> UInt32 {
        let made = kernel.tensors[tensor]
        let pitch = made.shape[1]
        return intern(
            AccessPattern(
                .hbm, made.type, partitionCount: rows.count,
                offset: (rows.lowerBound * pitch + columns.lowerBound) * made.type.byteCount,
                tensor: tensor, partitionStride: pitch,
                dimensions: [FreeDimension(count: columns.count, stride: 1)]))
    }

    private mutating func intern(_ pattern: AccessPattern) -> UInt32 {
        if let index = known[pattern] { return index }
        kernel.patterns.append(pattern)
        let index = UInt32(kernel.patterns.count - 1)
        known[pattern] = index
        return index
    }

    mutating func add(_ instruction: Instruction, line number: Int) {
        var instruction = instruction
        instruction.line = line(number)
        kernel.instructions.append(instruction)
        kernel.iterationOfInstruction.append(openIterations.last ?? LoopIteration.none)
    }

    /// Copies between HBM and SBUF.
    mutating func copy(_ source: UInt32, to target: UInt32, on engine: Engine = .sync, line: Int) {
        var instruction = Instruction(.dmaCopy, on: engine)
        instruction.source0 = source
        instruction.destination = target
        add(instruction, line: line)
    }

    /// `target = operation(sources)` on an elementwise engine.
    mutating func compute(
        _ opcode: Opcode, _ sources: [UInt32], to target: UInt32, on engine: Engine = .vector,
        flags: InstructionFlags = [], line: Int
    ) {
        var instruction = Instruction(opcode, on: engine)
        instruction.flags = flags
        instruction.destination = target
        if sources.count > 0 { instruction.source0 = sources[0] }
        if sources.count > 1 { instruction.source1 = sources[1] }
        if sources.count > 2 { instruction.source2 = sources[2] }
        add(instruction, line: line)
    }

    /// Loads a stationary matrix and multiplies.
    mutating func multiply(
        _ stationary: UInt32, _ moving: UInt32, to target: UInt32, accumulate: Bool, line: Int
    ) {
        compute(.loadStationary, [stationary], to: Instruction.noPattern, on: .tensor, line: line)
        compute(
            .multiplyMoving, [moving], to: target, on: .tensor,
            flags: accumulate ? .accumulate : [], line: line)
    }

    /// A loop; `body` gets the index.
    mutating func loop(
        _ name: String, _ count: Int, line number: Int,
        _ body: (inout KernelSketch, Int) -> Void
    ) {
        kernel.loops.append(LoopDeclaration(name: name, line: line(number)))
        let loop = UInt32(kernel.loops.count - 1)
        let parent = openIterations.last ?? LoopIteration.none
        for index in 0..<count {
            kernel.iterations.append(
                LoopIteration(loop: loop, index: UInt32(index), parent: parent))
            openIterations.append(UInt32(kernel.iterations.count - 1))
            body(&self, index)
            openIterations.removeLast()
        }
    }
}
