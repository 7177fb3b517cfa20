import ArgumentParser
import Foundation
import KapokBench
import KapokInference
import KapokInferenceSimulation

extension SimulateCommand {
    /// `kapok simulate fleet`: many model servers under a load.
    struct Fleet: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fleet",
            abstract: "Predict a fleet of model servers: how many, prefill apart or not.",
            discussion: """
                The scheduler is the one that serves; only the time of a step is modelled, fitted \
                to the step log of a real server:

                  kapok serve --model m.gguf --step-log steps.jsonl
                  kapok bench serve --requests 300 --rate 4 --records a.jsonl
                  kapok simulate fleet fit --step-log steps.jsonl --records a.jsonl --output c.json
                  kapok simulate fleet run --costs c.json --alone 1 --against b.jsonl
                  kapok simulate fleet size --costs c.json --machines 8 --prompt 2000 --rate 30
                """,
            subcommands: [Fit.self, Run.self, Size.self])
    }
}

extension SimulateCommand.Fleet {
    /// `kapok simulate fleet fit`.
    struct Fit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fit", abstract: "Fit the costs of steps to a server's step log.")

        @Option(help: "What `kapok serve --step-log` wrote. May be given more than once.")
        var stepLog: [String]
        @Option(
            help: """
                What `kapok bench serve --records` wrote meanwhile: fits what clients see. May be \
                given more than once.
                """)
        var records: [String] = []
        @Option(help: "Where to write the costs.")
        var output: String
        @Option(help: "Of the simulation that clients are compared with.")
        var seed: UInt64 = 1
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let (engine, samples) = try FleetFiles.readStepLogs(stepLog)
            var document: FleetCosts
            do {
                document = FleetCosts(
                    engine: engine, costs: try StepCostModel(fitting: samples))
            } catch {
                throw CommandFailure(
                    description: "\(stepLog.joined(separator: ", ")): \(error)")
            }
            do {
                try document.fitRequests(
                    records.map { path in
                        let (answered, load) = try FleetFiles.readLoad(path)
                        return .init(
                            load: load, timesToFirstToken: answered.map(\.timeToFirstToken))
                    }, seed: seed)
            } catch let error as FleetError { throw CommandFailure(description: "\(error)") }
            try FleetFiles.write(document, to: output)
            if json { try ChipOutput.printJSON(document) } else { print(FleetText.fit(document)) }
        }
    }

    /// `kapok simulate fleet run`.
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Give a fleet a load, in modelled time.")

        @OptionGroup var fleet: FleetOptions
        @OptionGroup var load: LoadOptions
        @OptionGroup var objectives: ObjectiveOptions
        @Option(
            help: """
                Replay the load of what `kapok bench serve --records` wrote, and compare with it. \
                May be given more than once: each is a load of its own, and all requests count.
                """)
        var against: [String] = []
        @Option(help: "Simulate this often with seeds that follow on each other; all count.")
        var repeats = 1
        @Option(help: "Write the simulated steps of all machines here, as `kapok serve` does.")
        var stepLog: String?
        @Flag(help: "Print one JSON object.")
        var json = false

        func run() async throws {
            let recorded = try against.map { try FleetFiles.readLoad($0) }
            let loads = try recorded.isEmpty ? [self.load.make()] : recorded.map(\.load)
            let costs = try FleetFiles.readCosts(fleet.costs)
            let fleet = try fleet.configuration(costs)
            var steps: [StepSample] = []
            let runs = try loads.enumerated().flatMap { number, load in
                try (0..<repeats).map {
                    // Each with a seed of its own: what disturbs one must not disturb all.
                    try FleetFiles.simulate(
                        fleet, load, objectives.objectives,
                        seed: self.load.seed &+ UInt64(number * repeats + $0)
                    ) { _, sample in if stepLog != nil { steps.append(sample) } }
                }
            }
            if let stepLog {
                try FleetFiles.write(costs.engine, steps, to: stepLog)
            }
            let report =
                runs.count == 1
                ? runs[0].report : FleetReport(pooling: runs, objectives: objectives.objectives)
            if recorded.isEmpty {
                if json { try ChipOutput.printJSON(report) } else { print(FleetText.run(report)) }
                return
            }
            let real = ServeReport(
                recorded.flatMap(\.records), objectives: objectives.objectives)
            let comparison = FleetComparison(real: real, simulated: report)
            if json {
                try ChipOutput.printJSON(comparison)
            } else {
                print(FleetText.run(report) + "\n\n" + FleetText.comparison(comparison))
            }
        }

        func validate() throws {
            guard (1...1000).contains(repeats) else {
                throw ValidationError("--repeats must be 1 to 1000")
            }
        }
    }

    /// `kapok simulate fleet size`.
    struct Size: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "size",
            abstract: "Compare ways to use a number of machines under one load.",
            discussion: """
                For all machines alone, and for each number of prefill machines with the others \
                decoding: times at the given rate, and the highest rate at which the share of good \
                requests is kept.
                """)

        @Option(help: "What `kapok simulate fleet fit` wrote.")
        var costs: String
        @Option(help: "Machines, 1 to 64.")
        var machines = 4
        @Option(help: "The share of requests that must be good, 0 to 1.")
        var share = 0.95
        @OptionGroup var link: FleetLinkOptions
        @OptionGroup var load: LoadOptions
        @OptionGroup var objectives: ObjectiveOptions
        @Flag(help: "Print one JSON object.")
        var json = false

        func validate() throws {
            guard (1...64).contains(machines), share > 0, share <= 1 else {
                throw ValidationError("--machines must be 1 to 64 and --share above 0, at most 1")
            }
        }

        func run() async throws {
            let costs = try FleetFiles.readCosts(costs)
            var rows: [FleetSizing] = []
            for prefill in 0..<machines {
                var fleet = FleetConfiguration(
                    pools: prefill == 0
                        ? [costs.pool(.alone, machines: machines)]
                        : [
                            costs.pool(.prefill, machines: prefill),
                            costs.pool(.decode, machines: machines - prefill),
                        ], pageBytes: costs.engine.pageBytes)
                try link.apply(to: &fleet)
                rows.append(
                    try FleetSizing(
                        fleet, prefillMachines: prefill, machines: machines,
                        goodShare: share, objectives: objectives.objectives,
                        seed: load.seed, rate: load.rate
                    ) { ServingLoad(load.shape(rate: $0), seed: load.seed) })
            }
            if json { try ChipOutput.printJSON(rows) } else { print(FleetText.sizes(rows)) }
        }
    }
}
