@testable import KapokAccelerator

/// Builds small programs for tests of values, operand by operand.
struct ValuesProgram {
    var program = Program(name: "test", machine: "trn2")

    /// The machine that all of them run on.
    static func machine() throws -> Machine { try Machine(.trainium2) }

    /// A tensor in HBM; its index.
    @discardableResult
    mutating func tensor(
        _ name: String, _ shape: [Int], _ type: ElementType, _ role: TensorDeclaration.Role
    ) -> Int {
        program.tensors.append(
            TensorDeclaration(name: name, shape: shape, type: type, role: role))
        return program.tensors.count - 1
    }

    /// A whole tensor of two dimensions, as an operand.
    mutating func hbm(_ tensor: Int) -> UInt32 {
        let declaration = program.tensors[tensor]
        let columns = declaration.shape[1]
        return pattern(
            AccessPattern(
                .hbm, declaration.type, partitionCount: declaration.shape[0], tensor: tensor,
                partitionStride: columns, dimensions: [FreeDimension(count: columns, stride: 1)]))
    }

    /// A contiguous tile, as an operand.
    mutating func tile(
        _ space: MemorySpace, _ type: ElementType, at start: Int = 0, _ rows: Int, _ columns: Int,
        offset: Int = 0
    ) -> UInt32 {
        pattern(
            AccessPattern(
                space, type, partitionStart: start, partitionCount: rows, offset: offset,
                dimensions: [FreeDimension(count: columns, stride: 1)]))
    }

    /// Any pattern, as an operand.
    mutating func pattern(_ pattern: AccessPattern) -> UInt32 {
        program.patterns.append(pattern)
        return UInt32(program.patterns.count - 1)
    }

    /// Adds an instruction.
    mutating func add(
        _ opcode: Opcode, on engine: Engine = .vector, to destination: UInt32? = nil,
        _ source0: UInt32? = nil, _ source1: UInt32? = nil, _ source2: UInt32? = nil,
        immediates: (Float, Float) = (0, 0), operations: (ALUOperation, ALUOperation)? = nil,
        flags: InstructionFlags = []
    ) {
        var instruction = Instruction(opcode, on: engine)
        instruction.destination = destination ?? Instruction.noPattern
        instruction.source0 = source0 ?? Instruction.noPattern
        instruction.source1 = source1 ?? Instruction.noPattern
        instruction.source2 = source2 ?? Instruction.noPattern
        instruction.immediate0 = immediates.0
        instruction.immediate1 = immediates.1
        instruction.operation0 = operations?.0.rawValue ?? 0
        instruction.operation1 = operations?.1.rawValue ?? 0
        instruction.flags = flags
        program.instructions.append(instruction)
    }
}
