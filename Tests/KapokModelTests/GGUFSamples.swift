import KapokModel
import OrderedCollections

/// Models of a few hundred weights that follow a formula, so that another program can make the
/// same ones.
struct TinyModel {
    var architecture = "llama"
    var layers = 2
    var width = 8
    var heads = 2
    var keyValueHeads = 1
    var headWidth = 4
    var feedForward = 12
    var vocabulary = 10
    var ropeBase: Float = 10_000
    var epsilon: Float = 1e-5
    var hasBias = false
    var hasHeadNorms = false
    var tiesEmbeddings = true

    /// One tensor: name, sizes as GGUF has them, numbers.
    struct Part {
        var name: String
        var dimensions: [Int]
        var numbers: [Float]
    }

    /// A model as Qwen has them: biases, head norms, an output matrix, halves turned together.
    static let qwen = TinyModel(
        architecture: "qwen3", layers: 1, heads: 4, keyValueHeads: 2, headWidth: 6,
        ropeBase: 1e6, epsilon: 1e-6, hasBias: true, hasHeadNorms: true, tiesEmbeddings: false)

    /// The tensors, numbered in this order, from 1.
    var parts: [Part] {
        var parts: [Part] = []
        func add(_ name: String, _ dimensions: [Int], isGain: Bool = false) {
            let ordinal = parts.count + 1
            let numbers = (0..<dimensions.reduce(1, *)).map { i -> Float in
                isGain
                    ? 1 + Float((i * 5 + 3 * ordinal) % 9 - 4) / 16
                    : Float((i * i * 31 + i * 17 + 7 * ordinal) % 257 - 128) / 256
            }
            parts.append(Part(name: name, dimensions: dimensions, numbers: numbers))
        }
        let queries = heads * headWidth
        let keys = keyValueHeads * headWidth
        add("token_embd.weight", [width, vocabulary])
        add("output_norm.weight", [width], isGain: true)
        if !tiesEmbeddings { add("output.weight", [width, vocabulary]) }
        for layer in 0..<layers {
            let blk = "blk.\(layer)."
            add(blk + "attn_norm.weight", [width], isGain: true)
            add(blk + "attn_q.weight", [width, queries])
            add(blk + "attn_k.weight", [width, keys])
            add(blk + "attn_v.weight", [width, keys])
            if hasBias {
                add(blk + "attn_q.bias", [queries])
                add(blk + "attn_k.bias", [keys])
                add(blk + "attn_v.bias", [keys])
            }
            if hasHeadNorms {
                add(blk + "attn_q_norm.weight", [headWidth], isGain: true)
                add(blk + "attn_k_norm.weight", [headWidth], isGain: true)
            }
            add(blk + "attn_output.weight", [queries, width])
            add(blk + "ffn_norm.weight", [width], isGain: true)
            add(blk + "ffn_gate.weight", [width, feedForward])
            add(blk + "ffn_up.weight", [width, feedForward])
            add(blk + "ffn_down.weight", [feedForward, width])
        }
        return parts
    }

    /// The metadata that a converter would write.
    var metadata: OrderedDictionary<String, GGUFWriter.Value> {
        let a = architecture
        return [
            "general.architecture": .string(a), "general.name": .string("Tiny"),
            "\(a).block_count": .uint32(UInt32(layers)), "\(a).context_length": .uint32(64),
            "\(a).embedding_length": .uint32(UInt32(width)),
            "\(a).feed_forward_length": .uint32(UInt32(feedForward)),
            "\(a).attention.head_count": .uint32(UInt32(heads)),
            "\(a).attention.head_count_kv": .uint32(UInt32(keyValueHeads)),
            "\(a).attention.key_length": .uint32(UInt32(headWidth)),
            "\(a).attention.value_length": .uint32(UInt32(headWidth)),
            "\(a).attention.layer_norm_rms_epsilon": .float32(epsilon),
            "\(a).rope.freq_base": .float32(ropeBase),
            "tokenizer.ggml.model": .string("gpt2"), "tokenizer.ggml.pre": .string("smollm"),
            "tokenizer.ggml.tokens": .strings((0..<vocabulary).map { "t\($0)" }),
            "tokenizer.ggml.token_type": .int32s(
                (0..<vocabulary).map { $0 == 0 ? 3 : 1 }),
            "tokenizer.ggml.merges": .strings(["t 1", "t 2"]),
            "tokenizer.ggml.eos_token_id": .uint32(0),
            "tokenizer.ggml.add_bos_token": .bool(false),
            "tokenizer.chat_template": .string("{{ messages }}"),
        ]
    }

    /// The GGUF file, after `change` had its way with metadata and tensors.
    func bytes(
        type: WeightType = .f32, change: (inout GGUFWriter, inout [Part]) -> Void = { _, _ in }
    ) -> [UInt8] {
        var writer = GGUFWriter()
        writer.metadata = metadata
        var parts = parts
        let before = writer.tensors.count
        change(&writer, &parts)
        writer.tensors +=
            parts.map { part in
                GGUFWriter.Tensor(
                    name: part.name, dimensions: part.dimensions,
                    type: part.dimensions.count > 1 ? type : .f32)
            }.dropFirst(before)
        var bytes: [UInt8] = []
        writer.write({ bytes += $0 }) { index, tensor in tensor.type.quantized(parts[index].numbers)
        }
        return bytes
    }

    /// The model, opened.
    func file(
        change: (inout GGUFWriter, inout [Part]) -> Void = { _, _ in }
    ) throws(ModelFileError) -> LanguageModelFile {
        try LanguageModelFile.open(FileBytes(copying: bytes(change: change), path: "tiny.gguf"))
    }
}

/// What opening `bytes` fails with; nil when it does not.
func openingError(_ bytes: [UInt8]) -> ModelFileError? {
    do throws(ModelFileError) {
        _ = try LanguageModelFile.open(FileBytes(copying: bytes, path: "tiny.gguf"))
        return nil
    } catch {
        return error
    }
}
