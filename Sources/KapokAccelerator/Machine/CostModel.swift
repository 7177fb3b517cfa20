/// When a cost rule applies.
public enum CostCondition: String, Codable, Sendable {
    /// To every instruction of its opcode.
    case always
    /// An operand lies in PSUM.
    case anyInPSUM
    /// All operands are BF16, in SBUF, side by side.
    case allBF16Contiguous
    /// All operands are 2 bytes wide, in SBUF, side by side: the fast mode of generation 3.
    case fastSBUF
    /// All operands are 2 bytes wide, in PSUM or with strides.
    case fastPSUM
    /// Zero is written, as a type of 2 bytes.
    case zero16Bit
}

/// A rule for the time of elementwise instructions: `fixed + elements * perElement` cycles of the
/// engine, `elements` those of one partition, not less than the engine's minimum interval. The
/// first rule that fits an instruction counts.
public struct CostRule: Sendable {
    /// The opcode that it is for.
    public var opcode: Opcode
    /// The engine that it is for; nil: any.
    public var engine: Engine?
    /// When it applies.
    public var condition: CostCondition
    /// The generation from which on it applies.
    public var generation: Int
    /// Cycles of one element of each partition.
    public var perElement: Double
    /// Cycles beside those of the elements (and beside the engine's fixed cycles).
    public var fixed: Double
    /// Where it comes from, and how far it can be trusted.
    public var source: String
    public var confidence: Confidence

    init(
        _ opcode: Opcode, _ engine: Engine? = nil, when condition: CostCondition = .always,
        from generation: Int = 2, per perElement: Double, fixed: Double = 0,
        source: String = "NKI instruction reference (nki.isa), 2024 pages",
        _ confidence: Confidence = .documented
    ) {
        self.opcode = opcode
        self.engine = engine
        self.condition = condition
        self.generation = generation
        self.perElement = perElement
        self.fixed = fixed
        self.source = source
        self.confidence = confidence
    }

    private static let perfMode = "NKI guide, Trainium2 architecture: performance modes"

    /// All rules, in order of precedence.
    public static let all: [CostRule] = [
        CostRule(.tensorTensor, when: .anyInPSUM, per: 1),
        CostRule(.tensorTensor, when: .allBF16Contiguous, per: 1),
        CostRule(.tensorTensor, per: 2),
        CostRule(.scalarTensorTensor, when: .allBF16Contiguous, per: 1),
        CostRule(.scalarTensorTensor, per: 2),
        CostRule(.tensorScalar, .vector, when: .fastSBUF, from: 3, per: 0.25, source: perfMode),
        CostRule(.tensorScalar, .vector, when: .fastPSUM, from: 3, per: 0.5, source: perfMode),
        CostRule(.tensorScalar, per: 1),
        CostRule(.tensorCopy, .vector, when: .fastSBUF, from: 3, per: 0.25, source: perfMode),
        CostRule(.tensorCopy, .vector, when: .fastPSUM, from: 3, per: 0.5, source: perfMode),
        CostRule(.tensorCopy, per: 1),
        CostRule(.tensorReduce, per: 1),
        CostRule(.reciprocal, per: 1),
        CostRule(.activation, per: 1),
        CostRule(.tensorTensorScan, per: 2),
        CostRule(.memset, when: .zero16Bit, per: 0.5),
        CostRule(.memset, per: 1),
        CostRule(.copyPredicated, when: .anyInPSUM, per: 1),
        CostRule(.copyPredicated, per: 2),
        CostRule(.bnStats, per: 1),
        CostRule(.bnAggregate, per: 13),
        CostRule(.iota, per: 1),
        CostRule(.affineSelect, per: 1),
        CostRule(.max8, per: 1, source: "as a reduction", .assumed),
        CostRule(.findIndex8, per: 1, source: "as a reduction", .assumed),
        CostRule(.matchReplace8, per: 1, source: "as a copy", .assumed),
        CostRule(.partitionReduce, per: 1, source: "as other gpsimd instructions", .assumed),
    ]
}

/// How long an instruction of a compute engine takes.
public struct InstructionCost: Hashable, Sendable {
    /// Ticks for which its unit is busy: the next instruction may start after them.
    public var interval: Int64
    /// Ticks from the end of the interval until the result is in memory.
    public var latency: Int64

    public init(interval: Int64, latency: Int64) {
        self.interval = interval
        self.latency = latency
    }
}

