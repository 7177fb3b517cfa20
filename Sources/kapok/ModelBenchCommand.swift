import ArgumentParser
import Foundation
import KapokLinux
import KapokModel
import KapokWorld

extension ModelCommand {
    /// `kapok model bench`: tokens per second of one model on this machine.
    struct Bench: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "bench",
            abstract: "Measure how fast a model reads a prompt and generates tokens.",
            discussion: """
                Prefill is a prompt of --prompt tokens up to its last token's logits; decode goes \
                on from there token by token. One repetition before the \
                counted ones warms up.
                """)

        @Argument(help: "The model file.", completion: .file()) var file: String
        @OptionGroup var threads: ModelThreads
        @Option(help: "Tokens of the prompt.") var prompt = 512
        @Option(help: "Tokens to generate.") var generate = 128
        @Option(name: .customLong("repeat"), help: "How often to measure.") var repetitions = 5
        @Flag(help: "Print one JSON object.") var json = false

        func validate() throws {
            guard prompt >= 1, generate >= 0, repetitions >= 1 else {
                throw ValidationError("--prompt and --repeat are at least 1, --generate at least 0")
            }
        }

        func run() async throws {
            let begin = MonotonicClock.now()
            let pool = ThreadPool(threads: threads.count)
            let file = try LanguageModelFile.open(path: file)
            let model = try CPUModel(file, threads: pool)
            let loadSeconds = Double((MonotonicClock.now() - begin).nanoseconds) / 1e9
            let benchmark = try CPUBenchmark(
                model: model, threads: pool, promptTokens: prompt, generatedTokens: generate)
            let first = try benchmark.run()
            var samples: [CPUBenchmark.Sample] = []
            for repetition in 0..<repetitions {
                TerminalLine.show("Repetition \(repetition + 1) of \(repetitions)")
                samples.append(try benchmark.run())
            }
            TerminalLine.clear()
            let document = ModelBenchDocument(
                model: file.configuration.name, threads: pool.threads, prompt: prompt,
                generate: generate, loadSeconds: loadSeconds,
                firstTokenSeconds: loadSeconds + first.prefillSeconds, samples: samples)
            if json { try ChipOutput.printJSON(document) } else { print(document.text) }
        }
    }
}

/// How many threads a command computes with.
struct ModelThreads: ParsableArguments {
    @Option(help: "How many threads compute; all processors if not given.") var threads: Int?

    /// The number to use.
    var count: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }

    func validate() throws {
        guard (1...256).contains(count) else {
            throw ValidationError("--threads is 1 to 256")
        }
    }
}

/// What `kapok model bench` prints.
struct ModelBenchDocument: Encodable {
    var model: String
    var threads: Int
    var promptTokens: Int
    var generatedTokens: Int
    var repetitions: Int
    var loadSeconds: Double
    /// From the command's start to the first token: loading and the first, cold prompt.
    var firstTokenSeconds: Double
    var prefillTokensPerSecond: Double
    var prefillTokensPerSecondMinimum: Double
    var prefillTokensPerSecondMaximum: Double
    var decodeTokensPerSecond: Double
    var decodeTokensPerSecondMinimum: Double
    var decodeTokensPerSecondMaximum: Double

    init(
        model: String, threads: Int, prompt: Int, generate: Int, loadSeconds: Double,
        firstTokenSeconds: Double, samples: [CPUBenchmark.Sample]
    ) {
        func rates(_ tokens: Int, _ seconds: (CPUBenchmark.Sample) -> Double) -> [Double] {
            samples.map { tokens == 0 ? 0 : Double(tokens) / seconds($0) }.sorted()
        }
        let prefill = rates(prompt, \.prefillSeconds)
        let decode = rates(generate, \.decodeSeconds)
        func median(_ sorted: [Double]) -> Double {
            (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }
        self.model = model
        self.threads = threads
        promptTokens = prompt
        generatedTokens = generate
        repetitions = samples.count
        self.loadSeconds = loadSeconds
        self.firstTokenSeconds = firstTokenSeconds
        prefillTokensPerSecond = median(prefill)
        prefillTokensPerSecondMinimum = prefill[0]
        prefillTokensPerSecondMaximum = prefill[prefill.count - 1]
        decodeTokensPerSecond = median(decode)
        decodeTokensPerSecondMinimum = decode[0]
        decodeTokensPerSecondMaximum = decode[decode.count - 1]
    }

    var text: String {
        func whole(_ value: Double) -> String { String(Int(value.rounded())) }
        let table = TextTable(rows: [
            ["TOKENS/S", "MEDIAN", "LEAST", "MOST"],
            [
                "prefill \(promptTokens)", whole(prefillTokensPerSecond),
                whole(prefillTokensPerSecondMinimum), whole(prefillTokensPerSecondMaximum),
            ],
            [
                "decode \(generatedTokens)", whole(decodeTokensPerSecond),
                whole(decodeTokensPerSecondMinimum), whole(decodeTokensPerSecondMaximum),
            ],
        ])
        let milliseconds = whole(loadSeconds * 1000)
        let first = whole(firstTokenSeconds * 1000)
        return """
            \(model): \(threads) threads, \(repetitions) repetitions; \
            loaded in \(milliseconds) ms, \
            first prompt done \(first) ms after the start
            \(table.text)
            """
    }
}
