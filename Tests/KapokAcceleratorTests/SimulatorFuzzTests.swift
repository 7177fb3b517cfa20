import Testing

@testable import KapokAccelerator

/// Random programs on the simulator, beside the reference.
@Suite("Simulator: random programs")
struct SimulatorFuzzTests {
    static let machines = [MachineDescription.trainium1, .trainium2]

    /// The program of a seed, and its machine: both generations take turns.
    static func program(_ seed: UInt64) throws -> (Machine, Program) {
        let machine = try Machine(machines[Int(seed % 2)])
        return (machine, RandomProgram.program(seed: seed, machine: machine))
    }

    @Test("1,000 random programs: the same times as the plain reference simulator, to the tick")
    func equalsReference() throws {
        for seed in 0..<1000 as Range<UInt64> {
            let (machine, program) = try Self.program(seed)
            let reference = try #require(ReferenceSimulator.timeline(of: program, on: machine))
            let options = SimulationOptions(recording: .everything)
            let timeline = try Simulator(machine: machine).run(program, options: options).timeline
            guard timeline == reference else {
                Issue.record("seed \(seed): the times differ")
                return
            }
        }
    }

    @Test("however much is recorded, and however often: the times are the same")
    func recordingsAgree() throws {
        for seed in 0..<200 as Range<UInt64> {
            let (machine, program) = try Self.program(seed)
            let simulator = Simulator(machine: machine)
            let full = try simulator.run(
                program, options: SimulationOptions(recording: .everything))
            let again = try simulator.run(
                program, options: SimulationOptions(recording: .everything))
            #expect(full.timeline == again.timeline)
            #expect(full.causes == again.causes)
            let times = try simulator.run(program).timeline
            #expect(times.start == full.timeline.start)
            #expect(times.end == full.timeline.end)
            #expect(times.issue == full.timeline.issue)
            #expect(times.transfers == full.timeline.transfers)
            #expect(try simulator.makespan(of: program) == full.makespan)
        }
    }

    @Test("with throttling, 100 random programs still equal the reference")
    func throttledEqualsReference() throws {
        for seed in 0..<100 as Range<UInt64> {
            let (machine, program) = try Self.program(seed)
            let throttle = [
                ThrottleInterval(start: 100, end: 5000, allowed: 3, outOf: 4, culprit: 0),
                ThrottleInterval(start: 5000, end: 9001, allowed: 0, outOf: 1, culprit: 1),
                ThrottleInterval(start: 12_000, end: 90_000, allowed: 1, outOf: 7, culprit: 2),
            ]
            let reference = try #require(
                ReferenceSimulator.timeline(of: program, on: machine, throttle: throttle))
            let options = SimulationOptions(recording: .everything, throttle: throttle)
            let timeline = try Simulator(machine: machine).run(program, options: options).timeline
            guard timeline == reference else {
                Issue.record("seed \(seed): the times differ")
                return
            }
        }
    }
}
