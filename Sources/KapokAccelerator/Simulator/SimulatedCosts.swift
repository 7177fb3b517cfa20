/// The costs of all instructions of a kind on operands of the same shapes, in ticks.
struct SimulatedCost: Hashable, Sendable {
    /// As in ``InstructionCost``.
    var interval: Int64 = 0
    var latency: Int64 = 0
    /// The part of `interval` in which the unit works; the rest is its shortest interval.
    var work: Int64 = 0
    /// Structural resources: which bits of the operands count, and which are added.
    var keptResources: UInt32 = 0
    var addedResources: UInt32 = 0
    /// Packets of a transfer, and ticks of all of them together, in 1/1024.
    var packets: Int64 = 0
    var totalTicks1024: Int64 = 0
    /// Of the DMA engines, so many get one packet more than the others.
    var enginesWithMore: Int64 = 0
    /// Ticks of an engine that gets more, and of one that gets fewer packets (0 when it gets none).
    var ticksWithMore: Int64 = 0
    var ticksWithFewer: Int64 = 0
    /// The same when no other core uses the HBM.
    var aloneWithMore: Int64 = 0
    var aloneWithFewer: Int64 = 0
}

/// Costs with a memory: instructions of one kind with operands of the same shapes share an entry.
struct SimulatedCosts: ~Copyable {
    /// By index, and how many there are.
    private(set) var entries = FlatBuffer<SimulatedCost>(uninitializedCount: 64)
    private(set) var count = 0
    private var known = NumberedKeys<CostKey>()
    private let models: CostModels
    private let removed: RemovedReasons

    init(models: CostModels, removed: RemovedReasons) {
        self.models = models
        self.removed = removed
    }

    /// The index of the costs of an instruction with that key; when it is the number of entries,
    /// they must be added next.
    @inline(__always)
    mutating func number(of key: CostKey) -> Int { known.number(of: key) }

    /// The structural resources of an instruction with the costs at `index`.
    ///
    /// - Parameter used: those of its operands.
    @inline(__always)
    func resources(_ index: Int, used: UInt32) -> UInt32 {
        used & entries[index].keptResources | entries[index].addedResources
    }

    /// Computes the costs of a new kind of instruction, which is valid.
    mutating func add(_ instruction: Instruction, _ patterns: [AccessPattern]) {
        let model = models.usual
        let cost = model.cost(of: instruction, patterns: patterns)
        let unbounded = models.unbounded.cost(of: instruction, patterns: patterns)
        var entry = SimulatedCost()
        entry.work = min(unbounded.interval, cost.interval)
        entry.interval = removed.contains(.issueInterval) ? entry.work : cost.interval
        entry.latency = removed.contains(.resultLatency) ? 0 : cost.latency
        let isFast = model.isInFastMode(instruction, patterns: patterns)
        (entry.keptResources, entry.addedResources) = StructuralResources.filter(
            instruction, isFast: isFast, generation: models.generation)
        if removed.contains(.psumBank) { entry.keptResources &= ~StructuralResources.banks }
        if removed.contains(.sharedBus) {
            entry.keptResources &= ~StructuralResources.buses
            entry.addedResources &= ~StructuralResources.buses
        }
        if instruction.opcode.isDMA { addTransfer(instruction, patterns, to: &entry) }
        if count == entries.count { entries.grow(to: count * 2) }
        entries[count] = entry
        count += 1
    }

    private func addTransfer(
        _ instruction: Instruction, _ patterns: [AccessPattern], to entry: inout SimulatedCost
    ) {
        let engines = models.usual.machine.dmaEngines
        let alone = models.usual.transferCost(of: instruction, patterns: patterns)
        let usesHBM =
            patterns[Int(instruction.source0)].space == .hbm
            || patterns[Int(instruction.destination)].space == .hbm
        let isAlone = removed.contains(.memoryContention) || !usesHBM
        let actual =
            isAlone ? alone : models.contended.transferCost(of: instruction, patterns: patterns)
        entry.packets = Int64(alone.packets)
        entry.totalTicks1024 = actual.totalTicks1024
        entry.enginesWithMore = Int64(alone.packets % engines)
        if removed.contains(.dmaTransfer) { return }
        let fewer = alone.packets / engines
        entry.ticksWithMore = Self.ticks(of: fewer + 1, actual)
        entry.ticksWithFewer = Self.ticks(of: fewer, actual)
        entry.aloneWithMore = Self.ticks(of: fewer + 1, alone)
        entry.aloneWithFewer = Self.ticks(of: fewer, alone)
    }

    /// Ticks of an engine that gets `count` of a transfer's packets, rounded up.
    static func ticks(of count: Int, _ cost: TransferCost) -> Int64 {
        guard cost.packets > 0 else { return 0 }
        let divisor = Int64(cost.packets) * 1024
        let product = cost.totalTicks1024.multipliedFullWidth(by: Int64(count))
        let (quotient, remainder) = divisor.dividingFullWidth(product)
        return quotient + (remainder > 0 ? 1 : 0)
    }
}

/// What decides about an instruction's costs. 24 bytes.
struct CostKey: NumberedKey {
    private let kind: UInt64
    private let written: UInt64
    private let read: UInt64

    /// - Parameters: shapes of the operands, see ``SimulatedPatterns``.
    @inline(__always)
    init(
        _ instruction: Instruction, _ destination: UInt32, _ source0: UInt32,
        _ source1: UInt32, _ source2: UInt32
    ) {
        let isZero = instruction.opcode == .memset && instruction.immediate0 == 0
        kind =
            UInt64(instruction.opcode.rawValue) | UInt64(instruction.engine.rawValue) << 8
            | UInt64(instruction.flags.rawValue) << 16 | UInt64(instruction.operation0) << 32
            | UInt64(instruction.operation1) << 40 | (isZero ? 1 << 48 : 0)
        written = UInt64(destination) | UInt64(source0) << 32
        read = UInt64(source1) | UInt64(source2) << 32
    }

    @inline(__always)
    var hash: UInt64 { kind.mixed(with: written).mixed(with: read) }
}
