import KapokWorld

@testable import KapokAccelerator

/// Makes profiles of any size without a simulator: random instructions on all units, transfers over
/// all DMA engines, waits, and stalls that close to the tick.
struct ReportFixture {
    private let machine: Machine
    private var random: RandomStream
    private var program: Program
    private var timeline = Timeline()
    private var stalls: [[Stall]]
    private var usage: [UnitUsage]
    private var free: [Int64]
    private var segments: [[TransferSegment]]
    private var lastOnEngine = [Int?](repeating: nil, count: Engine.allCases.count)
    private var ringEnd: Int64 = 0

    /// A profile of `count` instructions, the same for the same seed.
    static func profile(count: Int, seed: UInt64 = 1, machine name: String = "trn2") -> Profile {
        guard let description = MachineDescription.named(name),
            let machine = try? Machine(description)
        else { fatalError("no machine \(name)") }
        var fixture = ReportFixture(machine: machine, seed: seed)
        for index in 0..<count { fixture.append(index) }
        return fixture.finish()
    }

    private init(machine: Machine, seed: UInt64) {
        self.machine = machine
        random = RandomStream(seed: seed)
        program = Program(name: "fixture", machine: machine.description.name)
        let unitCount = Unit.engineUnitCount + machine.dmaEngines
        stalls = [[Stall]](repeating: [], count: unitCount)
        usage = (0..<unitCount).map { UnitUsage(unit: Unit(rawValue: UInt8($0))) }
        free = [Int64](repeating: 0, count: unitCount)
        segments = [[TransferSegment]](repeating: [], count: machine.dmaEngines)
        program.parameters = [KernelParameter("m", "64"), KernelParameter("type", "bf16")]
        program.lines += (1...9).map {
            SourceLine(file: "Kernels/Fixture, \"quoted\".swift", line: $0)
        }
        program.tensors = [
            TensorDeclaration(name: "x", shape: [128, 512], type: .bf16, role: .input)
        ]
        addPatterns()
    }

    private mutating func addPatterns() {
        let row = [FreeDimension(count: 512, stride: 1)]
        program.tiles = [
            TileAllocation(
                name: "left", space: .sbuf, partitionStart: 0, partitionCount: 128, offset: 0,
                bytesPerPartition: 1024, type: .bf16, line: 1),
            TileAllocation(
                name: "sum", space: .psum, partitionStart: 0, partitionCount: 128, offset: 0,
                bytesPerPartition: 2048, type: .fp32, line: 2),
        ]
        program.patterns = [
            AccessPattern(.sbuf, .bf16, partitionCount: 128, tile: 0, dimensions: row),
            AccessPattern(.psum, .fp32, partitionCount: 128, tile: 1, dimensions: row),
            AccessPattern(.hbm, .bf16, partitionCount: 128, partitionStride: 512, dimensions: row),
        ]
    }

    // MARK: One instruction

    private static let choices: [(Opcode, Engine)] = [
        (.loadStationary, .tensor), (.multiplyMoving, .tensor), (.multiplyMoving, .tensor),
        (.tensorTensor, .vector), (.tensorCopy, .vector), (.activation, .scalar),
        (.iota, .gpsimd), (.dmaCopy, .sync), (.dmaCopy, .gpsimd), (.nop, .sync),
    ]

    private mutating func append(_ index: Int) {
        let (opcode, engine) = Self.choices[random.below(Self.choices.count)]
        var instruction = Instruction(opcode, on: engine)
        instruction.line = UInt32(random.below(program.lines.count))
        instruction.source0 = opcode.isDMA ? 2 : 0
        instruction.destination = opcode == .multiplyMoving ? 1 : 0
        if opcode == .loadStationary || opcode == .nop {
            instruction.destination = Instruction.noPattern
        }
        let unit = instruction.unit
        let slot = Int(unit.rawValue)
        let issue = lastOnEngine[Int(engine.rawValue)].map { timeline.start[$0] } ?? 0
        var start = max(issue, free[slot])
        var producer = Stall.none
        if index > 0, random.chance(1, in: 2) {
            let earlier = index - 1 - random.below(min(index, 12))
            producer = UInt32(earlier)
            instruction.wait0 = SemaphoreWait(
                semaphore: UInt16(program.instructions[earlier].unit.rawValue),
                value: UInt32(earlier + 1), kind: .flow)
            program.waitReasons.append(
                WaitReason(
                    consumer: UInt32(index), slot: 0, kind: .flow, producer: producer, tile: 0))
            start = max(start, timeline.end[earlier] + 48)
        }
        program.instructions.append(instruction)
        explainIdleTime(of: unit, until: start, issue: issue, producer: producer, victim: index)
        let interval = opcode == .nop ? 0 : Int64(64 + random.below(1500))
        let isDMA = opcode.isDMA
        timeline.issue.append(issue)
        timeline.start.append(start)
        timeline.busyEnd.append(start + interval)
        timeline.end.append(start + interval + (isDMA ? 0 : 300))
        if isDMA { transfer(index, triggered: start + interval) }
        free[slot] = start + interval
        usage[slot].count += 1
        usage[slot].busy += interval
        lastOnEngine[Int(engine.rawValue)] = index
    }

