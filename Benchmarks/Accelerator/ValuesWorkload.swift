import KapokAccelerator
import KapokWorld

/// A product of 512 x 1024 by 1024 x 2048 as a kernel does it: operands in SBUF, tiles of 128 x 128
/// by 128 x 512, accumulated in PSUM.
struct TiledProduct {
    let program: Program
    /// The instructions of the tensor engine.
    let multiplications: Range<Int>
    /// Floating-point operations.
    let operations = 2.0 * 512 * 1024 * 2048

    init(type: ElementType) {
        var program = Program(name: "tiled product", machine: "trn2")
        program.tensors = [
            TensorDeclaration(name: "x", shape: [1024, 512], type: type, role: .input),
            TensorDeclaration(name: "w", shape: [1024, 2048], type: type, role: .input),
        ]
        for k in 0..<8 {
            Self.load(&program, tensor: 0, row: 128 * k, columns: 512, at: Self.x(k, type))
            Self.load(&program, tensor: 1, row: 128 * k, columns: 2048, at: Self.w(k, type))
        }
        let first = program.instructions.count
        for m in 0..<4 {
            for n in 0..<4 {
                for k in 0..<8 { Self.multiply(&program, m, n, k, type) }
            }
        }
        multiplications = first..<program.instructions.count
        self.program = program
    }

    /// With inputs set and loaded into SBUF.
    func executor(_ instructionSet: InstructionSet) throws -> Executor {
        var options = ExecutionOptions()
        options.instructionSet = instructionSet
        var executor = try Executor(
            program: program, machine: Machine(.trainium2), options: options)
        var stream = RandomStream(seed: 1)
        for tensor in program.tensors {
            let values = (0..<tensor.elementCount).map { _ in Float(stream.unit()) - 0.5 }
            try executor.setInput(tensor.name, values: values)
        }
        try executor.run(0..<multiplications.lowerBound)
        return executor
    }

    /// Where the rows of contraction tile `k` begin in SBUF, in bytes.
    private static func x(_ k: Int, _ type: ElementType) -> Int { k * 512 * type.byteCount }
    private static func w(_ k: Int, _ type: ElementType) -> Int {
        (8 * 512 + k * 2048) * type.byteCount
    }

    private static func load(
        _ program: inout Program, tensor: Int, row: Int, columns: Int, at offset: Int
    ) {
        let type = program.tensors[tensor].type
        let line = [FreeDimension(count: columns, stride: 1)]
        var copy = Instruction(.dmaCopy, on: .sync)
        copy.source0 = UInt32(program.patterns.count)
        copy.destination = copy.source0 + 1
        program.patterns += [
            AccessPattern(
                .hbm, type, partitionCount: 128, offset: row * columns * type.byteCount,
                tensor: tensor, partitionStride: columns, dimensions: line),
            AccessPattern(.sbuf, type, partitionCount: 128, offset: offset, dimensions: line),
        ]
        program.instructions.append(copy)
    }

    private static func multiply(
        _ program: inout Program, _ m: Int, _ n: Int, _ k: Int, _ type: ElementType
    ) {
        let size = type.byteCount
        let next = UInt32(program.patterns.count)
        program.patterns += [
            AccessPattern(
                .sbuf, type, partitionCount: 128, offset: x(k, type) + 128 * m * size,
                dimensions: [FreeDimension(count: 128, stride: 1)]),
            AccessPattern(
                .sbuf, type, partitionCount: 128, offset: w(k, type) + 512 * n * size,
                dimensions: [FreeDimension(count: 512, stride: 1)]),
            AccessPattern(
                .psum, .fp32, partitionCount: 128, offset: (4 * m + n) % 8 * 2048,
                dimensions: [FreeDimension(count: 512, stride: 1)]),
        ]
        var load = Instruction(.loadStationary, on: .tensor)
        load.source0 = next
        var multiply = Instruction(.multiplyMoving, on: .tensor)
        multiply.source0 = next + 1
        multiply.destination = next + 2
        if k > 0 { multiply.flags.insert(.accumulate) }
        program.instructions += [load, multiply]
    }
}

/// One instruction on tiles of 128 x 2048, again and again.
struct ElementwiseWorkload {
    let name: String
    let program: Program
    /// Elements that a run computes.
    let elements = 128.0 * 2048 * 50

    static let all: [ElementwiseWorkload] = [
        ElementwiseWorkload(
            "tensorTensor add fp32", .tensorTensor, .fp32, ALUOperation.add.rawValue),
        ElementwiseWorkload(
            "tensorTensor add bf16", .tensorTensor, .bf16, ALUOperation.add.rawValue),
        ElementwiseWorkload("tensorCopy fp32 to bf16", .tensorCopy, .fp32, 0, into: .bf16),
        ElementwiseWorkload("activation exp fp32", .activation, .fp32, Activation.exp.rawValue),
        ElementwiseWorkload("activation gelu bf16", .activation, .bf16, Activation.gelu.rawValue),
        ElementwiseWorkload(
            "tensorReduce add fp32", .tensorReduce, .fp32, ALUOperation.add.rawValue),
        ElementwiseWorkload(
            "affineSelect fp32", .affineSelect, .fp32, ALUOperation.greaterEqual.rawValue),
        ElementwiseWorkload(
            "tensorTensorScan fp32", .tensorTensorScan, .fp32, ALUOperation.multiply.rawValue),
    ]

    init(
        _ name: String, _ opcode: Opcode, _ type: ElementType, _ operation: UInt8,
        into result: ElementType? = nil
    ) {
        var program = Program(name: name, machine: "trn2")
        func tile(_ type: ElementType, _ offset: Int, _ columns: Int) -> AccessPattern {
            AccessPattern(
                .sbuf, type, partitionCount: 128, offset: offset,
                dimensions: [FreeDimension(count: columns, stride: 1)])
        }
        program.patterns = [
            tile(type, 0, 2048), tile(type, 8192, 2048),
            tile(result ?? type, 16_384, opcode == .tensorReduce ? 1 : 2048),
        ]
        var instruction = Instruction(opcode, on: .vector)
        instruction.source0 = 0
        instruction.source1 = 1
        instruction.destination = 2
        instruction.operation0 = operation
        instruction.operation1 = opcode == .tensorTensorScan ? ALUOperation.add.rawValue : 0
        instruction.immediate0 = 1
        program.instructions = [Instruction](repeating: instruction, count: 50)
        self.name = name
        self.program = program
    }

    func executor() throws -> Executor {
        try Executor(program: program, machine: Machine(.trainium2))
    }
}
