import Testing

@testable import KapokAccelerator

/// Programs that cannot run are refused with the place, the reason and a remedy.
@Suite("Simulator: bad programs")
struct SimulatorErrorTests {
    static func error(_ program: Program) throws -> SimulationError? {
        let simulator = Simulator(machine: try Machine(.trainium2))
        var errors: [SimulationError?] = []
        for recording in SimulationOptions.Recording.allCases {
            do {
                _ = try simulator.run(program, options: SimulationOptions(recording: recording))
                errors.append(nil)
            } catch {
                errors.append(error)
            }
        }
        // However much is recorded, the error is the same.
        #expect(Set(errors).count == 1)
        return errors.first ?? nil
    }

    static func nop(
        _ engine: Engine, line: UInt32 = 0, waits: SemaphoreWait = SemaphoreWait(),
        signal: UInt16 = SemaphoreWait.none, amount: UInt16 = 1
    ) -> Instruction {
        var instruction = Instruction(.nop, on: engine)
        instruction.line = line
        instruction.wait0 = waits
        instruction.signal = signal
        instruction.signalAmount = amount
        return instruction
    }

    static func program(_ instructions: [Instruction]) -> Program {
        var program = Program(name: "bad", machine: "trn2")
        program.lines.append(SourceLine(file: "Kernels/Bad.swift", line: 12))
        program.lines.append(SourceLine(file: "Kernels/Bad.swift", line: 34))
        program.instructions = instructions
        return program
    }

    @Test("two engines that wait for each other: both are named, with lines, values and remedy")
    func cycle() throws {
        let error = try Self.error(
            Self.program([
                Self.nop(
                    .vector, line: 1, waits: SemaphoreWait(semaphore: 3, value: 1, kind: .flow),
                    signal: 2),
                Self.nop(
                    .scalar, line: 2, waits: SemaphoreWait(semaphore: 2, value: 1, kind: .flow),
                    signal: 3),
            ]))
        guard case .deadlock(let deadlock) = error else {
            Issue.record("no deadlock: \(String(describing: error))")
            return
        }
        #expect(deadlock.blocked.map(\.place.index) == [0, 1])
        #expect(deadlock.blocked.map(\.place.line.line) == [12, 34])
        #expect(deadlock.blocked.map(\.semaphore) == [3, 2])
        #expect(deadlock.blocked.allSatisfy { $0.needed == 1 && $0.reached == 0 })
        #expect(deadlock.blocked[0].producer?.index == 1)
        let text = deadlock.description
        #expect(text.contains("Kernels/Bad.swift:12: instruction 0 (nop on vector)"))
        #expect(text.contains("semaphore 3 to reach 1; it stands at 0"))
        #expect(text.contains("remedy: the signal comes from Kernels/Bad.swift:34"))
    }

    @Test("a wait for more than all signals give says what can be reached")
    func unreachable() throws {
        let error = try Self.error(
            Self.program([
                Self.nop(.vector, signal: 2),
                Self.nop(.scalar, waits: SemaphoreWait(semaphore: 2, value: 3, kind: .flow)),
            ]))
        guard case .deadlock(let deadlock) = error else {
            Issue.record("no deadlock: \(String(describing: error))")
            return
        }
        #expect(deadlock.blocked.count == 1)
        #expect(deadlock.blocked[0].reachable == 1)
        #expect(deadlock.blocked[0].remedy.contains("add up to 1"))
        let silent = try Self.error(
            Self.program([
                Self.nop(.scalar, waits: SemaphoreWait(semaphore: 9, value: 1, kind: .flow))
            ]))
        #expect(silent?.description.contains("no instruction signals semaphore 9") == true)
    }

    @Test("a semaphore that two streams signal is refused; so is a ring of two engines")
    func streams() throws {
        let twoStreams = try Self.error(
            Self.program([Self.nop(.vector, signal: 2), Self.nop(.scalar, signal: 2)]))
        guard case .semaphoreOfTwoStreams(2, let first, let second) = twoStreams else {
            Issue.record("accepted: \(String(describing: twoStreams))")
            return
        }
        #expect((first.index, second.index) == (0, 1))
        var program = Self.program([])
        program.patterns = [
            SimulatorTimingTests.tile(columns: 8),
            SimulatorTimingTests.tile(columns: 8, offset: 64),
        ]
        for engine in [Engine.sync, .scalar] {
            program.instructions.append(
                SimulatorTimingTests.instruction(
                    .dmaCopy, on: engine, to: 1, from: 0, signal: SemaphoreWait.none))
        }
        guard case .ringOfTwoEngines(0, _, let culprit) = try Self.error(program) else {
            Issue.record("a ring of two engines was accepted")
            return
        }
        #expect(culprit.index == 1)
    }

