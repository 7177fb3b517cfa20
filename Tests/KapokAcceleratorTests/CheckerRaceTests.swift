import KapokWorld
import Testing

@testable import KapokAccelerator

/// A race as a pair of instructions, for comparing sets of them.
struct RacePair: Hashable {
    var first: Int
    var second: Int
}

@Suite("The race checker")
struct CheckerRaceTests {
    private static func races(_ program: Program) throws -> Set<RacePair>? {
        let machine = try Machine(.trainium2)
        let streams = Streams(program)
        let execution = AbstractExecution(program)
        guard execution.stuck.isEmpty else { return nil }
        let order = try CompletionOrder(
            program, streams, SemaphoreTable(program, streams), order: execution.order)
        let trace = MemoryTrace(program, order, try CellMap(program, machine))
        return Set(trace.races.map { RacePair(first: Int($0.first), second: Int($0.second)) })
    }

    @Test("raises no false alarm on synchronised programs, which also break no rule of the machine")
    func intactPrograms() throws {
        let machine = try Machine(.trainium2)
        var programs = CheckerPrograms(seed: 21)
        for _ in 0..<40 {
            let program = programs.next(count: 24)
            #expect(RaceOracle(program).races().isEmpty)
            let report = ProgramChecker.check(program, machine)
            #expect(report.isProvedRaceFree)
            #expect(report.isSound, "\(report.diagnostics.first.map(\.description) ?? "")")
        }
    }

    @Test(
        "finds exactly the races that the brute-force oracle finds, whatever was broken",
        arguments: SynchronisationFault.allCases)
    func injectedFaults(_ fault: SynchronisationFault) throws {
        var programs = CheckerPrograms(seed: 22)
        var random = RandomStream(seed: 23)
        var racy = 0
        var tried = 0
        for _ in 0..<12 {
            let program = programs.next(count: 20)
            for _ in 0..<5 {
                var broken = program
                guard fault.inject(into: &broken, &random) else { continue }
                tried += 1
                let oracle = RaceOracle(broken)
                let found = try Self.races(broken)
                #expect((found != nil) == oracle.runs)
                guard let found else { continue }
                let expected = oracle.races()
                let neighbours = Set(
                    expected.filter { oracle.areNeighbours($0.first, $0.second) }
                        .map { RacePair(first: $0.first, second: $0.second) })
                #expect(found == neighbours)
                #expect(found.isEmpty == expected.isEmpty)
                racy += found.isEmpty ? 0 : 1
            }
        }
        #expect(tried >= 40)
        #expect(racy >= 5, "the fault must cause races, else nothing was tested: \(racy)")
    }

    @Test("strided accesses that interleave without sharing a byte do not race")
    func interleaved() throws {
        func program(offset: Int) -> Program {
            var program = Program(name: "k", machine: "trn2")
            let stride = [FreeDimension(count: 16, stride: 2)]
            program.patterns = [
                AccessPattern(.sbuf, .bf16, partitionCount: 128, dimensions: stride),
                AccessPattern(
                    .sbuf, .bf16, partitionCount: 128, offset: offset, dimensions: stride),
            ]
            for (engine, pattern) in [(Engine.vector, UInt32(0)), (.gpsimd, 1)] {
                var one = Instruction(.memset, on: engine)
                one.destination = pattern
                program.instructions.append(one)
            }
            return program
        }
        #expect(try Self.races(program(offset: 2)) == [])
        #expect(try Self.races(program(offset: 4)) == [RacePair(first: 0, second: 1)])
        #expect(try Self.races(program(offset: 1)) == [RacePair(first: 0, second: 1)])
    }

