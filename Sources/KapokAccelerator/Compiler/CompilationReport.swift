/// What the compiler did, and how far the result is from what the machine allows.
public struct CompilationReport: Hashable, Sendable {
    /// The length of the program in simulation, in ticks.
    public var makespan: Int64 = 0
    /// The name of the schedule that won: `source`, `deadline, deep buffers`.
    public var schedule = ""
    /// Times below which no order of these instructions can be.
    public var bounds: [LowerBound] = []
    /// Everything that was simulated, in order of trying.
    public var candidates: [ScheduleCandidate] = []
    /// The pools of tiles and their buffers.
    public var pools: [BufferPool] = []
    /// The innermost loops that were modulo scheduled.
    public var loops: [PipelinedLoop] = []
    /// Bytes stored to HBM for lack of SBUF, and bytes loaded once more.
    public var spilledBytes: Int64 = 0
    public var reloadedBytes: Int64 = 0
    /// Dependences between instructions, those of them that need a semaphore, and waits left after
    /// transitive reduction.
    public var dependences = 0
    public var synchronisedDependences = 0
    public var waits = 0
    /// Instructions that only wait, because another had more than three conditions.
    public var nops = 0

    public init() {}

    /// The largest lower bound, in ticks.
    public var bestBound: Int64 { bounds.map(\.ticks).max() ?? 0 }
}

/// A time that no schedule of the same instructions can undercut.
public struct LowerBound: Hashable, Sendable {
    /// What limits.
    public enum Kind: String, CaseIterable, Sendable {
        /// A unit, busy all the time.
        case tensorLoad, tensorMultiply, vector, scalar, gpsimd, sync
        /// All DMA engines, moving all the time.
        case dma
        /// The busiest descriptor generator.
        case descriptors
        /// The longest path through the author's data flow, with all latencies.
        case path
    }

    /// What limits.
    public var kind: Kind
    /// The time.
    public var ticks: Int64

    public init(kind: Kind, ticks: Int64) {
        self.kind = kind
        self.ticks = ticks
    }
}

/// A schedule that was tried.
public struct ScheduleCandidate: Hashable, Sendable {
    /// Its name.
    public var name: String
    /// The length of the program in simulation, in ticks.
    public var makespan: Int64

    public init(name: String, makespan: Int64) {
        self.name = name
        self.makespan = makespan
    }
}

/// Tiles that take turns in the same buffers.
public struct BufferPool: Hashable, Sendable {
    /// The name of its first tile.
    public var name: String
    /// The source line that makes its tiles (of the first, when several lines share buffers).
    public var line: SourceLine?
    /// SBUF or PSUM.
    public var space: MemorySpace
    /// Bytes of one buffer in each partition.
    public var bytesPerPartition: Int
    /// Tiles that it serves.
    public var tiles: Int
    /// Most tiles that live at the same time.
    public var live: Int
    /// Buffers.
    public var buffers: Int

    public init(
        name: String, line: SourceLine?, space: MemorySpace, bytesPerPartition: Int, tiles: Int,
        live: Int, buffers: Int
    ) {
        self.name = name
        self.line = line
        self.space = space
        self.bytesPerPartition = bytesPerPartition
        self.tiles = tiles
        self.live = live
        self.buffers = buffers
    }
}

/// A loop that was modulo scheduled.
public struct PipelinedLoop: Hashable, Sendable {
    /// Index of the loop in the kernel, and its name.
    public var loop: UInt32
    public var name: String
    /// Iterations, over all runs of the loop.
    public var iterations: Int
    /// Instructions of one iteration.
    public var instructions: Int
    /// Ticks from one iteration to the next.
    public var initiationInterval: Int64
    /// What resources and what recurrences allow at best, in ticks.
    public var resourceInterval: Int64
    public var recurrenceInterval: Int64
    /// Iterations that are under way at the same time.
    public var stages: Int

    public init(
        loop: UInt32, name: String = "", iterations: Int, instructions: Int,
        initiationInterval: Int64,
        resourceInterval: Int64, recurrenceInterval: Int64, stages: Int
    ) {
        self.loop = loop
        self.name = name
        self.iterations = iterations
        self.instructions = instructions
        self.initiationInterval = initiationInterval
        self.resourceInterval = resourceInterval
        self.recurrenceInterval = recurrenceInterval
        self.stages = stages
    }
}
