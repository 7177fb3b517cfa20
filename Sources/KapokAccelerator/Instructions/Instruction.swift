/// One instruction: a fixed record of 64 bytes, as it stands in memory and in a `.kir` file.
///
/// Operands are indices into the program's table of access patterns.
public struct Instruction: Hashable, Sendable {
    /// What it does.
    public var opcode: Opcode
    /// The queue that executes it, or for DMA triggers it.
    public var engine: Engine
    /// See ``InstructionFlags``.
    public var flags: InstructionFlags
    /// Index of the written pattern, or ``noPattern``.
    public var destination: UInt32
    /// Indices of the read patterns, or ``noPattern``; `source1` and `source2` are signed integers
    /// in
    /// `iota` and `affineSelect`.
    public var source0: UInt32
    public var source1: UInt32
    public var source2: UInt32
    /// Immediate operands.
    public var immediate0: Float
    public var immediate1: Float
    /// An ``ALUOperation`` or an ``Activation``, by its raw value.
    public var operation0: UInt8
    /// An ``ALUOperation``, by its raw value.
    public var operation1: UInt8
    /// The DMA ring, 0 to 15.
    public var ring: UInt8
    /// Zero.
    public var reserved: UInt8
    /// Index into the program's table of source lines.
    public var line: UInt32
    /// Semaphores that must have reached their values before it starts.
    public var wait0: SemaphoreWait
    public var wait1: SemaphoreWait
    public var wait2: SemaphoreWait
    /// Semaphore that it increments on completion, or ``SemaphoreWait/none``.
    public var signal: UInt16
    /// What it adds to `signal`.
    public var signalAmount: UInt16

    /// Stands for an operand that is not there.
    public static let noPattern: UInt32 = .max

    public init(_ opcode: Opcode, on engine: Engine) {
        self.opcode = opcode
        self.engine = engine
        flags = []
        destination = Self.noPattern
        source0 = Self.noPattern
        source1 = Self.noPattern
        source2 = Self.noPattern
        immediate0 = 0
        immediate1 = 0
        operation0 = 0
        operation1 = 0
        ring = 0
        reserved = 0
        line = 0
        wait0 = SemaphoreWait()
        wait1 = SemaphoreWait()
        wait2 = SemaphoreWait()
        signal = SemaphoreWait.none
        signalAmount = 0
    }

    /// The unit of a compute engine that executes it; for DMA, the one that triggers it.
    public var unit: Unit {
        switch engine {
        case .tensor: opcode == .loadStationary ? .tensorLoad : .tensorMultiply
        case .vector: .vector
        case .scalar: .scalar
        case .gpsimd: .gpsimd
        case .sync: .sync
        }
    }
}

/// Variants of instructions.
public struct InstructionFlags: OptionSet, Hashable, Sendable {
    /// One bit for each variant.
    public var rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `multiplyMoving` adds to PSUM instead of overwriting it.
    public static let accumulate = InstructionFlags(rawValue: 1)
    /// `multiplyMoving` passes data through unchanged: the stationary matrix is an identity, the
    /// result is the moving matrix transposed, bit by bit.
    public static let transpose = InstructionFlags(rawValue: 2)
    /// The first scalar operand is a tensor of one element a partition.
    public static let scalar0 = InstructionFlags(rawValue: 4)
    /// The second scalar operand is a tensor of one element a partition.
    public static let scalar1 = InstructionFlags(rawValue: 8)
    /// `a op b` becomes `b op a` in the first operation.
    public static let reverse0 = InstructionFlags(rawValue: 16)
    /// `a op b` becomes `b op a` in the second operation.
    public static let reverse1 = InstructionFlags(rawValue: 32)
    /// `activation` also sums its results along the free dimensions into `source1`.
    public static let reduces = InstructionFlags(rawValue: 64)
    /// `tensorReduce` negates its result.
    public static let negate = InstructionFlags(rawValue: 128)
    /// Rounds stochastically instead of to nearest even when it writes.
    public static let stochastic = InstructionFlags(rawValue: 256)
    /// Two FP8 rows a partition are multiplied at once (K up to 256 laid out as 128 x 2).
    public static let doubleRow = InstructionFlags(rawValue: 512)
}

/// One condition of an instruction: `semaphore` has reached `value`. 8 bytes.
public struct SemaphoreWait: Hashable, Sendable {
    /// The semaphore, or ``none``.
    public var semaphore: UInt16
    /// Why (a ``DependenceKind``), for reports; 0 when unknown.
    public var kind: UInt16
    /// The smallest value that lets the instruction start.
    public var value: UInt32

    /// Stands for no semaphore.
    public static let none: UInt16 = .max

    public init(semaphore: UInt16 = none, value: UInt32 = 0, kind: DependenceKind = .unknown) {
        self.semaphore = semaphore
        self.kind = UInt16(kind.rawValue)
        self.value = value
    }

    /// Whether it is a condition at all.
    public var isPresent: Bool { semaphore != Self.none }
}

/// Why one instruction must come after another.
public enum DependenceKind: UInt8, CaseIterable, Codable, Sendable {
    /// Not recorded.
    case unknown = 0
    /// Reads what the other wrote (read after write).
    case flow = 1
    /// Overwrites what the other read (write after read).
    case anti = 2
    /// Overwrites what the other wrote (write after write).
    case output = 3
    /// Uses a PSUM bank that the other still uses.
    case bank = 4

    /// The name in text files and reports.
    public var name: String { "\(self)" }
}
