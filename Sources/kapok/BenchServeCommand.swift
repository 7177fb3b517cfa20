public import ArgumentParser
import Foundation
public import KapokBench
import KapokInference

extension BenchCommand {
    /// `kapok bench serve`: the load generator for model servers.
    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "serve",
            abstract: "Send requests to a server with OpenAI's interface and time its tokens.",
            discussion: """
                Requests are sent at their times whatever became of those before (an open loop), \
                so a server that falls behind shows it. Arrivals are Poisson at --rate, or those \
                of a --trace (Mooncake's JSON lines or Azure's CSV). Lengths are 512, \
                uniform:100-800, lognormal:MEDIAN,SIGMA,MAXIMUM or 64x0.8+1500x0.2 (lengths with \
                weights). Prompts are made of common words, about one token each; what the server \
                counts is reported. Exit code 1 when no request was answered.
                """)

        @Option(help: "The server: http://host:port.")
        var url = "http://127.0.0.1:8080"
        @Option(help: "The model's name.")
        var model = "default"
        @Option(help: "An API key (else KAPOK_API_KEY or OPENAI_API_KEY).")
        var apiKey: String?
        @Option(help: "chat or completions.")
        var interface = ServeOptions.Interface.chat
        @OptionGroup var load: LoadOptions
        @Option(help: "Most requests on their way at a time; others wait (no open loop then).")
        var concurrency: Int?
        @OptionGroup var objectives: ObjectiveOptions
        @Flag(help: "Let answers end where the model ends them.")
        var natural = false
        @Option(help: "Write a line of JSON for each request to this file.")
        var records: String?
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let options = try options()
            let total = options.load.arrivals.count
            let showsProgress = isatty(STDERR_FILENO) == 1
            let answers = try await ServeLoadGenerator.run(options) { done in
                guard showsProgress else { return }
                FileHandle.standardError.write(Data("\r\u{1B}[K\(done) of \(total)".utf8))
            }
            if showsProgress { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
            if let records { try write(answers, to: records) }
            let report = ServeReport(
                answers, objectives: objectives.objectives)
            if json { try ChipOutput.printJSON(report) } else { print(report.table()) }
            if report.failed == report.requests { throw ExitCode(1) }
        }

        private func options() throws -> ServeOptions {
            var options = ServeOptions(
                endpoint: try Endpoint(parsing: url), model: model, load: try load.make())
            let environment = ProcessInfo.processInfo.environment
            options.apiKey =
                apiKey ?? environment["KAPOK_API_KEY"] ?? environment["OPENAI_API_KEY"]
            options.interface = interface
            options.concurrency = concurrency
            options.ignoresEnd = !natural
            options.seed = load.seed
            return options
        }

        func validate() throws {
            guard concurrency.map({ $0 >= 1 }) ?? true else {
                throw ValidationError("--concurrency must be at least 1")
            }
        }

        private func write(_ answers: [ServeRecord], to path: String) throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            let lines = try answers.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
            try ChipOutput.write(lines.joined(separator: "\n") + "\n", to: path)
        }
    }
}

extension ServeOptions.Interface: ExpressibleByArgument {}
