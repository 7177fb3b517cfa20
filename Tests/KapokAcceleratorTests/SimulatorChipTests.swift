import Testing

@testable import KapokAccelerator

/// Several cores at once.
@Suite("Simulator: chips")
struct SimulatorChipTests {
    @Test("the cores' results do not depend on the number of threads")
    func threads() throws {
        let machine = try Machine(.trainium2)
        let chip = ChipSimulator(machine: machine)
        let programs = (0..<8).map {
            RandomProgram.program(seed: UInt64($0), length: 200, machine: machine)
        }
        let options = SimulationOptions(recording: .everything)
        let alone = try chip.run(programs, options: options, threads: 1)
        for threads in [2, 3, 16] {
            let results = try chip.run(programs, options: options, threads: threads)
            #expect(results.map(\.timeline) == alone.map(\.timeline))
            #expect(results.map(\.causes) == alone.map(\.causes))
        }
    }

    @Test("neighbours share a stack of HBM: two cores each on trn2, one on trn1")
    func sharing() throws {
        let second = ChipSimulator(machine: try Machine(.trainium2))
        #expect(second.coresSharingHBM(8) == [2, 2, 2, 2, 2, 2, 2, 2])
        #expect(second.coresSharingHBM(3) == [2, 2, 1])
        #expect(second.coresSharingHBM(0) == [])
        let first = ChipSimulator(machine: try Machine(.trainium1))
        #expect(first.coresSharingHBM(2) == [1, 1])
    }

    /// One large transfer.
    static func transfer() -> Program {
        SimulatorTimingTests.program(
            [
                SimulatorTimingTests.tile(columns: 8192),
                AccessPattern(
                    .hbm, .fp32, partitionCount: 128, partitionStride: 8192,
                    dimensions: [FreeDimension(count: 8192, stride: 1)]),
            ],
            [
                SimulatorTimingTests.instruction(.dmaCopy, on: .sync, to: 0, from: 1, signal: 6)
            ])
    }

    @Test("a transfer gets its share of the stack, and the ticks it loses are named contention")
    func contention() throws {
        let machine = try Machine(.trainium2)
        let program = Self.transfer()
        func moving(_ cores: Int) throws -> Profile {
            try Profiler(machine: machine).profile(
                program, options: SimulationOptions(coresSharingHBM: cores))
        }
        func seconds(_ profile: Profile) -> Double {
            let transfer = profile.timeline.transfers[0]
            return machine.nanoseconds(ticks: transfer.transferEnd - transfer.transferStart)
        }
        // 4 MiB in packets of 32 KiB: 16 engines of 23 bytes/ns and 6 ns a packet.
        let bytes = 128.0 * 8192 * 4
        #expect(abs(seconds(try moving(1)) - bytes / 16 / 23 - 8 * 6) < 1)
        // 725 bytes/ns for 4 cores: 11.3 for each engine.
        #expect(abs(seconds(try moving(4)) - bytes / (725 / 4) - 8 * 6) < 1)
        let profile = try moving(4)
        let usage = profile.units[Int(Unit.dma(0).rawValue)]
        let alone = try moving(1).units[Int(Unit.dma(0).rawValue)]
        #expect(usage.busy == alone.busy)
        #expect(usage.stalled(.memoryContention) > 0)
        let without = try Profiler(machine: machine).whatIf(
            program, without: .reason(.memoryContention),
            options: SimulationOptions(coresSharingHBM: 4))
        #expect(without.gain == usage.stalled(.memoryContention))
        let within = try Simulator(machine: machine).run(
            program, options: SimulationOptions(coresSharingHBM: 2))
        #expect(within.makespan > alone.busy)
    }

    @Test("more programs than cores are refused; an error of a core is the chip's")
    func errors() throws {
        let chip = ChipSimulator(machine: try Machine(.trainium1))
        let program = Self.transfer()
        #expect(throws: SimulationError.self) { try chip.run([program, program, program]) }
        var bad = program
        bad.instructions[0].ring = 200
        #expect(throws: SimulationError.self) { try chip.run([program, bad]) }
        #expect(try chip.run([program, program]).count == 2)
    }
}
