/// Checks of a traced kernel that the rest of the compiler relies on.
struct KernelCheck {
    private let kernel: TracedKernel
    private let machine: Machine
    private let bank: Int

    init(_ kernel: TracedKernel, machine: Machine) {
        self.kernel = kernel
        self.machine = machine
        bank = machine.psumBankBytes
    }

    /// - Throws: ``CompilerError`` for the first thing that is wrong.
    func check() throws(CompilerError) {
        for pattern in kernel.patterns { try check(pattern) }
        for tile in kernel.tiles { try check(tile) }
        for instruction in kernel.instructions { try check(instruction) }
        try checkLoops()
        try checkRings()
        try checkUses()
    }

    /// Operands exist, tiles are written before they are read, products stay in their bank.
    private func checkUses() throws(CompilerError) {
        var isTouched = [Bool](repeating: false, count: kernel.tiles.count)
        for instruction in kernel.instructions {
            let operands = OperandAccesses(instruction)
            // Reads come first in the list, so a tile that the same instruction writes counts as
            // unwritten for its own sources.
            for slot in 0..<operands.count {
                let operand = operands[slot]
                let pattern = kernel.patterns[Int(operand.pattern)]
                guard pattern.space != .hbm else { continue }
                if operand.reads, !isTouched[Int(pattern.tile)] {
                    throw uninitialised(instruction, kernel.tiles[Int(pattern.tile)])
                }
                if operand.writes { isTouched[Int(pattern.tile)] = true }
                if operand.writes, instruction.opcode == .multiplyMoving {
                    try checkBank(pattern, instruction)
                }
            }
        }
    }

    private func check(_ tile: TracedTile) throws(CompilerError) {
        let capacity =
            tile.space == .psum ? machine.psumBytesPerPartition : machine.sbufBytesPerPartition
        guard tile.space != .hbm, (1...machine.partitions).contains(tile.partitionCount) else {
            throw malformed(nil, "tile \(tile.name) has \(tile.partitionCount) partitions")
        }
        guard tile.bytesPerPartition > capacity else { return }
        throw CompilerError(
            kind: tile.space == .psum ? .outOfPSUM : .outOfSBUF,
            line: kernel.lines.known(tile.line),
            problem: "out of \(tile.space.name.uppercased()): tile \(tile.name) takes "
                + "\(tile.bytesPerPartition) bytes a partition, there are \(capacity)",
            remedy: "Work on smaller tiles")
    }

    /// Operands that every instruction of its kind has are there, and name patterns.
    private func check(_ instruction: Instruction) throws(CompilerError) {
        let operands = OperandAccesses(instruction)
        for slot in 0..<operands.count where operands[slot].pattern >= kernel.patterns.count {
            throw malformed(instruction, "operand \(slot) names a pattern that is not there")
        }
        let opcode = instruction.opcode
        let hasDestination = instruction.destination != Instruction.noPattern
        let hasSource = instruction.source0 != Instruction.noPattern
        let needsSource = opcode != .nop && opcode != .memset && opcode != .iota
        let needsDestination = opcode != .nop && opcode != .loadStationary
        guard hasSource || !needsSource, hasDestination || !needsDestination else {
            throw malformed(instruction, "\(opcode.name) lacks an operand")
        }
        let onTensor = opcode == .loadStationary || opcode == .multiplyMoving
        let triggers: [Engine] = [.sync, .scalar, .gpsimd]
        guard onTensor ? instruction.engine == .tensor : true,
            opcode.isDMA ? triggers.contains(instruction.engine) : true
        else {
            throw malformed(
                instruction, "\(opcode.name) on the \(instruction.engine.name) engine")
        }
    }

    private func checkLoops() throws(CompilerError) {
        let isSound = kernel.iterations.enumerated().allSatisfy { index, iteration in
            iteration.loop < kernel.loops.count
                && (iteration.parent == LoopIteration.none || iteration.parent < index)
        }
        guard isSound else {
            throw malformed(nil, "an iteration belongs to a loop that is not there")
        }
    }

    /// A ring is fed by one engine, for only then its order is known.
    private func checkRings() throws(CompilerError) {
        var engines: Set<Engine> = []
        for instruction in kernel.instructions where instruction.opcode.isDMA {
            engines.insert(instruction.engine)
        }
        guard engines.count > machine.dmaRings else { return }
        throw CompilerError(
            kind: .tooFewRings, line: nil,
            problem: "\(engines.count) engines trigger transfers, and \(machine.description.name) "
                + "has \(machine.dmaRings) DMA rings",
            remedy: "Trigger transfers from fewer engines")
    }

    private func check(_ pattern: AccessPattern) throws(CompilerError) {
        let bytes = pattern.spanElements * pattern.type.byteCount
        if pattern.space == .hbm {
            guard Int(pattern.tensor) < kernel.tensors.count else {
                throw malformed(nil, "a pattern names tensor \(pattern.tensor), which is not there")
            }
            let rows = (Int(pattern.partitionCount) - 1) * Int(pattern.partitionStride)
            let end = Int(pattern.offset) + rows * pattern.type.byteCount + bytes
            let tensor = kernel.tensors[Int(pattern.tensor)]
            guard pattern.offset >= 0, end <= tensor.byteCount else {
                throw malformed(
                    nil,
                    "bytes \(pattern.offset) to \(end) of \(tensor.name) are touched, "
                        + "which has \(tensor.byteCount)")
            }
            return
        }
        guard Int(pattern.tile) < kernel.tiles.count else {
            throw malformed(nil, "a pattern names tile \(pattern.tile), which is not there")
        }
        let tile = kernel.tiles[Int(pattern.tile)]
        let lastPartition = Int(pattern.partitionStart) + Int(pattern.partitionCount)
        guard pattern.space == tile.space, pattern.offset >= 0,
            Int(pattern.offset) + bytes <= tile.bytesPerPartition,
            lastPartition <= tile.partitionCount
        else {
            throw CompilerError(
                kind: .malformedKernel, line: kernel.lines.known(tile.line),
                problem: "an instruction reaches beyond tile \(tile.name) "
                    + "(\(tile.partitionCount) partitions of \(tile.bytesPerPartition) bytes)",
                remedy: "Trace the kernel again")
        }
    }

    private func checkBank(
        _ pattern: AccessPattern, _ instruction: Instruction
    ) throws(CompilerError) {
        let tile = kernel.tiles[Int(pattern.tile)]
        let first = Int(pattern.offset)
        let last = first + pattern.spanElements * pattern.type.byteCount - 1
        guard tile.space == .psum, first / bank != last / bank else { return }
        throw CompilerError(
            kind: .crossesBank, line: kernel.lines.known(instruction.line),
            problem: "the multiplication writes bytes \(first) to \(last) of \(tile.name), "
                + "across a PSUM bank of \(bank) bytes",
            remedy: "Write at most \(bank) bytes a partition, beginning at a multiple of \(bank)")
    }

    private func uninitialised(_ instruction: Instruction, _ tile: TracedTile) -> CompilerError {
        CompilerError(
            kind: .uninitialisedRead, line: kernel.lines.known(instruction.line),
            problem: "\(instruction.opcode.name) reads tile \(tile.name) before anything "
                + "was written to it",
            remedy: "Load it, or set it with memset, first")
    }

    private func malformed(_ instruction: Instruction?, _ problem: String) -> CompilerError {
        CompilerError(
            kind: .malformedKernel, line: instruction.flatMap { kernel.lines.known($0.line) },
            problem: problem, remedy: "Trace the kernel again")
    }
}
