/// What an instruction does to one of its operands.
struct OperandAccess: Hashable, Sendable {
    /// Index of the access pattern.
    var pattern: UInt32
    /// Whether values are read, also those that stay because a write is partial or accumulates.
    var reads: Bool
    /// Whether values are written.
    var writes: Bool
}

/// The operands of an instruction, in the order in which dependences are looked for: reads first. A
/// fixed record, so that walking a kernel allocates nothing.
struct OperandAccesses: Sendable {
    private var accesses: InlineArray<4, OperandAccess>
    private(set) var count = 0

    init(_ instruction: Instruction) {
        accesses = InlineArray(repeating: OperandAccess(pattern: 0, reads: false, writes: false))
        let opcode = instruction.opcode
        guard opcode != .nop else { return }
        add(instruction.source0, reads: true, writes: false)
        // These two keep integer coefficients where others have operands.
        if opcode != .iota, opcode != .affineSelect {
            let isSum = instruction.flags.contains(.reduces)
            add(instruction.source1, reads: !isSum, writes: isSum)
            add(instruction.source2, reads: true, writes: false)
        }
        let keepsOldValues =
            opcode == .copyPredicated
            || (opcode == .multiplyMoving && instruction.flags.contains(.accumulate))
        add(instruction.destination, reads: keepsOldValues, writes: true)
    }

    subscript(index: Int) -> OperandAccess { accesses[index] }

    private mutating func add(_ pattern: UInt32, reads: Bool, writes: Bool) {
        guard pattern != Instruction.noPattern else { return }
        accesses[count] = OperandAccess(pattern: pattern, reads: reads, writes: writes)
        count += 1
    }
}
