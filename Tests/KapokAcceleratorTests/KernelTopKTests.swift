import Testing

@testable import KapokAccelerator

@Suite("Kernel: top k")
struct KernelTopKTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test(
        "finds the largest and their places, exactly; BF16 rows have many equal elements",
        arguments: [
            ["rows": 130, "columns": 100, "k": 8], ["rows": 3, "columns": 600, "k": 20],
            ["rows": 5, "columns": 8, "k": 1], ["rows": 2, "columns": 9, "k": 9],
        ], [ElementType.fp32, .bf16, .fp16])
    func values(shape: [String: Int], type: ElementType) throws {
        for seed in 1...2 as ClosedRange<UInt64> {
            try KernelsHarness.check(TopKKernel(), shape, type, ["tuned"], seed: seed, on: machine)
        }
    }

    @Test("equal elements come in the order of their places, also over several rounds")
    func ties() throws {
        let kernel = TopKKernel()
        let arguments = try KernelArguments(
            for: kernel, ["rows": 1, "columns": 12, "k": 12], type: .fp32)
        let row: [Float] = [2, 7, 2, 2, 2, 9, 2, 2, 2, 2, 2, 2]
        let outputs = try KernelsHarness.run(
            kernel.trace(arguments, on: machine), inputs: ["x": row])
        #expect(outputs["values"] == [9, 7] + [Float](repeating: 2, count: 10))
        #expect(outputs["places"] == [5, 1, 0, 2, 3, 4, 6, 7, 8, 9, 10, 11])
    }

    @Test("more elements than a row has are refused")
    func refusals() throws {
        #expect(throws: KernelArgumentError.self) {
            try KernelArguments(for: TopKKernel(), ["columns": 8, "k": 9])
        }
    }
}
