/// What the timeline of the HTML report is drawn from, as columns. Their names are what
/// `Script/ModelScript.swift` reads.
struct ReportColumns {
    private(set) var packed = PackedColumns()
    private let profile: Profile

    /// Parts of the run in which the throughput of the DMA engines is drawn at most.
    static let throughputParts = 4096

    init(_ profile: Profile) {
        self.profile = profile
        instructions()
        operands()
        waits()
        stalls()
        transfers()
        segments()
        criticalPath()
        patterns()
        tiles()
        strips()
    }

    /// `name` from a field of each element.
    private mutating func add<Element>(
        _ name: String, _ elements: [Element], _ field: (Element) -> Int64
    ) {
        packed.add(name, elements.lazy.map(field))
    }

    private mutating func addDeltas<Element>(
        _ name: String, _ elements: [Element], _ field: (Element) -> Int64
    ) {
        packed.addDeltas(name, elements.lazy.map(field))
    }

    /// An index, where the largest number stands for nothing, as a number from 1; 0 for nothing.
    private static func optional(_ index: UInt32) -> Int64 { Int64(index &+ 1) }

    // MARK: Instructions

    private mutating func instructions() {
        let instructions = profile.program.instructions
        let timeline = profile.timeline
        add("opcode", instructions) { Int64($0.opcode.rawValue) }
        add("unit", instructions) { Int64($0.unit.rawValue) }
        addDeltas("line", instructions) { Int64($0.line) }
        packed.addDeltas("start", timeline.start)
        packed.add("queued", zip(timeline.issue, timeline.start).lazy.map { max(0, $1 - $0) })
        packed.add("interval", zip(timeline.start, timeline.busyEnd).lazy.map { $1 - $0 })
        packed.add("latency", zip(timeline.busyEnd, timeline.end).lazy.map { max(0, $1 - $0) })
        let iterations = profile.program.iterationOfInstruction
        addDeltas("iteration", iterations) { Self.optional($0) }
        addDeltas("iterationLoop", profile.program.iterations) { Int64($0.loop) }
        addDeltas("iterationIndex", profile.program.iterations) { Int64($0.index) }
        addDeltas("iterationParent", profile.program.iterations) { Self.optional($0.parent) }
    }

    private mutating func operands() {
        let instructions = profile.program.instructions
        add("flags", instructions) { Int64($0.flags.rawValue) }
        addDeltas("destination", instructions) { Self.optional($0.destination) }
        addDeltas("source0", instructions) { Self.optional($0.source0) }
        addDeltas("source1", instructions) { Self.optional($0.source1) }
        addDeltas("source2", instructions) { Self.optional($0.source2) }
        add("immediate0", instructions) { Int64($0.immediate0.bitPattern) }
        add("immediate1", instructions) { Int64($0.immediate1.bitPattern) }
        add("operation0", instructions) { Int64($0.operation0) }
        add("operation1", instructions) { Int64($0.operation1) }
        add("ring", instructions) { Int64($0.ring) }
    }

    private mutating func waits() {
        let edges = DependenceEdges(profile.program).edges
        addDeltas("waitConsumer", edges) { Int64($0.consumer) }
        addDeltas("waitBack", edges) { Int64($0.consumer) - Int64($0.producer) }
        add("waitKind", edges) { Int64($0.kind.rawValue) }
        addDeltas("waitTile", edges) { Self.optional($0.tile) }
    }

    // MARK: Times of units

    private mutating func stalls() {
        let stalls = profile.stalls
        add("stallUnit", stalls) { Int64($0.unit.rawValue) }
        add("stallReason", stalls) { Int64($0.reason.rawValue) }
        addDeltas("stallStart", stalls) { $0.start }
        add("stallDuration", stalls) { $0.duration }
        addDeltas("stallCulprit", stalls) { Self.optional($0.culprit) }
        addDeltas("stallVictim", stalls) { Self.optional($0.victim) }
        add("stallShared", stalls) { $0.isShared ? 1 : 0 }
    }

