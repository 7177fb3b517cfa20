@testable import KapokAccelerator

/// A second simulator, as plain as possible, written from the rules and not from the fast one: at
/// each step it looks at all instructions and transfers that could be next and takes the earliest.
struct ReferenceSimulator {
    let machine: Machine
    let program: Program
    let throttle: [ThrottleInterval]
    private var timeline = Timeline()

    private let model: CostModel
    private var queues: [[Int]]
    private var position = [Int](repeating: 0, count: 5)
    private var delayedUntil = [Int64?](repeating: nil, count: 5)
    private var unitFree = [Int64](repeating: 0, count: 6)
    private var unitEnd = [Int64](repeating: 0, count: 6)
    private var lastLoadEnd: Int64 = 0
    private var started: [Int] = []
    private var signals: [UInt16: [(value: Int, time: Int64)]] = [:]
    private var generatorFree: [Int64] = [0, 0, 0]
    private var waiting: [[Int]] = [[], [], []]
    private var engineFree: [Int64]
    private var nextEngine = 0
    private var ringEnd = [Int64](repeating: 0, count: 16)
    private var segments: [[TransferSegment]]

    private init(_ machine: Machine, _ program: Program, throttle: [ThrottleInterval]) {
        self.machine = machine
        self.program = program
        self.throttle = throttle
        model = CostModel(machine)
        queues = Engine.allCases.map { engine in
            program.instructions.indices.filter { program.instructions[$0].engine == engine }
        }
        engineFree = [Int64](repeating: 0, count: machine.dmaEngines)
        segments = [[TransferSegment]](repeating: [], count: machine.dmaEngines)
        let zeros = [Int64](repeating: 0, count: program.instructions.count)
        (timeline.issue, timeline.start, timeline.busyEnd, timeline.end) =
            (zeros, zeros, zeros, zeros)
    }

    /// The times of `program`; nil when something is stuck.
    static func timeline(
        of program: Program, on machine: Machine, throttle: [ThrottleInterval] = []
    ) -> Timeline? {
        var simulator = ReferenceSimulator(machine, program, throttle: throttle)
        return simulator.run() ? simulator.timeline : nil
    }

    private mutating func run() -> Bool {
        while step() {}
        timeline.makespan = timeline.end.max() ?? 0
        timeline.segmentStart = [0]
        for engine in segments {
            timeline.segments += engine
            timeline.segmentStart.append(timeline.segments.count)
        }
        return (0..<5).allSatisfy { position[$0] == queues[$0].count }
    }

    /// An event that could be next; the smallest is.
    private struct Candidate: Comparable {
        var time: Int64
        /// 0: an instruction that a hazard delayed, 1: another one, 2: a transfer.
        var rank: Int
        /// Engine or generator.
        var number: Int

        static func < (a: Self, b: Self) -> Bool {
            (a.time, a.rank, a.number) < (b.time, b.rank, b.number)
        }
    }

    private mutating func step() -> Bool {
        var candidates: [Candidate] = []
        for engine in 0..<5 where position[engine] < queues[engine].count {
            if let time = earliestStart(of: engine) {
                let delay = delayedUntil[engine]
                candidates.append(
                    Candidate(
                        time: max(time, delay ?? 0), rank: delay == nil ? 1 : 0, number: engine))
            }
        }
        for generator in 0..<3 {
            if let number = waiting[generator].first {
                candidates.append(
                    Candidate(
                        time: timeline.transfers[number].ready, rank: 2, number: generator))
            }
        }
        guard let next = candidates.min() else { return false }
        if next.rank == 2 {
            move(waiting[next.number].removeFirst())
        } else {
            start(next.number, at: next.time)
        }
        return true
    }