/// What a transfer costs the DMA engines.
public struct TransferCost: Hashable, Sendable {
    /// Packets in all; they are dealt to the engines in turn.
    public var packets: Int
    /// Bytes of one packet (the last of a row may be shorter; the mean is meant).
    public var bytesPerPacket: Int
    /// Ticks that all packets together take of one engine, in 1/1024 of a tick.
    public var totalTicks1024: Int64

    public init(packets: Int, bytesPerPacket: Int, totalTicks1024: Int64) {
        self.packets = packets
        self.bytesPerPacket = bytesPerPacket
        self.totalTicks1024 = totalTicks1024
    }
}

/// Times of instructions on one machine, from its description and the cost rules.
public struct CostModel: Sendable {
    /// The machine.
    public let machine: Machine

    private let rules: [[CostRule]]
    private let tensorMinimum: Double
    private let fp32Passes: Double
    private let loadSpeedup: Double
    private let tensorLatency: Double
    private let minimum: Double
    private let fixedCycles: Double
    private let vectorLatency: Double
    private let scalarLatency: Double
    private let gpsimdStart: Double
    private let accumulatorRead: Double
    private let packetOverhead: Double
    private let packetLimit: Int
    private let bandwidth: Double
    private let transposeFraction: Double
    private let isThirdGeneration: Bool

    public init(_ machine: Machine) {
        self.machine = machine
        let generation = machine.description.generation
        var table = [[CostRule]](repeating: [], count: 256)
        for rule in CostRule.all where rule.generation <= generation {
            table[Int(rule.opcode.rawValue)].append(rule)
        }
        rules = table
        tensorMinimum = machine.value(.tensorMinimumInterval)
        fp32Passes = machine.value(.tensorFP32Passes)
        loadSpeedup = machine.value(.stationaryLoadSpeedup)
        tensorLatency = machine.value(.tensorResultLatency)
        minimum = machine.value(.engineMinimumInterval)
        fixedCycles = machine.value(.engineFixedCycles)
        vectorLatency = machine.value(.engineResultLatency)
        scalarLatency = machine.value(.scalarResultLatency)
        gpsimdStart = machine.value(.gpsimdStart)
        accumulatorRead = machine.value(.accumulatorReadCycles)
        packetOverhead = machine.value(.dmaPacketOverhead)
        packetLimit = Int(machine.value(.dmaMaximumPacket))
        bandwidth = machine.value(.dmaBandwidth)
        transposeFraction = machine.value(.dmaTransposeFraction)
        isThirdGeneration = generation >= 3
    }

    /// The time that `instruction` takes its own unit (for a DMA trigger: the triggering engine).
    ///
    /// - Parameter patterns: the program's access patterns.
    public func cost(
        of instruction: Instruction, patterns: [AccessPattern]
    ) -> InstructionCost {
        let engine = instruction.engine
        switch instruction.opcode {
        case .nop:
            return InstructionCost(interval: 0, latency: 0)
        case .dmaCopy, .dmaTranspose:
            let cycles = machine.value(.dmaTriggerCycles)
            return InstructionCost(interval: machine.ticks(cycles: cycles, of: engine), latency: 0)
        case .loadStationary:
            let pattern = patterns[Int(instruction.source0)]
            let columns = Double(pattern.elementsPerPartition)
            let cycles = columns * passes(pattern.type) / loadSpeedup
            return InstructionCost(
                interval: max(1, machine.ticks(cycles: cycles, of: .tensor)), latency: 0)
        case .multiplyMoving:
            let pattern = patterns[Int(instruction.source0)]
            var passes = passes(pattern.type)
            if instruction.flags.contains(.transpose), isThirdGeneration {
                passes = max(1, passes / 2)
            }
            let isDouble = instruction.flags.contains(.doubleRow)
            let columns = Double(pattern.elementsPerPartition) / (isDouble ? 2 : 1)
            let cycles = max(columns, tensorMinimum) * passes
            return InstructionCost(
                interval: machine.ticks(cycles: cycles, of: .tensor),
                latency: machine.ticks(cycles: tensorLatency, of: .tensor))
        default:
            return elementwiseCost(of: instruction, patterns: patterns)
        }
    }

