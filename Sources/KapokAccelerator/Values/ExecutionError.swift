/// Why a program's values could not be computed.
public struct ExecutionError: Error, Hashable, Sendable {
    /// What is wrong.
    public enum Problem: Hashable, Sendable {
        /// A tensor has a name that another one has, a negative dimension, or more elements than
        /// can be counted.
        case invalidTensor(String)
        /// The tensors in HBM take more bytes than the executor was allowed.
        case tooMuchMemory(bytes: Int, limit: Int)
        /// The program has no tensor of this name.
        case unknownTensor(String)
        /// The tensor is not an input.
        case notAnInput(String)
        /// An input was not set before the run.
        case missingInput(String)
        /// A tensor's data has another size than the tensor, in bytes.
        case wrongSize(tensor: String, expected: Int, actual: Int)
        /// Instructions that the program does not have.
        case noSuchInstructions(Range<Int>)
        /// An operand (by its field's name) that the instruction needs is not there, or its index
        /// is none of the program's patterns.
        case missingOperand(String)
        /// An operand's pattern is malformed: no rows, no elements, negative strides, more elements
        /// than there are bytes, or an offset that is no multiple of the element's size.
        case malformedPattern(String)
        /// An operand reaches outside of its memory: the first byte and the end of what it covers
        /// in a partition (in HBM: in the tensor), and how many bytes there are.
        case outOfBounds(operand: String, space: MemorySpace, from: Int, to: Int, size: Int)
        /// An operand reaches below the last partition.
        case outOfPartitions(operand: String, end: Int)
        /// An operand lies where the instruction cannot access it.
        case wrongSpace(operand: String, space: MemorySpace)
        /// An operand has a type that the instruction cannot use.
        case wrongType(operand: String, type: ElementType)
        /// The shapes of the operands do not fit each other.
        case shapeMismatch(String)
        /// The operation is unknown, or not allowed for this instruction.
        case invalidOperation(UInt8)
        /// Flags that the instruction does not have together.
        case invalidFlags(InstructionFlags)
        /// A multiplication without a stationary matrix.
        case noStationary
        /// An operand was read before it was written: its first such byte, in its partition.
        case uninitialized(operand: String, space: MemorySpace, partition: Int, byte: Int)
        /// A tensor in HBM was read before it was written: its first such byte.
        case uninitializedTensor(operand: String, tensor: String, byte: Int)
    }

    /// What is wrong.
    public var problem: Problem
    /// The instruction; nil when it is not about one.
    public var instruction: Int?
    /// Its source line; nil when that is unknown.
    public var line: SourceLine?

    public init(_ problem: Problem, instruction: Int? = nil, line: SourceLine? = nil) {
        self.problem = problem
        self.instruction = instruction
        self.line = line
    }
}

extension ExecutionError: CustomStringConvertible {
    public var description: String {
        var place = ""
        if let line { place += "\(line.file):\(line.line): " }
        if let instruction { place += "instruction \(instruction): " }
        return place + problem.description
    }
}

extension ExecutionError.Problem: CustomStringConvertible {
    public var description: String {
        switch self {
        case .invalidTensor(let name): "tensor \(name): impossible shape, or a name used twice"
        case .tooMuchMemory(let bytes, let limit):
            "the tensors take \(bytes) bytes, more than the limit of \(limit)"
        case .unknownTensor(let name): "there is no tensor \(name)"
        case .notAnInput(let name): "tensor \(name) is not an input"
        case .missingInput(let name): "input \(name) was not set"
        case .wrongSize(let tensor, let expected, let actual):
            "tensor \(tensor) has \(expected) bytes, not \(actual)"
        case .noSuchInstructions(let range): "there are no instructions \(range)"
        case .missingOperand(let operand): "\(operand) is missing"
        case .malformedPattern(let operand): "the pattern of \(operand) is malformed"
        case .invalidOperation(let operation): "operation \(operation) is not allowed here"
        case .invalidFlags(let flags): "flags \(flags.rawValue) do not go together here"
        case .noStationary: "no stationary matrix was loaded"
        default: operandDescription
        }
    }

    private var operandDescription: String {
        switch self {
        case .outOfBounds(let operand, let space, let from, let to, let size):
            "\(operand) covers bytes \(from) to \(to) of \(size) in \(space.name)"
        case .outOfPartitions(let operand, let end): "\(operand) ends at partition \(end)"
        case .wrongSpace(let operand, let space): "\(operand) must not lie in \(space.name)"
        case .wrongType(let operand, let type): "\(operand) must not be \(type.name)"
        case .shapeMismatch(let reason): "shapes do not fit: \(reason)"
        case .uninitialized(let operand, let space, let partition, let byte):
            "\(operand) reads \(space.name), partition \(partition), byte \(byte), which nothing "
                + "has written: write the tile (memset, DMA) before it is read"
        case .uninitializedTensor(let operand, let tensor, let byte):
            "\(operand) reads byte \(byte) of tensor \(tensor), which nothing has written"
        default: "\(self)"
        }
    }
}
