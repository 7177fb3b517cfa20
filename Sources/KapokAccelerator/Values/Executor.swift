internal import CKernels
internal import KapokWorld

/// How a program's values are computed.
public struct ExecutionOptions: Sendable {
    /// Seed of the random numbers of stochastic rounding.
    public var seed: UInt64 = 0
    /// Whether reads of memory that nothing has written are errors. Costs time and memory.
    public var checksInitialization = false
    /// The most bytes that the tensors in HBM may take (8 GiB).
    public var memoryLimit = 8 << 30
    /// Which instructions of the host the kernels use; nil: the fastest. All give the same bits.
    public var instructionSet: InstructionSet?

    public init() {}
}

/// Computes a program's values: a memory image, and the program's instructions on it one after the
/// other, in the order of the array. Semaphores and engines do not matter for that.
///
/// The arithmetic, bit by bit:
/// * Engines compute in FP32 and round once, to nearest even, when they write (with the flag
///   `stochastic`: see ``ElementType/encode(_:random:)``; number `p * N + i` of the stream belongs
///   to element `i` of partition `p`). A NaN that arithmetic produces is 7FC00000. Elements are
///   numbered in linear order, the innermost dimension fastest. All operands are read before any
///   result is written; where a destination repeats elements, the last in linear order stays.
/// * Copies between equal types, transposes and transfers pass bits. So do the elements that
///   `copyPredicated`, `affineSelect` and `matchReplace8` take from operands of the destination's
///   type.
/// * A multiplication's element is a chain of fused multiply-adds over k = 0, 1, ... from +0. It
///   overwrites PSUM, or is added to it by one FP32 addition. With `doubleRow`, row `k` is half
///   `k % 2` of partition `k / 2`.
/// * `max` and `min` are IEEE 754-2019 maximum and minimum (NaN wins, -0 < +0). `power` and the
///   transcendental functions are computed in FP64, by fixed sequences of operations that need no C
///   library (CKernels, `fp32_tile_functions.h`), and rounded to FP32: within 0.50001 of the last
///   place.
/// * `activation` multiplies, rounds, adds, rounds, and applies the function.
/// * Sums (and other reductions) along a partition: lane `l` of 16 takes elements `l`, `l + 16`,
///   ... in order, from the neutral element; then lanes `l` and `l + 8` are combined, `l + 4`,
///   `l + 2`, `l + 1`. Across partitions: in order, from the neutral element.
public struct Executor: ~Copyable {
    /// The program.
    public let program: Program
    /// The machine, for the sizes of memories.
    public let machine: Machine

    let options: ExecutionOptions
    let memory: DeviceMemory
    let tensorSizes: [Int]
    /// One for each pattern that an instruction uses.
    let operands: [Operand?]
    let kernels: kapok_fp32_rows
    let implementation: kapok_fp32_implementation
    let scratch: ScratchRows
    let matrices: MatrixScratch
    var stationary = StationaryMatrix()
    var shadow: InitializationShadow?
    var inputsMissing: Set<Int>
    /// The instruction that is executed, and its stream of random numbers.
    var current = 0
    var rounding: Rounding = .nearest

    /// Lays out memory, all zero, and checks every instruction's operands.
    ///
    /// - Throws: ``ExecutionError`` when tensors or operands are impossible.
    public init(
        program: Program, machine: Machine, options: ExecutionOptions = ExecutionOptions()
    ) throws(ExecutionError) {
        let sizes = try Self.tensorSizes(of: program, limit: options.memoryLimit)
        guard let memory = DeviceMemory(machine: machine, tensorSizes: sizes) else {
            throw ExecutionError(
                .tooMuchMemory(bytes: sizes.reduce(0, +), limit: options.memoryLimit))
        }
        var check = ProgramCheck(
            program: program,
            resolution: OperandResolution(machine: machine, tensorSizes: sizes))
        try check.run(in: memory)
        let longest = check.operands.reduce(machine.partitions) { longest, operand in
            guard let operand, operand.space != .hbm else { return longest }
            return max(longest, operand.elements)
        }
        shadow = try Self.shadow(of: memory, options)
        operands = check.operands
        scratch = ScratchRows(elements: longest)
        matrices = MatrixScratch(machine: machine)
        implementation = (options.instructionSet ?? .fastest).implementation
        kernels = kapok_fp32_rows_of(implementation).pointee
        inputsMissing = Set(program.tensors.indices.filter { program.tensors[$0].role == .input })
        tensorSizes = sizes
        self.program = program
        self.machine = machine
        self.options = options
        self.memory = memory
    }