    /// What a transfer costs the DMA engines: `overhead + bytes / bandwidth` for each packet, one
    /// packet for each run of bytes that is contiguous at both ends.
    public func transferCost(
        of instruction: Instruction, patterns: [AccessPattern]
    ) -> TransferCost {
        let source = patterns[Int(instruction.source0)]
        let destination = patterns[Int(instruction.destination)]
        let isTransposed = instruction.opcode == .dmaTranspose
        let run =
            isTransposed
            ? source.contiguousElements * source.type.byteCount
            : min(
                source.contiguousElements * source.type.byteCount,
                destination.contiguousElements * destination.type.byteCount)
        let total = max(source.totalBytes, destination.totalBytes)
        let bytesPerPacket = max(1, min(run, packetLimit, total))
        let packets = (total + bytesPerPacket - 1) / bytesPerPacket
        let rate = isTransposed ? bandwidth * transposeFraction : bandwidth
        let nanoseconds = Double(packets) * packetOverhead + Double(total) / rate
        let ticks = (nanoseconds * machine.ticksPerSecond / 1e9 * 1024).rounded(.up)
        return TransferCost(
            packets: packets, bytesPerPacket: bytesPerPacket, totalTicks1024: Int64(ticks))
    }

    /// Whether the vector engine executes `instruction` in a 16-bit fast mode: then it occupies the
    /// path to SBUF that it shares with gpsimd.
    func isInFastMode(_ instruction: Instruction, patterns: [AccessPattern]) -> Bool {
        guard instruction.engine == .vector,
            let rule = rule(for: instruction, Operands(instruction, patterns))
        else { return false }
        return rule.condition == .fastSBUF || rule.condition == .fastPSUM
    }

    /// The first rule that fits.
    private func rule(for instruction: Instruction, _ operands: Operands) -> CostRule? {
        rules[Int(instruction.opcode.rawValue)].first {
            ($0.engine == nil || $0.engine == instruction.engine) && operands.satisfy($0.condition)
        }
    }

    private func passes(_ type: ElementType) -> Double { type == .fp32 ? fp32Passes : 1 }

    private func elementwiseCost(
        of instruction: Instruction, patterns: [AccessPattern]
    ) -> InstructionCost {
        let operands = Operands(instruction, patterns)
        let elements = Double(operands.elements)
        var cycles = elements
        if let rule = rule(for: instruction, operands) {
            cycles = elements * rule.perElement + rule.fixed
        }
        if instruction.engine == .gpsimd { cycles += gpsimdStart } else { cycles += fixedCycles }
        if instruction.flags.contains(.reduces) { cycles += accumulatorRead }
        cycles = max(cycles, minimum)
        let latency = instruction.engine == .scalar ? scalarLatency : vectorLatency
        return InstructionCost(
            interval: machine.ticks(cycles: cycles, of: instruction.engine),
            latency: machine.ticks(cycles: latency, of: instruction.engine))
    }
}

/// What cost rules ask about the operands of an elementwise instruction.
private struct Operands {
    var elements = 0
    var anyInPSUM = false
    var allIn16Bit = true
    var allBF16 = true
    var allContiguous = true
    var isZero16Bit = false

    init(_ instruction: Instruction, _ patterns: [AccessPattern]) {
        add(instruction.destination, patterns)
        add(instruction.source0, patterns)
        let hasCoefficients = instruction.opcode == .iota || instruction.opcode == .affineSelect
        // Operands of one element a partition do not matter to the rate.
        let firstIsScalar =
            instruction.flags.contains(.scalar0) && instruction.opcode != .scalarTensorTensor
        if !hasCoefficients, !firstIsScalar, !instruction.flags.contains(.reduces) {
            add(instruction.source1, patterns)
        }
        isZero16Bit =
            instruction.opcode == .memset && instruction.immediate0 == 0 && allIn16Bit
    }

    private mutating func add(_ index: UInt32, _ patterns: [AccessPattern]) {
        guard index != Instruction.noPattern else { return }
        let pattern = patterns[Int(index)]
        elements = max(elements, pattern.elementsPerPartition)
        if pattern.space == .psum { anyInPSUM = true }
        if pattern.type.byteCount != 2 { allIn16Bit = false }
        if pattern.type != .bf16 { allBF16 = false }
        if !pattern.isContiguous { allContiguous = false }
    }

    func satisfy(_ condition: CostCondition) -> Bool {
        switch condition {
        case .always: true
        case .anyInPSUM: anyInPSUM
        case .allBF16Contiguous: allBF16 && allContiguous && !anyInPSUM
        case .fastSBUF: allIn16Bit && allContiguous && !anyInPSUM
        case .fastPSUM: allIn16Bit
        case .zero16Bit: isZero16Bit
        }
    }
}
