public import ArgumentParser
import Foundation
import KapokSimulation
public import KapokStore
import KapokStoreSimulation

extension StoreDefect: ExpressibleByArgument {}

/// `kapok simulate`: runs parts of Kapok in a simulated world.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run a part of Kapok with simulated time, drives and faults, and judge it.",
        subcommands: [Store.self, Fabric.self])
}

extension SimulateCommand {
    /// `kapok simulate store`: seeds of the store.
    struct Store: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "store",
            abstract: "Run the store through the faults of many seeds.",
            discussion: """
                Each seed makes a store with its drives, clients and faults, and an oracle that \
                judges what the clients see. Equal seeds give equal trace hashes on any machine, \
                in debug and release. The exit code is 1 when the oracle found a violation.
                """)

        @Option(help: "How many seeds to run.")
        var seeds: UInt64 = 100
        @Option(help: "The first seed.")
        var from: UInt64 = 1
        @Option(
            help: "Make the store do something wrong on purpose, to see the oracle notice.")
        var defect: StoreDefect?
        @Option(help: "How many seeds to run at a time. (default: the number of cores)")
        var jobs: Int?
        @Flag(help: "Print one JSON object.")
        var json = false
        @Flag(help: "Print seed and trace hash, one line for each seed.")
        var printHashes = false

        func validate() throws {
            guard seeds >= 1, from <= UInt64.max - seeds else {
                throw ValidationError("--seeds is at least 1, and --from leaves room for them")
            }
            guard jobs.map({ (1...1024).contains($0) }) ?? true else {
                throw ValidationError("--jobs is between 1 and 1024")
            }
        }

        func run() async throws {
            let began = ContinuousClock.now
            var tally = Tally()
            let defect = defect
            try await runSeeds(from..<from + seeds, jobs: jobs) { seed in
                try StoreSimulation.run(seed: seed, defect: defect)
            } body: { result in
                tally.add(result)
                if printHashes, !json {
                    print("\(result.seed) \(hexadecimal(result.traceHash))")
                }
                if let violation = result.violation, !json {
                    TerminalLine.clear()
                    print("seed \(result.seed): \(violation)\n  \(result.summary)")
                    print("  \(replay(result.seed))")
                }
                TerminalLine.show(
                    "\(tally.seeds) of \(seeds) seeds, \(tally.failures.count) violations")
            }
            TerminalLine.clear()
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            print(json ? try tally.json(seconds: seconds, replay) : tally.text(seconds: seconds))
            if !tally.failures.isEmpty { throw ExitCode(1) }
        }

        /// What to type to see the seed's run again.
        private func replay(_ seed: UInt64) -> String {
            let line = ReplayLine(seed: seed, commit: nil, scenario: "store")
            return "\(line)" + (defect.map { " --defect \($0.rawValue)" } ?? "")
        }
    }
}

/// What all seeds together came to.
private struct Tally {
    var seeds: UInt64 = 0
    var events: UInt64 = 0
    var operations = 0
    var failures: [StoreSimulationResult] = []
    /// Over seeds and hashes, in order of seeds.
    var trace = TraceHash()

    mutating func add(_ result: StoreSimulationResult) {
        seeds += 1
        events += result.steps
        operations += result.counts.operations
        trace.mix(result.seed)
        trace.mix(result.traceHash)
        if result.violation != nil { failures.append(result) }
    }

    func text(seconds: Double) -> String {
        """
        seeds       \(seeds)
        violations  \(failures.count)
        operations  \(operations)
        events      \(events)
        events/s    \(Int(Double(events) / max(seconds, 1e-9)))
        trace hash  \(hexadecimal(trace.value))
        """
    }

    func json(seconds: Double, _ replay: (UInt64) -> String) throws -> String {
        struct Document: Encodable {
            struct Violation: Encodable {
                var seed: UInt64
                var violation: String
                var summary: String
                var replay: String
            }
            var seeds: UInt64
            var violations: [Violation]
            var operations: Int
            var events: UInt64
            var eventsPerSecond: Double
            var seconds: Double
            var traceHash: String
        }
        let document = Document(
            seeds: seeds,
            violations: failures.map {
                Document.Violation(
                    seed: $0.seed, violation: $0.violation ?? "", summary: $0.summary,
                    replay: replay($0.seed))
            },
            operations: operations, events: events,
            eventsPerSecond: Double(events) / max(seconds, 1e-9), seconds: seconds,
            traceHash: hexadecimal(trace.value))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