    private func earliestStart(of engine: Int) -> Int64? {
        let index = queues[engine][position[engine]]
        let instruction = program.instructions[index]
        var time = unitFree[Int(instruction.unit.rawValue)]
        if position[engine] > 0 {
            time = max(time, timeline.start[queues[engine][position[engine] - 1]])
        }
        if instruction.opcode == .multiplyMoving { time = max(time, lastLoadEnd) }
        for wait in [instruction.wait0, instruction.wait1, instruction.wait2]
        where wait.isPresent {
            let list = signals[wait.semaphore] ?? []
            guard let signal = list.first(where: { $0.value >= Int(wait.value) }) else {
                if wait.value == 0 { continue }
                return nil
            }
            if wait.value == 0 { continue }
            time = max(time, signal.time + nanoseconds(.semaphoreLatency))
        }
        return time
    }

    private func nanoseconds(_ parameter: MachineParameter) -> Int64 {
        machine.ticks(nanoseconds: machine.value(parameter))
    }

    private mutating func start(_ engine: Int, at time: Int64) {
        let index = queues[engine][position[engine]]
        let instruction = program.instructions[index]
        let unit = Int(instruction.unit.rawValue)
        var free = time
        for other in started
        where timeline.busyEnd[other] > time && excludes(other, index) {
            free = max(free, timeline.busyEnd[other])
        }
        if free > time {
            delayedUntil[engine] = free
            return
        }
        delayedUntil[engine] = nil
        started.append(index)
        position[engine] += 1
        let cost = model.cost(of: instruction, patterns: program.patterns)
        let before = position[engine] > 1 ? queues[engine][position[engine] - 2] : nil
        timeline.issue[index] = before.map { timeline.start[$0] } ?? 0
        timeline.start[index] = time
        let busyEnd =
            unit < 2 ? throttled(cost.interval, from: time) : time + cost.interval
        timeline.busyEnd[index] = busyEnd
        unitFree[unit] = busyEnd
        if instruction.opcode == .loadStationary { lastLoadEnd = busyEnd }
        if instruction.opcode.isDMA {
            trigger(index, at: busyEnd)
        } else {
            unitEnd[unit] = max(unitEnd[unit], busyEnd + cost.latency)
            complete(index, at: unitEnd[unit])
        }
    }

    private mutating func complete(_ index: Int, at time: Int64) {
        timeline.end[index] = time
        let instruction = program.instructions[index]
        guard instruction.signal != SemaphoreWait.none else { return }
        let value = signals[instruction.signal]?.last?.value ?? 0
        signals[instruction.signal, default: []].append(
            (value + Int(instruction.signalAmount), time))
    }

    /// Work tick by tick.
    private func throttled(_ work: Int64, from start: Int64) -> Int64 {
        let cycle = Int64(machine.ticksPerCycle[0])
        var (time, done) = (start, Int64(0))
        while done < work {
            let interval = throttle.first { $0.start <= time && time < $0.end }
            if let interval {
                let inPeriod = (time - interval.start) / cycle % Int64(interval.outOf)
                if inPeriod < Int64(interval.allowed) { done += 1 }
            } else {
                done += 1
            }
            time += 1
        }
        return time
    }
}

/// Structural hazards.
extension ReferenceSimulator {
    private func operands(_ index: Int) -> [AccessPattern] {
        let instruction = program.instructions[index]
        var indices = [instruction.destination, instruction.source0]
        if instruction.opcode != .iota, instruction.opcode != .affineSelect {
            indices += [instruction.source1, instruction.source2]
        }
        return indices.filter { $0 != Instruction.noPattern }.map { program.patterns[Int($0)] }
    }

    private func banks(_ index: Int) -> Set<Int> {
        var banks: Set<Int> = []
        for pattern in operands(index) where pattern.space == .psum {
            let last = Int(pattern.offset) + pattern.spanElements * pattern.type.byteCount - 1
            banks.formUnion((Int(pattern.offset) / 2048)...(last / 2048))
        }
        return banks
    }

    private func touches(_ index: Int, _ space: MemorySpace) -> Bool {
        operands(index).contains { $0.space == space }
    }

