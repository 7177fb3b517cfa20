/// What a kernel, or a phase, spends its time on.
public enum Bottleneck: String, Codable, CaseIterable, Sendable {
    /// The tensor engine multiplies, or loads matrices.
    case tensor
    /// The vector engine is busy.
    case vector
    /// The scalar engine is busy.
    case scalar
    /// The gpsimd engine is busy.
    case gpsimd
    /// The DMA engines move data from and to HBM.
    case memory
    /// Nothing is busy for half of the time: operations wait for each other and for the fixed
    /// latencies of engines, transfers and semaphores.
    case latency
    /// Cores wait for each other's signals (several cores only).
    case synchronisation
}

/// A kernel of a phase, as simulated.
public struct KernelPrediction: Hashable, Codable, Sendable {
    /// Its name: `attention`, `output+feed-forward+qkv`.
    public var name: String
    /// What distinguishes it from others of that name: its shape.
    public var shape: String
    /// How often it runs in a pass.
    public var calls: Int
    /// One run.
    public var nanoseconds: Double
    /// Share of the phase's time.
    public var share: Double
    /// What it spends its time on.
    public var boundBy: Bottleneck
    /// Share of its time in which each resource is busy.
    public var busy: BusyShares
    /// Bytes that one run moves from and to HBM.
    public var hbmBytes: Int64
    /// Floating-point operations of one run, without transposes.
    public var operations: Double
    /// Instructions of the program.
    public var instructions: Int

    /// All its runs.
    public var totalNanoseconds: Double { nanoseconds * Double(calls) }
}

/// Shares of a time in which resources are busy, 0 to 1.
public struct BusyShares: Hashable, Codable, Sendable {
    /// The tensor engine: the busier one of its two units.
    public var tensor = 0.0
    /// The vector engine.
    public var vector = 0.0
    /// The scalar engine.
    public var scalar = 0.0
    /// The gpsimd engine.
    public var gpsimd = 0.0
    /// The DMA engines, on average.
    public var memory = 0.0

    /// The busiest, when it is busy for at least half of the time; else latency.
    var bottleneck: Bottleneck {
        let shares: [(Bottleneck, Double)] = [
            (.tensor, tensor), (.memory, memory), (.vector, vector), (.scalar, scalar),
            (.gpsimd, gpsimd),
        ]
        let busiest = shares.reduce((.latency, 0.5)) { $1.1 >= $0.1 ? $1 : $0 }
        return busiest.0
    }

    /// Adds another's shares, weighted.
    mutating func add(_ other: BusyShares, weight: Double) {
        tensor += other.tensor * weight
        vector += other.vector * weight
        scalar += other.scalar * weight
        gpsimd += other.gpsimd * weight
        memory += other.memory * weight
    }
}

/// What no program on the same cores can undercut: the work of the model's graph at the peak rates.
public struct PhaseBound: Hashable, Codable, Sendable {
    /// Operations of the graph: matrices, scores and weighted values of visible positions.
    public var operations: Double
    /// Bytes that have to be moved: each weight once, the cache once, what is new in it once.
    public var hbmBytes: Double
    /// The operations at the tensor engines' peak.
    public var computeNanoseconds: Double
    /// The bytes at the bandwidth of HBM, or of the DMA engines where that is less.
    public var memoryNanoseconds: Double

    /// The larger of the two.
    public var nanoseconds: Double { max(computeNanoseconds, memoryNanoseconds) }
    /// Which one that is.
    public var boundBy: Bottleneck {
        computeNanoseconds > memoryNanoseconds ? .tensor : .memory
    }
}

/// A pass of the model: the prompt, or one token of each sequence.
public struct PhasePrediction: Hashable, Codable, Sendable {
    /// The simulated time: TTFT of a prompt, TPOT of a token.
    public var nanoseconds: Double
    /// The kernels, in the order of their first run; on several cores those of the busiest core of
    /// each segment between two sums.
    public var kernels: [KernelPrediction]
    /// What the phase spends most of its time on.
    public var boundBy: Bottleneck
    /// Share of its time in which each resource is busy.
    public var busy: BusyShares
    /// Time in which cores wait for signals: a cost model, not simulated.
    public var synchronisationNanoseconds: Double
    /// What it cannot be faster than.
    public var bound: PhaseBound
}

/// What a model needs of a core's memory.
public struct MemoryNeed: Hashable, Codable, Sendable {
    /// Weights of one core, in the kernels' type.
    public var weightBytes: Int
    /// Its keys and values at the end of all answers.
    public var cacheBytes: Int
    /// Its share of the chip's HBM.
    public var capacityBytes: Int

    /// Whether they fit.
    public var fits: Bool { weightBytes + cacheBytes <= capacityBytes }
}

/// A model on one core, or on all cores of a chip.
public struct DevicePrediction: Hashable, Codable, Sendable {
    /// Cores that share the model.
    public var cores: Int
    /// Active cores on one stack of HBM, which share its bandwidth.
    public var coresSharingHBM: Int
    /// What the busiest core computes of a block, and what is computed more than once.
    public var split: String
    /// The need of the core that needs most.
    public var memory: MemoryNeed
    /// The prompt; nil when the model does not fit.
    public var prefill: PhasePrediction?
    /// A token; nil when the model does not fit.
    public var decode: PhasePrediction?
}
