import KapokModel
import KapokWorld
import OrderedCollections
import Testing

@Suite("GGUF files")
struct GGUFTests {
    @Test("a model comes out as it was written")
    func opening() throws {
        let file = try TinyModel().file()
        #expect(file.configuration.architecture == "llama")
        #expect(file.configuration.name == "Tiny")
        #expect(file.configuration.layers == 2)
        #expect(file.configuration.headWidth == 4)
        #expect(file.configuration.vocabularySize == 10)
        #expect(file.configuration.tiesEmbeddings)
        #expect(file.configuration.rope.pairing == .adjacent)
        #expect(file.configuration.rope.frequencies == [1, 0.01])
        #expect(file.weights.layers[1].down.floats() == TinyModel().parts.last?.numbers)
        #expect(file.weights.layers[0].query.rows == 8)
        #expect(file.vocabulary.model == "gpt2")
        #expect(file.vocabulary.preTokenizer == "smollm")
        #expect(file.vocabulary.pieces[9] == "t9")
        #expect(file.vocabulary.kinds[0] == .control)
        #expect(file.vocabulary.merges == ["t 1", "t 2"])
        #expect(file.vocabulary.endOfText == 0)
        #expect(file.vocabulary.beginningOfText == nil)
        #expect(file.vocabulary.addsBeginningOfText == false)
        #expect(file.chatTemplate == "{{ messages }}")
    }

    @Test("biases, head norms and an output matrix are found by their names")
    func traits() throws {
        let file = try TinyModel.qwen.file()
        #expect(file.configuration.hasAttentionBias)
        #expect(file.configuration.normalisesQueriesAndKeys)
        #expect(!file.configuration.tiesEmbeddings)
        #expect(file.configuration.rope.pairing == .halves)
        #expect(file.weights.layers[0].keyNorm?.columns == 6)
        #expect(file.weights.layers[0].valueBias?.columns == 12)
    }

    @Test("every fourth block of SmolLM3 leaves positions out")
    func unrotated() throws {
        let model = TinyModel(architecture: "smollm3", layers: 9, vocabulary: 4)
        #expect(try model.file().configuration.layersWithoutRotation == [3, 7])
    }

    @Test("metadata is read by its type, and a wrong type is named")
    func metadata() throws {
        let bytes = TinyModel().bytes { writer, _ in
            writer.metadata["x.list"] = .float32s([1, 2.5])
            writer.metadata["x.negative"] = .int32(-5)
            writer.metadata["x.bytes"] = .uint8s([1, 255])
        }
        let values = try GGUFFile(FileBytes(copying: bytes, path: "tiny.gguf")).values
        #expect(try values.numbers("x.list") == [1, 2.5])
        #expect(try values.integer("x.negative") == -5)
        #expect(try values.number("x.negative") == -5)
        #expect(try values.bytes("x.bytes") == [1, 255])
        #expect(try values.integer("x.missing") == nil)
        #expect(throws: ModelFileError.self) { try values.integer("x.list") }
        #expect(throws: ModelFileError.self) { try values.text("x.negative") }
        #expect(throws: ModelFileError.self) { try values.flag("general.name") }
    }

    // MARK: Refusals

    @Test("a file cut short anywhere is refused with the place")
    func truncation() {
        let bytes = TinyModel().bytes()
        for count in stride(from: 4, to: bytes.count - 32, by: 7) {
            let error = openingError(Array(bytes[..<count]))
            #expect(error?.reason == .malformed, "cut to \(count) bytes")
            #expect(error?.place.isEmpty == false)
        }
    }

    @Test("versions 2 and 3 are read, others and big-endian files are refused")
    func versions() {
        func error(version: [UInt8]) -> ModelFileError? {
            var bytes = TinyModel().bytes()
            bytes.replaceSubrange(4..<8, with: version)
            return openingError(bytes)
        }
        #expect(error(version: [2, 0, 0, 0]) == nil)
        #expect(error(version: [1, 0, 0, 0])?.reason == .unsupported)
        #expect(error(version: [4, 0, 0, 0])?.problem.contains("version 4") == true)
        #expect(error(version: [0, 0, 0, 3])?.problem.contains("big-endian") == true)
    }

