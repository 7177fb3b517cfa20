import Testing

@testable import KapokAccelerator

/// Small programs whose times can be worked out by hand.
@Suite("Simulator: timing by hand")
struct SimulatorTimingTests {
    /// A tile of one element in each of `partitions` partitions.
    static func element(_ type: ElementType = .fp32, offset: Int = 0) -> AccessPattern {
        AccessPattern(
            .sbuf, type, partitionCount: 128, offset: offset,
            dimensions: [FreeDimension(count: 1, stride: 1)])
    }

    @Test("a chain of dependent activations of one element takes 264 cycles a step on trn1: 189 ns")
    func scalarChain() throws {
        let machine = try Machine(.trainium1)
        var program = Program(name: "chain", machine: "trn1")
        program.patterns = [Self.element()]
        for index in 0..<100 {
            var activation = Instruction(.activation, on: .scalar)
            activation.destination = 0
            activation.source0 = 0
            if index > 0 {
                activation.wait0 = SemaphoreWait(semaphore: 3, value: UInt32(index), kind: .flow)
            }
            activation.signal = 3
            activation.signalAmount = 1
            program.instructions.append(activation)
        }
        let timeline = try Simulator(machine: machine).run(program).timeline
        let step = timeline.start[1] - timeline.start[0]
        // 64 + 150 cycles of 4 ticks, and 36 ns of 5.6 ticks: 189 ns are 264 cycles of 1.4 GHz.
        #expect(step == 64 * 4 + 150 * 4 + 202)
        #expect(abs(machine.nanoseconds(ticks: step) - 189) < 0.5)
        for index in 1..<100 { #expect(timeline.start[index] == Int64(index) * step) }
        #expect(timeline.makespan == 99 * step + 214 * 4)
    }
}
