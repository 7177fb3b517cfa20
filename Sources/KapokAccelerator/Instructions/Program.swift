/// A compiled kernel for one core: what a `.kir` file holds.
///
/// Instructions stand in one order; each engine executes its own in that order, and only semaphores
/// order the engines among each other.
public struct Program: Hashable, Sendable {
    /// The kernel's name.
    public var name: String
    /// The machine that it was compiled for, by name.
    public var machine: String
    /// What the kernel was made from, in order: `m = 4096`.
    public var parameters: [KernelParameter] = []
    /// Instructions, in an order in which they could be executed one after the other.
    public var instructions: [Instruction] = []
    /// Access patterns, without duplicates.
    public var patterns: [AccessPattern] = []
    /// Tensors in HBM.
    public var tensors: [TensorDeclaration] = []
    /// Where tiles lie and when they live.
    public var tiles: [TileAllocation] = []
    /// Source lines that instructions come from; entry 0 is unknown.
    public var lines: [SourceLine] = [SourceLine(file: "", line: 0)]
    /// Loops and their iterations, for reports; see ``LoopIteration``.
    public var loops: [LoopDeclaration] = []
    public var iterations: [LoopIteration] = []
    /// Index into `iterations` for each instruction, or ``LoopIteration/none``; empty when unknown.
    public var iterationOfInstruction: [UInt32] = []
    /// Why each wait is there, in order of consumers.
    public var waitReasons: [WaitReason] = []

    public init(name: String, machine: String) {
        self.name = name
        self.machine = machine
    }
}

/// A parameter that a kernel was made with.
public struct KernelParameter: Hashable, Codable, Sendable {
    /// For example `m`.
    public var name: String
    /// For example `4096` or `bf16`.
    public var value: String

    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A tensor in HBM, stored row by row.
public struct TensorDeclaration: Hashable, Sendable {
    /// What a tensor is for.
    public enum Role: UInt8, CaseIterable, Sendable {
        /// Filled before the kernel runs.
        case input = 0
        /// Read after the kernel ran.
        case output = 1
        /// Scratch space, spilled tiles.
        case scratch = 2
    }

    /// Its name, unique in a program.
    public var name: String
    /// Elements in each dimension, outermost first.
    public var shape: [Int]
    /// What it holds.
    public var type: ElementType
    /// What it is for.
    public var role: Role

    public init(name: String, shape: [Int], type: ElementType, role: Role) {
        self.name = name
        self.shape = shape
        self.type = type
        self.role = role
    }

    /// Elements in all.
    public var elementCount: Int { shape.reduce(1, *) }
    /// Bytes in all.
    public var byteCount: Int { elementCount * type.byteCount }
}

/// A tile in SBUF or PSUM. The same memory may serve many tiles, one after the other.
public struct TileAllocation: Hashable, Sendable {
    /// The author's name for it.
    public var name: String
    /// SBUF or PSUM.
    public var space: MemorySpace
    /// The first partition that it occupies.
    public var partitionStart: Int
    /// Partitions that it occupies.
    public var partitionCount: Int
    /// Its first byte in each partition.
    public var offset: Int
    /// Bytes in each partition.
    public var bytesPerPartition: Int
    /// What it holds.
    public var type: ElementType
    /// Index of the source line that made it.
    public var line: UInt32
    /// First and last instruction that touch it, by index in the program.
    public var firstUse: UInt32
    public var lastUse: UInt32

    public init(
        name: String, space: MemorySpace, partitionStart: Int, partitionCount: Int, offset: Int,
        bytesPerPartition: Int, type: ElementType, line: UInt32, firstUse: UInt32 = 0,
        lastUse: UInt32 = 0
    ) {
        self.name = name
        self.space = space
        self.partitionStart = partitionStart
        self.partitionCount = partitionCount
        self.offset = offset
        self.bytesPerPartition = bytesPerPartition
        self.type = type
        self.line = line
        self.firstUse = firstUse
        self.lastUse = lastUse
    }
}

/// A place in the author's source.
public struct SourceLine: Hashable, Codable, Sendable {
    /// `Module/File.swift`, or a path.
    public var file: String
    /// From 1; 0 when unknown.
    public var line: Int

    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }
}

/// A loop of the author's source.
public struct LoopDeclaration: Hashable, Sendable {
    /// The author's name for it.
    public var name: String
    /// Index of its source line.
    public var line: UInt32

    public init(name: String, line: UInt32) {
        self.name = name
        self.line = line
    }
}

/// One iteration of a loop, inside one iteration of the loop around it.
public struct LoopIteration: Hashable, Sendable {
    /// Stands for no loop.
    public static let none: UInt32 = .max

    /// Index of the loop.
    public var loop: UInt32
    /// From 0.
    public var index: UInt32
    /// Index of the enclosing iteration, or ``none``.
    public var parent: UInt32

    public init(loop: UInt32, index: UInt32, parent: UInt32) {
        self.loop = loop
        self.index = index
        self.parent = parent
    }
}

/// Why an instruction waits.
public struct WaitReason: Hashable, Sendable {
    /// The waiting instruction.
    public var consumer: UInt32
    /// Which of its waits, 0 to 2.
    public var slot: UInt8
    /// The kind of dependence.
    public var kind: DependenceKind
    /// The instruction that it waits for.
    public var producer: UInt32
    /// The tile that both touch, or ``AccessPattern/noTile`` for a tensor in HBM.
    public var tile: UInt32

    public init(
        consumer: UInt32, slot: UInt8, kind: DependenceKind, producer: UInt32, tile: UInt32
    ) {
        self.consumer = consumer
        self.slot = slot
        self.kind = kind
        self.producer = producer
        self.tile = tile
    }
}
