import KapokModel
import KapokWorld

/// Small decoders with random weights for the accelerator's tests: any shape, biases, head norms
/// and rotations of the family.
struct RandomDecoder {
    var layers = 2
    var width = 128
    var hidden = 192
    var heads = 4
    var keyValueHeads = 2
    var headWidth = 32
    var vocabulary = 40
    var pairing = RotaryEmbedding.Pairing.adjacent
    /// Elements of a head that turn; nil: all.
    var rotatedWidth: Int?
    var hasBias = false
    var normalisesHeads = false
    var tiesEmbeddings = true
    var layersWithoutRotation: Set<Int> = []
    var seed: UInt64 = 1

    var configuration: ModelConfiguration {
        let rotated = rotatedWidth ?? headWidth
        return ModelConfiguration(
            architecture: "llama", name: "random", layers: layers, width: width,
            feedForwardWidth: hidden, heads: heads, keyValueHeads: keyValueHeads,
            headWidth: headWidth, vocabularySize: vocabulary, contextLength: 512,
            normEpsilon: 1e-5,
            rope: RotaryEmbedding(
                pairing: pairing, rotatedWidth: rotated,
                frequencies: (0..<rotated / 2).map { 1 / Float(1 + $0) }),
            tiesEmbeddings: tiesEmbeddings, hasAttentionBias: hasBias,
            normalisesQueriesAndKeys: normalisesHeads,
            layersWithoutRotation: layersWithoutRotation)
    }

    func weights() -> ModelWeights {
        var random = RandomStream(seed: seed)
        func tensor(
            _ name: String, _ rows: Int, _ columns: Int, around middle: Float = 0, _ spread: Float
        ) -> WeightTensor {
            WeightTensor(
                name, rows: rows, columns: columns,
                (0..<rows * columns).map { _ in
                    middle + (Float(random.unit()) * 2 - 1) * spread
                })
        }
        func matrix(_ name: String, _ rows: Int, _ columns: Int) -> WeightTensor {
            tensor(name, rows, columns, 2 / Float(columns).squareRoot())
        }
        let (inner, keys) = (heads * headWidth, keyValueHeads * headWidth)
        let blocks = (0..<layers).map { layer in
            let p = "blk.\(layer)."
            var block = LayerWeights(
                attentionNorm: tensor(p + "attn_norm.weight", 1, width, around: 1, 0.3),
                query: matrix(p + "attn_q.weight", inner, width),
                key: matrix(p + "attn_k.weight", keys, width),
                value: matrix(p + "attn_v.weight", keys, width),
                output: matrix(p + "attn_output.weight", width, inner),
                feedForwardNorm: tensor(p + "ffn_norm.weight", 1, width, around: 1, 0.3),
                gate: matrix(p + "ffn_gate.weight", hidden, width),
                up: matrix(p + "ffn_up.weight", hidden, width),
                down: matrix(p + "ffn_down.weight", width, hidden))
            if hasBias {
                block.queryBias = tensor(p + "attn_q.bias", 1, inner, 0.5)
                block.keyBias = tensor(p + "attn_k.bias", 1, keys, 0.5)
                block.valueBias = tensor(p + "attn_v.bias", 1, keys, 0.5)
            }
            if normalisesHeads {
                block.queryNorm = tensor(p + "attn_q_norm.weight", 1, headWidth, around: 1, 0.3)
                block.keyNorm = tensor(p + "attn_k_norm.weight", 1, headWidth, around: 1, 0.3)
            }
            return block
        }
        let embedding = tensor("token_embd.weight", vocabulary, width, 1)
        return ModelWeights(
            embedding: embedding, layers: blocks,
            outputNorm: tensor("output_norm.weight", 1, width, around: 1, 0.3),
            output: tiesEmbeddings ? embedding : tensor("output.weight", vocabulary, width, 1))
    }

    /// The model as a file would give it; its vocabulary has no texts.
    func file() -> LanguageModelFile {
        LanguageModelFile(
            configuration: configuration, weights: weights(),
            vocabulary: TokenizerDescription(model: "gpt2", preTokenizer: "gpt-2", pieces: []),
            chatTemplate: nil)
    }

    /// Some tokens, the same for equal seeds.
    func tokens(_ count: Int) -> [TokenID] {
        var random = RandomStream(seed: seed &+ 77)
        return (0..<count).map { _ in TokenID(random.next() % UInt64(vocabulary)) }
    }
}