    @Test("counts that the file has no room for are refused before anything is allocated")
    func counts() {
        for offset in [8, 16] {
            for value: UInt64 in [1 << 20, 1 << 40, .max] {
                var bytes = TinyModel().bytes()
                withUnsafeBytes(of: value.littleEndian) {
                    bytes.replaceSubrange(offset..<(offset + 8), with: $0)
                }
                #expect(openingError(bytes)?.reason == .malformed)
            }
        }
    }

    @Test("an architecture that is not computed is refused with those that are")
    func architectures() {
        let error = openingError(TinyModel(architecture: "gemma3").bytes())
        #expect(error?.reason == .unsupported)
        #expect(error?.place == "key 'general.architecture'")
        #expect(error?.problem.contains("smollm3") == true)
    }

    @Test("mixtures of experts are refused")
    func experts() {
        let error = openingError(
            TinyModel().bytes { writer, _ in writer.metadata["llama.expert_count"] = .uint32(8) })
        #expect(error?.problem == "a mixture of 8 experts; Kapok computes dense models only")
    }

    @Test(
        "keys that a model needs are missed by name",
        arguments: [
            "general.architecture", "llama.block_count", "llama.context_length",
            "llama.embedding_length", "llama.feed_forward_length", "llama.attention.head_count",
            "llama.attention.layer_norm_rms_epsilon", "tokenizer.ggml.model",
            "tokenizer.ggml.tokens",
        ])
    func missing(key: String) {
        let error = openingError(TinyModel().bytes { writer, _ in writer.metadata[key] = nil })
        #expect(error?.reason == .missing)
        #expect(error?.place == "key '\(key)'")
    }

