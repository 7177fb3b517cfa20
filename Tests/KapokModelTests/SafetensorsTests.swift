import Foundation
import KapokModel
import KapokWorld
import OrderedCollections
import Testing

/// A folder with a model as Hugging Face lays it out, deleted at the end.
final class TransformersFolder {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(
            path: "kapok-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
    }

    func write(_ name: String, _ document: JSONValue) throws {
        try write(name, document.bytes(.pretty))
    }

    static let names = [
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
        "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
        "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    ]

    static func name(_ gguf: String) -> String {
        switch gguf {
        case "token_embd.weight": return "model.embed_tokens.weight"
        case "output_norm.weight": return "model.norm.weight"
        case "output.weight": return "lm_head.weight"
        default:
            let parts = gguf.split(separator: ".").map(String.init)
            return "model.layers.\(parts[1]).\(names[parts[2]] ?? parts[2]).\(parts[3])"
        }
    }

    static func safetensors(_ parts: [TinyModel.Part], type: WeightType = .f32) -> [UInt8] {
        var header: JSONObject = ["__metadata__": ["format": "pt"]]
        var data: [UInt8] = []
        for part in parts {
            let bytes = type.quantized(part.numbers)
            header[name(part.name)] = [
                "dtype": .string(type.name),
                "shape": .array(part.dimensions.reversed().map { .integer(Int64($0)) }),
                "data_offsets": [
                    .integer(Int64(data.count)), .integer(Int64(data.count + bytes.count)),
                ],
            ]
            data += bytes
        }
        let text = JSONValue.object(header).bytes()
        var bytes: [UInt8] = []
        withUnsafeBytes(of: UInt64(text.count).littleEndian) { bytes += $0 }
        return bytes + text + data
    }

    static func config(_ tiny: TinyModel) -> JSONObject {
        func number(_ value: Int) -> JSONValue { .integer(Int64(value)) }
        return [
            "architectures": [.string("Qwen3ForCausalLM")],
            "num_hidden_layers": number(tiny.layers), "hidden_size": number(tiny.width),
            "intermediate_size": number(tiny.feedForward),
            "num_attention_heads": number(tiny.heads),
            "num_key_value_heads": number(tiny.keyValueHeads), "head_dim": number(tiny.headWidth),
            "vocab_size": number(tiny.vocabulary), "max_position_embeddings": 64,
            "rms_norm_eps": .number(Double(tiny.epsilon)),
            "rope_theta": .number(Double(tiny.ropeBase)), "tie_word_embeddings": false,
            "sliding_window": nil, "eos_token_id": [0, 3],
        ]
    }

    static let tokenizer: JSONValue = [
        "added_tokens": [["id": 0, "content": "<|end|>", "special": true]],
        "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
        "model": [
            "type": "BPE", "vocab": ["a": 1, "b": 2, "ab": 3, "aab": 4],
            "merges": ["a b", ["a", "ab"]],
        ],
    ]

    /// The model of `tiny` in one file.
    func fill(_ tiny: TinyModel) throws {
        try write("config.json", .object(Self.config(tiny)))
        try write("tokenizer.json", Self.tokenizer)
        try write("tokenizer_config.json", ["eos_token": ["content": "<|end|>"]])
        try write("model.safetensors", Self.safetensors(tiny.parts))
    }
}

@Suite("Safetensors models")
struct SafetensorsTests {
    @Test("a folder gives the same model as GGUF")
    func folder() throws {
        let folder = try TransformersFolder()
        try folder.fill(.qwen)
        let file = try LanguageModelFile.open(path: folder.path)
        let gguf = try TinyModel.qwen.file()
        var configuration = file.configuration
        configuration.name = gguf.configuration.name
        #expect(configuration == gguf.configuration)
        let tokens: [TokenID] = [2, 7, 1, 8]
        #expect(ReferenceModel(file).logits(tokens) == ReferenceModel(gguf).logits(tokens))
        #expect(file.weights.layers[0].query.name == "blk.0.attn_q.weight")
        #expect(file.vocabulary.model == "gpt2")
        #expect(file.vocabulary.preTokenizer == "gpt-2")
        #expect(file.vocabulary.merges == ["a b", "a ab"])
        #expect(file.vocabulary.pieces[5] == "[PAD5]")
        #expect(file.vocabulary.kinds[5] == .unused)
        #expect(file.vocabulary.endOfText == 0)
        #expect(file.vocabulary.endOfTurn == 3)
        #expect(file.chatTemplate == nil)
    }

    @Test("several files are put together by their index, from the folder or any of them")
    func parts() throws {
        let folder = try TransformersFolder()
        try folder.fill(.qwen)
        let parts = TinyModel.qwen.parts
        try FileManager.default.removeItem(atPath: "\(folder.path)/model.safetensors")
        try folder.write("a.safetensors", TransformersFolder.safetensors(Array(parts[..<5])))
        try folder.write("b.safetensors", TransformersFolder.safetensors(Array(parts[5...])))
        var map: JSONObject = [:]
        for (index, part) in parts.enumerated() {
            map[TransformersFolder.name(part.name)] = .string(
                index < 5 ? "a.safetensors" : "b.safetensors")
        }
        try folder.write("model.safetensors.index.json", ["weight_map": .object(map)])
        try folder.write("chat_template.jinja", Array("{{ x }}".utf8))
        for path in ["", "/b.safetensors", "/model.safetensors.index.json"] {
            let file = try LanguageModelFile.open(path: folder.path + path)
            #expect(file.weights.layers.count == 1)
            #expect(file.chatTemplate == "{{ x }}")
        }
        try folder.write(
            "model.safetensors.index.json", ["weight_map": ["x": "../../etc/passwd"]])
        #expect(throws: ModelFileError.self) { try LanguageModelFile.open(path: folder.path) }
    }

