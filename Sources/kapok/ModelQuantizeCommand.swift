import ArgumentParser
import Foundation
import KapokModel

extension ModelCommand {
    /// `kapok model quantize`: a model file in another type.
    struct Quantize: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "quantize",
            abstract: "Store a GGUF model's weights in another type.",
            discussion: """
                Types: f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, and the \
                mixtures q4_k_m and q5_k_m, which store the most sensitive matrices as Q6_K. Norms \
                and other vectors stay F32; output and tied embedding become Q6_K unless the type \
                is Q8_0 or wider. Rows that are no whole blocks of 256 fall back as in llama.cpp: \
                Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to Q8_0.

                Start from F32, F16 or BF16 where you can: quantising what is quantised already \
                loses precision twice.
                """)

        @Argument(help: "The model: a GGUF file, or s3://bucket/key.", completion: .file())
        var input: String
        @Argument(help: "The new file; it gets its name when it is complete.", completion: .file())
        var output: String
        @Option(help: "The type of the matrices.") var type: String
        @Option(
            help: "The type of embedding and output, in place of the usual one: q8_0, for example.")
        var keepEmbedding: String?
        @Flag(help: "Replace the new file if it exists.") var force = false
        @Flag(help: "Print JSON: bytes before and after, and every tensor's types.")
        var json = false
        @OptionGroup var source: ModelSource.Options

        func validate() throws {
            _ = try mixture()
            _ = try embedding()
        }

        func run() async throws {
            let path = try await ModelSource.resolve(input, source)
            let file = try GGUFFile(FileBytes(path: path))
            let quantizer = try ModelQuantizer(
                file, mixture: try mixture(), embedding: try embedding())
            if !force, FileManager.default.fileExists(atPath: output) {
                throw CommandFailure(description: "\(output) exists: give --force to replace it")
            }
            if quantizer.requantizes {
                let warning = """
                    \(path) holds quantised weights: they lose precision a second time; better \
                    start from F32, F16 or BF16

                    """
                FileHandle.standardError.write(Data(warning.utf8))
            }
            let outcome = try quantizer.write(to: output) { done, all in
                TerminalLine.show("\(done) of \(all) tensors")
            }
            TerminalLine.clear()
            report(outcome, before: file.file.bytes.count)
        }

        private func mixture() throws -> QuantizationPlan.Mixture {
            guard let mixture = QuantizationPlan.Mixture(name: type) else {
                throw ValidationError("'\(type)' is no type: see --help for those there are")
            }
            return mixture
        }

        private func embedding() throws -> WeightType? {
            guard let keepEmbedding else { return nil }
            guard let type = WeightType(name: keepEmbedding) else {
                throw ValidationError("'\(keepEmbedding)' is no type, such as q8_0")
            }
            return type
        }

        private func report(_ outcome: ModelQuantizer.Outcome, before: Int) {
            guard json else {
                let counts = Dictionary(grouping: outcome.steps) { $0.to.name }
                let types = counts.map { "\($1.count) \($0)" }.sorted().joined(separator: ", ")
                print(
                    "\(output): \(sizeText(UInt64(outcome.fileBytes))) of "
                        + "\(sizeText(UInt64(before))); tensors: \(types)")
                return
            }
            let document: JSONValue = [
                "bytesBefore": .integer(Int64(before)),
                "bytesAfter": .integer(Int64(outcome.fileBytes)),
                "tensors": .array(
                    outcome.steps.map { step in
                        [
                            "name": .string(step.name), "from": .string(step.from.name),
                            "to": .string(step.to.name),
                            "bytesBefore": .integer(Int64(step.bytesBefore)),
                            "bytesAfter": .integer(Int64(step.bytesAfter)),
                        ]
                    }),
            ]
            print(document.text(.pretty))
        }
    }
}
