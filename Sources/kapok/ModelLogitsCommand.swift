import ArgumentParser
import Foundation
import KapokAccelerator
import KapokModel

extension ModelCommand {
    /// `kapok model logits`: what a model computes, for comparing it with other programs.
    struct Logits: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "logits",
            abstract: "Write a model's logits for each token of a text as a NumPy file.",
            discussion: """
                The file holds float32, tokens x vocabulary. A text is cut by the model's \
                tokenizer, special tokens in it become these tokens, and \
                the token that begins a text is put \
                before it where the model wants it. --tokens-file takes token numbers instead, \
                separated by spaces, commas or line ends, and adds nothing.
                """)

        @Argument(help: "The model file.", completion: .file()) var file: String
        @Option(help: "A text.", completion: .file()) var promptFile: String?
        @Option(help: "Token numbers.", completion: .file()) var tokensFile: String?
        @Option(help: "The NumPy file to write.", completion: .file(extensions: ["npy"]))
        var out: String
        @OptionGroup var threads: ModelThreads
        @Option(help: "Tokens that go through the model at once.") var batch = 512

        func validate() throws {
            guard (promptFile == nil) != (tokensFile == nil) else {
                throw ValidationError("give either --prompt-file or --tokens-file")
            }
            guard (1...65536).contains(batch) else {
                throw ValidationError("--batch is 1 to 65536")
            }
        }

        func run() async throws {
            let pool = ThreadPool(threads: threads.count)
            let file = try LanguageModelFile.open(path: file)
            let tokens = try ModelTokens.read(
                text: promptFile, numbers: tokensFile, vocabulary: file.vocabulary)
            let model = try CPUModel(file, threads: pool)
            let pages = (tokens.count + KVPage.tokens - 1) / KVPage.tokens
            let cache = try KVCache(file.configuration, pages: max(pages, 1))
            let executor = CPUExecutor(
                model: model, cache: cache, threads: pool, maximumTokens: batch)
            let width = file.configuration.vocabularySize
            let output = try OutputFile(out)
            try output.append(NPYFile.header(.fp32, shape: [tokens.count, width]))
            for start in stride(from: 0, to: tokens.count, by: batch) {
                TerminalLine.show("Token \(start) of \(tokens.count)")
                let part = Array(tokens[start..<min(start + batch, tokens.count)])
                let logits = try executor.run(
                    StepBatch(spans: [
                        .init(
                            tokens: part, start: start, pages: (0..<PageID(pages)).map { $0 },
                            logits: part.count)
                    ]))
                try output.append([UInt8](UnsafeRawBufferPointer(logits)))
            }
            try output.close()
            TerminalLine.clear()
        }
    }
}

/// Tokens from a text or a list of numbers.
enum ModelTokens {
    static func read(
        text: String?, numbers: String?, vocabulary: TokenizerDescription
    ) throws -> [TokenID] {
        let tokens = try text.map { try cut($0, vocabulary, special: true) } ?? parse(numbers ?? "")
        guard !tokens.isEmpty else { throw CommandFailure(description: "there are no tokens") }
        return tokens
    }

    /// A file's text, with what begins a text before it where the model wants it.
    static func cut(
        _ path: String, _ vocabulary: TokenizerDescription, special: Bool
    ) throws -> [TokenID] {
        let tokenizer = try makeTokenizer(vocabulary)
        let tokens = tokenizer.encode(try bytes(path), special: special)
        guard tokenizer.addsBeginningOfText, let first = tokenizer.beginningOfText else {
            return tokens
        }
        return [first] + tokens
    }

    private static func parse(_ path: String) throws -> [TokenID] {
        let text = String(decoding: try bytes(path), as: UTF8.self)
        return try text.split(whereSeparator: { $0.isWhitespace || $0 == "," }).map { word in
            guard let token = TokenID(word) else {
                throw CommandFailure(description: "\(path): '\(word)' is no token number")
            }
            return token
        }
    }

    private static func bytes(_ path: String) throws -> [UInt8] {
        do { return [UInt8](try Data(contentsOf: URL(filePath: path))) } catch {
            throw CommandFailure(
                description: "cannot read \(path): \(error.localizedDescription)")
        }
    }
}
