import KapokAccelerator
import Testing

/// The simulated times against those that AWS published.
///
/// Sources: "Introduction to NKI Kernel Optimization" (matmul; totals are read from the time axes
/// of the profiles' pictures, which give nanoseconds) and "Fused Mamba" (table of latencies), both
/// in the Neuron documentation.
///
/// One figure is calibrated: the time of a descriptor generator, on step v2 alone. Everything else
/// here is a prediction.
@Suite("Published profiles")
struct PublishedProfileTests {
    /// A step of the matmul tutorial, 4096 x 8192 x 8192 in FP32 on one core of Trainium2.
    struct Step: Sendable {
        var name: String
        /// The published total.
        var milliseconds: Double
    }

    static let calibration = Step(name: "v2", milliseconds: 39.89)
    static let predicted = [
        Step(name: "v3", milliseconds: 28.20), Step(name: "v4", milliseconds: 28.41),
        Step(name: "v5", milliseconds: 28.30),
    ]

    @Test("the descriptor time, calibrated on step v2, is near the documented 600 ns")
    func calibration() throws {
        let fact = try #require(MachineDescription.trainium2[.descriptorTime])
        #expect(fact.confidence == .calibrated)
        #expect(abs(fact.value - 600) < 6)
    }

    @Test("matmul: v2 is met; v3, v4 and v5 are predicted within 2 %, and in order")
    func matmul() throws {
        let v2 = try Run("matmul", Self.calibration.name, Self.shape, on: .trainium2).milliseconds
        #expect(abs(v2 / Self.calibration.milliseconds - 1) < 0.002)
        var predicted: [Double] = []
        for step in Self.predicted {
            let run = try Run("matmul", step.name, Self.shape, on: .trainium2)
            let error = run.milliseconds / step.milliseconds - 1
            #expect(abs(error) < 0.02, "\(step.name): \(run.milliseconds) ms")
            // Published for v5; the same multiplications make up every step.
            #expect(abs(run.tensorMilliseconds / 28.16 - 1) < 0.01)
            predicted.append(run.milliseconds)
        }
        // Published: v2 > v4 > v5 > v3. The place of v4, 0.4 % above v5, is not predicted: its
        // published profile was throttled from 16 ms on (a row of the picture shows the step).
        let (v3, v4, v5) = (predicted[0], predicted[1], predicted[2])
        #expect(v2 > v5 && v5 > v3)
        #expect(v2 > v4 && v4 > v3)
    }

    @Test(
        "tiling the sequence of a selective scan pays as published, on Trainium1",
        arguments: [(1024, 3.3 / 4.4), (8192, 27.8 / 52.2)])
    func selectiveScan(sequence: Int, published: Double) throws {
        let shape = ["channels": 4096, "states": 16, "sequence": sequence]
        let whole = try Run("scan", "v2", shape, on: .trainium1)
        let tiled = try Run("scan", "v3", shape, on: .trainium1)
        let ratio = tiled.milliseconds / whole.milliseconds
        #expect(abs(ratio / published - 1) < 0.1, "v3 / v2 = \(ratio), published \(published)")
    }

    private static let shape = ["m": 4096, "k": 8192, "n": 8192]

    /// One kernel, traced, compiled and simulated.
    private struct Run {
        var milliseconds: Double
        var tensorMilliseconds: Double

        init(
            _ name: String, _ step: String, _ shape: [String: Int],
            on description: MachineDescription
        ) throws {
            let machine = try Machine(description)
            let kernel = try #require(KernelLibrary.named(name))
            let arguments = try KernelArguments(for: kernel, shape, type: .fp32, variant: step)
            let traced = try kernel.trace(arguments, on: machine)
            let options = CompilerOptions(schedule: .list)
            let compiled = try Compiler(machine: machine, options: options).compile(traced)
            let simulator = Simulator(machine: machine)
            let timeline = try simulator.run(compiled.program).timeline
            milliseconds = machine.nanoseconds(ticks: timeline.makespan) / 1e6
            var busy: Int64 = 0
            for (index, instruction) in compiled.program.instructions.enumerated()
            where instruction.unit == .tensorMultiply {
                busy += timeline.busyEnd[index] - timeline.start[index]
            }
            tensorMilliseconds = machine.nanoseconds(ticks: busy) / 1e6
        }
    }
}
