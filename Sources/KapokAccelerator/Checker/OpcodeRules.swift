/// What an opcode takes: engines, flags, operands, operations.
struct OpcodeRules {
    /// Engines that can execute it.
    var engines: [Engine]
    /// Flags that mean something to it.
    var flags: InstructionFlags
    /// What its first and second operation must be.
    var operation0: OperationRule
    var operation1: OperationRule

    /// What a field of an operation may hold.
    enum OperationRule {
        /// Zero.
        case none
        /// An ``ALUOperation``.
        case arithmetic
        /// An ``ALUOperation`` that is associative.
        case reduction
        /// An ``ALUOperation`` that says yes or no.
        case comparison
        /// An ``Activation``.
        case activation
    }

    private init(
        _ engines: [Engine], flags: InstructionFlags = [], _ operation0: OperationRule = .none,
        _ operation1: OperationRule = .none
    ) {
        self.engines = engines
        self.flags = flags
        self.operation0 = operation0
        self.operation1 = operation1
    }

    private static let lanes: [Engine] = [.vector, .scalar, .gpsimd]
    private static let arithmeticEngines: [Engine] = [.vector, .gpsimd]

    /// The rules of `opcode`.
    static func of(_ opcode: Opcode) -> OpcodeRules {
        switch opcode {
        case .nop: OpcodeRules(Engine.allCases)
        case .loadStationary: OpcodeRules([.tensor], flags: [.doubleRow])
        case .multiplyMoving:
            OpcodeRules([.tensor], flags: [.accumulate, .transpose, .doubleRow, .stochastic])
        case .dmaCopy, .dmaTranspose:
            OpcodeRules([.sync, .scalar, .gpsimd], flags: [.stochastic])
        default: ofElementwise(opcode)
        }
    }

    private static func ofElementwise(_ opcode: Opcode) -> OpcodeRules {
        switch opcode {
        case .tensorTensor:
            OpcodeRules(arithmeticEngines, flags: [.reverse0, .stochastic], .arithmetic)
        case .tensorScalar:
            OpcodeRules(
                lanes, flags: [.scalar0, .scalar1, .reverse0, .reverse1, .stochastic],
                .arithmetic, .arithmetic)
        case .scalarTensorTensor, .tensorTensorScan:
            OpcodeRules(
                arithmeticEngines, flags: [.scalar0, .reverse0, .reverse1, .stochastic],
                .arithmetic, .arithmetic)
        case .tensorReduce:
            OpcodeRules(arithmeticEngines, flags: [.negate, .stochastic], .reduction)
        case .tensorCopy, .memset: OpcodeRules(lanes, flags: [.stochastic])
        case .activation:
            OpcodeRules(
                [.scalar], flags: [.scalar0, .scalar1, .reduces, .stochastic], .activation)
        case .copyPredicated, .reciprocal: OpcodeRules(arithmeticEngines, flags: [.stochastic])
        case .iota: OpcodeRules([.gpsimd], flags: [.stochastic])
        case .affineSelect: OpcodeRules([.gpsimd], flags: [.stochastic], .comparison)
        case .partitionReduce: OpcodeRules([.gpsimd], flags: [.stochastic], .reduction)
        default: OpcodeRules([.vector], flags: [.stochastic])
        }
    }

    /// Which operands the instruction must have; it must not have others.
    static func operands(
        of one: Instruction
    ) -> (destination: Bool, source0: Bool, source1: Bool, source2: Bool) {
        let scalar0 = one.flags.contains(.scalar0)
        let scalar1 = one.flags.contains(.scalar1)
        switch one.opcode {
        case .nop: return (false, false, false, false)
        case .loadStationary: return (false, true, false, false)
        case .memset, .iota: return (true, false, false, false)
        case .tensorTensor, .copyPredicated, .findIndex8, .matchReplace8:
            return (true, true, true, false)
        case .tensorScalar: return (true, true, scalar0, scalar1)
        case .scalarTensorTensor, .tensorTensorScan: return (true, true, true, scalar0)
        case .activation:
            return (true, true, scalar0 || one.flags.contains(.reduces), scalar1)
        default: return (true, true, false, false)
        }
    }
}

extension OpcodeRules.OperationRule {
    /// Whether `raw` is such an operation.
    func allows(_ raw: UInt8) -> Bool {
        switch self {
        case .none: return raw == 0
        case .arithmetic: return ALUOperation(rawValue: raw) != nil
        case .activation: return Activation(rawValue: raw) != nil
        case .reduction:
            switch ALUOperation(rawValue: raw) {
            case .add, .multiply, .max, .min, .absMax: return true
            default: return false
            }
        case .comparison:
            switch ALUOperation(rawValue: raw) {
            case .isEqual, .notEqual, .greaterEqual, .greater, .lessEqual, .less: return true
            default: return false
            }
        }
    }

    /// What it must be, in a sentence.
    var demand: String {
        switch self {
        case .none: "it takes no such operation"
        case .arithmetic: "it takes an arithmetic operation"
        case .reduction: "it takes one of add, multiply, max, min, absMax"
        case .comparison: "it takes a comparison"
        case .activation: "it takes an activation function"
        }
    }
}