    @Test("tensors that are missing, of another shape or unknown are named")
    func tensors() {
        var error = openingError(TinyModel().bytes { _, parts in parts.remove(at: 3) })
        #expect(error?.reason == .missing)
        #expect(error?.place == "tensor 'blk.0.attn_q.weight'")
        error = openingError(
            TinyModel().bytes { writer, _ in
                writer.metadata["llama.feed_forward_length"] = .uint32(13)
            })
        #expect(
            error?.problem == "is 12 x 8; the configuration asks for 13 x 8")
        error = openingError(
            TinyModel().bytes { _, parts in
                parts.append(.init(name: "blk.0.attn_sinks.weight", dimensions: [1], numbers: [0]))
            })
        #expect(error?.reason == .unsupported)
        #expect(error?.place == "tensor 'blk.0.attn_sinks.weight'")
        error = openingError(TinyModel().bytes { _, parts in parts[4].name = parts[3].name })
        #expect(error?.problem == "appears twice in the directory")
    }

    @Test("a type that cannot be computed with is named")
    func types() throws {
        var bytes = TinyModel().bytes()
        let name = Array("blk.0.ffn_up.weight".utf8)
        let start = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        // The name is followed by the number of dimensions, two sizes and the type.
        bytes[start + name.count + 4 + 16] = 10
        let error = openingError(bytes)
        #expect(error?.reason == .unsupported)
        #expect(error?.problem == "stored as Q2_K, which Kapok cannot compute with")
        // The offset comes after the type.
        bytes[start + name.count + 4 + 16] = 0
        bytes[start + name.count + 4 + 20] |= 1
        #expect(openingError(bytes)?.problem.contains("multiple of the alignment") == true)
        bytes[start + name.count + 4 + 20] &= 0xFE
        bytes[start + name.count + 4 + 24] = 1
        #expect(openingError(bytes)?.problem.contains("beyond the file") == true)
    }

    @Test("impossible shapes are refused instead of divided by")
    func shapes() {
        let bad: [(String, UInt32)] = [
            ("llama.attention.head_count", 0), ("llama.attention.head_count", 3),
            ("llama.attention.head_count_kv", 0), ("llama.block_count", 0),
            ("llama.block_count", .max), ("llama.embedding_length", 0),
            ("llama.attention.key_length", 0), ("llama.attention.key_length", .max),
            ("llama.context_length", 0), ("llama.rope.dimension_count", 3),
            ("llama.rope.dimension_count", 6), ("llama.rope.dimension_count", 0),
        ]
        for (key, value) in bad {
            let error = openingError(
                TinyModel().bytes { writer, _ in writer.metadata[key] = .uint32(value) })
            #expect(error != nil, "\(key) = \(value)")
        }
    }

    @Test("what is no model file is recognised for what it is")
    func strangers() {
        let cases: [(String, String)] = [
            ("version https://git-lfs.github.com/spec/v1", "Git LFS"),
            ("PK\u{3}\u{4}...", "PyTorch"), ("<!doctype html>", "web page"),
            ("hello", "neither GGUF nor safetensors"), ("", "neither GGUF nor safetensors"),
        ]
        for (content, expected) in cases {
            #expect(openingError(Array(content.utf8))?.problem.contains(expected) == true)
        }
        #expect(throws: ModelFileError.self) { try LanguageModelFile.open(path: "/none/such") }
        #expect(throws: ModelFileError.self) { try LanguageModelFile.open(path: "/dev/zero") }
    }

    // MARK: Positions

    private func rope(_ extra: [String: GGUFWriter.Value]) throws -> RotaryEmbedding {
        var model = TinyModel(headWidth: 8)
        model.ropeBase = 10_000
        return try model.file { writer, _ in
            for (key, value) in extra { writer.metadata["llama.rope." + key] = value }
        }.configuration.rope
    }

    @Test("linear scaling divides all frequencies, under its older name too")
    func linear() throws {
        let expected: [Float] = [0.25, 0.025, 0.0025, 0.00025]
        let new = try rope([
            "scaling.type": .string("linear"), "scaling.factor": .float32(4),
        ])
        #expect(new.frequencies == expected)
        #expect(try rope(["scale_linear": .float32(4)]).frequencies == expected)
        #expect(try rope(["scaling.type": .string("none")]).frequencies[0] == 1)
        #expect(throws: ModelFileError.self) {
            try rope(["scaling.type": .string("longrope")])
        }
    }

    @Test("YaRN mixes frequencies as transformers' _compute_yarn_parameters does")
    func yarn() throws {
        let rope = try rope([
            "scaling.type": .string("yarn"), "scaling.factor": .float32(4),
            "scaling.original_context_length": .uint32(64),
        ])
        #expect(rope.frequencies == [1, 0.0625, 0.0024999999, 0.00025])
        #expect(abs(rope.magnitude - 1.1386294) < 1e-6)
    }

    @Test("rope_freqs.weight divides each frequency by its own number")
    func divisors() throws {
        let file = try TinyModel().file { _, parts in
            parts.append(.init(name: "rope_freqs.weight", dimensions: [2], numbers: [1, 8]))
        }
        #expect(file.configuration.rope.frequencies == [1, 0.00125])
    }

    // MARK: Damage

    @Test("thousands of damaged files are opened or refused, and nothing else happens")
    func fuzz() {
        var random = RandomStream(seed: 0x4747_5546)
        let original = TinyModel(layers: 1, vocabulary: 6).bytes()
        let header = original.count * 2 / 3
        var refused = 0
        for _ in 0..<3000 {
            var bytes = original
            for _ in 0...random.below(3) {
                let index = random.below(header)
                switch random.below(5) {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes[index] ^= 1 << UInt8(random.below(8))
                case 2:
                    let value: [UInt64] = [0, .max, 1 << 63, 1 << 32, UInt64(bytes.count)]
                    withUnsafeBytes(of: value[random.below(5)].littleEndian) {
                        bytes.replaceSubrange(index..<(index + 8), with: $0)
                    }
                case 3: bytes.removeSubrange(index..<(index + 1 + random.below(9)))
                default: bytes.insert(UInt8(random.below(256)), at: index)
                }
            }
            do throws(ModelFileError) {
                let file = try LanguageModelFile.open(FileBytes(copying: bytes, path: "x.gguf"))
                _ = file.weights.byName.values.map { $0.floats().count }
            } catch {
                refused += 1
                #expect(error.description.hasPrefix("x.gguf"))
            }
        }
        #expect(refused > 1000)
        #expect(refused < 3000)
    }
}