    @Test("operands, rings, semaphores and engines that do not exist are named")
    func invalid() throws {
        func message(_ change: (inout Instruction) -> Void) throws -> String {
            var instruction = SimulatorTimingTests.instruction(
                .dmaCopy, on: .sync, to: 0, from: 0, signal: 6)
            change(&instruction)
            var program = Self.program([instruction])
            program.patterns = [SimulatorTimingTests.tile(columns: 8)]
            guard case .invalidInstruction(let place, let problem) = try Self.error(program) else {
                return "accepted"
            }
            #expect(place.index == 0)
            return problem
        }
        #expect(try message { $0.source0 = 7 } == "its source 0 is access pattern 7 of 1")
        #expect(try message { $0.source1 = 1 } == "its source 1 is access pattern 1 of 1")
        #expect(try message { $0.ring = 16 } == "it is on ring 16 of 16 rings")
        #expect(try message { $0.signal = 256 } == "it signals semaphore 256 of 256")
        #expect(
            try message { $0.wait2 = SemaphoreWait(semaphore: 300, value: 0, kind: .flow) }
                == "it waits for semaphore 300 of 256")
        #expect(
            try message { $0.engine = .vector }
                == "transfers are triggered by sync, scalar or gpsimd")
        #expect(
            try message { $0.destination = Instruction.noPattern }
                == "a transfer needs a source and a destination")
        #expect(
            try message { $0.opcode = .multiplyMoving } == "only the tensor engine multiplies")
        #expect(
            try message { $0.opcode = .tensorCopy }
                == "the sync engine has no data path for it")
    }

    @Test("a program that runs for more than 2^55 ticks is refused, not counted wrongly")
    func tooLong() throws {
        let slow = MachineDescription.trainium2.setting(
            .semaphoreLatency, to: 9e14, source: "test", confidence: .assumed)
        let program = Self.program(
            (0..<20).map { index in
                Self.nop(
                    .vector, waits: SemaphoreWait(semaphore: 2, value: index, kind: .flow),
                    signal: 2)
            })
        for recording in SimulationOptions.Recording.allCases {
            let simulator = Simulator(machine: try Machine(slow))
            #expect(throws: SimulationError.tooLong) {
                try simulator.run(program, options: SimulationOptions(recording: recording))
            }
        }
    }

    @Test("patterns that cover nothing or too much are refused")
    func sizes() throws {
        var program = Self.program([
            SimulatorTimingTests.instruction(.reciprocal, on: .vector, to: 0, from: 0, signal: 2)
        ])
        program.patterns = [SimulatorTimingTests.tile(columns: 0)]
        guard case .invalidPattern(0, _) = try Self.error(program) else {
            Issue.record("an empty pattern was accepted")
            return
        }
        let huge = FreeDimension(count: 1 << 31, stride: 1)
        program.patterns = [
            AccessPattern(.sbuf, .fp32, partitionCount: 1, dimensions: [huge, huge])
        ]
        guard case .invalidPattern(0, _) = try Self.error(program) else {
            Issue.record("a pattern of 2^62 elements was accepted")
            return
        }
    }

    @Test("options without sense are refused")
    func options() throws {
        let simulator = Simulator(machine: try Machine(.trainium2))
        let program = Self.program([Self.nop(.vector)])
        for options in [
            SimulationOptions(coresSharingHBM: 0),
            SimulationOptions(throttle: [
                ThrottleInterval(start: 10, end: 5, allowed: 1, outOf: 2, culprit: 0)
            ]),
            SimulationOptions(throttle: [
                ThrottleInterval(start: 0, end: 5, allowed: 3, outOf: 2, culprit: 0)
            ]),
            SimulationOptions(throttle: [
                ThrottleInterval(start: 0, end: 5, allowed: 1, outOf: 2, culprit: 0),
                ThrottleInterval(start: 4, end: 9, allowed: 1, outOf: 2, culprit: 0),
            ]),
        ] {
            #expect(throws: SimulationError.self) {
                try simulator.run(program, options: options)
            }
        }
    }

    @Test("an empty program takes no time")
    func empty() throws {
        let profile = try Profiler(machine: Machine(.trainium2)).profile(Self.program([]))
        #expect(profile.timeline.makespan == 0)
        #expect(profile.stalls.isEmpty)
        #expect(profile.criticalPath.isEmpty)
    }
}
