import Testing

@testable import KapokAccelerator

@Suite("Kernel: attention over whole sequences")
struct KernelAttentionTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    private static let variants = ["transposed", "online"]

    @Test(
        "equals softmax(q k^T / sqrt(d)) v within the bound",
        arguments: [
            // One tile; a single position; a ragged last tile of keys and queries.
            ["sequence": 128, "headSize": 64], ["sequence": 1, "headSize": 3],
            ["sequence": 300, "headSize": 16],
            // More than one block of queries, the last one ragged.
            ["sequence": 530, "headSize": 2],
            // Rows that the DMA engines transpose, but for the last few.
            ["sequence": 150, "headSize": 128],
        ], [ElementType.bf16, .fp32])
    func values(shape: [String: Int], type: ElementType) throws {
        for causal in 0...1 {
            var shape = shape
            shape["causal"] = causal
            shape["heads"] = 1
            try KernelsHarness.check(
                AttentionKernel(), shape, type, Self.variants, seed: 7, on: machine)
        }
    }

    @Test("query heads of a group share keys and values; sequences of a batch do not")
    func groups() throws {
        let shape = ["batch": 2, "heads": 6, "kvHeads": 2, "sequence": 33, "headSize": 8]
        for seed in 1...3 as ClosedRange<UInt64> {
            try KernelsHarness.check(
                AttentionKernel(), shape, .fp32, Self.variants, seed: seed, on: machine)
        }
    }

    @Test(
        "queries and keys may lie element by element, and nothing is transposed then",
        arguments: [1, 150, 530], [ElementType.bf16, .fp32])
    func elementMajor(sequence: Int, type: ElementType) throws {
        let shape = [
            "heads": 4, "kvHeads": 2, "sequence": sequence, "headSize": 8, "elementMajor": 1,
        ]
        try KernelsHarness.check(
            AttentionKernel(), shape, type, Self.variants, seed: 7, on: machine)
        let arguments = try KernelArguments(
            for: AttentionKernel(), shape, type: type, variant: "transposed")
        let traced = try AttentionKernel().trace(arguments, on: machine)
        #expect(!traced.instructions.contains { $0.flags.contains(.transpose) })
    }

    @Test("keys and values that do not fit into SBUF stream, once for each block of queries")
    func streaming() throws {
        let description = machine.description.setting(
            .sbufBytesPerPartition, to: 8192, source: "a small one", confidence: .assumed)
        let small = try Machine(description)
        let shape = ["heads": 2, "sequence": 1100, "headSize": 1]
        let arguments = try KernelArguments(for: AttentionKernel(), shape, type: .bf16)
        func loads(_ machine: Machine) throws -> Int {
            let traced = try AttentionKernel().trace(arguments, on: machine)
            return traced.instructions.count { instruction in
                guard instruction.opcode == .dmaCopy else { return false }
                let source = traced.patterns[Int(instruction.source0)]
                return source.space == .hbm && traced.tensors[Int(source.tensor)].name == "k"
            }
        }
        // Three blocks of keys. When they stream, the last one that was loaded is still there: the
        // second block of queries finds the first block of keys.
        let resident = try loads(machine)
        let streaming = try loads(small)
        #expect(resident == 3)
        #expect(streaming == 2 * (1 + 1 + 3))
        for variant in Self.variants {
            try KernelsHarness.check(AttentionKernel(), shape, .bf16, [variant], on: small)
        }
    }

    @Test("the variant with a running maximum takes scores that overflow without one")
    func largeScores() throws {
        let size = 16
        let arguments = try KernelArguments(
            for: AttentionKernel(), ["heads": 1, "sequence": 40, "headSize": size], type: .fp32,
            variant: "online")
        var inputs = AttentionKernel().inputs(arguments, seed: 3)
        inputs["q"] = inputs["q"]?.map { $0 * 100 }
        let expected = AttentionKernel().reference(
            inputs.mapValues { $0.map(Double.init) }, arguments)
        let result = try KernelsHarness.run(
            AttentionKernel().trace(arguments, on: machine), inputs: inputs)
        // Scores of up to 1600 have absolute errors up to 2^-13, and so have their weights.
        let reference = try #require(expected["result"])
        for (actual, wanted) in zip(try #require(result["result"]), reference) {
            #expect(abs(Double(actual) - wanted) < 0x1p-12)
        }
    }

    @Test("head counts that cannot be grouped, and traces beyond all bounds, are refused")
    func refusals() throws {
        #expect(throws: KernelArgumentError.self) {
            try KernelArguments(for: AttentionKernel(), ["heads": 6, "kvHeads": 4])
        }
        #expect(throws: KernelArgumentError.self) {
            try KernelArguments(for: AttentionKernel(), ["heads": 256, "sequence": 131_072])
        }
    }
}

@Suite("Kernel: attention, how scores are laid out")
struct KernelAttentionPlanTests {
    private func plan(
        _ queries: Int, of sequence: Int, block: Int = 0, isCausal: Bool = true
    ) -> ScorePlan {
        ScorePlan(
            queries: TileSpan.pieces(of: queries, by: 512)[block], sequence: sequence,
            isCausal: isCausal, tileKeys: 128, bankColumns: 512, banks: 3)
    }

    @Test("the first block packs its triangle into 2.5 banks, without a gap")
    func triangle() {
        let groups = plan(512, of: 512).groups
        #expect(groups.count == 1)
        #expect(groups[0].columns == [0..<1280])
        #expect(groups[0].pieces.map(\.width) == [512, 384, 128, 256])
        #expect(groups[0].pieces.map(\.column) == [0, 512, 896, 1024])
        #expect(groups[0].pieces.map(\.isDiagonal) == [true, true, true, true])
    }

    @Test("later blocks see all earlier keys whole")
    func laterBlocks() {
        let groups = plan(1024, of: 1024, block: 1).groups
        #expect(groups.map(\.columns) == [[0..<1536], [0..<1408], [0..<384]])
        let pieces = groups.flatMap(\.pieces)
        #expect(pieces.filter { !$0.isDiagonal }.map(\.keys.start) == [0, 128, 256, 384])
        #expect(pieces.reduce(0) { $0 + $1.width } == 4 * 512 + 1280)
    }

    @Test("a last tile of fewer keys gets a group of its own: its rows are fewer")
    func raggedKeys() {
        let groups = plan(300, of: 300, isCausal: false).groups
        #expect(groups.map(\.keyCount) == [128, 44])
        #expect(groups[0].columns == [0..<300, 512..<812])
        #expect(groups[1].columns == [0..<300])
    }

    @Test("pieces never overlap, and none crosses a bank")
    func packing() {
        for (sequence, isCausal) in [(1, true), (640, true), (1000, false), (1300, true)] {
            for block in TileSpan.pieces(of: sequence, by: 512) {
                let groups = plan(sequence, of: sequence, block: block.index, isCausal: isCausal)
                    .groups
                for group in groups {
                    var used = Set<Int>()
                    for piece in group.pieces {
                        let columns = piece.column..<(piece.column + piece.width)
                        #expect(columns.lowerBound / 512 == (columns.upperBound - 1) / 512)
                        #expect(used.isDisjoint(with: columns))
                        used.formUnion(columns)
                    }
                    #expect(used == Set(group.columns.joined()))
                }
            }
        }
    }
}
