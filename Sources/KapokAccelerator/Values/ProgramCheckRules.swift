// What each opcode asks of its operands; see ``Opcode`` for the meaning of the fields.

extension ProgramCheck {
    mutating func checkTensorEngine(
        _ instruction: Instruction, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        let source = try onChip(instruction.source0, "source0", in: memory)
        guard source.type.isFloatingPoint else {
            throw ExecutionError(.wrongType(operand: "source0", type: source.type))
        }
        let flags = instruction.flags
        let isDouble = flags.contains(.doubleRow)
        guard !isDouble || (source.type.byteCount == 1 && source.elements % 2 == 0) else {
            throw ExecutionError(.wrongType(operand: "source0", type: source.type))
        }
        let columns = isDouble ? source.elements / 2 : source.elements
        let isLoad = instruction.opcode == .loadStationary
        let most = isLoad ? resolution.machine.stationaryColumns : resolution.machine.movingColumns
        guard columns <= most else {
            throw ExecutionError(.shapeMismatch("source0 has \(columns) columns, above \(most)"))
        }
        if !isLoad { try checkProduct(instruction, source: source, in: memory) }
    }

    private mutating func checkProduct(
        _ instruction: Instruction, source: Operand, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        let destination = try onChip(instruction.destination, "destination", in: memory)
        let flags = instruction.flags
        if flags.contains(.transpose) {
            guard !flags.contains(.accumulate), !flags.contains(.doubleRow) else {
                throw ExecutionError(.invalidFlags(flags))
            }
            guard destination.type.byteCount == source.type.byteCount else {
                throw ExecutionError(.wrongType(operand: "destination", type: destination.type))
            }
            try onChip(
                instruction.destination, "destination", rows: source.elements,
                elements: source.rows, in: memory)
            return
        }
        guard destination.type.isFloatingPoint else {
            throw ExecutionError(.wrongType(operand: "destination", type: destination.type))
        }
        let columns = flags.contains(.doubleRow) ? source.elements / 2 : source.elements
        guard destination.elements == columns else {
            throw ExecutionError(
                .shapeMismatch("\(columns) columns move, destination has \(destination.elements)"))
        }
    }

    mutating func checkTransfer(
        _ instruction: Instruction, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        let source = try operand(instruction.source0, "source0", in: memory)
        let destination = try operand(instruction.destination, "destination", in: memory)
        let total = source.totalElements
        guard total == destination.totalElements else {
            throw ExecutionError(
                .shapeMismatch("\(total) elements go to \(destination.totalElements)"))
        }
        // A transfer that writes more than there is memory writes some of it twice.
        let bytes = total * max(source.type.byteCount, destination.type.byteCount)
        guard bytes <= memory.hbmByteCount + memory.sbufByteCount else {
            throw ExecutionError(.malformedPattern("destination"))
        }
        guard instruction.opcode == .dmaTranspose else { return }
        guard source.type.byteCount == destination.type.byteCount, source.type.byteCount > 1 else {
            throw ExecutionError(.wrongType(operand: "destination", type: destination.type))
        }
        guard source.rows == destination.elements, source.elements == destination.rows else {
            throw ExecutionError(
                .shapeMismatch(
                    "\(source.rows) x \(source.elements) transposed is not "
                        + "\(destination.rows) x \(destination.elements)"))
        }
    }

    mutating func checkArithmetic(
        _ instruction: Instruction, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        let destination = try onChip(instruction.destination, "destination", in: memory)
        let (rows, elements) = (destination.rows, destination.elements)
        func require(
            _ index: UInt32, _ name: String, _ elements: Int, _ check: inout ProgramCheck,
            _ memory: borrowing DeviceMemory
        ) throws(ExecutionError) {
            try check.onChip(index, name, rows: rows, elements: elements, in: memory)
        }
        try require(instruction.source0, "source0", elements, &self, memory)
        let flags = instruction.flags
        switch instruction.opcode {
        case .activation:
            guard Activation(rawValue: instruction.operation0) != nil else {
                throw ExecutionError(.invalidOperation(instruction.operation0))
            }
            guard !(flags.contains(.reduces) && flags.contains(.scalar0)) else {
                throw ExecutionError(.invalidFlags(flags))
            }
            if flags.contains(.reduces) || flags.contains(.scalar0) {
                try require(instruction.source1, "source1", 1, &self, memory)
            }
            if flags.contains(.scalar1) {
                try require(instruction.source2, "source2", 1, &self, memory)
            }
            return
        case .tensorScalar:
            if flags.contains(.scalar0) {
                try require(instruction.source1, "source1", 1, &self, memory)
            }
            if flags.contains(.scalar1) {
                try require(instruction.source2, "source2", 1, &self, memory)
            }
        default:
            try require(instruction.source1, "source1", elements, &self, memory)
            if flags.contains(.scalar0), instruction.opcode != .tensorTensor {
                try require(instruction.source2, "source2", 1, &self, memory)
            }
        }
        try Self.requireOperation(instruction.operation0)
        if instruction.opcode != .tensorTensor {
            try Self.requireOperation(instruction.operation1)
        }
    }

