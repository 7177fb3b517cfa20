import KapokModel
import KapokWorld

/// A model of the Llama family with random weights, small enough for a test. Its tokens are the
/// bytes and an end of text, so that every text can be a prompt.
struct TinyModel {
    static let endOfText: TokenID = 256
    static let width = 32
    static let heads = 2
    static let headWidth = 32
    static let hidden = 48
    static let vocabulary = 257

    /// A model whose weights depend on `seed` alone.
    static func make(seed: UInt64 = 1, layers: Int = 2, context: Int = 512) -> LanguageModelFile {
        var random = RandomStream(seed: seed)
        func tensor(_ name: String, rows: Int, columns: Int, scale: Float) -> WeightTensor {
            WeightTensor(
                name, rows: rows, columns: columns,
                (0..<rows * columns).map { _ in (Float(random.unit()) * 2 - 1) * scale })
        }
        func norm(_ name: String) -> WeightTensor {
            WeightTensor(
                name, rows: 1, columns: width, [Float](repeating: 1, count: width))
        }
        let inner = heads * headWidth
        let embedding = tensor("token_embd.weight", rows: vocabulary, columns: width, scale: 1)
        let blocks = (0..<layers).map { layer in
            LayerWeights(
                attentionNorm: norm("blk.\(layer).attn_norm.weight"),
                query: tensor(
                    "blk.\(layer).attn_q.weight", rows: inner, columns: width, scale: 0.4),
                key: tensor(
                    "blk.\(layer).attn_k.weight", rows: headWidth, columns: width, scale: 0.4),
                value: tensor(
                    "blk.\(layer).attn_v.weight", rows: headWidth, columns: width, scale: 0.4),
                output: tensor(
                    "blk.\(layer).attn_output.weight", rows: width, columns: inner, scale: 0.4),
                feedForwardNorm: norm("blk.\(layer).ffn_norm.weight"),
                gate: tensor(
                    "blk.\(layer).ffn_gate.weight", rows: hidden, columns: width, scale: 0.4),
                up: tensor("blk.\(layer).ffn_up.weight", rows: hidden, columns: width, scale: 0.4),
                down: tensor(
                    "blk.\(layer).ffn_down.weight", rows: width, columns: hidden, scale: 0.4))
        }
        let configuration = ModelConfiguration(
            architecture: "llama", name: "tiny", layers: layers, width: width,
            feedForwardWidth: hidden, heads: heads, keyValueHeads: 1, headWidth: headWidth,
            vocabularySize: vocabulary, contextLength: context, normEpsilon: 1e-5,
            rope: RotaryEmbedding(
                pairing: .adjacent, rotatedWidth: headWidth,
                frequencies: (0..<headWidth / 2).map { 1 / Float(1 << $0) }),
            tiesEmbeddings: true)
        return LanguageModelFile(
            configuration: configuration,
            weights: ModelWeights(
                embedding: embedding, layers: blocks, outputNorm: norm("output_norm.weight"),
                output: embedding),
            vocabulary: tokens(), chatTemplate: nil)
    }

    /// Byte-level BPE without merges: GPT-2's spelling of each byte, then the end of text.
    private static func tokens() -> TokenizerDescription {
        var pieces: [String] = []
        var shifted: UInt32 = 256
        for byte in UInt32(0)..<256 {
            let isItself = (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
            let scalar = Unicode.Scalar(isItself ? byte : shifted) ?? "?"
            if !isItself { shifted += 1 }
            pieces.append(String(Character(scalar)))
        }
        var description = TokenizerDescription(
            model: "gpt2", preTokenizer: "gpt-2", pieces: pieces + ["<|end|>"])
        description.kinds = Array(repeating: .normal, count: 256) + [.control]
        description.endOfText = endOfText
        return description
    }
}