    /// Whether the vector engine works in a 16-bit fast mode (generation 3).
    private func isFast(_ index: Int) -> Bool {
        let instruction = program.instructions[index]
        guard [.tensorScalar, .tensorCopy].contains(instruction.opcode) else { return false }
        var indices = [instruction.destination, instruction.source0]
        if instruction.opcode == .tensorScalar, !instruction.flags.contains(.scalar0) {
            indices.append(instruction.source1)
        }
        return indices.filter { $0 != Instruction.noPattern }.allSatisfy {
            program.patterns[Int($0)].type.byteCount == 2
        }
    }

    /// Whether two instructions cannot run at the same time.
    private func excludes(_ a: Int, _ b: Int) -> Bool {
        let (first, second) = (program.instructions[a], program.instructions[b])
        for instruction in [first, second] {
            if instruction.opcode.isDMA || instruction.opcode == .nop
                || instruction.unit == .tensorLoad
            {
                return false
            }
        }
        if first.unit == second.unit { return false }
        if !banks(a).isDisjoint(with: banks(b)) { return true }
        func pair(_ one: Unit, _ other: Unit) -> (Int, Int)? {
            if first.unit == one, second.unit == other { return (a, b) }
            if first.unit == other, second.unit == one { return (b, a) }
            return nil
        }
        if machine.description.generation == 2 {
            if pair(.vector, .gpsimd) != nil { return touches(a, .sbuf) && touches(b, .sbuf) }
            if pair(.vector, .scalar) != nil { return touches(a, .psum) && touches(b, .psum) }
            return false
        }
        if let (vector, _) = pair(.vector, .gpsimd) { return isFast(vector) }
        return false
    }
}

/// Transfers.
extension ReferenceSimulator {
    private mutating func trigger(_ index: Int, at triggered: Int64) {
        let instruction = program.instructions[index]
        let generator = instruction.engine == .sync ? 0 : instruction.engine == .scalar ? 1 : 2
        let descriptorStart = max(triggered, generatorFree[generator])
        let descriptorEnd = descriptorStart + nanoseconds(.descriptorTime)
        generatorFree[generator] = descriptorEnd
        waiting[generator].append(timeline.transfers.count)
        timeline.transfers.append(
            Transfer(
                instruction: UInt32(index), ring: instruction.ring, triggered: triggered,
                descriptorStart: descriptorStart, descriptorEnd: descriptorEnd,
                ready: descriptorEnd + nanoseconds(.dmaStartLatency), transferStart: 0,
                transferEnd: 0))
    }

    private mutating func move(_ number: Int) {
        let index = Int(timeline.transfers[number].instruction)
        let instruction = program.instructions[index]
        let cost = model.transferCost(of: instruction, patterns: program.patterns)
        var packets = [Int64](repeating: 0, count: machine.dmaEngines)
        for _ in 0..<cost.packets {
            packets[nextEngine] += 1
            nextEngine = (nextEngine + 1) % machine.dmaEngines
        }
        let ready = timeline.transfers[number].ready
        var (first, last) = (Int64.max, ready)
        for engine in 0..<machine.dmaEngines where packets[engine] > 0 {
            let divisor = Int64(cost.packets) * 1024
            let ticks = (cost.totalTicks1024 * packets[engine] + divisor - 1) / divisor
            let begin = max(ready, engineFree[engine])
            engineFree[engine] = begin + ticks
            first = min(first, begin)
            last = max(last, begin + ticks)
            segments[engine].append(
                TransferSegment(instruction: UInt32(index), start: begin, end: begin + ticks))
        }
        timeline.transfers[number].transferStart = first
        timeline.transfers[number].transferEnd = last
        let ring = Int(instruction.ring)
        ringEnd[ring] = max(ringEnd[ring], last + nanoseconds(.dmaCompletionLatency))
        complete(index, at: ringEnd[ring])
    }
}
