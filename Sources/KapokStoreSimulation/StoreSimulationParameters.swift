import KapokSimulation
import KapokStore
import KapokWorld

/// One run's world, drawn from its seed.
struct StoreSimulationParameters {
    var seed: UInt64
    var pool: PoolDescriptor
    var clients: Int
    var operationsPerClient: Int
    /// Drives that may lie, rot or vanish; no more than the coding covers.
    var badDrives: [Int]
    var badDriveFaults: DiskFaults
    var faults: [(StoreFault, at: Interval)]
    var indexDelayNanoseconds: UInt64
    var indexPatienceMilliseconds: UInt64
    var keys: Int
    var defect: StoreDefect?

    init(seed: UInt64, defect: StoreDefect? = nil) {
        self.seed = seed
        self.defect = defect
        var random = RandomStream(seed: seed).split("parameters")
        let shapes: [(k: UInt8, m: UInt8, n: UInt32)] = [
            (1, 1, 3), (2, 1, 3), (2, 1, 4), (2, 2, 5), (4, 2, 6), (4, 2, 8), (3, 1, 5),
        ]
        let shape = shapes[random.below(shapes.count)]
        pool = PoolDescriptor(
            region: UniqueID(from: &random), driveCount: shape.n, dataShards: shape.k,
            parityShards: shape.m, slotBlocks: 32,
            slotsPerDrive: UInt32(24 + random.below(40)))
        clients = 2 + random.below(6)
        operationsPerClient = 20 + random.below(40)
        keys = 3 + random.below(12)
        indexDelayNanoseconds = 200_000 << random.below(6 as UInt64)
        indexPatienceMilliseconds = 1 << random.below(6 as UInt64)
        var positions = Array(0..<Int(shape.n))
        positions.shuffle(using: &random)
        badDrives = Array(positions.prefix(random.below(Int(shape.m) + 1)))
        badDriveFaults = DiskFaults()
        // Each kind of fault in a third of the runs, so that each is also seen alone.
        func sometimes(_ probability: Probability) -> Probability {
            random.chance(1, in: 3) ? probability : .never
        }
        badDriveFaults.bitRot = sometimes(0.02)
        badDriveFaults.latentReadError = sometimes(0.02)
        badDriveFaults.misdirectedWrite = sometimes(0.02)
        badDriveFaults.misdirectedRead = sometimes(0.02)
        badDriveFaults.lostWrite = sometimes(0.05)
        badDriveFaults.lyingFlush = sometimes(0.2)
        badDriveFaults.writeError = sometimes(0.003)
        badDriveFaults.flushError = sometimes(0.003)
        badDriveFaults.slow = sometimes(0.02)
        faults = []
        for _ in 0..<random.below(7) {
            let fault = StoreFault.allCases[random.below(StoreFault.allCases.count)]
            faults.append((fault, Interval(nanoseconds: random.below(60_000_000 as UInt64))))
        }
    }
}

/// What happened in a run.
public struct StoreSimulationCounts: Sendable, Equatable {
    /// Operations begun by clients.
    public var operations = 0
    /// Writes acknowledged.
    public var acknowledged = 0
    /// Requests refused, or lost with a head.
    public var refused = 0
    /// Transactions that conflicted.
    public var conflicts = 0
    /// Entries read.
    public var reads = 0
    /// Bytes compared with what was written.
    public var bytesVerified = 0
    /// Listings judged.
    public var listings = 0
    /// Heads that were started.
    public var heads = 0
    /// Transactions replayed from the drives.
    public var replayed = 0
    /// Faults that befell the region.
    public var faults = 0
    /// Extents compacted.
    public var compactions = 0
    /// Entries that the rebuilt index has.
    public var rebuiltEntries = 0
}
