import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Values: programs that cannot be executed")
struct ValuesErrorTests {
    /// Why a program is refused, or fails; nil when it runs.
    private func problem(
        _ builder: ValuesProgram, checksInitialization: Bool = false
    ) throws -> ExecutionError? {
        let machine = try ValuesProgram.machine()
        var options = ExecutionOptions()
        options.checksInitialization = checksInitialization
        do throws(ExecutionError) {
            var executor = try Executor(
                program: builder.program, machine: machine, options: options)
            try executor.run()
            return nil
        } catch {
            return error
        }
    }

    @Test("tensors: names and shapes have to make sense, and inputs to be set to their size")
    func tensors() throws {
        var twice = ValuesProgram()
        twice.tensor("a", [1], .fp32, .input)
        twice.tensor("a", [1], .fp32, .output)
        #expect(try problem(twice)?.problem == .invalidTensor("a"))
        for shape in [[-1], [1 << 40, 1 << 40]] {
            var builder = ValuesProgram()
            builder.tensor("a", shape, .fp32, .input)
            #expect(try problem(builder)?.problem == .invalidTensor("a"))
        }
        var large = ValuesProgram()
        large.tensor("a", [1 << 35], .fp32, .input)
        #expect(
            try problem(large)?.problem == .tooMuchMemory(bytes: 1 << 37, limit: 8 << 30))
        var builder = ValuesProgram()
        builder.tensor("a", [2], .bf16, .input)
        builder.tensor("b", [2], .bf16, .output)
        #expect(try problem(builder)?.problem == .missingInput("a"))
        var executor = try Executor(
            program: builder.program, machine: ValuesProgram.machine())
        #expect(throws: ExecutionError(.wrongSize(tensor: "a", expected: 4, actual: 6))) {
            try executor.setInput("a", values: [1, 2, 3])
        }
        #expect(throws: ExecutionError(.wrongSize(tensor: "a", expected: 4, actual: 2))) {
            try executor.setInput("a", bytes: [1, 2])
        }
        #expect(throws: ExecutionError(.notAnInput("b"))) {
            try executor.setInput("b", values: [1, 2])
        }
        #expect(throws: ExecutionError(.unknownTensor("c"))) { try executor.bytes(of: "c") }
        #expect(throws: ExecutionError(.noSuchInstructions(0..<1))) { try executor.run(0..<1) }
    }

    @Test("operands have to be there, in memory, and aligned to their elements")
    func operands() throws {
        let line = FreeDimension(count: 16, stride: 1)
        let cases: [(AccessPattern, ExecutionError.Problem)] = [
            (
                AccessPattern(
                    .sbuf, .fp32, partitionStart: 100, partitionCount: 29, dimensions: [line]),
                .outOfPartitions(operand: "destination", end: 129)
            ),
            (
                AccessPattern(
                    .psum, .fp32, partitionCount: 1, offset: 16_384 - 60, dimensions: [line]),
                .outOfBounds(
                    operand: "destination", space: .psum, from: 16_324, to: 16_388, size: 16_384)
            ),
            (
                AccessPattern(.sbuf, .fp32, partitionCount: 1, offset: 2, dimensions: [line]),
                .malformedPattern("destination")
            ),
            (
                AccessPattern(.sbuf, .fp32, partitionCount: 0, dimensions: [line]),
                .malformedPattern("destination")
            ),
            (
                AccessPattern(
                    .sbuf, .fp32, partitionCount: 1,
                    dimensions: [FreeDimension(count: 2, stride: -1)]),
                .malformedPattern("destination")
            ),
            (
                AccessPattern(.hbm, .fp32, partitionCount: 1, dimensions: [line]),
                .missingOperand("destination")
            ),
        ]
        for (pattern, expected) in cases {
            var builder = ValuesProgram()
            let destination = builder.pattern(pattern)
            builder.add(.memset, to: destination)
            #expect(try problem(builder)?.problem == expected)
            #expect(try problem(builder)?.instruction == 0)
        }
        var missing = ValuesProgram()
        let tile = missing.tile(.sbuf, .fp32, 4, 4)
        missing.add(.tensorCopy, to: tile)
        #expect(try problem(missing)?.problem == .missingOperand("source0"))
        var remote = ValuesProgram()
        let tensor = remote.tensor("a", [1, 16], .fp32, .scratch)
        let operand = remote.hbm(tensor)
        remote.add(.memset, to: operand)
        #expect(
            try problem(remote)?.problem == .wrongSpace(operand: "destination", space: .hbm))
    }

    @Test("shapes, operations, types and flags have to fit the opcode")
    func misfits() throws {
        var tiles = ValuesProgram()
        let four = tiles.tile(.sbuf, .fp32, 4, 4)
        let five = tiles.tile(.sbuf, .fp32, 4, 5)
        let sum = tiles.tile(.psum, .fp32, 4, 5)
        let integers = tiles.tile(.sbuf, .int32, 4, 4)
        func refused(_ add: (inout ValuesProgram) -> Void) throws -> ExecutionError.Problem? {
            var builder = tiles
            add(&builder)
            return try problem(builder)?.problem
        }
        let shape = ExecutionError.Problem.shapeMismatch("source0 is 4 x 5, not 4 x 4")
        #expect(try refused { $0.add(.tensorCopy, to: four, five) } == shape)
        #expect(try refused { $0.add(.activation, to: four, five) } == shape)
        #expect(
            try refused { $0.add(.tensorTensor, to: four, four, five) }
                == .shapeMismatch("source1 is 4 x 5, not 4 x 4"))
        #expect(
            try refused { $0.add(.tensorScalar, to: four, four, nil, four, flags: .scalar1) }
                == .shapeMismatch("source2 is 4 x 4, not 4 x 1"))
        #expect(
            try refused { $0.add(.tensorReduce, to: four, five) }
                == .shapeMismatch("5 elements into 4"))
        #expect(
            try refused { $0.add(.dmaCopy, to: four, five) }
                == .shapeMismatch("20 elements go to 16"))
        #expect(
            try refused { $0.add(.max8, to: four, five) } == .shapeMismatch("eight of 5 into 4"))
        #expect(
            try refused {
                $0.add(.tensorReduce, to: four, four, operations: (.subtract, .bypass))
            } == .invalidOperation(ALUOperation.subtract.rawValue))
        #expect(
            try refused { $0.add(.affineSelect, to: four, four, 0, 0) }
                == .invalidOperation(ALUOperation.bypass.rawValue))
        #expect(
            try refused { $0.add(.activation, to: four, four, four, flags: [.reduces, .scalar0]) }
                == .invalidFlags([.reduces, .scalar0]))
        #expect(
            try refused { $0.add(.loadStationary, integers) }
                == .wrongType(operand: "source0", type: .int32))
        #expect(
            try refused { $0.add(.loadStationary, four, flags: .doubleRow) }
                == .wrongType(operand: "source0", type: .fp32))
        #expect(try refused { $0.add(.multiplyMoving, to: sum, five) } == .noStationary)
        #expect(
            try refused {
                $0.add(.loadStationary, five)
                $0.add(.multiplyMoving, to: sum, five)
            }
                == .shapeMismatch(
                    "the stationary matrix has 5 columns, destination 4 partitions"))
    }

    @Test("an error says where: the instruction and the author's line")
    func place() throws {
        var builder = ValuesProgram()
        let tile = builder.tile(.sbuf, .fp32, 4, 4)
        builder.program.lines.append(SourceLine(file: "Kernels/Softmax.swift", line: 12))
        builder.add(.memset, to: tile)
        builder.add(.tensorCopy, to: tile)
        builder.program.instructions[1].line = 1
        let error = try #require(try problem(builder))
        #expect(error.instruction == 1)
        #expect(
            "\(error)" == "Kernels/Softmax.swift:12: instruction 1: source0 is missing")
    }

    @Test("a read of what nothing has written names the operand, the partition and the byte")
    func uninitialized() throws {
        var builder = ValuesProgram()
        let tensor = builder.tensor("x", [4, 8], .bf16, .scratch)
        let left = builder.tile(.sbuf, .bf16, at: 32, 4, 4)
        let all = builder.tile(.sbuf, .bf16, at: 32, 4, 8)
        builder.add(.memset, to: left)
        builder.add(.tensorScalar, to: left, left)
        let written = builder
        #expect(try problem(written, checksInitialization: true) == nil)
        let result = builder.tile(.psum, .fp32, 4, 8)
        builder.add(.tensorCopy, to: result, all)
        #expect(try problem(builder) == nil, "zeros, unless the check is asked for")
        let error = try problem(builder, checksInitialization: true)
        #expect(error?.instruction == 2)
        #expect(
            error?.problem
                == .uninitialized(operand: "source0", space: .sbuf, partition: 32, byte: 8))
        builder = written
        let scratch = builder.hbm(tensor)
        builder.add(.dmaCopy, to: all, scratch)
        #expect(
            try problem(builder, checksInitialization: true)?.problem
                == .uninitializedTensor(operand: "source0", tensor: "x", byte: 0))
    }

    @Test("accumulation reads PSUM, and a predicated copy writes only what it copies")
    func partialWrites() throws {
        var builder = ValuesProgram()
        let ones = builder.tile(.sbuf, .fp32, 2, 2)
        let sum = builder.tile(.psum, .fp32, 2, 2)
        builder.add(.memset, to: ones, immediates: (1, 0))
        builder.add(.loadStationary, on: .tensor, ones)
        builder.add(.multiplyMoving, on: .tensor, to: sum, ones, flags: .accumulate)
        #expect(
            try problem(builder, checksInitialization: true)?.problem
                == .uninitialized(operand: "destination", space: .psum, partition: 0, byte: 0))

        var predicated = ValuesProgram()
        let source = predicated.tile(.sbuf, .fp32, 1, 4)
        let condition = predicated.tile(.sbuf, .fp32, 1, 4, offset: 64)
        let result = predicated.tile(.sbuf, .fp32, 1, 4, offset: 128)
        predicated.add(.memset, to: source, immediates: (5, 0))
        predicated.add(.iota, to: condition, nil, 0, UInt32(bitPattern: 1), immediates: (-2, 0))
        predicated.add(.copyPredicated, to: result, source, condition)
        predicated.add(.tensorCopy, to: source, result)
        #expect(
            try problem(predicated, checksInitialization: true)?.problem
                == .uninitialized(operand: "source0", space: .sbuf, partition: 0, byte: 136))
    }

    @Test("no damaged program crashes: it is refused, or it runs")
    func damagedPrograms() throws {
        let machine = try ValuesRandomProgram.machine()
        var outcomes = (ran: 0, refused: 0)
        for seed in 0..<400 {
            var random = ValuesRandomProgram(seed: UInt64(seed))
            for _ in 0..<4 { random.add(Opcode.allCases[random.random.below(23)]) }
            var program = random.builder.program
            for _ in 0..<3 { Self.damage(&program, &random.random) }
            var options = ExecutionOptions()
            options.checksInitialization = seed % 4 == 0
            do throws(ExecutionError) {
                var executor = try Executor(program: program, machine: machine, options: options)
                try executor.run()
                outcomes.ran += 1
            } catch {
                #expect(!error.description.isEmpty)
                outcomes.refused += 1
            }
        }
        #expect(outcomes.ran > 20 && outcomes.refused > 100)
    }

    /// Changes one field to something extreme.
    private static func damage(_ program: inout Program, _ random: inout RandomStream) {
        let extremes: [UInt32] = [0, 1, 2, 3, 127, 128, 255, 4096, 65_535, 1 << 31, .max]
        let extreme = extremes[random.below(extremes.count)]
        let index = random.below(program.instructions.count)
        let pattern = random.below(max(program.patterns.count, 1))
        switch random.below(16) {
        case 0: program.instructions[index].destination = extreme
        case 1: program.instructions[index].source0 = extreme
        case 2: program.instructions[index].source1 = extreme
        case 3: program.instructions[index].source2 = extreme
        case 4: program.instructions[index].operation0 = UInt8(truncatingIfNeeded: extreme)
        case 5: program.instructions[index].operation1 = UInt8(truncatingIfNeeded: extreme)
        case 6: program.instructions[index].line = extreme
        case 7:
            program.instructions[index].flags.rawValue = UInt16(truncatingIfNeeded: random.next())
        case 8: program.instructions[index].opcode = Opcode.allCases[random.below(23)]
        case _ where program.patterns.isEmpty: break
        case 9: program.patterns[pattern].offset = Int64(bitPattern: random.next())
        case 10: program.patterns[pattern].dimension0.count = extreme
        case 11: program.patterns[pattern].dimension3.stride = Int32(bitPattern: extreme)
        case 12: program.patterns[pattern].partitionCount = UInt16(truncatingIfNeeded: extreme)
        case 13: program.patterns[pattern].partitionStride = Int32(bitPattern: extreme)
        case 14: program.patterns[pattern].space = MemorySpace.allCases[random.below(3)]
        default: program.patterns[pattern].type = ElementType.allCases[random.below(14)]
        }
    }
}
