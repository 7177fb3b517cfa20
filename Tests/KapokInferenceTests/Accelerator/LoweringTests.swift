import KapokAccelerator
import KapokModel
import Testing

@testable import KapokInference

@Suite("Lowering a graph to kernels")
struct LoweringTests {
    let machine: Machine

    init() throws { machine = try Machine(.trainium2) }

    // MARK: The graph

    @Test("blocks are found in the operations of the graph, with the names of their tensors")
    func blocks() throws {
        var model = RandomDecoder(layers: 3)
        (model.hasBias, model.layersWithoutRotation) = (true, [2])
        let decoder = try LoweredDecoder(ModelGraph(model.configuration))
        #expect(decoder.blocks.map { $0.rotation != nil } == [true, true, false])
        #expect(decoder.names[2].down == "blk.2.ffn_down.weight")
        #expect(decoder.names[1].keyBias == "blk.1.attn_k.bias")
        #expect(decoder.names[1].queryNorm == nil)
        #expect(decoder.output == "token_embd.weight" && decoder.finalNorm == "output_norm.weight")
        #expect(decoder.blocks.allSatisfy { $0.hasBias && !$0.normalisesHeads })
    }

    @Test("what has no kernel is refused, with a reason and a way out")
    func refusals() throws {
        var wide = RandomDecoder()
        (wide.headWidth, wide.heads, wide.keyValueHeads) = (256, 1, 1)
        var error = #expect(throws: LoweringError.self) {
            try LoweredDecoder(ModelGraph(wide.configuration))
        }
        #expect(error?.what == "heads of 256 elements")
        #expect(error?.why.contains("128 rows") == true && error?.remedy.isEmpty == false)

        let none = RandomDecoder(layers: 0)
        error = #expect(throws: LoweringError.self) {
            try LoweredDecoder(ModelGraph(none.configuration))
        }
        #expect(error?.what.contains("0 blocks") == true)

        let model = RandomDecoder()
        error = #expect(throws: LoweringError.self) {
            try AcceleratedDecoder(
                configuration: model.configuration, weights: model.weights(), machine: machine,
                type: .int8)
        }
        #expect(error?.what == "kernels of type int8")
    }

    // MARK: Shares

    private func shape(_ heads: Int, _ keyValueHeads: Int) -> DecoderBlock.Shape {
        var block = DecoderBlock()
        (block.width, block.hidden, block.headWidth) = (576, 1537, 64)
        (block.heads, block.keyValueHeads) = (heads, keyValueHeads)
        return block.shape
    }

    @Test(
        "every query head, hidden unit and logit is one core's; a core's heads share its keys",
        arguments: [(9, 3), (8, 8), (32, 8), (14, 2), (12, 12), (3, 1), (1, 1), (64, 4)],
        [1, 2, 3, 8])
    func shares(heads: (Int, Int), cores: Int) {
        let shares = CoreShare.all(of: shape(heads.0, heads.1), vocabulary: 49_153, cores: cores)
        #expect(shares.count == cores)
        #expect(shares.flatMap { Array($0.heads) } == Array(0..<heads.0))
        #expect(shares.flatMap { Array($0.hidden) } == Array(0..<1537))
        #expect(shares.flatMap { Array($0.vocabulary) } == Array(0..<49_153))
        let group = heads.0 / heads.1
        for share in shares {
            #expect(Set(share.heads.map { $0 / group }) == Set(share.keyValueHeads))
            guard !share.heads.isEmpty else { continue }
            #expect(share.heads.count % share.keyValueHeads.count == 0)
            #expect(share.keyValueHeads.count == 1 || share.heads.count % group == 0)
        }
    }

    @Test("SmolLM2's 9 heads and 3 of keys on 8 cores: one core has two, each has a copy of keys")
    func smollm2() {
        let shares = CoreShare.all(of: shape(9, 3), vocabulary: 49_152, cores: 8)
        #expect(shares.map(\.heads.count) == [1, 1, 1, 1, 1, 1, 2, 1])
        #expect(shares.map(\.keyValueHeads.count) == [Int](repeating: 1, count: 8))
    }

    // MARK: Matrices

    @Test("a packed matrix has every weight once, where its tile is looked for")
    func packing() {
        for (inputs, outputs) in [(300, 200), (128, 1), (40, 130), (256, 512)] {
            let layout = MatrixLayout(
                inputs: inputs, outputs: outputs, multiple: 64, elementBytes: 2,
                partitionBytes: 600)
            let packed = layout.pack { output, input in Float(output * inputs + input) }
            #expect(packed.sorted() == (0..<inputs * outputs).map(Float.init))
            let span = layout.chunks.last ?? layout.chunks[0]
            guard layout.fullTiles > 0 else { continue }
            // Partition 5, last full tile, second output of the last chunk.
            let output = min(1, span.count - 1)
            let place =
                layout.range(of: span).lowerBound
                + (5 * layout.fullTiles + layout.fullTiles - 1) * span.count + output
            let input = (layout.fullTiles - 1) * 128 + 5
            #expect(packed[place] == Float((span.start + output) * inputs + input))
        }
    }

    // MARK: The machine's rules

    @Test("every kernel of a pass is proved free of races and breaks no rule of the machine")
    func sound() throws {
        var model = RandomDecoder(layers: 2)
        (model.hasBias, model.normalisesHeads, model.width) = (true, true, 200)
        let decoder = try LoweredDecoder(ModelGraph(model.configuration))
        var kernels: Set<LoweredKernel> = []
        for cores in [1, 4] {
            let shares = CoreShare.all(
                of: decoder.blocks[0].shape, vocabulary: decoder.vocabulary, cores: cores)
            for (index, share) in shares.enumerated() {
                for pass in [LoweredPass.prompt(tokens: 140), .token(sequences: 3, length: 140)] {
                    let plan = PassPlan(
                        decoder, pass, share: share, index: index, cores: cores, logits: 1)
                    kernels.formUnion(plan.steps.map(\.kernel))
                }
            }
        }
        #expect(kernels.count > 10)
        for kernel in kernels {
            let traced = try kernel.trace(on: machine, type: .bf16)
            let program = try Compiler(machine: machine).compile(traced).program
            let report = ProgramChecker.check(program, machine)
            #expect(report.isSound && report.isProvedRaceFree, "\(kernel.name)")
        }
    }
}
