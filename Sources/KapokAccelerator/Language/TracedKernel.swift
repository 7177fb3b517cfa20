/// What the kernel language records and the compiler takes: instructions in the author's order,
/// with tiles that have no address yet.
///
/// Instructions carry no waits and no signals. The patterns of SBUF and PSUM operands are relative
/// to their tile (`partitionStart` and `offset` count from the tile's first partition and byte). A
/// `loadStationary` stands right before the `multiplyMoving` instructions that use it.
public struct TracedKernel: Sendable {
    /// The kernel's name.
    public var name: String
    /// The machine that it was traced for.
    public var machine: Machine
    /// What it was made from.
    public var parameters: [KernelParameter] = []
    /// Instructions in the author's order.
    public var instructions: [Instruction] = []
    /// Access patterns, without duplicates, relative to tiles.
    public var patterns: [AccessPattern] = []
    /// Tensors in HBM.
    public var tensors: [TensorDeclaration] = []
    /// Tiles, in the order of their making. Index = ``AccessPattern/tile``.
    public var tiles: [TracedTile] = []
    /// Source lines; entry 0 is unknown.
    public var lines: [SourceLine] = [SourceLine(file: "", line: 0)]
    /// Loops and their iterations.
    public var loops: [LoopDeclaration] = []
    public var iterations: [LoopIteration] = []
    /// Index into `iterations` for each instruction, or ``LoopIteration/none``.
    public var iterationOfInstruction: [UInt32] = []

    public init(name: String, machine: Machine) {
        self.name = name
        self.machine = machine
    }
}

/// A tile that the author made: fresh memory each time the line is passed. It lives from its first
/// to its last use.
public struct TracedTile: Hashable, Sendable {
    /// The author's name for it.
    public var name: String
    /// SBUF or PSUM.
    public var space: MemorySpace
    /// What it holds.
    public var type: ElementType
    /// Partitions that it needs.
    public var partitionCount: Int
    /// Elements in each free dimension, outermost first.
    public var freeShape: [Int]
    /// Index of the source line that made it. Tiles of one line and size form a pool of buffers.
    public var line: UInt32

    public init(
        name: String, space: MemorySpace, type: ElementType, partitionCount: Int, freeShape: [Int],
        line: UInt32
    ) {
        self.name = name
        self.space = space
        self.type = type
        self.partitionCount = partitionCount
        self.freeShape = freeShape
        self.line = line
    }

    /// Bytes that it occupies in each partition.
    public var bytesPerPartition: Int { freeShape.reduce(1, *) * type.byteCount }
}
