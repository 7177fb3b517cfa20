import Testing

@testable import KapokAccelerator

@Suite("Kernel: attention of one query to a cache")
struct KernelAttentionDecodeTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    @Test(
        "equals softmax(q k^T / sqrt(d)) v within the bound",
        arguments: [
            // One tile of keys; full tiles dealt to partitions; a rest; only a rest.
            ["length": 128, "headSize": 64], ["length": 384, "headSize": 16],
            ["length": 300, "headSize": 128], ["length": 1, "headSize": 3],
        ], [ElementType.bf16, .fp32, .fp16])
    func values(shape: [String: Int], type: ElementType) throws {
        var shape = shape
        shape["batch"] = 1
        shape["heads"] = 4
        shape["kvHeads"] = 2
        for seed in 1...2 as ClosedRange<UInt64> {
            try KernelsHarness.check(
                AttentionDecodeKernel(), shape, type, ["tuned"], seed: seed, on: machine)
        }
    }

    @Test("several pairs share a step; every head sees its own sequence and group")
    func pairs() throws {
        let shape = ["batch": 3, "heads": 6, "kvHeads": 2, "length": 150, "headSize": 8]
        try KernelsHarness.check(
            AttentionDecodeKernel(), shape, .fp32, ["tuned"], seed: 5, on: machine)
    }

    @Test("a cache longer than a step is taken in chunks, scaled to a common maximum")
    func chunks() throws {
        // 128 query heads a key head leave four tiles of keys in a bank of scores.
        let shape = ["batch": 1, "heads": 128, "kvHeads": 1, "length": 1100, "headSize": 2]
        for type in [ElementType.fp32, .bf16] {
            try KernelsHarness.check(
                AttentionDecodeKernel(), shape, type, ["tuned"], seed: 9, on: machine)
        }
    }

    @Test("the cache is read once, in packets of at least 2 KiB")
    func traffic() throws {
        let kernel = AttentionDecodeKernel()
        let arguments = try KernelArguments(
            for: kernel, ["batch": 1, "heads": 8, "kvHeads": 2, "length": 2048], type: .bf16)
        let traced = try kernel.trace(arguments, on: machine)
        let model = CostModel(machine)
        var bytes: [String: Int] = [:]
        for instruction in traced.instructions where instruction.opcode == .dmaCopy {
            let source = traced.patterns[Int(instruction.source0)]
            guard source.space == .hbm else { continue }
            let name = traced.tensors[Int(source.tensor)].name
            bytes[name, default: 0] += source.totalBytes
            if name != "q" {
                let cost = model.transferCost(of: instruction, patterns: traced.patterns)
                #expect(cost.bytesPerPacket >= 2048)
            }
        }
        #expect(bytes["kT"] == 2 * 2048 * 128 * 2)
        #expect(bytes["v"] == 2 * 2048 * 128 * 2)
    }

    @Test("scores of any size have exact maxima")
    func largeScores() throws {
        let kernel = AttentionDecodeKernel()
        let arguments = try KernelArguments(
            for: kernel, ["batch": 1, "heads": 2, "kvHeads": 1, "length": 200, "headSize": 16],
            type: .fp32)
        var inputs = kernel.inputs(arguments, seed: 3)
        inputs["q"] = inputs["q"]?.map { $0 * 100 }
        let expected = kernel.reference(inputs.mapValues { $0.map(Double.init) }, arguments)
        let result = try KernelsHarness.run(
            kernel.trace(arguments, on: machine), inputs: inputs)
        // Scores of up to 1600 have absolute errors up to 2^-13, and so have their weights.
        let reference = try #require(expected["result"])
        for (actual, wanted) in zip(try #require(result["result"]), reference) {
            #expect(abs(Double(actual) - wanted) < 0x1p-12)
        }
    }

    @Test("head counts that cannot be grouped are refused")
    func refusals() throws {
        #expect(throws: KernelArgumentError.self) {
            try KernelArguments(for: AttentionDecodeKernel(), ["heads": 6, "kvHeads": 4])
        }
        #expect(throws: KernelArgumentError.self) {
            try KernelArguments(for: AttentionDecodeKernel(), ["heads": 256, "kvHeads": 1])
        }
    }
}
