import KapokWorld
import Testing

@testable import KapokAccelerator

@Suite("Waits that could be dropped or weakened")
struct CheckerWaitTests {
    /// A wait: instruction and slot.
    private struct Place: Hashable {
        var instruction: Int
        var slot: Int
    }

    private static func analysis(_ program: Program) throws -> WaitAnalysis {
        let machine = try Machine(.trainium2)
        let streams = Streams(program)
        let order = try CompletionOrder(
            program, streams, SemaphoreTable(program, streams),
            order: AbstractExecution(program).order)
        let trace = MemoryTrace(program, order, try CellMap(program, machine))
        #expect(trace.races.isEmpty)
        var analysis = WaitAnalysis(program, order, needs: trace.needs)
        analysis.run()
        return analysis
    }

    private static func set(_ wait: SemaphoreWait, at place: Place, in program: inout Program) {
        switch place.slot {
        case 0: program.instructions[place.instruction].wait0 = wait
        case 1: program.instructions[place.instruction].wait1 = wait
        default: program.instructions[place.instruction].wait2 = wait
        }
    }

    /// How many were dropped.
    private static func dropSuperfluous(from program: inout Program) throws -> Int {
        let superfluous = try analysis(program).superfluous
        for place in superfluous {
            set(
                SemaphoreWait(),
                at: Place(instruction: Int(place.instruction), slot: Int(place.slot)),
                in: &program)
        }
        return superfluous.count
    }

    @Test("all superfluous waits can be dropped together; then none is left")
    func superfluousWaits() throws {
        var programs = CheckerPrograms(seed: 31)
        var dropped = 0
        for _ in 0..<15 {
            var program = programs.next(count: 16)
            dropped += try Self.dropSuperfluous(from: &program)
            #expect(RaceOracle(program).races().isEmpty)
            #expect(try Self.analysis(program).superfluous.isEmpty)
        }
        #expect(dropped > 50)
    }

    @Test("false dependencies are exactly the waits that the oracle lets us drop or weaken")
    func falseDependencies() throws {
        var programs = CheckerPrograms(seed: 32)
        var found = 0
        var examined = 0
        for _ in 0..<8 {
            var program = programs.next(count: 14)
            _ = try Self.dropSuperfluous(from: &program)
            let oracle = RaceOracle(program)
            let analysis = try Self.analysis(program)
            var listed: [Place: UInt32] = [:]
            for dependency in analysis.falseDependencies {
                let place = dependency.place
                listed[Place(instruction: Int(place.instruction), slot: Int(place.slot))] =
                    dependency.enough
            }
            found += listed.count
            for i in program.instructions.indices {
                for slot in 0..<3 where program.instructions[i].wait(inSlot: slot).isPresent {
                    let place = Place(instruction: i, slot: slot)
                    var less = program
                    var wait = program.instructions[i].wait(inSlot: slot)
                    wait.value -= 1
                    Self.set(wait, at: place, in: &less)
                    let canWeaken = oracle.withSynchronisation(of: less).races().isEmpty
                    Self.set(SemaphoreWait(), at: place, in: &less)
                    let canDrop = oracle.withSynchronisation(of: less).races().isEmpty
                    #expect((listed[place] != nil) == canWeaken)
                    #expect((listed[place] == CompletionOrder.none) == canDrop)
                    examined += 1
                }
            }
        }
        #expect(found > 20 && examined > found, "\(found) of \(examined)")
    }

    @Test("what is said to be enough is enough, and the signal before it is not")
    func leastProducer() throws {
        var programs = CheckerPrograms(seed: 33)
        var weakened = 0
        for _ in 0..<20 {
            var program = programs.next(count: 14)
            _ = try Self.dropSuperfluous(from: &program)
            let oracle = RaceOracle(program)
            for dependency in try Self.analysis(program).falseDependencies
            where dependency.enough != CompletionOrder.none {
                let i = Int(dependency.place.instruction)
                let place = Place(instruction: i, slot: Int(dependency.place.slot))
                var less = program
                var wait = program.instructions[i].wait(inSlot: place.slot)
                // Each instruction of a stream signals by 1, so that the value counts them.
                wait.value = program.instructions[...Int(dependency.enough)].reduce(0) {
                    $0 + ($1.signal == wait.semaphore ? 1 : 0)
                }
                Self.set(wait, at: place, in: &less)
                #expect(oracle.withSynchronisation(of: less).races().isEmpty)
                wait.value -= 1
                Self.set(wait, at: place, in: &less)
                #expect(!oracle.withSynchronisation(of: less).races().isEmpty)
                weakened += 1
            }
        }
        #expect(weakened >= 5, "\(weakened)")
    }
}
