/// What an instruction must have for the simulator to time it. Whether it is legal otherwise is the
/// checker's business.
enum InstructionCheck {
    /// What is wrong with a kind of instruction; nil when nothing is. Its operands exist.
    static func problem(_ instruction: Instruction) -> String? {
        let none = Instruction.noPattern
        switch instruction.opcode {
        case .nop: return nil
        case .loadStationary, .multiplyMoving:
            if instruction.engine != .tensor { return "only the tensor engine multiplies" }
            return instruction.source0 == none ? "it has no source" : nil
        case .dmaCopy, .dmaTranspose:
            if instruction.engine == .tensor || instruction.engine == .vector {
                return "transfers are triggered by sync, scalar or gpsimd"
            }
            return instruction.source0 == none || instruction.destination == none
                ? "a transfer needs a source and a destination" : nil
        default:
            return instruction.engine == .sync || instruction.engine == .tensor
                ? "the \(instruction.engine.name) engine has no data path for it" : nil
        }
    }

    /// Says which operand or semaphore does not exist.
    static func missingOperand(
        _ instruction: Instruction, patternCount: Int, semaphoreCount: Int
    ) -> String {
        var operands = [
            ("destination", instruction.destination), ("source 0", instruction.source0),
        ]
        if !instruction.hasCoefficients {
            operands += [("source 1", instruction.source1), ("source 2", instruction.source2)]
        }
        for (name, pattern) in operands
        where pattern != Instruction.noPattern && Int(pattern) >= patternCount {
            return "its \(name) is access pattern \(pattern) of \(patternCount)"
        }
        for wait in [instruction.wait0, instruction.wait1, instruction.wait2]
        where wait.isPresent && Int(wait.semaphore) >= semaphoreCount {
            return "it waits for semaphore \(wait.semaphore) of \(semaphoreCount)"
        }
        return "an operand is missing"
    }
}
