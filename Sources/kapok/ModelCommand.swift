import ArgumentParser

/// `kapok model`: what can be done with a model file without serving it.
struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Look into model files, measure them, convert them.",
        subcommands: [
            Bench.self, Logits.self, PerplexityOfText.self,
            Info.self, Quantize.self,
            Tokenize.self,
        ])
}
