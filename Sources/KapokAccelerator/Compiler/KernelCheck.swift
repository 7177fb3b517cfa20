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
        try checkRings()
        var isTouched = [Bool](repeating: false, count: kernel.tiles.count)
        for instruction in kernel.instructions {
            let operands = OperandAccesses(instruction)
            // Reads come first in the list, so a tile that the same instruction writes counts as
            // unwritten for its own sources.
            for slot in 0..<operands.count {
                let operand = operands[slot]
                guard Int(operand.pattern) < kernel.patterns.count else {
                    throw malformed(
                        instruction, "operand \(slot) names a pattern that is not there")
                }
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
