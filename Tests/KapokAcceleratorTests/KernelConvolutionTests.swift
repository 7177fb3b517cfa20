import Testing

@testable import KapokAccelerator

@Suite("Kernel: two-dimensional convolution")
struct KernelConvolutionTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    private static func shape(
        _ batch: Int, _ channels: (Int, Int), _ image: (Int, Int), _ filter: (Int, Int),
        stride: Int = 1, padding: Int = 0
    ) -> [String: Int] {
        [
            "batch": batch, "inputs": channels.0, "outputs": channels.1, "height": image.0,
            "width": image.1, "kernelHeight": filter.0, "kernelWidth": filter.1,
            "stride": stride, "padding": padding,
        ]
    }

    @Test(
        "equals bias + convolution within the bound",
        arguments: [
            shape(1, (3, 4), (8, 9), (3, 3), padding: 1),
            shape(2, (2, 3), (9, 7), (3, 3), stride: 2, padding: 1),
            // A single position; margins wider than the filter; a filter as large as the image.
            shape(1, (1, 1), (1, 1), (1, 1)), shape(1, (1, 2), (2, 2), (1, 1), padding: 3),
            shape(1, (2, 2), (4, 5), (4, 5)), shape(1, (1, 1), (1, 1), (5, 5), padding: 2),
            // Too many channels for a row of the filter to lie beside them.
            shape(1, (60, 3), (5, 6), (3, 3), stride: 2, padding: 1),
            // Several tiles of input and of output channels, several images in one strip.
            shape(3, (130, 140), (3, 3), (1, 2)),
            // More than one piece of rows, and of columns.
            shape(1, (2, 1), (40, 30), (5, 3), padding: 2), shape(1, (1, 1), (2, 1060), (2, 4)),
        ], [ElementType.bf16, .fp32, .fp16])
    func values(shape: [String: Int], type: ElementType) throws {
        try KernelsHarness.check(
            ConvolutionKernel(), shape, type, ["tuned"], seed: 11, on: machine)
    }

    @Test("with a height of 1 it is a convolution over time that mixes channels")
    func overTime() throws {
        let shape = Self.shape(2, (6, 5), (1, 40), (1, 4))
        try KernelsHarness.check(ConvolutionKernel(), shape, .fp32, ["tuned"], on: machine)
    }

    @Test("strips of several rows are cut where SBUF would overflow")
    func strips() throws {
        let kernel = ConvolutionKernel()
        // 40 columns, three rows a strip at most: rows of 8 KiB a partition.
        let shape = Self.shape(1, (4096, 1), (9, 40), (1, 1))
        let arguments = try KernelArguments(for: kernel, shape, type: .fp32)
        let tiling = ConvolutionTiling(ConvolutionShape(arguments), elementBytes: 4)
        #expect(tiling.stripRows == 4)
        #expect(tiling.pieceRows == 4)
        #expect(tiling.images == 1)
    }

    @Test("a strip that lies in the margin altogether gives the bias")
    func margins() throws {
        let kernel = ConvolutionKernel()
        let shape = Self.shape(1, (2000, 1), (1, 90), (1, 1), padding: 8)
        let arguments = try KernelArguments(for: kernel, shape, type: .fp32)
        let tiling = ConvolutionTiling(ConvolutionShape(arguments), elementBytes: 4)
        #expect(tiling.stripRows < 8)
        let inputs = kernel.inputs(arguments, seed: 1)
        let outputs = try KernelsHarness.run(kernel.trace(arguments, on: machine), inputs: inputs)
        let result = try #require(outputs["result"])
        let width = 90 + 16
        #expect(result.count == 17 * width)
        let margin = result.indices.filter {
            $0 / width != 8 || $0 % width < 8 || $0 % width >= 98
        }
        #expect(Set(margin.map { result[$0] }) == Set(try #require(inputs["bias"])))
    }

    @Test("few channels: a multiplication covers a row of the filter")
    func folding() throws {
        let kernel = ConvolutionKernel()
        let shape = Self.shape(1, (3, 64), (32, 32), (7, 7), stride: 2, padding: 3)
        let arguments = try KernelArguments(for: kernel, shape, type: .bf16)
        let traced = try kernel.trace(arguments, on: machine)
        let rows = traced.instructions.compactMap { instruction -> Int? in
            guard instruction.opcode == .multiplyMoving, !instruction.flags.contains(.transpose)
            else { return nil }
            return Int(traced.patterns[Int(instruction.source0)].partitionCount)
        }
        #expect(rows == [Int](repeating: 3 * 7, count: 7))
    }

    @Test("small images share a multiplication, as many as a bank has columns for")
    func smallImages() throws {
        let kernel = ConvolutionKernel()
        let shape = Self.shape(32, (128, 128), (7, 7), (3, 3), padding: 1)
        let arguments = try KernelArguments(for: kernel, shape, type: .bf16)
        let tiling = ConvolutionTiling(ConvolutionShape(arguments), elementBytes: 2)
        #expect(tiling.images == 10)
        let traced = try kernel.trace(arguments, on: machine)
        let columns = traced.instructions.compactMap { instruction -> Int? in
            guard instruction.opcode == .multiplyMoving, !instruction.flags.contains(.transpose)
            else { return nil }
            return traced.patterns[Int(instruction.source0)].elementsPerPartition
        }
        #expect(columns.max() == 490)
        #expect(columns.reduce(0, +) == 9 * 32 * 49)
    }

    @Test("filters larger than the image, and what SBUF cannot hold, are refused")
    func refusals() throws {
        func arguments(_ shape: [String: Int]) throws -> KernelArguments {
            try KernelArguments(for: ConvolutionKernel(), shape, type: .fp32)
        }
        #expect(throws: KernelArgumentError.self) {
            try arguments(Self.shape(1, (1, 1), (2, 2), (3, 3)))
        }
        #expect(throws: KernelArgumentError.self) {
            try arguments(Self.shape(1, (4096, 1), (16, 16), (3, 3)))
        }
        #expect(throws: KernelArgumentError.self) {
            try arguments(Self.shape(1, (2048, 1), (16, 512), (2, 2)))
        }
        #expect(throws: KernelArgumentError.self) {
            try arguments(Self.shape(4096, (128, 128), (512, 512), (3, 3)))
        }
    }
}
