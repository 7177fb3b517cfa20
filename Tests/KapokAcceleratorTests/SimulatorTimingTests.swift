import Testing

@testable import KapokAccelerator

/// Small programs whose times can be worked out by hand.
@Suite("Simulator: timing by hand")
struct SimulatorTimingTests {
    /// A tile of `columns` elements in each of 128 partitions.
    static func tile(
        _ space: MemorySpace = .sbuf, columns: Int, type: ElementType = .fp32, offset: Int = 0
    ) -> AccessPattern {
        AccessPattern(
            space, type, partitionCount: 128, offset: offset,
            dimensions: [FreeDimension(count: columns, stride: 1)])
    }

    static func program(_ patterns: [AccessPattern], _ instructions: [Instruction]) -> Program {
        var program = Program(name: "by hand", machine: "trn2")
        program.patterns = patterns
        program.instructions = instructions
        return program
    }

    /// An instruction with operands that signals `signal` by 1.
    static func instruction(
        _ opcode: Opcode, on engine: Engine, to destination: UInt32? = nil,
        from source: UInt32? = nil,
        signal: UInt16, waits: [SemaphoreWait] = []
    ) -> Instruction {
        var instruction = Instruction(opcode, on: engine)
        instruction.destination = destination ?? Instruction.noPattern
        instruction.source0 = source ?? Instruction.noPattern
        instruction.signal = signal
        instruction.signalAmount = 1
        if waits.count > 0 { instruction.wait0 = waits[0] }
        if waits.count > 1 { instruction.wait1 = waits[1] }
        return instruction
    }

    static func flow(_ semaphore: UInt16, _ value: UInt32) -> SemaphoreWait {
        SemaphoreWait(semaphore: semaphore, value: value, kind: .flow)
    }

    static func timeline(
        _ program: Program, _ description: MachineDescription = .trainium2
    ) throws -> Timeline {
        let options = SimulationOptions(recording: .everything)
        return try Simulator(machine: Machine(description)).run(program, options: options).timeline
    }

