import Testing

@testable import KapokAccelerator

@Suite("Kernel: depthwise causal convolution")
struct KernelCausalConvolutionTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test(
        "equals silu(bias + convolution) within the bound",
        arguments: [
            ["channels": 130, "length": 70, "width": 4], ["channels": 1, "length": 1, "width": 1],
            // Fewer steps than taps; several transfers, each with the steps before it.
            ["batch": 2, "channels": 3, "length": 5, "width": 16],
            ["channels": 2, "length": 4200, "width": 3],
        ], [ElementType.bf16, .fp32, .fp16])
    func values(shape: [String: Int], type: ElementType) throws {
        try KernelsHarness.check(
            CausalConvolutionKernel(), shape, type, ["tuned"], seed: 6, on: machine)
    }

    @Test("no step sees a later one")
    func causality() throws {
        let kernel = CausalConvolutionKernel()
        let arguments = try KernelArguments(
            for: kernel, ["channels": 2, "length": 20], type: .fp32)
        let traced = try kernel.trace(arguments, on: machine)
        var inputs = kernel.inputs(arguments, seed: 1)
        let before = try #require(try KernelsHarness.run(traced, inputs: inputs)["result"])
        inputs["x"]?[12] = 50
        let after = try #require(try KernelsHarness.run(traced, inputs: inputs)["result"])
        let changed = before.indices.filter { before[$0] != after[$0] }
        #expect(changed == [12, 13, 14, 15])
    }
}
