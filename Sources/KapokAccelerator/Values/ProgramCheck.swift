/// Checks instructions against what their opcodes ask for, so that execution can trust them: the
/// operands are there and in memory, their shapes fit, operations and flags are allowed.
///
/// Machine rules that do not matter for values (partition starts, banks, which engine may access
/// what) are the compiler's and the checker's business.
struct ProgramCheck: ~Copyable {
    let program: Program
    let resolution: OperandResolution
    /// One for each pattern that an instruction uses.
    private(set) var operands: [Operand?]

    init(program: Program, resolution: OperandResolution) {
        self.program = program
        self.resolution = resolution
        operands = [Operand?](repeating: nil, count: program.patterns.count)
    }

    /// Checks every instruction and resolves its operands.
    mutating func run(in memory: borrowing DeviceMemory) throws(ExecutionError) {
        for index in program.instructions.indices {
            do {
                try check(program.instructions[index], in: memory)
            } catch {
                throw error.located(at: index, in: program)
            }
        }
    }

    private mutating func check(
        _ instruction: Instruction, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        switch instruction.opcode {
        case .nop: return
        case .loadStationary, .multiplyMoving:
            try checkTensorEngine(instruction, in: memory)
        case .dmaCopy, .dmaTranspose:
            try checkTransfer(instruction, in: memory)
        case .tensorTensor, .tensorScalar, .scalarTensorTensor, .tensorTensorScan, .activation:
            try checkArithmetic(instruction, in: memory)
        case .tensorCopy, .reciprocal, .memset, .iota, .affineSelect, .copyPredicated:
            try checkMovement(instruction, in: memory)
        case .tensorReduce, .partitionReduce, .bnStats, .bnAggregate:
            try checkReduction(instruction, in: memory)
        case .max8, .findIndex8, .matchReplace8:
            try checkSelection(instruction, in: memory)
        }
    }

    // MARK: Operands

    /// The operand in a field of an instruction.
    mutating func operand(
        _ index: UInt32, _ name: String, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) -> Operand {
        guard Int(index) < operands.count else { throw ExecutionError(.missingOperand(name)) }
        if let known = operands[Int(index)] { return known }
        let operand = try resolution.resolve(program.patterns[Int(index)], as: name, in: memory)
        operands[Int(index)] = operand
        return operand
    }

    /// An operand in SBUF or PSUM.
    mutating func onChip(
        _ index: UInt32, _ name: String, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) -> Operand {
        let operand = try operand(index, name, in: memory)
        guard operand.space != .hbm else {
            throw ExecutionError(.wrongSpace(operand: name, space: .hbm))
        }
        return operand
    }

    /// An operand in SBUF or PSUM of a given shape.
    @discardableResult
    mutating func onChip(
        _ index: UInt32, _ name: String, rows: Int, elements: Int,
        in memory: borrowing DeviceMemory
    ) throws(ExecutionError) -> Operand {
        let operand = try onChip(index, name, in: memory)
        guard operand.rows == rows, operand.elements == elements else {
            throw ExecutionError(
                .shapeMismatch(
                    "\(name) is \(operand.rows) x \(operand.elements), not \(rows) x \(elements)"))
        }
        return operand
    }

    static func requireOperation(_ raw: UInt8) throws(ExecutionError) {
        guard ALUOperation(rawValue: raw) != nil else {
            throw ExecutionError(.invalidOperation(raw))
        }
    }
}

extension ExecutionError {
    /// The same error with its place in the program.
    func located(at index: Int, in program: Program) -> ExecutionError {
        let line = Int(program.instructions[index].line)
        let known = line > 0 && line < program.lines.count
        return ExecutionError(
            problem, instruction: index, line: known ? program.lines[line] : nil)
    }
}
