/// What a trace consists of: rows, and for each row its slices in order of time.
struct TracePlan: Sendable {
    let profile: Profile
    let clock: TickClock
    private(set) var lanes: [TraceLane] = []
    /// Indices of instructions, those of each unit together, in order.
    private let instructionsByUnit: [UInt32]
    /// Opcode and source line of each instruction: rows pick them in an order of their own, and the
    /// records of a large program do not fit into the cache.
    private let opcodes: [UInt8]
    private let lines: [UInt32]
    /// Where arrows begin and end; nil when none are wanted.
    let flows: TraceFlows?
    let options: PerfettoTrace.Options

    /// Numbers of the rows that hold others: the whole trace, and the DMA engines.
    static let rootTrack: UInt64 = 1
    static let dmaTrack: UInt64 = 2
    /// The first number of the rows with slices.
    private static let firstLane: UInt64 = 3

    init(_ profile: Profile, _ options: PerfettoTrace.Options) {
        self.profile = profile
        self.options = options
        clock = TickClock(ticksPerSecond: profile.machine.ticksPerSecond)
        flows = options.includesFlows ? TraceFlows(profile) : nil

        let instructions = profile.program.instructions
        var start = [Int](repeating: 0, count: Unit.engineUnitCount + 1)
        var units = [UInt8](repeating: 0, count: instructions.count)
        var opcodes = units
        var lines = [UInt32](repeating: 0, count: instructions.count)
        for (index, instruction) in instructions.enumerated() {
            units[index] = instruction.unit.rawValue
            opcodes[index] = instruction.opcode.rawValue
            lines[index] = instruction.line
            start[Int(instruction.unit.rawValue) + 1] += 1
        }
        self.opcodes = opcodes
        self.lines = lines
        for unit in 0..<Unit.engineUnitCount { start[unit + 1] += start[unit] }
        var next = start
        var byUnit = [UInt32](repeating: 0, count: instructions.count)
        for (index, unit) in units.enumerated() {
            byUnit[next[Int(unit)]] = UInt32(index)
            next[Int(unit)] += 1
        }
        instructionsByUnit = byUnit
        addLanes(instructionStart: start)
    }

    /// Rows in the order in which they are shown: each unit, its stalls below it.
    private mutating func addLanes(instructionStart: [Int]) {
        let stalls = profile.stallRanges()
        let order: [Unit] = [.tensorMultiply, .tensorLoad, .vector, .scalar, .gpsimd, .sync]
        for unit in order {
            let place = Int(unit.rawValue)
            let name = EngineSummary.name(of: unit)
            let range = instructionStart[place]..<instructionStart[place + 1]
            add(.instructions(first: range.lowerBound), range.count, name, Self.rootTrack)
            addStalls(stalls[place], name, Self.rootTrack)
        }
        for engine in 0..<max(0, profile.timeline.segmentStart.count - 1) {
            let range =
                profile.timeline.segmentStart[engine]..<profile.timeline.segmentStart[engine + 1]
            let unit = Unit.dma(engine)
            add(.segments(first: range.lowerBound), range.count, unit.name, Self.dmaTrack)
            addStalls(stalls[Int(unit.rawValue)], unit.name, Self.dmaTrack)
        }
    }

    private mutating func addStalls(_ range: Range<Int>, _ unit: String, _ parent: UInt64) {
        guard options.includesStalls else { return }
        add(.stalls(first: range.lowerBound), range.count, "\(unit) stalls", parent)
    }

    private mutating func add(
        _ content: TraceLane.Content, _ count: Int, _ name: String, _ parent: UInt64
    ) {
        guard count > 0 else { return }
        let number = Self.firstLane + UInt64(lanes.count)
        var lane = TraceLane(
            content, count: count, name: name, uuid: number, parent: parent, rank: number)
        var isUsed = [Bool](repeating: false, count: 256)
        var isLineUsed = [Bool](repeating: false, count: profile.program.lines.count)
        for index in 0..<count {
            let slice = self.slice(index, of: lane)
            isUsed[Int(slice.key)] = true
            isLineUsed[Int(slice.line)] = true
        }
        for key in isUsed.indices where isUsed[key] {
            lane.nameIndex[key] = UInt8(lane.names.count)
            lane.names.append(Self.name(UInt8(key), content))
        }
        if options.includesSourceLines {
            lane.lines = isLineUsed.indices.dropFirst().filter { isLineUsed[$0] }.map(UInt32.init)
        }
        lanes.append(lane)
    }

    private static func name(_ key: UInt8, _ content: TraceLane.Content) -> String {
        if case .stalls = content { return StallReason(rawValue: key)?.name ?? "reason \(key)" }
        return Opcode(rawValue: key)?.name ?? "opcode \(key)"
    }

    /// The number that the first row after the lanes may have.
    var nextTrack: UInt64 { Self.firstLane + UInt64(lanes.count) }

    /// Slice `index` of a lane.
    @inline(__always)
    func slice(_ index: Int, of lane: TraceLane) -> TraceSlice {
        switch lane.content {
        case .instructions(let first):
            let number = instructionsByUnit[first + index]
            let place = Int(number)
            return TraceSlice(
                start: profile.timeline.start[place], end: profile.timeline.busyEnd[place],
                key: opcodes[place], instruction: number, line: lines[place], isShared: false)
        case .stalls(let first):
            let stall = profile.stalls[first + index]
            return TraceSlice(
                start: stall.start, end: stall.end, key: stall.reason.rawValue,
                instruction: stall.culprit, line: 0, isShared: stall.isShared)
        case .segments(let first):
            let segment = profile.timeline.segments[first + index]
            let place = Int(segment.instruction)
            return TraceSlice(
                start: segment.start, end: segment.end, key: opcodes[place],
                instruction: segment.instruction, line: lines[place], isShared: false)
        }
    }
}
