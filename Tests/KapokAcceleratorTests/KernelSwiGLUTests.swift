import Testing

@testable import KapokAccelerator

@Suite("Kernel: gated feed-forward layer")
struct KernelSwiGLUTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test(
        "equals (silu(x gate) * (x up)) down within the bound",
        arguments: [
            ["tokens": 3, "model": 5, "hidden": 7], ["tokens": 130, "model": 128, "hidden": 20],
            ["tokens": 20, "model": 140, "hidden": 150],
            // Several blocks: of tokens, of hidden units, of columns of the result.
            ["tokens": 520, "model": 4, "hidden": 3], ["tokens": 2, "model": 530, "hidden": 12],
            ["tokens": 2, "model": 3, "hidden": 1100],
        ], [ElementType.bf16, .fp32, .fp16])
    func values(shape: [String: Int], type: ElementType) throws {
        try KernelsHarness.check(SwiGLUKernel(), shape, type, ["tuned"], seed: 8, on: machine)
    }

    @Test("the largest layer that it takes fits into SBUF, one block of tokens at a time")
    func largest() throws {
        let kernel = SwiGLUKernel()
        let arguments = try KernelArguments(
            for: kernel, ["tokens": 128, "model": 8192, "hidden": 16_384], type: .fp32)
        let traced = try kernel.trace(arguments, on: machine)
        let options = CompilerOptions(schedule: .source, maximumCandidates: 1)
        let compiled = try Compiler(machine: machine, options: options).compile(traced)
        #expect(compiled.report.spilledBytes == 0)
        #expect(compiled.report.reloadedBytes == 0)
    }
}