    private static func shadow(
        of memory: borrowing DeviceMemory, _ options: ExecutionOptions
    ) throws(ExecutionError) -> InitializationShadow? {
        guard options.checksInitialization else { return nil }
        guard let shadow = InitializationShadow(of: memory) else {
            throw ExecutionError(
                .tooMuchMemory(bytes: 2 * memory.byteCount, limit: options.memoryLimit))
        }
        return shadow
    }

    private static func tensorSizes(
        of program: Program, limit: Int
    ) throws(ExecutionError) -> [Int] {
        var names: Set<String> = []
        var sizes: [Int] = []
        var total = 0
        for tensor in program.tensors {
            var size = tensor.type.byteCount
            var isCountable = names.insert(tensor.name).inserted
            for dimension in tensor.shape {
                let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
                isCountable = isCountable && dimension >= 0 && !overflow
                size = product
            }
            guard isCountable else { throw ExecutionError(.invalidTensor(tensor.name)) }
            let (sum, overflow) = total.addingReportingOverflow(size)
            guard !overflow, sum <= limit else {
                throw ExecutionError(
                    .tooMuchMemory(bytes: overflow ? .max : sum, limit: limit))
            }
            total = sum
            sizes.append(size)
        }
        return sizes
    }

    // MARK: Running

    /// Executes the whole program.
    ///
    /// - Throws: ``ExecutionError`` when an input is missing, a multiplication has no fitting
    ///   stationary matrix, or (with ``ExecutionOptions/checksInitialization``) something is read
    ///   before it is written.
    public mutating func run() throws(ExecutionError) {
        try run(program.instructions.indices)
    }

    /// Executes some of the program's instructions, in order.
    public mutating func run(_ range: Range<Int>) throws(ExecutionError) {
        guard range.lowerBound >= 0, range.upperBound <= program.instructions.count else {
            throw ExecutionError(.noSuchInstructions(range))
        }
        if let missing = inputsMissing.min() {
            throw ExecutionError(.missingInput(program.tensors[missing].name))
        }
        for index in range {
            do {
                try step(index)
            } catch {
                throw error.located(at: index, in: program)
            }
        }
    }

    private mutating func step(_ index: Int) throws(ExecutionError) {
        let instruction = program.instructions[index]
        current = index
        rounding = .nearest
        if instruction.flags.contains(.stochastic) {
            var stream = RandomStream(seed: options.seed).split(UInt64(index))
            rounding = .stochastic(seed: stream.next())
        }
        if shadow != nil { try checkReads(instruction) }
        try execute(instruction)
        if shadow != nil { markWrites(instruction) }
    }

    private mutating func execute(_ instruction: Instruction) throws(ExecutionError) {
        switch instruction.opcode {
        case .nop: break
        case .loadStationary: loadStationary(instruction)
        case .multiplyMoving: try multiplyMoving(instruction)
        case .tensorTensor: tensorTensor(instruction)
        case .tensorScalar: tensorScalar(instruction)
        case .scalarTensorTensor: scalarTensorTensor(instruction)
        case .activation: activation(instruction)
        case .tensorTensorScan: tensorTensorScan(instruction)
        case .tensorReduce: tensorReduce(instruction)
        case .partitionReduce: partitionReduce(instruction)
        case .bnStats: bnStats(instruction)
        case .bnAggregate: bnAggregate(instruction)
        case .tensorCopy: copy(instruction)
        case .reciprocal: reciprocal(instruction)
        case .memset: memset(instruction)
        case .iota: iota(instruction)
        case .affineSelect: affineSelect(instruction)
        case .copyPredicated: copyPredicated(instruction)
        case .max8: max8(instruction)
        case .findIndex8: findIndex8(instruction)
        case .matchReplace8: matchReplace8(instruction)
        case .dmaCopy: copy(instruction)
        case .dmaTranspose: transposeTransfer(instruction)
        }
    }

    /// The operand of a field, which the check in `init` has resolved.
    func operand(_ index: UInt32) -> Operand {
        guard let operand = operands[Int(index)] else { preconditionFailure("unchecked operand") }
        return operand
    }
}

/// How results are rounded on writing.
enum Rounding {
    case nearest
    /// By random numbers of SplitMix64 from this state.
    case stochastic(seed: UInt64)
}