    /// Cuts the idle time of a unit into one to three stalls.
    private mutating func explainIdleTime(
        of unit: Unit, until end: Int64, issue: Int64, producer: UInt32, victim: Int
    ) {
        let start = free[Int(unit.rawValue)]
        guard end > start else { return }
        let cut = min(max(issue, start), end)
        let seen = max(cut, end - 48)
        let culprit = producer == Stall.none ? UInt32(max(0, victim - 1)) : producer
        let isShared = victim.isMultiple(of: 3)
        add(
            Stall(
                unit: unit, reason: .queueOrder, start: start, end: cut, culprit: culprit,
                victim: UInt32(victim), isShared: isShared))
        add(
            Stall(
                unit: unit, reason: .data, start: cut, end: seen, culprit: culprit,
                victim: UInt32(victim), isShared: isShared))
        add(
            Stall(
                unit: unit, reason: .semaphoreLatency, start: seen, end: end, culprit: culprit,
                victim: UInt32(victim), isShared: isShared))
    }

    private mutating func add(_ stall: Stall) {
        guard stall.end > stall.start else { return }
        stalls[Int(stall.unit.rawValue)].append(stall)
        usage[Int(stall.unit.rawValue)].stalled[Int(stall.reason.rawValue)] += stall.duration
    }

    /// Spreads a transfer over some of the DMA engines.
    private mutating func transfer(_ index: Int, triggered: Int64) {
        let ready = triggered + 1000
        var first = Int64.max
        var last = ready
        let engines = 1 + random.below(machine.dmaEngines)
        for engine in 0..<engines {
            let unit = Unit.dma(engine)
            let slot = Int(unit.rawValue)
            let start = max(ready, free[slot])
            add(
                Stall(
                    unit: unit, reason: .descriptor, start: free[slot], end: start,
                    culprit: UInt32(index), victim: UInt32(index)))
            let end = start + Int64(100 + random.below(2000))
            segments[engine].append(
                TransferSegment(instruction: UInt32(index), start: start, end: end))
            usage[slot].count += 1
            usage[slot].busy += end - start
            free[slot] = end
            first = min(first, start)
            last = max(last, end)
        }
        ringEnd = max(ringEnd, last + 500)
        timeline.end[index] = ringEnd
        timeline.transfers.append(
            Transfer(
                instruction: UInt32(index), ring: 0, triggered: triggered,
                descriptorStart: triggered, descriptorEnd: triggered + 400, ready: ready,
                transferStart: first, transferEnd: last))
    }

    // MARK: The end

    private mutating func finish() -> Profile {
        timeline.makespan = max(timeline.end.max() ?? 0, free.max() ?? 0)
        let last = timeline.end.indices.max { timeline.end[$0] < timeline.end[$1] } ?? 0
        for slot in free.indices where free[slot] < timeline.makespan {
            add(
                Stall(
                    unit: Unit(rawValue: UInt8(slot)), reason: .programEnd, start: free[slot],
                    end: timeline.makespan, culprit: UInt32(last), victim: Stall.none))
        }
        timeline.segmentStart = [0]
        for engine in segments {
            timeline.segments += engine
            timeline.segmentStart.append(timeline.segments.count)
        }
        for tile in program.tiles.indices {
            program.tiles[tile].firstUse = 0
            program.tiles[tile].lastUse = UInt32(max(0, program.instructions.count - 1))
        }
        return Profile(
            program: program, machine: machine, timeline: timeline, stalls: stalls.flatMap { $0 },
            units: usage, criticalPath: criticalPath(endingWith: last), metrics: metrics())
    }

    /// Steps backwards from the last instruction: to the one it waited for, else to the one before
    /// it on its unit.
    private func criticalPath(endingWith last: Int) -> [CriticalStep] {
        var producers: [UInt32: UInt32] = [:]
        for reason in program.waitReasons { producers[reason.consumer] = reason.producer }
        var before: [Int?] = []
        var lastOnUnit: [Unit: Int] = [:]
        for (index, instruction) in program.instructions.enumerated() {
            before.append(lastOnUnit.updateValue(index, forKey: instruction.unit))
        }
        var steps: [CriticalStep] = []
        var time = timeline.makespan
        var current: Int? = program.instructions.isEmpty ? nil : last
        while let index = current, time > 0 {
            let previous = producers[UInt32(index)].map(Int.init) ?? before[index]
            let start = previous == nil ? 0 : min(timeline.start[index], time)
            let isMoving = program.instructions[index].opcode.isDMA
            if time > start {
                steps.append(
                    CriticalStep(
                        instruction: UInt32(index), kind: isMoving ? .dmaTransfer : .busy,
                        start: start, end: time))
            }
            time = start
            current = previous
        }
        return steps.reversed()
    }

    private func metrics() -> ProfileMetrics {
        var metrics = ProfileMetrics()
        metrics.modelFLOPs = 1e9
        metrics.hardwareFLOPs = 1.25e9
        metrics.hbmReadBytes = timeline.makespan * 3
        metrics.hbmWrittenBytes = 4096
        metrics.minimumBytes = timeline.makespan
        metrics.mfu = 0.25
        metrics.hfu = 0.3125
        metrics.mbu = 0.4
        metrics.minimumMBU = 0.35
        metrics.dmaActive = 0.75
        metrics.dmaEngineUtilisation = 0.5
        metrics.packetTicks = timeline.segments.reduce(0) { $0 + $1.end - $1.start }
        metrics.packets = Int64(timeline.segments.count) * 3
        metrics.peakSBUFBytesPerPartition = 1024
        metrics.peakPSUMBytesPerPartition = 2048
        return metrics
    }
}
