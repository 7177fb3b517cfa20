import Testing

@testable import KapokAccelerator

@Suite("Kernels of models, compiled: the author's bits, no race, never slower")
struct KernelCompilationTests {
    /// A kernel, its variants, and a shape with more than one tile and ragged edges.
    private static let cases: [(name: String, variants: [String], shape: [String: Int])] = [
        (
            "attention", ["transposed", "online"],
            ["heads": 2, "kvHeads": 1, "sequence": 700, "headSize": 16]
        ),
        (
            "attention-decode", ["tuned"],
            ["batch": 2, "heads": 64, "kvHeads": 1, "length": 1300, "headSize": 16]
        ),
        ("rope", ["tuned"], ["sequence": 300, "heads": 10, "headSize": 128]),
        ("swiglu", ["tuned"], ["tokens": 600, "model": 150, "hidden": 200]),
        ("conv1d", ["tuned"], ["channels": 150, "length": 2100]),
        (
            "conv2d", ["tuned"],
            ["batch": 3, "inputs": 130, "outputs": 140, "height": 20, "width": 30]
        ),
        ("topk", ["tuned"], ["rows": 300, "columns": 100, "k": 12]),
    ]

    @Test(
        "on both generations, whatever order, places and buffers the compiler chose",
        arguments: [MachineDescription.trainium1, .trainium2])
    func compiled(_ description: MachineDescription) throws {
        let machine = try Machine(description)
        for (name, variants, shape) in Self.cases {
            let kernel = try #require(KernelLibrary.named(name))
            for variant in variants {
                let arguments = try KernelArguments(for: kernel, shape, variant: variant)
                let traced = try kernel.trace(arguments, on: machine)
                let inputs = kernel.inputs(arguments, seed: 7)
                let expected = try KernelsHarness.run(traced, inputs: inputs)
                let options = CompilerOptions(maximumCandidates: 2)
                let compiled = try Compiler(machine: machine, options: options).compile(traced)
                let program = compiled.program
                let outputs = try KernelsHarness.execute(program, inputs: inputs, on: machine)
                #expect(outputs == expected, "\(name)")
                let report = ProgramChecker.check(program, machine)
                #expect(report.isSound, "\(name): \(report.diagnostics.first?.description ?? "")")
                #expect(report.isProvedRaceFree, "\(name)")
                let source = try #require(
                    compiled.report.candidates.first { $0.name.hasPrefix("source") })
                #expect(compiled.report.makespan <= source.makespan, "\(name)")
            }
        }
    }

    @Test(
        "each kernel comes close to what its bound allows",
        arguments: [
            // Prefill, the acceptance bar: 90 % of the scalar engine's exponentials (BF16), or of
            // the tensor engine's passes (FP32).
            (["attention", "bf16"], ["heads": 2, "sequence": 4096], 0.90),
            (["attention", "fp32"], ["heads": 1, "sequence": 4096], 0.90),
            (["attention-decode", "bf16"], ["batch": 1, "length": 8192], 0.90),
            (["rope", "bf16"], ["sequence": 2048], 0.90),
            (["swiglu", "bf16"], ["tokens": 1024, "model": 2048, "hidden": 2048], 0.90),
            (["conv1d", "bf16"], ["channels": 1024, "length": 8192], 0.90),
            (["conv2d", "fp32"], ["batch": 4], 0.90),
            (["topk", "fp32"], ["rows": 2048], 0.90),
        ] as [([String], [String: Int], Double)])
    func boundShares(_ kernel: [String], _ shape: [String: Int], _ share: Double) throws {
        let machine = try Machine(.trainium2)
        let type = try #require(ElementType(name: kernel[1]))
        let kernel = try #require(KernelLibrary.named(kernel[0]))
        let arguments = try KernelArguments(for: kernel, shape, type: type)
        let options = CompilerOptions(maximumCandidates: 2)
        let report = try Compiler(machine: machine, options: options)
            .compile(kernel.trace(arguments, on: machine)).report
        let reached = Double(report.bestBound) / Double(report.makespan)
        #expect(reached >= share, "\(kernel.name): \(reached)")
        #expect(reached <= 1)
    }
}
