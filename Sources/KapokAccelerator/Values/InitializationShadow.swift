internal import Glibc

/// Which bytes of memory were written: one flag for each byte, laid out as the memory itself.
struct InitializationShadow: ~Copyable {
    /// From an address to its flag.
    private let distance: Int
    private let flags: UnsafeMutablePointer<UInt8>
    private let byteCount: Int

    /// Nothing is written yet. Nil when the host has not enough memory.
    init?(of memory: borrowing DeviceMemory) {
        byteCount = memory.byteCount
        guard let flags = calloc(byteCount, 1) else { return nil }
        self.flags = flags.assumingMemoryBound(to: UInt8.self)
        distance = UnsafeMutableRawPointer(self.flags) - memory.sbuf
    }

    deinit { free(flags) }

    /// Marks bytes as written.
    func markWritten(_ address: UnsafeMutableRawPointer, byteCount: Int) {
        (address + distance).initializeMemory(as: UInt8.self, repeating: 1, count: byteCount)
    }

    /// Marks an operand's elements as written.
    func markWritten(_ operand: Operand) {
        forEachPiece(operand) { address, byteCount in
            markWritten(address, byteCount: byteCount)
            return true
        }
    }

    /// The first byte of an operand that nothing has written.
    func firstUnwritten(_ operand: Operand) -> UnsafeMutableRawPointer? {
        var found: UnsafeMutableRawPointer?
        forEachPiece(operand) { address, byteCount in
            guard let flag = memchr(address + distance, 0, byteCount) else { return true }
            found = flag - distance
            return false
        }
        return found
    }

    /// Calls `body` with each run of bytes that lie side by side, until it returns false.
    private func forEachPiece(
        _ operand: Operand, _ body: (UnsafeMutableRawPointer, Int) -> Bool
    ) {
        var cursor = RunCursor(operand)
        var left = operand.totalElements
        let size = operand.type.byteCount
        while left > 0 {
            let count = cursor.stride == 1 ? cursor.remaining : 1
            guard body(cursor.address, count * size) else { return }
            cursor.advance(by: count)
            left -= count
        }
    }
}

// Reads of memory that nothing has written.
extension Executor {
    /// - Throws: ``ExecutionError`` for the first operand that is not written wholly.
    func checkReads(_ instruction: Instruction) throws(ExecutionError) {
        let reads = instruction.reads
        if reads.contains(.source0) { try checkRead(instruction.source0, "source0") }
        if reads.contains(.source1) { try checkRead(instruction.source1, "source1") }
        if reads.contains(.source2) { try checkRead(instruction.source2, "source2") }
        if reads.contains(.destination) { try checkRead(instruction.destination, "destination") }
    }

    private func checkRead(_ index: UInt32, _ name: String) throws(ExecutionError) {
        let operand = operand(index)
        guard let byte = shadow?.firstUnwritten(operand) else { return }
        let distance = byte - memory.base(of: operand.space)
        switch operand.space {
        case .hbm:
            let tensor = Int(program.patterns[Int(index)].tensor)
            throw ExecutionError(
                .uninitializedTensor(
                    operand: name, tensor: program.tensors[tensor].name,
                    byte: distance - memory.tensorOffsets[tensor]))
        case .sbuf, .psum:
            let pitch = operand.space == .sbuf ? memory.sbufPitch : memory.psumPitch
            throw ExecutionError(
                .uninitialized(
                    operand: name, space: operand.space, partition: distance / pitch,
                    byte: distance % pitch))
        }
    }

    /// Marks what `instruction` has written. `copyPredicated` marks what it copies itself.
    func markWrites(_ instruction: Instruction) {
        switch instruction.opcode {
        case .nop, .loadStationary, .copyPredicated: return
        case .activation where instruction.flags.contains(.reduces):
            shadow?.markWritten(operand(instruction.source1))
        default: break
        }
        shadow?.markWritten(operand(instruction.destination))
    }
}

/// Fields of an instruction.
struct OperandFields: OptionSet {
    var rawValue: UInt8

    static let source0 = OperandFields(rawValue: 1)
    static let source1 = OperandFields(rawValue: 2)
    static let source2 = OperandFields(rawValue: 4)
    static let destination = OperandFields(rawValue: 8)
}

extension Instruction {
    /// Fields whose operands it reads; see ``Opcode``.
    var reads: OperandFields {
        switch opcode {
        case .nop, .memset, .iota: []
        case .loadStationary, .tensorReduce, .tensorCopy, .affineSelect, .max8, .bnStats,
            .bnAggregate, .partitionReduce, .reciprocal, .dmaCopy, .dmaTranspose:
            .source0
        case .multiplyMoving: flags.contains(.accumulate) ? [.source0, .destination] : .source0
        case .tensorTensor, .copyPredicated, .findIndex8, .matchReplace8: [.source0, .source1]
        case .tensorScalar, .activation: [.source0, scalar(.scalar0, .source1), secondScalar]
        case .scalarTensorTensor, .tensorTensorScan:
            [.source0, .source1, scalar(.scalar0, .source2)]
        }
    }

    private var secondScalar: OperandFields { scalar(.scalar1, .source2) }

    private func scalar(_ flag: InstructionFlags, _ field: OperandFields) -> OperandFields {
        flags.contains(flag) ? field : []
    }
}
