import Testing

@testable import KapokAccelerator

/// Computes the values of a traced kernel without the compiler: in the author's order, with a place
/// of its own for each tile, on a machine whose memories are as large as that takes.
enum KernelsHarness {
    /// The outputs by name, from inputs by name.
    static func run(
        _ traced: TracedKernel, inputs: [String: [Float]]
    ) throws -> [String: [Float]] {
        let (program, machine) = try placed(traced)
        return try execute(program, inputs: inputs, on: machine)
    }

    /// The outputs of a program by name, from inputs by name.
    static func execute(
        _ program: Program, inputs: [String: [Float]], on machine: Machine
    ) throws -> [String: [Float]] {
        var options = ExecutionOptions()
        options.checksInitialization = true
        var executor = try Executor(program: program, machine: machine, options: options)
        for (name, values) in inputs { try executor.setInput(name, values: values) }
        try executor.run()
        var outputs: [String: [Float]] = [:]
        for tensor in program.tensors where tensor.role == .output {
            outputs[tensor.name] = try executor.values(of: tensor.name)
        }
        return outputs
    }

    /// A program in which no two tiles share memory.
    private static func placed(_ traced: TracedKernel) throws -> (Program, Machine) {
        var ends = [0, 0]
        let bank = traced.machine.psumBankBytes
        let starts = traced.tiles.map { tile in
            let size = tile.bytesPerPartition
            let alignment = tile.space == .psum ? bank : 4
            let start = ends[Int(tile.space.rawValue)]
            ends[Int(tile.space.rawValue)] =
                start + (size + alignment - 1) / alignment * alignment
            return start
        }
        var program = Program(name: traced.name, machine: traced.machine.description.name)
        program.instructions = traced.instructions
        program.tensors = traced.tensors
        program.lines = traced.lines
        program.patterns = traced.patterns.map { pattern in
            guard pattern.space != .hbm else { return pattern }
            var pattern = pattern
            pattern.offset += Int64(starts[Int(pattern.tile)])
            pattern.tile = AccessPattern.noTile
            return pattern
        }
        let source = "large enough for every tile"
        let description = traced.machine.description
            .setting(
                .sbufBytesPerPartition, to: Double(max(ends[0], 1024)), source: source,
                confidence: .assumed
            )
            .setting(
                .psumBytesPerPartition, to: Double(max(ends[1], 1024)), source: source,
                confidence: .assumed)
        return (program, try Machine(description))
    }

    /// Runs some variants of a kernel on the same seeded inputs and holds each output against the
    /// reference, which gets the inputs as rounded to their type.
    static func check(
        _ kernel: some LibraryKernel, _ values: [String: Int], _ type: ElementType,
        _ variants: [String], seed: UInt64 = 1, on machine: Machine
    ) throws {
        let first = try KernelArguments(for: kernel, values, type: type, variant: variants[0])
        let inputs = kernel.inputs(first, seed: seed)
        var stored: [String: [Double]] = [:]
        for tensor in kernel.tensors(first) where tensor.role == .input {
            let values = try #require(inputs[tensor.name])
            stored[tensor.name] = tensor.type.decode(tensor.type.encode(values)).map(Double.init)
        }
        let expected = kernel.reference(stored, first)
        for variant in variants {
            let arguments = try KernelArguments(for: kernel, values, type: type, variant: variant)
            let outputs = try run(kernel.trace(arguments, on: machine), inputs: inputs)
            #expect(Set(expected.keys) == Set(outputs.keys))
            for (name, reference) in expected {
                let actual = try #require(outputs[name])
                #expect(actual.count == reference.count)
                let bound = kernel.bound(arguments)
                let wrong = actual.indices.first {
                    !bound.allows(Double(actual[$0]), reference: reference[$0])
                }
                #expect(
                    wrong == nil,
                    "\(kernel.name) \(variant) \(type) \(values) seed \(seed): \(name)")
            }
        }
    }
}