    @Test(
        "what config.json says and Kapok does not do is refused by its key",
        arguments: [
            ("architectures", ["GemmaForCausalLM"]), ("num_experts", 8), ("hidden_act", "gelu"),
            ("quantization_config", ["quant_method": "gptq"]), ("num_hidden_layers", "two"),
            ("hidden_size", nil), ("hidden_size", -8), ("rope_scaling", ["type": "longrope"]),
            ("rope_scaling", ["rope_type": "llama3", "factor": 8]),
        ] as [(String, JSONValue)])
    func refused(key: String, value: JSONValue) throws {
        let folder = try TransformersFolder()
        try folder.fill(.qwen)
        var config = TransformersFolder.config(.qwen)
        config[key] = value
        try folder.write("config.json", .object(config))
        do {
            _ = try LanguageModelFile.open(path: folder.path)
            Issue.record("opened")
        } catch {
            #expect(error.place.contains(key))
        }
    }

    @Test("Llama 3's scaling keeps, mixes and divides, as transformers computes it")
    func llama3() throws {
        let folder = try TransformersFolder()
        let tiny = TinyModel(layers: 1, headWidth: 8, tiesEmbeddings: false)
        try folder.fill(tiny)
        var config = TransformersFolder.config(tiny)
        config["architectures"] = ["LlamaForCausalLM"]
        config["rope_theta"] = 100
        config["rope_scaling"] = [
            "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
            "original_max_position_embeddings": 256,
        ]
        try folder.write("config.json", .object(config))
        let rope = try LanguageModelFile.open(path: folder.path).configuration.rope
        #expect(rope.pairing == .halves)
        #expect(rope.frequencies == [1, 0.31622776, 0.1, 0.0066131065])
    }

    @Test("SentencePiece tokenizers get scores, bytes and prefix from tokenizer.json")
    func sentencePiece() throws {
        let folder = try TransformersFolder()
        try folder.fill(.qwen)
        try folder.write(
            "tokenizer.json",
            [
                "normalizer": ["type": "Sequence", "normalizers": [["type": "Prepend"]]],
                "added_tokens": [["id": 0, "content": "<|end|>", "special": true]],
                "model": [
                    "type": "BPE", "byte_fallback": true, "unk_token": "<unk>",
                    "vocab": ["<unk>": 1, "<0x0A>": 2, "a": 3, "b": 4, "ab": 5, "aab": 6],
                    "merges": ["a b", "a ab"],
                ],
            ])
        let vocabulary = try LanguageModelFile.open(path: folder.path).vocabulary
        #expect(vocabulary.model == "llama")
        #expect(vocabulary.kinds[1] == .unknown)
        #expect(vocabulary.kinds[2] == .byte)
        #expect(vocabulary.scores[5] == 0)
        #expect(vocabulary.scores[6] == -1)
        #expect(vocabulary.addsSpacePrefix == true)
        #expect(vocabulary.unknown == 1)
    }

    @Test("a way of cutting text that is not known is shown")
    func preTokenizer() throws {
        let folder = try TransformersFolder()
        try folder.fill(.qwen)
        guard case .object(var document) = TransformersFolder.tokenizer else { return }
        document["pre_tokenizer"] = [
            "type": "Sequence",
            "pretokenizers": [
                ["type": "Split", "pattern": ["Regex": "\\w+"]],
                ["type": "ByteLevel", "use_regex": false],
            ],
        ]
        try folder.write("tokenizer.json", .object(document))
        do {
            _ = try LanguageModelFile.open(path: folder.path)
            Issue.record("opened")
        } catch {
            #expect(error.reason == .unsupported)
            #expect(error.problem.contains("\\\\w+"))
        }
    }

    @Test("thousands of damaged headers are read or refused, and nothing else happens")
    func fuzz() {
        var random = RandomStream(seed: 0x5341_4645)
        let original = TransformersFolder.safetensors(
            Array(TinyModel(layers: 1, vocabulary: 4).parts.prefix(4)), type: .bf16)
        let header = original.count - 200
        var refused = 0
        for _ in 0..<3000 {
            var bytes = original
            for _ in 0...random.below(3) {
                let index = random.below(header)
                switch random.below(4) {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes[index] = Array("0123456789,[]{}\":-e".utf8)[random.below(19)]
                case 2: bytes.remove(at: index)
                default: bytes.insert(UInt8(ascii: "9"), at: index)
                }
            }
            do throws(ModelFileError) {
                let file = try SafetensorsFile(FileBytes(copying: bytes, path: "x.safetensors"))
                for tensor in file.tensors {
                    #expect(tensor.range.upperBound <= bytes.count)
                }
            } catch {
                refused += 1
                #expect(error.description.hasPrefix("x.safetensors"))
            }
        }
        #expect(refused > 1000)
        #expect(refused < 3000)
    }
}