    @Test("transfers to different columns of the same rows of a tensor do not race; same ones do")
    func tensorColumns() throws {
        func program(column: Int) -> Program {
            var program = Program(name: "k", machine: "trn2")
            program.tensors = [
                TensorDeclaration(name: "C", shape: [256, 64], type: .fp32, role: .output)
            ]
            func tile(_ column: Int) -> AccessPattern {
                AccessPattern(
                    .hbm, .fp32, partitionCount: 128, offset: column * 4, partitionStride: 64,
                    dimensions: [FreeDimension(count: 32, stride: 1)])
            }
            let source = AccessPattern(
                .sbuf, .fp32, partitionCount: 128, dimensions: [FreeDimension(count: 32, stride: 1)]
            )
            program.patterns = [tile(0), tile(column), source]
            for (engine, pattern) in [(Engine.sync, UInt32(0)), (.scalar, 1)] {
                var one = Instruction(.dmaCopy, on: engine)
                one.ring = engine == .sync ? 0 : 1
                one.destination = pattern
                one.source0 = 2
                program.instructions.append(one)
            }
            return program
        }
        #expect(try Self.races(program(column: 32)) == [])
        #expect(try Self.races(program(column: 31)) == [RacePair(first: 0, second: 1)])
    }
}

/// Ways to break the synchronisation of a program.
enum SynchronisationFault: CaseIterable {
    case dropWait
    case weakenWait
    case dropSignal
    case shareAddress
    case swapInQueue
    case moveOperand

    /// Breaks one thing at random; false when there is nothing to break.
    func inject(into program: inout Program, _ random: inout RandomStream) -> Bool {
        let count = program.instructions.count
        let i = random.below(count)
        switch self {
        case .dropWait, .weakenWait:
            let slots = (0..<3).filter { program.instructions[i].wait(inSlot: $0).isPresent }
            guard !slots.isEmpty else { return inject(into: &program, &random) }
            let slot = slots[random.below(slots.count)]
            var wait = SemaphoreWait()
            if self == .weakenWait {
                wait = program.instructions[i].wait(inSlot: slot)
                wait.value -= 1
            }
            switch slot {
            case 0: program.instructions[i].wait0 = wait
            case 1: program.instructions[i].wait1 = wait
            default: program.instructions[i].wait2 = wait
            }
        case .dropSignal:
            // Later waits of the stream now wait for one instruction more, and at the end for one
            // that never comes: give its amount to the next one.
            let one = program.instructions[i]
            guard one.signalAmount > 0 else { return inject(into: &program, &random) }
            guard
                let next = (i + 1..<count).first(where: {
                    program.instructions[$0].signal == one.signal
                })
            else { return false }
            program.instructions[i].signal = SemaphoreWait.none
            program.instructions[i].signalAmount = 0
            program.instructions[next].signalAmount += one.signalAmount
            // Those that waited for it are content with the one before.
            let value = program.instructions[..<i].reduce(0) {
                $0 + ($1.signal == one.signal ? UInt32($1.signalAmount) : 0)
            }
            for k in program.instructions.indices {
                if program.instructions[k].wait0.semaphore == one.signal,
                    program.instructions[k].wait0.value == value + 1
                {
                    program.instructions[k].wait0.value = value
                }
            }
        case .shareAddress:
            // Two operands that had different bytes now have the same.
            let a = random.below(program.patterns.count)
            let b = random.below(program.patterns.count)
            guard a != b, program.patterns[a].space == .sbuf, program.patterns[b].space == .sbuf
            else { return inject(into: &program, &random) }
            program.patterns[b].offset = program.patterns[a].offset
        case .swapInQueue:
            let queue = program.instructions.indices.filter {
                program.instructions[$0].engine == program.instructions[i].engine
            }
            guard let place = queue.firstIndex(of: i), place + 1 < queue.count else {
                return inject(into: &program, &random)
            }
            program.instructions.swapAt(i, queue[place + 1])
        case .moveOperand:
            let pattern = random.below(program.patterns.count)
            guard program.patterns[pattern].space != .hbm, program.patterns[pattern].offset >= 4
            else { return inject(into: &program, &random) }
            program.patterns[pattern].offset -= 4
        }
        return true
    }
}
