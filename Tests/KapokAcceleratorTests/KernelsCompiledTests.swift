import Testing

@testable import KapokAccelerator

@Suite("The kernel library: compiled kernels compute the same bits as the author's order")
struct KernelsCompiledTests {
    /// Shapes with more than one tile in each dimension, and ragged ones.
    private static let shapes: [String: [String: Int]] = [
        "matmul": ["m": 150, "k": 260, "n": 530],
        "softmax": ["rows": 300, "columns": 70],
        "layernorm": ["rows": 300, "columns": 70],
        "rmsnorm": ["rows": 300, "columns": 70],
        "transpose": ["rows": 288, "columns": 256],
        "scan": ["channels": 150, "sequence": 600, "states": 3],
    ]

    @Test(
        "on both generations, whatever order, places and buffers the compiler chose",
        arguments: [MachineDescription.trainium1, .trainium2])
    func sameBits(_ description: MachineDescription) throws {
        let machine = try Machine(description)
        for (name, shape) in Self.shapes {
            let kernel = try #require(KernelLibrary.named(name))
            for variant in kernel.variants {
                let arguments = try KernelArguments(for: kernel, shape, variant: variant.name)
                let traced = try kernel.trace(arguments, on: machine)
                let inputs = kernel.inputs(arguments, seed: 7)
                let expected = try KernelsHarness.run(traced, inputs: inputs)
                let compiled = try Compiler(machine: machine).compile(traced)
                let outputs = try KernelsHarness.execute(
                    compiled.program, inputs: inputs, on: machine)
                #expect(outputs == expected, "\(name) \(variant.name)")
            }
        }
    }

    @Test("verification runs a compiled kernel on seeded inputs and holds it against the reference")
    func verification() throws {
        let machine = try Machine(.trainium2)
        let kernel = try #require(KernelLibrary.named("matmul"))
        let arguments = try KernelArguments(for: kernel, ["m": 40, "k": 200, "n": 70])
        var program = try Compiler(machine: machine)
            .compile(kernel.trace(arguments, on: machine)).program
        let right = try kernel.verify(program, arguments, on: machine, seed: 7)
        #expect(right.map(\.name) == ["result"] && right[0].elements == 2800)
        #expect(right[0].isWithinBound && right[0].largestError > 0)
        let last = try #require(
            program.instructions.lastIndex { $0.opcode == .multiplyMoving })
        program.instructions[last].flags = []
        let wrong = try kernel.verify(program, arguments, on: machine, seed: 7)
        #expect(!wrong[0].isWithinBound)
    }
}
