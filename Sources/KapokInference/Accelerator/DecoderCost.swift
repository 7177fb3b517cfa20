internal import KapokAccelerator

/// What a decoder's graph computes and moves, counted on its shapes: what predictions are held
/// against. Nothing here knows of the kernels.
struct DecoderCost {
    private let decoder: LoweredDecoder
    /// Bytes of a number.
    private let bytes: Int

    init(_ decoder: LoweredDecoder, bytes: Int) {
        self.decoder = decoder
        self.bytes = bytes
    }

    private var shape: DecoderBlock.Shape { decoder.blocks[0].shape }
    private var layers: Int { decoder.blocks.count }
    private var headWeights: Int { decoder.width * decoder.vocabulary }

    /// Weights of a block's matrices.
    private func blockWeights(_ shape: DecoderBlock.Shape) -> Int {
        let inner = 2 * (shape.heads + shape.keyValueHeads) * shape.headWidth
        return shape.width * (inner + 3 * shape.hidden)
    }

    /// All weights of the matrices; gains and biases are too few to count.
    func parameters(isTied: Bool) -> Int {
        layers * blockWeights(shape) + headWeights * (isTied ? 1 : 2)
    }

    /// Bytes of a core's weights: its part of the matrices, and of the table of embeddings, of
    /// which all cores together keep one.
    func weightBytes(of share: CoreShare, cores: Int) -> Int {
        let head = decoder.width * share.vocabulary.count + headWeights / cores
        return bytes * (layers * blockWeights(shape.share(share)) + head)
    }

    /// Bytes of a core's keys and values at the end of all answers.
    func cacheBytes(of share: CoreShare, _ workload: ServingWorkload) -> Int {
        let positions = workload.batch * (workload.prompt + workload.generate)
        return positions * layers * cacheNumbers(share.keyValueHeads.count) * bytes
    }

    /// Numbers of keys and values of one position in one block.
    private func cacheNumbers(_ heads: Int) -> Int { 2 * heads * shape.headWidth }

    /// The work of a pass, and the least time for it.
    ///
    /// - Parameters:
    ///   - cores: cores that share the pass.
    ///   - active: cores of the chip that use HBM.
    func bound(
        of pass: LoweredPass, cores: Int, active: Int, machine: Machine
    ) -> PhaseBound {
        let tokens = Double(pass.columns)
        let perPair = 4 * Double(shape.heads * shape.headWidth * layers)
        let position = Double(layers * cacheNumbers(shape.keyValueHeads))
        let pairs: Double
        let logits: Double
        let cached: Double
        switch pass {
        case .prompt:
            (pairs, logits, cached) = (tokens * (tokens + 1) / 2, 1, tokens * position)
        case .token(let sequences, let length):
            pairs = Double(sequences * length)
            (logits, cached) = (tokens, pairs * position)
        }
        let weights = Double(layers * blockWeights(shape))
        let operations =
            2 * (tokens * weights + logits * Double(headWeights)) + pairs * perPair
        // A table's rows are as long as the stream.
        let numbers = weights + Double(headWeights) + cached + tokens * Double(decoder.width)
        let dma = machine.value(.dmaBandwidth) * Double(machine.dmaEngines * cores)
        // One core reaches its own stack; what cores do not have to share they may use alone.
        let stacks = max(1, machine.value(.hbmStacks))
        let stack = machine.value(.hbmBandwidthPerChip) / stacks
        let memory = min(
            dma, stack * min(stacks, Double(active)) * Double(cores) / Double(active))
        return PhaseBound(
            operations: operations, hbmBytes: numbers * Double(bytes),
            computeNanoseconds: operations / (machine.value(.peakBF16) * Double(cores) * 1e3),
            memoryNanoseconds: numbers * Double(bytes) / memory)
    }
}