    mutating func checkMovement(
        _ instruction: Instruction, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        let destination = try onChip(instruction.destination, "destination", in: memory)
        let (rows, elements) = (destination.rows, destination.elements)
        if instruction.opcode == .memset || instruction.opcode == .iota { return }
        try onChip(instruction.source0, "source0", rows: rows, elements: elements, in: memory)
        if instruction.opcode == .copyPredicated {
            try onChip(instruction.source1, "source1", rows: rows, elements: elements, in: memory)
        }
        if instruction.opcode == .affineSelect {
            guard let operation = ALUOperation(rawValue: instruction.operation0),
                operation.isComparison
            else { throw ExecutionError(.invalidOperation(instruction.operation0)) }
        }
    }

    mutating func checkReduction(
        _ instruction: Instruction, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        let source = try onChip(instruction.source0, "source0", in: memory)
        let destination = try onChip(instruction.destination, "destination", in: memory)
        let isAcross = instruction.opcode == .partitionReduce
        guard destination.rows == (isAcross ? 1 : source.rows) else {
            throw ExecutionError(
                .shapeMismatch("\(source.rows) partitions into \(destination.rows)"))
        }
        let fits: Bool
        switch instruction.opcode {
        case .tensorReduce: fits = source.elements % destination.elements == 0
        case .partitionReduce: fits = source.elements == destination.elements
        case .bnStats: fits = destination.elements == 3
        default: fits = destination.elements == 2 && source.elements % 3 == 0
        }
        guard fits else {
            throw ExecutionError(
                .shapeMismatch("\(source.elements) elements into \(destination.elements)"))
        }
        if instruction.opcode == .tensorReduce || isAcross {
            guard let operation = ALUOperation(rawValue: instruction.operation0),
                operation.isReduction
            else { throw ExecutionError(.invalidOperation(instruction.operation0)) }
        }
    }

    mutating func checkSelection(
        _ instruction: Instruction, in memory: borrowing DeviceMemory
    ) throws(ExecutionError) {
        let destination = try onChip(instruction.destination, "destination", in: memory)
        let source = try onChip(instruction.source0, "source0", in: memory)
        let rows = destination.rows
        guard source.rows == rows else {
            throw ExecutionError(.shapeMismatch("\(source.rows) partitions into \(rows)"))
        }
        switch instruction.opcode {
        case .max8:
            guard destination.elements == 8, source.elements >= 8 else {
                throw ExecutionError(
                    .shapeMismatch("eight of \(source.elements) into \(destination.elements)"))
            }
        case .findIndex8:
            guard destination.type == .uint32 else {
                throw ExecutionError(.wrongType(operand: "destination", type: destination.type))
            }
            try onChip(instruction.destination, "destination", rows: rows, elements: 8, in: memory)
            try onChip(instruction.source0, "source0", rows: rows, elements: 8, in: memory)
            let searched = try onChip(instruction.source1, "source1", in: memory)
            try onChip(
                instruction.source1, "source1", rows: rows, elements: searched.elements, in: memory)
        default:
            try onChip(
                instruction.source0, "source0", rows: rows, elements: destination.elements,
                in: memory)
            try onChip(instruction.source1, "source1", rows: rows, elements: 8, in: memory)
        }
    }
}

extension ALUOperation {
    /// Whether its result says yes or no.
    var isComparison: Bool {
        switch self {
        case .isEqual, .notEqual, .greaterEqual, .greater, .lessEqual, .less: true
        default: false
        }
    }

    /// Whether the order of many operands does not matter but for rounding.
    var isReduction: Bool {
        switch self {
        case .add, .multiply, .max, .min, .absMax: true
        default: false
        }
    }
}
