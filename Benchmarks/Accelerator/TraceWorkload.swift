import KapokAccelerator
import KapokWorld

/// A profile with many slices, made without a simulator: what the trace's export is measured on.
///
/// Times, opcodes, source lines and waits are random, so that it compresses no better than a real
/// run.
struct TraceWorkload {
    private var random = RandomStream(seed: 20_261_124)
    private let machine: Machine
    private var program: Program
    private var timeline = Timeline()
    private var stalls: [[Stall]]
    private var segments: [[TransferSegment]]
    private var free: [Int64]
    private var lastStart = [Int64](repeating: 0, count: Engine.allCases.count)
    private var slices = 0

    /// A profile of at least `slices` slices: instructions, stalls and segments of transfers.
    static func profile(slices: Int) throws -> Profile {
        var workload = TraceWorkload(machine: try Machine(.trainium2))
        while workload.slices < slices { workload.append() }
        return workload.profile()
    }

    private init(machine: Machine) {
        self.machine = machine
        program = Program(name: "trace workload", machine: machine.description.name)
        program.lines += (1...40).map { SourceLine(file: "Benchmarks/Kernel.swift", line: 7 * $0) }
        let row = [FreeDimension(count: 512, stride: 1)]
        program.patterns = [AccessPattern(.sbuf, .bf16, partitionCount: 128, dimensions: row)]
        let units = Unit.engineUnitCount + machine.dmaEngines
        stalls = [[Stall]](repeating: [], count: units)
        segments = [[TransferSegment]](repeating: [], count: machine.dmaEngines)
        free = [Int64](repeating: 0, count: units)
    }

    private static let choices: [(Opcode, Engine)] = [
        (.loadStationary, .tensor), (.multiplyMoving, .tensor), (.multiplyMoving, .tensor),
        (.tensorTensor, .vector), (.tensorCopy, .vector), (.tensorScalar, .vector),
        (.activation, .scalar), (.tensorCopy, .scalar), (.iota, .gpsimd), (.dmaCopy, .sync),
    ]

    private mutating func append() {
        let index = program.instructions.count
        let (opcode, engine) = Self.choices[random.below(Self.choices.count)]
        var instruction = Instruction(opcode, on: engine)
        instruction.line = UInt32(1 + random.below(40))
        instruction.source0 = 0
        let slot = Int(instruction.unit.rawValue)
        var start = max(free[slot], lastStart[Int(engine.rawValue)])
        if index > 0, random.chance(2, in: 3) {
            let producer = index - 1 - random.below(min(index, 40))
            start = max(start, timeline.end[producer] + 48)
            program.waitReasons.append(
                WaitReason(
                    consumer: UInt32(index), slot: 0, kind: .flow, producer: UInt32(producer),
                    tile: AccessPattern.noTile))
            idle(slot, until: start - 48, reason: .data, culprit: producer, victim: index)
            idle(slot, until: start, reason: .semaphoreLatency, culprit: producer, victim: index)
        }
        idle(slot, until: start, reason: .queueOrder, culprit: max(0, index - 1), victim: index)
        let interval = Int64(opcode == .multiplyMoving ? 1024 : 128 + random.below(1024))
        program.instructions.append(instruction)
        timeline.issue.append(lastStart[Int(engine.rawValue)])
        timeline.start.append(start)
        timeline.busyEnd.append(start + interval)
        timeline.end.append(start + interval + 300)
        lastStart[Int(engine.rawValue)] = start
        free[slot] = start + interval
        slices += 1
        if opcode.isDMA { transfer(index, triggered: start + interval) }
    }

    private mutating func idle(
        _ slot: Int, until end: Int64, reason: StallReason, culprit: Int, victim: Int
    ) {
        guard end > free[slot] else { return }
        stalls[slot].append(
            Stall(
                unit: Unit(rawValue: UInt8(slot)), reason: reason, start: free[slot], end: end,
                culprit: UInt32(culprit), victim: UInt32(victim)))
        free[slot] = end
        slices += 1
    }

    private mutating func transfer(_ index: Int, triggered: Int64) {
        let ready = triggered + 6000
        var last = ready
        for engine in 0..<machine.dmaEngines {
            let slot = Int(Unit.firstDMA.rawValue) + engine
            let start = max(ready, free[slot])
            idle(slot, until: start, reason: .descriptor, culprit: index, victim: index)
            let end = start + 500 + Int64(random.below(64))
            segments[engine].append(
                TransferSegment(instruction: UInt32(index), start: start, end: end))
            free[slot] = end
            last = max(last, end)
            slices += 1
        }
        timeline.end[index] = last
        timeline.transfers.append(
            Transfer(
                instruction: UInt32(index), ring: 0, triggered: triggered,
                descriptorStart: triggered, descriptorEnd: triggered + 3000, ready: ready,
                transferStart: ready, transferEnd: last))
    }

    private consuming func profile() -> Profile {
        timeline.makespan = max(timeline.end.max() ?? 0, free.max() ?? 0)
        timeline.segmentStart = [0]
        for engine in segments {
            timeline.segments += engine
            timeline.segmentStart.append(timeline.segments.count)
        }
        let units = free.indices.map { UnitUsage(unit: Unit(rawValue: UInt8($0))) }
        return Profile(
            program: program, machine: machine, timeline: timeline, stalls: stalls.flatMap { $0 },
            units: units, criticalPath: [], metrics: ProfileMetrics())
    }
}
