import Testing

@testable import KapokAccelerator

@Suite("Machine descriptions")
struct MachineTests {
    @Test("every known machine resolves: all figures are there, cycles are whole numbers of ticks")
    func knownMachinesResolve() throws {
        for description in MachineDescription.known {
            let machine = try Machine(description)
            #expect(machine.ticksPerCycle == [2, 5, 4, 4, 4])
            #expect(description.facts.count == MachineParameter.allCases.count)
        }
    }

    @Test("a description that lacks a figure, or whose clock does not fit the tick, is refused")
    func badDescriptions() throws {
        var silent = MachineDescription.trainium2
        silent.facts.removeAll { $0.parameter == .dmaBandwidth }
        #expect(throws: MachineError.self) { try Machine(silent) }
        let odd = MachineDescription.trainium2.setting(
            .vectorClock, to: 1.0, source: "test", confidence: .assumed)
        #expect(throws: MachineError.self) { try Machine(odd) }
    }

    @Test("an FP32 multiplication of 512 columns takes 4 x 512 cycles of 2.4 GHz")
    func multiplicationInterval() throws {
        let machine = try Machine(.trainium2)
        var multiply = Instruction(.multiplyMoving, on: .tensor)
        multiply.source0 = 0
        let moving = AccessPattern(
            .sbuf, .fp32, partitionCount: 128, dimensions: [FreeDimension(count: 512, stride: 1)])
        let cost = CostModel(machine).cost(of: multiply, patterns: [moving])
        #expect(cost.interval == 4 * 512 * 2)
    }

    @Test("records keep their size: instructions 64 bytes, access patterns 56")
    func recordSizes() {
        #expect(MemoryLayout<Instruction>.stride == 64)
        #expect(MemoryLayout<AccessPattern>.stride == 56)
    }
}
