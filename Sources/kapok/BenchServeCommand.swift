import ArgumentParser
import Foundation
import KapokBench
import KapokInference

extension BenchCommand {
    /// `kapok bench serve`: the load generator for model servers.
    struct Serve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "serve",
            abstract: "Send requests to a server with OpenAI's interface and time its tokens.",
            discussion: """
                Requests are sent at their times whatever became of those before (an open loop), \
                so a server that falls behind shows it. Arrivals are Poisson at --rate, or those of \
                a --trace (Mooncake's JSON lines or Azure's CSV). Lengths are 512, \
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
        @Option(help: "Requests.")
        var requests = 100
        @Option(help: "Requests per second; 0 sends all at once.")
        var rate = 1.0
        @Flag(help: "Send at equal distances instead of Poisson arrivals.")
        var evenly = false
        @Option(help: "Most requests on their way at a time; others wait (no open loop then).")
        var concurrency: Int?
        @Option(help: "Words of a prompt.", transform: parseLengths)
        var prompt = LengthDistribution.constant(512)
        @Option(help: "Tokens of an answer.", transform: parseLengths)
        var generate = LengthDistribution.constant(128)
        @Option(help: "Groups of prompts that begin alike.")
        var prefixGroups = 0
        @Option(help: "With how many words they begin alike.")
        var prefixTokens = 0
        @Option(help: "The share of latency-optimised requests, 0 to 1.")
        var optimized = 0.0
        @Option(help: "A file with recorded arrivals and lengths.")
        var trace: String?
        @Option(help: "How many times faster than recorded the trace is played.")
        var speed = 1.0
        @Option(help: "Milliseconds to the first token that count as good.")
        var ttft = 2000.0
        @Option(help: "Milliseconds per further token that count as good.")
        var tpot = 100.0
        @Flag(help: "Let answers end where the model ends them.")
        var natural = false
        @Option(help: "Chooses arrivals, lengths and words.")
        var seed: UInt64 = 1
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
                answers,
                objectives: .init(
                    timeToFirstTokenMilliseconds: ttft, timePerOutputTokenMilliseconds: tpot))
            if json { try ChipOutput.printJSON(report) } else { print(report.table()) }
            if report.failed == report.requests { throw ExitCode(1) }
        }

        private func options() throws -> ServeOptions {
            let load: ServingLoad
            if let trace {
                let text = try read(trace)
                do { load = try ServingLoad(trace: text, speed: speed) } catch {
                    throw CommandFailure(description: "\(trace): \(error)")
                }
            } else {
                var shape = ServingLoad.Shape(
                    requestsPerSecond: rate, requests: requests, promptLength: prompt,
                    answerLength: generate)
                shape.isPoisson = !evenly
                shape.prefixGroups = prefixGroups
                shape.prefixTokens = prefixTokens
                shape.optimizedShare = optimized
                load = ServingLoad(shape, seed: seed)
            }
            var options = ServeOptions(
                endpoint: try Endpoint(parsing: url), model: model, load: load)
            let environment = ProcessInfo.processInfo.environment
            options.apiKey =
                apiKey ?? environment["KAPOK_API_KEY"] ?? environment["OPENAI_API_KEY"]
            options.interface = interface
            options.concurrency = concurrency
            options.ignoresEnd = !natural
            options.seed = seed
            return options
        }

        func validate() throws {
            guard (1...1_000_000).contains(requests) else {
                throw ValidationError("--requests must be 1 to 1,000,000")
            }
            guard rate >= 0, rate.isFinite, speed > 0, speed.isFinite else {
                throw ValidationError("--rate must be at least 0 and --speed above 0")
            }
            guard concurrency.map({ $0 >= 1 }) ?? true, (0...1).contains(optimized),
                prefixGroups >= 0, prefixTokens >= 0
            else {
                throw ValidationError(
                    "--concurrency must be at least 1, --optimized 0 to 1, prefixes not negative")
            }
        }

        private func read(_ path: String) throws -> String {
            do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
                throw CommandFailure(
                    description: "cannot read \(path): \(error.localizedDescription)")
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

/// Reads a distribution of lengths.
func parseLengths(_ text: String) throws -> LengthDistribution {
    guard let lengths = LengthDistribution(text) else {
        throw ValidationError(
            "'\(text)' is no distribution of lengths: write 512, uniform:100-800, "
                + "lognormal:300,0.8,4000 or 64x0.8+1500x0.2")
    }
    return lengths
}