    private mutating func transfers() {
        let transfers = profile.timeline.transfers
        let program = profile.program
        addDeltas("transferInstruction", transfers) { Int64($0.instruction) }
        addDeltas("transferTriggered", transfers) { $0.triggered }
        addDeltas("transferDescriptorStart", transfers) { $0.descriptorStart - $0.triggered }
        addDeltas("transferDescriptorEnd", transfers) { $0.descriptorEnd - $0.triggered }
        addDeltas("transferReady", transfers) { $0.ready - $0.triggered }
        addDeltas("transferStart", transfers) { $0.transferStart - $0.triggered }
        addDeltas("transferEnd", transfers) { $0.transferEnd - $0.triggered }
        addDeltas("transferBytes", transfers) {
            Int64(program.transferBytes(of: Int($0.instruction)))
        }
    }

    private mutating func segments() {
        let segments = profile.timeline.segments
        packed.add("segmentFirst", profile.timeline.segmentStart.lazy.map(Int64.init))
        addDeltas("segmentInstruction", segments) { Int64($0.instruction) }
        addDeltas("segmentStart", segments) { $0.start }
        add("segmentDuration", segments) { $0.end - $0.start }
    }

    private mutating func criticalPath() {
        let steps = profile.criticalPath
        addDeltas("stepInstruction", steps) { Int64($0.instruction) }
        add("stepKind", steps) { Int64($0.kind.rawValue) }
        addDeltas("stepStart", steps) { $0.start }
        add("stepDuration", steps) { $0.end - $0.start }
    }

    // MARK: Memory

    private mutating func patterns() {
        let patterns = profile.program.patterns
        add("patternSpace", patterns) { Int64($0.space.rawValue) }
        add("patternType", patterns) { Int64($0.type.rawValue) }
        add("patternPartition", patterns) { Int64($0.partitionStart) }
        add("patternPartitions", patterns) { Int64($0.partitionCount) }
        add("patternTensor", patterns) { Int64($0.tensor) }
        addDeltas("patternOffset", patterns) { $0.offset }
        addDeltas("patternPartitionStride", patterns) { Int64($0.partitionStride) }
        addDeltas("patternTile", patterns) { Self.optional($0.tile) }
        addDeltas("patternCount0", patterns) { Int64($0.dimension0.count) }
        addDeltas("patternCount1", patterns) { Int64($0.dimension1.count) }
        addDeltas("patternCount2", patterns) { Int64($0.dimension2.count) }
        addDeltas("patternCount3", patterns) { Int64($0.dimension3.count) }
        addDeltas("patternStride0", patterns) { Int64($0.dimension0.stride) }
        addDeltas("patternStride1", patterns) { Int64($0.dimension1.stride) }
        addDeltas("patternStride2", patterns) { Int64($0.dimension2.stride) }
        addDeltas("patternStride3", patterns) { Int64($0.dimension3.stride) }
    }

    private mutating func tiles() {
        let tiles = profile.program.tiles
        addDeltas("tileOffset", tiles) { Int64($0.offset) }
        addDeltas("tileBytes", tiles) { Int64($0.bytesPerPartition) }
        addDeltas("tileFirstUse", tiles) { Int64($0.firstUse) }
        addDeltas("tileLastUse", tiles) { Int64($0.lastUse) }
        addDeltas("tileLine", tiles) { Int64($0.line) }
    }

    private mutating func strips() {
        let samples = MemoryProfile(profile).samples
        addDeltas("memoryTime", samples) { $0.time }
        addDeltas("sbufBytes", samples) { Int64($0.sbufBytes) }
        addDeltas("psumBytes", samples) { Int64($0.psumBytes) }
        let rate = TransferRate(profile, parts: Self.throughputParts)
        addDeltas("movedBytes", rate.bytes) { Int64($0.rounded()) }
    }
}
