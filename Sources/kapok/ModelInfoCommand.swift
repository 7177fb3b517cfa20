import ArgumentParser
import KapokModel

extension ModelCommand {
    /// `kapok model info`: what a model file holds.
    struct Info: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "info",
            abstract: "Show what a model file holds, and whether Kapok can compute it.",
            discussion: """
                Reads GGUF (also split into parts) and safetensors folders; no weight is read. The \
                exit code is 0 also for a model that Kapok cannot compute: the reason is shown.
                """)

        @Argument(help: "The model file or folder, or s3://bucket/key.", completion: .file())
        var file: String
        @Flag(help: "List all tensors.") var tensors = false
        @Flag(help: "List all metadata keys.") var metadata = false
        @Flag(help: "Print JSON, with tensors and metadata.") var json = false
        @OptionGroup var source: ModelSource.Options

        func run() async throws {
            let inspection = try ModelInspection(
                path: try await ModelSource.resolve(file, source))
            if json { return print(document(inspection).text(.pretty)) }
            print(TextTable(rows: summary(inspection)).text)
            print()
            print(TextTable(rows: types(inspection)).text)
            if metadata {
                print()
                print(
                    TextTable(
                        rows: [["KEY", "TYPE", "VALUE"]]
                            + inspection.metadata.map { [$0.key, $0.type, $0.value] }
                    ).text)
            }
            if tensors {
                print()
                print(
                    TextTable(
                        rows: [["TENSOR", "TYPE", "SHAPE", "BYTES"]]
                            + inspection.tensors.map { tensor in
                                [
                                    tensor.name, tensor.type, shape(tensor.shape),
                                    tensor.bytes.map(String.init) ?? "?",
                                ]
                            }
                    ).text)
            }
        }

        private func shape(_ sizes: [Int]) -> String {
            sizes.map(String.init).joined(separator: " x ")
        }

        private func summary(_ inspection: ModelInspection) -> [[String]] {
            let bits = Double(inspection.fileBytes) * 8 / Double(max(1, inspection.parameters))
            var rows = [
                ["Format", inspection.format],
                ["Files", "\(inspection.files.count), \(sizeText(UInt64(inspection.fileBytes)))"],
                [
                    "Parameters",
                    "\(inspection.parameters), \((bits * 100).rounded() / 100) bits each",
                ],
            ]
            if let model = inspection.model {
                rows += description(model)
            } else if let obstacle = inspection.obstacle {
                rows.append(["Not computable", obstacle.description])
            }
            return rows
        }

        private func description(_ model: LanguageModelFile) -> [[String]] {
            let c = model.configuration
            let traits = [
                c.tiesEmbeddings ? "tied embeddings" : nil,
                c.hasAttentionBias ? "attention biases" : nil,
                c.normalisesQueriesAndKeys ? "query and key norms" : nil,
            ].compactMap(\.self)
            return [
                ["Name", c.name], ["Architecture", c.architecture],
                [
                    "Shape",
                    "\(c.layers) blocks, width \(c.width), feed-forward \(c.feedForwardWidth)",
                ],
                [
                    "Attention",
                    "\(c.heads) heads, \(c.keyValueHeads) for keys and values, of \(c.headWidth)",
                ],
                ["Traits", traits.isEmpty ? "none" : traits.joined(separator: ", ")],
                ["Context", "\(c.contextLength) tokens"],
                ["KV cache", "\(c.keyValueBytesPerToken) bytes a token"],
                [
                    "Tokenizer",
                    "\(model.vocabulary.model), \(model.vocabulary.preTokenizer ?? "-"), "
                        + "\(model.vocabulary.pieces.count) tokens, "
                        + "\(model.vocabulary.merges.count) merges",
                ],
                [
                    "Chat template",
                    model.chatTemplate.map { "\($0.utf8.count) bytes" } ?? "none",
                ],
            ]
        }

        private func types(_ inspection: ModelInspection) -> [[String]] {
            [["TYPE", "TENSORS", "NUMBERS", "SIZE"]]
                + inspection.types.map { type in
                    [
                        type.name, "\(type.tensors)", "\(type.elements)",
                        sizeText(UInt64(type.bytes)),
                    ]
                }
        }

        private func document(_ inspection: ModelInspection) -> JSONValue {
            [
                "format": .string(inspection.format),
                "files": .array(inspection.files.map { .string($0) }),
                "bytes": .integer(Int64(inspection.fileBytes)),
                "parameters": .integer(Int64(inspection.parameters)),
                "model": inspection.model.map(document) ?? .null,
                "obstacle": inspection.obstacle.map { .string($0.description) } ?? .null,
                "metadata": .array(
                    inspection.metadata.map { entry in
                        [
                            "key": .string(entry.key), "type": .string(entry.type),
                            "value": .string(entry.value),
                        ]
                    }),
                "tensors": .array(
                    inspection.tensors.map { tensor in
                        [
                            "name": .string(tensor.name), "type": .string(tensor.type),
                            "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
                            "bytes": tensor.bytes.map { .integer(Int64($0)) } ?? .null,
                        ]
                    }),
            ]
        }

        private func document(_ model: LanguageModelFile) -> JSONValue {
            let c = model.configuration
            func number(_ value: Int) -> JSONValue { .integer(Int64(value)) }
            return [
                "name": .string(c.name), "architecture": .string(c.architecture),
                "layers": number(c.layers), "width": number(c.width),
                "feedForwardWidth": number(c.feedForwardWidth), "heads": number(c.heads),
                "keyValueHeads": number(c.keyValueHeads), "headWidth": number(c.headWidth),
                "vocabularySize": number(c.vocabularySize),
                "contextLength": number(c.contextLength),
                "keyValueBytesPerToken": number(c.keyValueBytesPerToken),
                "tiesEmbeddings": .bool(c.tiesEmbeddings),
                "hasAttentionBias": .bool(c.hasAttentionBias),
                "normalisesQueriesAndKeys": .bool(c.normalisesQueriesAndKeys),
                "tokenizer": .string(model.vocabulary.model),
                "preTokenizer": model.vocabulary.preTokenizer.map { .string($0) } ?? .null,
                "chatTemplate": model.chatTemplate.map { .string($0) } ?? .null,
            ]
        }
    }
}
