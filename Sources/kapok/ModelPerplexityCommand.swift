import ArgumentParser
import KapokModel

extension ModelCommand {
    /// `kapok model perplexity`: how well a model predicts a text.
    struct PerplexityOfText: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "perplexity",
            abstract: "Measure how well a model predicts a text.",
            discussion: """
                Counted as llama.cpp's perplexity tool does: the text is cut into windows of \
                --context tokens; the second half of each window counts. What is left over at the \
                end does not count.
                """)

        @Argument(help: "The model file.", completion: .file()) var file: String
        @Option(help: "The text.", completion: .file()) var textFile: String
        @Option(help: "Tokens of a window.") var context = 512
        @Option(help: "At most so many windows, from the beginning.") var windows: Int?
        @OptionGroup var threads: ModelThreads
        @Flag(help: "Print one JSON object.") var json = false

        func validate() throws {
            guard context >= 4, windows ?? 1 >= 1 else {
                throw ValidationError("--context is at least 4, --windows at least 1")
            }
        }

        func run() async throws {
            let pool = ThreadPool(threads: threads.count)
            let file = try LanguageModelFile.open(path: file)
            let tokens = try ModelTokens.cut(textFile, file.vocabulary, special: false)
            let count = min(tokens.count / context, windows ?? Int.max)
            guard count >= 1 else {
                throw CommandFailure(
                    description: "\(textFile) has \(tokens.count) tokens; a window has \(context)")
            }
            let model = try CPUModel(file, threads: pool)
            let pages = (context + KVPage.tokens - 1) / KVPage.tokens
            let executor = CPUExecutor(
                model: model, cache: try KVCache(file.configuration, pages: pages), threads: pool,
                maximumTokens: context)
            let tokenizer = try makeTokenizer(file.vocabulary)
            var perplexity = Perplexity()
            for window in 0..<count {
                try perplexity.add(
                    window: tokens[(window * context)..<((window + 1) * context)],
                    first: tokenizer.addsBeginningOfText ? tokenizer.beginningOfText : nil,
                    executor: executor, pages: (0..<PageID(pages)).map { $0 })
                TerminalLine.show("Window \(window + 1) of \(count): \(perplexity.value)")
            }
            TerminalLine.clear()
            let document = PerplexityDocument(
                model: file.configuration.name, windows: count, context: context,
                tokens: perplexity.count, perplexity: perplexity.value,
                uncertainty: perplexity.uncertainty)
            if json { try ChipOutput.printJSON(document) } else { print(document.text) }
        }
    }
}

/// What `kapok model perplexity` prints.
struct PerplexityDocument: Encodable {
    var model: String
    var windows: Int
    var context: Int
    /// Tokens that counted.
    var tokens: Int
    var perplexity: Double
    /// Its standard error.
    var uncertainty: Double

    var text: String {
        let digits = 1e4
        let value = (perplexity * digits).rounded() / digits
        let error = (uncertainty * digits).rounded() / digits
        return "\(model): perplexity \(value) +/- \(error) "
            + "(\(tokens) tokens in \(windows) windows of \(context))"
    }
}
