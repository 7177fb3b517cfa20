/// One operand of an instruction and what is done with it.
struct OperandUse {
    /// Index of the access pattern.
    var pattern: UInt32
    /// Whether its values are read.
    var reads: Bool
    /// Whether it is written.
    var writes: Bool
    /// Whether a write keeps some of the old values: those must have arrived, but need not have
    /// been set by anyone.
    var keeps: Bool
}

/// The operands of an instruction that are access patterns: sources first, the destination last.
///
/// This is the checker's own reading of the instruction set; the compiler has another.
struct OperandUses: Sequence {
    private let one: Instruction

    init(_ one: Instruction) { self.one = one }

    func makeIterator() -> Iterator { Iterator(one) }

    struct Iterator: IteratorProtocol {
        private let one: Instruction
        private var field = 0

        init(_ one: Instruction) { self.one = one }

        mutating func next() -> OperandUse? {
            while field < 4 {
                field += 1
                if let use = use(field - 1) { return use }
            }
            return nil
        }

        private func use(_ field: Int) -> OperandUse? {
            switch field {
            case 0: return read(one.source0)
            case 1:
                guard !one.opcode.hasCoefficients else { return nil }
                if one.opcode == .activation, one.flags.contains(.reduces) {
                    return written(one.source1)
                }
                return read(one.source1)
            case 2: return one.opcode.hasCoefficients ? nil : read(one.source2)
            default: return written(one.destination)
            }
        }

        private func read(_ pattern: UInt32) -> OperandUse? {
            guard pattern != Instruction.noPattern else { return nil }
            return OperandUse(pattern: pattern, reads: true, writes: false, keeps: false)
        }

        private func written(_ pattern: UInt32) -> OperandUse? {
            guard pattern != Instruction.noPattern else { return nil }
            let accumulates =
                one.opcode == .multiplyMoving && one.flags.contains(.accumulate)
            return OperandUse(
                pattern: pattern, reads: accumulates, writes: true,
                keeps: one.opcode == .copyPredicated)
        }
    }
}