    @Test("a chain of dependent activations of one element takes 264 cycles a step on trn1: 189 ns")
    func scalarChain() throws {
        let machine = try Machine(.trainium1)
        let chain = (0..<100).map { index in
            Self.instruction(
                .activation, on: .scalar, to: 0, from: 0, signal: 3,
                waits: index > 0 ? [Self.flow(3, UInt32(index))] : [])
        }
        let timeline = try Self.timeline(
            Self.program([Self.tile(columns: 1)], chain), .trainium1)
        let step = timeline.start[1] - timeline.start[0]
        // 64 + 150 cycles of 4 ticks, and 36 ns of 5.6 ticks: 189 ns are 264 cycles of 1.4 GHz.
        #expect(step == 64 * 4 + 150 * 4 + 202)
        #expect(abs(machine.nanoseconds(ticks: step) - 189) < 0.5)
        for index in 1..<100 { #expect(timeline.start[index] == Int64(index) * step) }
        #expect(timeline.makespan == 99 * step + 214 * 4)
    }

    @Test("pairs of load and multiplication: loads hide behind multiplications")
    func matmulPairs() throws {
        // BF16: a load of 128 columns takes 32 cycles, a multiplication of 512 columns 512, of 2
        // ticks.
        let patterns = [
            Self.tile(columns: 128, type: .bf16), Self.tile(columns: 512, type: .bf16),
            Self.tile(.psum, columns: 512),
        ]
        var instructions: [Instruction] = []
        for _ in 0..<3 {
            instructions.append(
                Self.instruction(.loadStationary, on: .tensor, from: 0, signal: 0))
            instructions.append(
                Self.instruction(.multiplyMoving, on: .tensor, to: 2, from: 1, signal: 1))
        }
        let timeline = try Self.timeline(Self.program(patterns, instructions))
        // The next load starts with the multiplication before it, never earlier.
        let starts: [Int64] = [0, 64, 64, 1088, 1088, 2112]
        #expect(timeline.start == starts)
        #expect(timeline.busyEnd[5] == 64 + 3 * 1024)
        let latency = Int64(try Machine(.trainium2).value(.tensorResultLatency)) * 2
        #expect(timeline.makespan == 64 + 3 * 1024 + latency)
    }

    @Test("a transfer passes trigger, descriptors, start latency, DMA engines and completion")
    func transfer() throws {
        // 128 rows of 2048 bytes: 8 packets of 6 + 2048 / 23 ns for each of 16 engines.
        let patterns = [
            Self.tile(columns: 512),
            AccessPattern(
                .hbm, .fp32, partitionCount: 128, partitionStride: 512,
                dimensions: [FreeDimension(count: 512, stride: 1)]),
        ]
        let copy = Self.instruction(.dmaCopy, on: .sync, to: 0, from: 1, signal: 6)
        let add = Self.instruction(
            .tensorCopy, on: .vector, to: 0, from: 0, signal: 2, waits: [Self.flow(6, 1)])
        let timeline = try Self.timeline(Self.program(patterns, [copy, add]))
        let machine = try Machine(.trainium2)
        func ticks(_ nanoseconds: Double) -> Int64 { Int64((nanoseconds * 4.8).rounded()) }
        let triggered = Int64(64 * 4)
        let transfer = try #require(timeline.transfers.first)
        #expect(transfer.triggered == triggered)
        #expect(transfer.descriptorEnd == triggered + ticks(604))
        #expect(transfer.ready == triggered + ticks(604) + ticks(1300))
        #expect(transfer.transferStart == transfer.ready)
        let moving = Int64((8 * (6 + 2048 / 23.0) * 4.8).rounded(.up))
        #expect(transfer.transferEnd == transfer.ready + moving)
        #expect(timeline.end[0] == transfer.transferEnd + ticks(100))
        #expect(timeline.start[1] == timeline.end[0] + ticks(36))
        #expect(timeline.segments.count == 16)
        #expect(machine.nanoseconds(ticks: timeline.start[1]) > 2000)
    }

    @Test("two buffers: loads run ahead by two, then each waits for the buffer that it overwrites")
    func doubleBuffer() throws {
        let patterns = [
            Self.tile(columns: 512), Self.tile(columns: 512, offset: 2048),
            AccessPattern(
                .hbm, .fp32, partitionCount: 128, partitionStride: 512,
                dimensions: [FreeDimension(count: 512, stride: 1)]),
        ]
        var instructions: [Instruction] = []
        for index in 0..<8 as Range<UInt32> {
            let isFree =
                index < 2
                ? [] : [SemaphoreWait(semaphore: 2, value: index - 1, kind: .anti)]
            instructions.append(
                Self.instruction(
                    .dmaCopy, on: .sync, to: index % 2, from: 2, signal: 6, waits: isFree))
            instructions.append(
                Self.instruction(
                    .reciprocal, on: .vector, to: index % 2, from: index % 2, signal: 2,
                    waits: [Self.flow(6, index + 1)]))
        }
        let program = Self.program(patterns, instructions)
        let timeline = try Self.timeline(program)
        let semaphore = Int64((36 * 4.8).rounded())
        for index in 0..<8 {
            let (load, use) = (2 * index, 2 * index + 1)
            let busyBefore = index > 0 ? timeline.busyEnd[use - 2] : 0
            #expect(timeline.start[use] == max(busyBefore, timeline.end[load] + semaphore))
            if index < 2 { continue }
            // The buffer was last read two uses before.
            #expect(timeline.start[load] == timeline.end[use - 4] + semaphore)
        }
        let profile = try Profiler(machine: Machine(.trainium2)).profile(program)
        let vector = profile.units[Int(Unit.vector.rawValue)]
        #expect(vector.stalled(.dmaLatency) > 0)
        let load = profile.units[Int(Unit.sync.rawValue)]
        #expect(load.stalled(.antiDependence) > 0)
    }

    @Test("vector and scalar take turns on a PSUM bank; on trn1 vector and gpsimd also on SBUF")
    func structuralHazards() throws {
        let patterns = [
            Self.tile(.psum, columns: 512), Self.tile(columns: 512),
            Self.tile(columns: 512, offset: 2048),
        ]
        let onBank = [
            Self.instruction(.reciprocal, on: .vector, to: 1, from: 0, signal: 2),
            Self.instruction(.activation, on: .scalar, to: 2, from: 0, signal: 3),
        ]
        let turns = try Self.timeline(Self.program(patterns, onBank))
        #expect(turns.start[0] == 0)
        #expect(turns.start[1] == turns.busyEnd[0])
        let onSBUF = [
            Self.instruction(.reciprocal, on: .vector, to: 1, from: 1, signal: 2),
            Self.instruction(.tensorCopy, on: .gpsimd, to: 2, from: 2, signal: 4),
        ]
        let first = try Self.timeline(Self.program(patterns, onSBUF), .trainium1)
        #expect(first.start[1] == first.busyEnd[0])
        let second = try Self.timeline(Self.program(patterns, onSBUF))
        #expect(second.start == [0, 0])
    }

    @Test("in an interval of 1 of 2 cycles a multiplication takes twice as long, the rest is stall")
    func throttle() throws {
        let patterns = [
            Self.tile(columns: 128, type: .bf16), Self.tile(columns: 512, type: .bf16),
            Self.tile(.psum, columns: 512),
        ]
        let program = Self.program(
            patterns,
            [
                Self.instruction(.loadStationary, on: .tensor, from: 0, signal: 0),
                Self.instruction(.multiplyMoving, on: .tensor, to: 2, from: 1, signal: 1),
            ])
        let options = SimulationOptions(throttle: [
            ThrottleInterval(start: 64, end: 10_000, allowed: 1, outOf: 2, culprit: 0)
        ])
        let profile = try Profiler(machine: Machine(.trainium2)).profile(program, options: options)
        // The last of 512 worked cycles is not followed by a lost one.
        #expect(profile.timeline.busyEnd[1] - profile.timeline.start[1] == 2 * 1024 - 2)
        let usage = profile.units[Int(Unit.tensorMultiply.rawValue)]
        #expect(usage.busy == 1024)
        #expect(usage.stalled(.throttle) == 1022)
        let stall = try #require(profile.stalls.first { $0.reason == .throttle })
        #expect(stall.culprit == 0)
        #expect(stall.victim == 1)
    }
}
