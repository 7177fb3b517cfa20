import Testing

@testable import KapokAccelerator

@Suite("Kernel: rotary position embedding")
struct KernelRotaryTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test(
        "pairs of halves and of neighbours turn by the angle of their position",
        arguments: [
            ["sequence": 130, "heads": 3, "headSize": 16],
            ["sequence": 1, "heads": 1, "headSize": 2],
            // More heads than one instruction and one transfer take.
            ["sequence": 3, "heads": 19, "headSize": 512],
        ], [ElementType.bf16, .fp32, .fp16])
    func values(shape: [String: Int], type: ElementType) throws {
        for interleaved in 0...1 {
            var shape = shape
            shape["interleaved"] = interleaved
            try KernelsHarness.check(
                RotaryKernel(), shape, type, ["tuned"], seed: 4, on: machine)
        }
    }

    @Test("a rotation keeps the length of every pair")
    func lengths() throws {
        let kernel = RotaryKernel()
        let shape = ["sequence": 40, "heads": 2, "headSize": 8, "interleaved": 1]
        let arguments = try KernelArguments(for: kernel, shape, type: .fp32)
        let inputs = kernel.inputs(arguments, seed: 2)
        let outputs = try KernelsHarness.run(kernel.trace(arguments, on: machine), inputs: inputs)
        let x = try #require(inputs["x"])
        let y = try #require(outputs["result"])
        for first in stride(from: 0, to: x.count, by: 2) {
            let before = x[first] * x[first] + x[first + 1] * x[first + 1]
            let after = y[first] * y[first] + y[first + 1] * y[first + 1]
            #expect(abs(before - after) < 1e-5)
        }
    }

    @Test("heads of odd size are refused")
    func refusals() throws {
        #expect(throws: KernelArgumentError.self) {
            try KernelArguments(for: RotaryKernel(), ["headSize": 7])
        }
    }
}
